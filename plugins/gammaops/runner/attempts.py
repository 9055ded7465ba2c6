"""Attempt markers: what a try was at when it was killed, since a killed process leaves no other word.

A marker is written before the work and removed after it, whether that succeeded or raised. So one that is there when
the next try begins says that its try was killed, and at which row. Why is not known; want of memory is by far the
likeliest, and what is done about it does no harm in the other cases.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gammaops.errors import GivenUp
from gammaops.products import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.runner.run import Provenance, Run

__all__ = ["KILLS", "OOM", "Attempt", "attempt", "killed_rows", "refuse_after_kills", "twice_killed"]

log = logging.getLogger(__name__)
KILLS = 2
OOM = "OOM"
# Not a folder of their own, which would go with the last of them while another task is about to write the next.
PREFIX = "attempt."


@dataclass
class Attempt:
    """One try of a task.

    Parameters
    ----------
    run : Run
    name : str
        Its marker in the run's folder.
    kills : Counter
        How many earlier tries of the same task, since it was last cleared, were killed at each row.
    """

    run: Run
    name: str
    kills: Counter[str] = field(default_factory=Counter)

    def at(self, label: str) -> None:
        """Say which row is begun now."""
        self.run.folder.replace(self.name, canonical_json({"label": label}))

    def end(self) -> None:
        """Take the marker away."""
        self.run.folder.remove(self.name)


@contextmanager
def attempt(run: Run, step: str, role: str, who: Provenance) -> Iterator[Attempt]:
    """A try whose marker is gone when the block ends, unless the process is killed in it."""
    if run.folder.ended:
        run.folder.reopen()
    start = _start(run, step, role, who.map_index)
    tried = Attempt(run, f"{start}{who.try_number}.json")
    if who.try_number > who.first_try:
        tried.kills = _kills(run, start, who)
    try:
        yield tried
    finally:
        tried.end()


def _start(run: Run, step: str, role: str, map_index: int) -> str:
    return f"{PREFIX}{run.plan[step].group_id}.{role}.{map_index}."


def _kills(run: Run, start: str, who: Provenance) -> Counter[str]:
    """The rows at which earlier tries of a task were killed."""
    tries = range(who.first_try, who.try_number)
    markers = {f"{start}{number}.json" for number in tries}
    labels = [run.folder.read_json(name)["label"] for name in run.folder.names("") if name in markers]
    for label in labels:
        log.warning(
            "an earlier try was killed%s, most likely for want of memory; this one goes on row by row, "
            "from what was published",
            f" while it worked on {label}" if label else "",
        )
    return Counter(labels)


def twice_killed(label: str) -> str:
    """Why a row is given up, in plain words."""
    what = f"while it worked on {label}" if label else "before it was done"
    return f"its task was killed {what}, {KILLS} times, most likely because it needs more memory than a worker has"


def refuse_after_kills(tried: Attempt, label: str = "") -> None:
    """Give up what has killed its task as often as is allowed.

    Raises
    ------
    GivenUp
        For the pipeline engineer.
    """
    if tried.kills[label] >= KILLS:
        raise GivenUp(f"{twice_killed(label)}; give it more memory or less to do, then clear this task")


def killed_rows(run: Run, step: str, role: str) -> list[dict[str, Any]]:
    """What the tries of a step's tasks that were killed were at, with the numbers of these tries."""
    start = f"{PREFIX}{run.plan[step].group_id}.{role}."
    names = [name for name in run.folder.names("") if name.startswith(start)]
    return [{**run.folder.read_json(name), "try_number": int(name.split(".")[-2])} for name in names]
