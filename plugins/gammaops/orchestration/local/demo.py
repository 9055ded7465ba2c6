"""The demonstration: a simulated observatory, its nights processed by a real Airflow.

Nights 1 to 3 are backfilled. One observation of the first is corrupt, one of the second has not arrived. Then it
arrives, night 4 is backfilled, and its run starts another one of night 2 by itself. Run again, everything is found and
reused.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gammaops.nights import night_interval
from gammaops.orchestration.local.processes import LocalAirflow
from gammaops.orchestration.local.settings import DEMO_DATA, DEMO_STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gammaops.orchestration.local.client import AirflowClient
    from gammaops.simulation import ArchivePlan

__all__ = ["ANALYSIS", "demo_plan", "run_demo"]

ANALYSIS = "demo"
FIRST_NIGHT = date(2025, 11, 17)
OBSERVATIONS = 3
CORRUPT = 2
LATE = 5
SEED = 20251117


def demo_plan() -> ArchivePlan:
    """Four nights of three observations, the second one truncated and the fifth one late."""
    from gammaops.simulation import ArchivePlan

    return ArchivePlan(
        nights=4,
        observations=OBSERVATIONS,
        first_night=FIRST_NIGHT,
        seed=SEED,
        bad={CORRUPT: "truncated"},
        late=frozenset({LATE}),
    )


def run_demo(home: Path, say: Callable[[str], object], data: Path = DEMO_DATA) -> bool:
    """Run it and tell what happens; true if every run is green.

    Parameters
    ----------
    home : Path
        Airflow's home.
    say : callable
        Takes each line that it tells.
    data : Path
        Folder of the simulated archive; the products go into its ``store/``, or where ``GAMMAOPS_STORE`` says.
    """
    from gammaops.simulation import deliver, plan_visits

    plan, archive = demo_plan(), data / "archive"
    nights = sorted({visit.night.isoformat() for visit in plan_visits(plan)})
    _simulate(plan, archive, say)
    say("starting Airflow …")
    store = os.environ.get("GAMMAOPS_STORE") or str(data / DEMO_STORE)
    with LocalAirflow(home, {"GAMMAOPS_DATA": str(data), "GAMMAOPS_STORE": store}) as airflow:
        client = airflow.client
        client.wait_dag(ANALYSIS)
        client.abandon(ANALYSIS)
        say(f"Airflow runs at {airflow.url}; backfilling the nights {nights[0]} to {nights[2]} …")
        good = _backfill(airflow, plan, nights[:3], say)
        waiting = any((archive / "incoming").glob("*.fits.gz"))
        if waiting:
            deliver(archive, LATE)
            say(f"observation {LATE} of {nights[1]} has arrived; backfilling {nights[3]} …")
        known = {run["dag_run_id"] for run in client.runs(ANALYSIS)}
        last = _backfill(airflow, plan, nights[3:], say)
        # An instance that is skipped keeps what it had returned when it last ran.
        late = [run_id for run_id in _late_runs(client, last) if run_id not in known]
        if waiting and not late:
            say(f"RED: no run was started for the late observation {LATE}")
            good[""] = False
        for run_id in late:
            good[run_id] = _tell(client, run_id, client.wait_run(ANALYSIS, run_id), say)
    say("\nOpen the same Airflow in a browser with: make up")
    return all((good | last).values())


def _simulate(plan: ArchivePlan, archive: Path, say: Callable[[str], object]) -> None:
    """Make the archive, unless an earlier demonstration has."""
    from gammaops.simulation import simulate_archive

    if (archive / "obs-index.fits.gz").exists():
        say(f"archive: {archive} (from an earlier run)")
        return
    say(f"simulating {plan.nights * plan.observations} observations of {plan.nights} nights in {archive} …")
    simulate_archive(archive, plan)


def _backfill(
    airflow: LocalAirflow, plan: ArchivePlan, nights: Sequence[str], say: Callable[[str], object]
) -> dict[str, bool]:
    """Backfill these nights, again if they were before; whether each run is green."""
    first, last = (night_interval(night, plan.site.lon_deg)[0].isoformat() for night in (nights[0], nights[-1]))
    states = airflow.backfill(ANALYSIS, first, last, reprocess="completed")
    return {run_id: _tell(airflow.client, run_id, state, say) for run_id, state in states.items()}


def _late_runs(client: AirflowClient, run_ids: Mapping[str, Any]) -> list[str]:
    """Runs that these have started for late nights."""
    return [
        str(value)
        for run_id in run_ids
        for _, _, _, key, value in client.xcoms(ANALYSIS, run_id)
        if key == "trigger_run_id"
    ]


def _tell(client: AirflowClient, run_id: str, state: str, say: Callable[[str], object]) -> bool:
    """Tell what came out of a run; true if it is green."""
    reports = client.returned(ANALYSIS, run_id, "report")
    if not reports:
        say(f"\n{run_id}: {state}, without a report")
        return False
    report = Path(unquote(urlsplit(reports[0]).path))
    record = json.loads((report.parent / "run.json").read_text(encoding="utf-8"))
    say(f"\n{record['verdict']['line']}")
    states = Counter(row["state"] for row in record["ledger"])
    say(f"  observations: {', '.join(f'{count} {name}' for name, count in sorted(states.items())) or 'none'}")
    store = report.parents[4]
    for step in record["steps"]:
        for product in step["products"]:
            say(f"  {product['name']}: {store / product['path']}")
    say(f"  report: {report}")
    return state == "success"
