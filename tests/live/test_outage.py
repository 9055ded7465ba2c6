"""Late observations and outages heal within one scheduled run, without a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date

import pytest

from gammaops.nights import night_interval
from gammaops.simulation import ArchivePlan, deliver

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requirement("R18", "R32")]

LATE = 2
PLAN = ArchivePlan(
    nights=6,
    observations=2,
    first_night=date(2025, 11, 17),
    seed=9,
    duration_min=15,
    size="small",
    late=frozenset({LATE}),
    unlisted=frozenset({LATE}),
)


@pytest.fixture(scope="module")
def observatory(start_live, tmp_path_factory) -> Iterator[object]:
    with start_live(tmp_path_factory.mktemp("observatory"), PLAN, {}) as found:
        found.add("nightly", found.analysis.replace("lookback: 0", f"lookback: 10, end: {found.nights[-1]}"))
        yield found


def versions(live) -> dict[str, list[dict[str, object]]]:
    """Records of each night, in the order in which they were written."""
    records = [json.loads(path.read_bytes()) for path in (live.store / "runs" / "nightly").rglob("run.json")]
    found: dict[str, list[dict[str, object]]] = {}
    for record in sorted(records, key=lambda record: (live.store / str(record["run"]) / "run.json").stat().st_mtime):
        (night,) = record["nights"]
        found.setdefault(night, []).append(record)
    return found


def wait_for_late_runs(live, number: int) -> list[str]:
    def late() -> list[str]:
        runs = [run for run in live.client.runs("nightly") if run["dag_run_id"].startswith("late__")]
        ended = [run["dag_run_id"] for run in runs if run["state"] in ("success", "failed")]
        return ended if len(ended) == number else []

    return list(live.wait(late, 300))


def test_what_arrives_during_and_after_a_night_and_what_an_outage_left(observatory):
    live = observatory
    first, second, *missed, last = live.nights
    # It arrives while its night is processed, after the observations were listed.
    noon = night_interval(first, live.plan.site.lon_deg)[0].isoformat()
    created = live.airflow.begin_backfill("nightly", noon, noon)
    where = "dag_id = 'nightly' and task_id = 'reduce.select' and state = 'success'"
    live.wait(lambda: live.client.query(f"select 1 from task_instance where {where}"))  # noqa: S608
    deliver(live.data / "archive", LATE)
    assert set(live.client.wait_backfill(created).values()) == {"success"}
    assert [row["obs_id"] for row in versions(live)[first][0]["ledger"]] == [1]

    live.backfill("nightly", [second])
    assert wait_for_late_runs(live, 1) == [f"late__{first}__1"]
    _, after = versions(live)[first]
    assert {row["obs_id"]: row["state"] for row in after["ledger"]} == {1: "reused", LATE: "done"}

    # Three nights pass in which nothing runs; then one does.
    live.backfill("nightly", [last])
    started = wait_for_late_runs(live, 1 + len(missed))
    assert sorted(started[1:]) == [f"late__{night}__1" for night in missed]
    found = versions(live)
    assert {night: len(records) for night, records in found.items()} == {
        night: 2 if night == first else 1 for night in live.nights
    }
    for night, records in found.items():
        assert [row["obs_id"] for row in records[-1]["ledger"]] == live.expected(night)
        assert records[-1]["verdict"]["ok"]
