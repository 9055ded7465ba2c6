"""Failure notes: why a task ended without its product, kept in the run folder for the report and the verdict."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gammaops.products import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.runner.run import Provenance, Run

__all__ = ["FailureNote", "failure_notes", "noting_failure"]

log = logging.getLogger(__name__)
NO_WORK = "NoWorkFound"


@dataclass
class FailureNote:
    """What a task was doing: the labels of the rows that it had taken."""

    labels: list[str] = field(default_factory=list)


@contextmanager
def noting_failure(run: Run, step: str, who: Provenance) -> Iterator[FailureNote]:
    """Write a note before an error leaves the block; the error itself goes on."""
    note = FailureNote()
    try:
        yield note
    except Exception as error:
        _write(run, step, who, note, error)
        raise


def _write(run: Run, step: str, who: Provenance, note: FailureNote, error: Exception) -> None:
    document = {
        "step": step,
        "labels": note.labels,
        "class": type(error).__name__,
        "reason": str(error),
        "who": asdict(who),
    }
    group = run.plan[step].group_id
    count = len(list(run.folder.path.glob(f"failures/{group}.*")))
    name = f"failures/{group}.{who.task_id.rpartition('.')[2] or 'task'}.{who.map_index}.{who.try_number}.{count}.json"
    try:
        run.folder.create(name, canonical_json(document))
    except OSError:
        log.exception("the note on why the step %r failed could not be written", step)


def failure_notes(run: Run, step: str) -> list[dict[str, Any]]:
    """The notes on a step's tasks, in the order of their names."""
    group = run.plan[step].group_id
    return [json.loads(path.read_bytes()) for path in sorted(run.folder.path.glob(f"failures/{group}.*"))]
