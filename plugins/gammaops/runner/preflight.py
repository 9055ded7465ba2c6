"""Whether there is room for what a fan-out is going to make, asked before anything is mapped."""

from __future__ import annotations

import errno
from statistics import median
from typing import TYPE_CHECKING, Any

from gammaops.runner.history import sidecars_of
from gammaops.runner.publishing import part_made

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.runner.task import StepTask
    from gammaops.steps.base import Fan

__all__ = ["check_room"]


def check_room(task: StepTask, fan: Fan, rows: Sequence[Mapping[str, Any]]) -> None:
    """Compare the room that is left with what these rows will take, as earlier ones of this step did.

    Where nobody knows the room, or no row was made before, nothing is checked.

    Raises
    ------
    OSError
        If there is too little: whoever runs the store must act, and another try may find more.
    """
    store = task.run.store
    free = store.files.free_bytes()
    sizes = _earlier_sizes(task, fan) if free is not None else []
    each = median(sizes or [0])
    if free is None or free >= len(rows) * each:
        return
    absent = _absent(task, fan, rows)
    if free >= absent * each:
        return
    raise OSError(
        errno.ENOSPC,
        f"too little room for the step {task.step.name!r}: {absent} of {len(rows)} {fan.over} are not in the store yet,"
        f" at about {each / 1e6:.1f} MB each as before, that is {absent * each / 1e9:.2f} GB; {store.uri} has"
        f" {free / 1e9:.2f} GB left. Make room (gammaops products gc), then clear this task",
    )


def _earlier_sizes(task: StepTask, fan: Fan) -> list[int]:
    """Bytes of payloads that this step has made of other rows."""
    known = sidecars_of(task.run.store, fan.part.kind, task.run.config.name, task.step.name)
    return [sidecar["payload"]["size"] for sidecar in known if sidecar.get("payload")]


def _absent(task: StepTask, fan: Fan, rows: Sequence[Mapping[str, Any]]) -> int:
    """How many of these rows are still to be made; each file that they are made from is hashed, so this comes last."""
    if task.run.request["reuse"] == "rebuild":
        return len(rows)
    prepared = task.prepared()
    return sum(part_made(task, fan, prepared, row) is None for row in rows)
