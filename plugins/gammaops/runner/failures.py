"""Failure notes: why a task ended without its product, kept in the run folder for the report and the verdict."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gammaops.errors import GammaopsError, GivenUp, NoWorkFound
from gammaops.products import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.runner.run import Provenance, Run

__all__ = ["COLLECT", "PARTS", "SPLIT", "TASK", "FailureNote", "failure_notes", "noting_failure"]

log = logging.getLogger(__name__)
SPLIT, PARTS, COLLECT, TASK = "split", "parts", "collect", "task"


@dataclass
class FailureNote:
    """What a task was doing: the labels of the rows that it could not finish."""

    labels: list[str] = field(default_factory=list)


@contextmanager
def noting_failure(run: Run, step: str, role: str, who: Provenance) -> Iterator[FailureNote]:
    """Write a note before an error leaves the block; the error itself goes on.

    Raises
    ------
    GivenUp
        In its place, if nobody expected it and the try before has ended by the same one.
    """
    note = FailureNote()
    try:
        yield note
    except (GammaopsError, OSError, TimeoutError) as error:
        _write(run, step, role, who, note, error)
        raise
    except Exception as error:
        if not _same_before(run, step, role, who, note, error):
            _write(run, step, role, who, note, error)
            raise
        given_up = GivenUp(f"the same error in two tries, so there is no third: {_said(error)}")
        _write(run, step, role, who, note, given_up)
        raise given_up from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _same_before(run: Run, step: str, role: str, who: Provenance, note: FailureNote, error: Exception) -> bool:
    """Whether the try before this one, since the task was last cleared, failed with the same words."""
    before = who.try_number - 1
    return before >= who.first_try and any(
        (one["role"], one["who"]["map_index"], one["who"]["try_number"]) == (role, who.map_index, before)
        and (one["labels"], f"{one['class']}: {one['reason']}") == (note.labels, _said(error))
        for one in failure_notes(run, step)
    )


def _write(run: Run, step: str, role: str, who: Provenance, note: FailureNote, error: Exception) -> None:
    number = len(run.folder.names("failures"))
    document = {
        "step": step,
        "role": role,
        "labels": note.labels,
        "no_work": isinstance(error, NoWorkFound),
        "class": type(error).__name__,
        "reason": str(error),
        "metrics": json.loads(json.dumps(getattr(error, "metrics", {}), default=str)),
        "number": number,
        "who": asdict(who),
    }
    try:
        content = canonical_json(document)
    except ValueError:  # a metric that is not finite
        content = canonical_json({**document, "metrics": {}})
    name = f"{run.plan[step].group_id}.{role}.{who.map_index}.{who.try_number}.{number}.json"
    try:
        run.folder.create(f"failures/{name}", content)
    except OSError:
        log.exception("the note on why the step %r failed could not be written", step)


def failure_notes(run: Run, step: str) -> list[dict[str, Any]]:
    """The notes on a step's tasks, in the order in which they were written."""
    start = f"failures/{run.plan[step].group_id}."
    notes = [run.folder.read_json(name) for name in run.folder.names("failures") if name.startswith(start)]
    return sorted(notes, key=lambda note: (note["number"], note["labels"]))
