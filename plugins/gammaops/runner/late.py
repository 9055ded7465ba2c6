"""Nights that still have an observation without a final word: which ones a run shall have processed again."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError, ProductMissing
from gammaops.ledger import TERMINAL, USABLE
from gammaops.products import ProductStore, RunFolder, canonical_json, content_key, rows_of, with_rows
from gammaops.runner.history import latest_runs
from gammaops.runner.publishing import source_digests
from gammaops.runner.task import StepTask
from gammaops.steps.base import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gammaops.runner.history import EndedRun
    from gammaops.runner.run import Provenance, Run

__all__ = ["late_nights", "night_of_row"]

KIND = "late_nights"


def late_nights(run: Run, is_busy: Callable[[str], bool], limit: int, who: Provenance) -> list[str]:
    """Earlier nights within ``dag.lookback`` that have something new to process.

    A night is late if the archive offers an observation of it, or has one to reject or to quarantine, that no run of
    that night has brought to a terminal state, that failed in the last one, or whose files were replaced since (a new
    calibration, a whole copy of a damaged file). It is late too if its last run used an observation that the archive
    does not list any more. An observation that is still missing starts nothing. One that fails again and again comes to
    an end by its veto (`gammaops.runner.vetoes`).

    Parameters
    ----------
    run : Run
        The scheduled run that asks.
    is_busy : callable
        Whether a run of that night is queued or running, so that it shall be left alone.
    limit : int
        How many nights at most; the oldest come first.
    who : Provenance

    Returns
    -------
    list of str
        Paths of rows of a table of nights, for `night_of_row`.
    """
    if not run.scope.nights:
        return []
    nights = _earlier(run)
    runs = _official_since(run, nights[0]) if nights else []
    settled = _settled(runs, nights)
    rows = list(_archive_rows(run, nights, who))
    late = [night for night, row in rows if row["present"] and not _is_settled(run, row, settled)]
    late += _withdrawn(runs, nights, {(row["step"], int(row["obs_id"])) for _, row in rows})
    wanted = [night for night in sorted(set(late)) if not is_busy(night)][:limit]
    return _publish(run, wanted) if wanted else []


def _official_since(run: Run, night: str) -> list[EndedRun]:
    """Runs that say anything about nights from this one on, the first that began first.

    No run took a night before it came, so what began earlier is not read; unless the archive lies in the future.
    """
    found = latest_runs(run.store, run.config.name)
    if max(run.scope.nights) <= run.request["begun"]:
        found = takewhile(lambda one: one.request.get("begun", "") >= night, found)
    return [one for one in found if one.official][::-1]


def _earlier(run: Run) -> list[str]:
    """The nights before this run's first, as far back as ``dag.lookback`` and ``dag.start`` say, oldest first."""
    dag = run.config.dag or {}
    first = date.fromisoformat(min(run.scope.nights))
    nights = [(first - timedelta(days=back)).isoformat() for back in range(int(dag.get("lookback") or 0), 0, -1)]
    return [night for night in nights if night >= str(dag.get("start") or "")]


def _archive_rows(run: Run, nights: Sequence[str], who: Provenance) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What the archive lists of these nights now, of all data-reduction steps, and whether its files are there."""
    scope = Scope(nights=tuple(nights), longitude_deg=run.scope.longitude_deg)
    for step in run.plan.steps if nights else ():
        if step.spec.observations:
            # Which observations there are does not depend on what the step reads of others, such as a mask.
            task = StepTask.without_inputs(run, step.name, who)
            prepared = task.prepared()
            for row in task.science.split(prepared, task.inputs, scope):
                about = {"step": step.name, "obs_id": row["obs_id"], "present": row["status"] != "missing"}
                files = source_digests(task, prepared, row) if row["status"] == "selected" else []
                yield str(row["night"]), {**about, "sources": files}


def _withdrawn(runs: Sequence[EndedRun], nights: Sequence[str], offered: set[tuple[str, int]]) -> list[str]:
    """Nights whose last run used an observation that the archive does not list any more."""
    last: dict[str, Mapping[str, Any]] = {}
    for record in (one.record for one in runs):
        # A run of single observations, or of part of a night, says nothing about the others.
        scope = record["scope"]
        whole = not scope["obs_ids"] and not scope.get("targets")
        if whole and len(record["nights"]) == 1 and set(scope["nights"]) == set(record["nights"]):
            last[record["nights"][0]] = record
    return [
        night
        for night in nights
        for row in last.get(night, {}).get("ledger", ())
        for step, made in row["steps"].items()
        if made["state"] in USABLE and (step, row["obs_id"]) not in offered
    ]


def _is_settled(run: Run, row: Mapping[str, Any], settled: Mapping[tuple[str, int], str]) -> bool:
    """Whether the last run that had this row has given it its final word, from the files that are there now."""
    outcome = settled.get((row["step"], int(row["obs_id"])))
    if outcome is None:
        return False
    # What was rejected has no outcome of its own, and is not judged anew until somebody asks for its night.
    known = _sources_of(run.store, outcome) if outcome else []
    return not row.get("sources") or not known or row["sources"] == known


def _sources_of(store: ProductStore, path: str) -> list[dict[str, str]]:
    """What an outcome was made from; empty where its sidecar is gone or knows nothing."""
    try:
        found: list[dict[str, str]] = store.sidecar_of(path).get("sources", [])
    except ProductError:
        return []
    return found


def _settled(runs: Sequence[EndedRun], nights: Sequence[str]) -> dict[tuple[str, int], str]:
    """The outcome of the last run that has brought an observation of these nights to a terminal state, by step.

    Nothing of an observation that has failed since.
    """
    wanted, settled = set(nights), {}
    for row in (row for one in runs for row in one.record["ledger"] if row["night"] in wanted):
        for step, made in row["steps"].items():
            if made["state"] in TERMINAL:
                settled[step, row["obs_id"]] = made["path"] or ""
            elif made["state"] == "failed":
                settled.pop((step, row["obs_id"]), None)
    return settled


def _publish(run: Run, nights: Sequence[str]) -> list[str]:
    """Publish the nights as a table and return the path of each row."""
    labels = {folder.label for folder in RunFolder.all(run.store, run.config.name)}
    rows = [{"night": night, "number": _next_number(labels, night)} for night in nights]
    content = canonical_json({"kind": KIND, "analysis": run.config.name, "rows": rows})
    key = content_key({"late": content.decode()})
    store = run.store
    with store.scratch() as folder:
        path = folder / "nights.json"
        path.write_bytes(content)
        sidecar = {
            "run": run.folder.relative,
            "metrics": {"nights": len(rows)},
            "cpu_seconds": 0.0,
            "peak_memory_mb": 0.0,
        }
        uri = (store.find(KIND, key) or store.publish(KIND, key, path, sidecar)).uri
    return [with_rows(uri, range(index, index + 1)) for index in range(len(rows))]


def _next_number(labels: Iterable[str], night: str) -> int:
    """One more than the late runs of this night so far."""
    return 1 + sum(label.startswith(f"late__{night}__") for label in labels)


def night_of_row(store: ProductStore, path: str) -> tuple[str, int]:
    """The night that a path from `late_nights` names, and the number that a run of it gets.

    Raises
    ------
    ProductMissing
        If it is not the path of a table of nights.
    """
    uri, rows = rows_of(path)
    product = store.open(uri)
    if product.path is None or product.kind != KIND:
        raise ProductMissing(f"{path} is not a table of late nights")
    row = json.loads(product.path.read_bytes())["rows"][rows[0]]
    return row["night"], row["number"]
