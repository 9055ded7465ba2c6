"""Nights that still have an observation without a final word: which ones a run shall have processed again."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductMissing
from gammaops.ledger import TERMINAL
from gammaops.products import ProductStore, RunFolder, canonical_json, content_key, rows_of, with_rows
from gammaops.runner.task import StepTask
from gammaops.steps.base import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gammaops.runner.run import Provenance, Run

__all__ = ["late_nights", "night_of_row"]

KIND = "late_nights"


def late_nights(run: Run, is_busy: Callable[[str], bool], limit: int, who: Provenance) -> list[str]:
    """Earlier nights within ``dag.lookback`` that have something new to process.

    A night is late if the archive offers an observation of it, or has one to reject or to quarantine, that no run of
    that night has brought to a terminal state. An observation that is still missing starts nothing.

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
    settled = _settled(run, nights)
    late = [night for night, row in _archive_rows(run, nights, who) if (row["step"], int(row["obs_id"])) not in settled]
    wanted = [night for night in sorted(set(late)) if not is_busy(night)][:limit]
    return _publish(run, wanted) if wanted else []


def _earlier(run: Run) -> list[str]:
    """The nights before this run's first, as far back as ``dag.lookback`` and ``dag.start`` say, oldest first."""
    dag = run.config.dag or {}
    first = date.fromisoformat(min(run.scope.nights))
    nights = [(first - timedelta(days=back)).isoformat() for back in range(int(dag.get("lookback") or 0), 0, -1)]
    return [night for night in nights if night >= str(dag.get("start") or "")]


def _archive_rows(run: Run, nights: Sequence[str], who: Provenance) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What the archive holds of these nights now, of all data-reduction steps, but for what is missing."""
    scope = Scope(nights=tuple(nights), longitude_deg=run.scope.longitude_deg)
    for step in run.plan.steps if nights else ():
        if step.spec.observations:
            # Which observations there are does not depend on what the step reads of others, such as a mask.
            task = StepTask.without_inputs(run, step.name, who)
            for row in task.science.split(task.prepared(), task.inputs, scope):
                if row["status"] != "missing":
                    yield str(row["night"]), {"step": step.name, "obs_id": row["obs_id"]}


def _settled(run: Run, nights: Sequence[str]) -> set[tuple[str, int]]:
    """Observations of these nights, by step, that some run of this analysis has brought to a terminal state."""
    wanted = set(nights)
    settled = set()
    for folder in RunFolder.all(run.store, run.config.name):
        if not folder.ended or not _official(folder):
            continue
        for row in folder.read_json("run.json")["ledger"]:
            if row["night"] in wanted:
                settled |= {(step, row["obs_id"]) for step, made in row["steps"].items() if made["state"] in TERMINAL}
    return settled


def _official(folder: RunFolder) -> bool:
    """Whether a run says anything about others: not one with another config, or one that was not to compute."""
    request = folder.read_json("request.json")
    return not request["params"].get("config") and request["reuse"] != "only"


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
