"""Files that are not there as a whole yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import astropy.units as u

from gammaops.schema import value_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.runner.task import StepTask

__all__ = ["is_arriving"]

SETTLE = "observations.settle"


def is_arriving(task: StepTask, prepared: Any, row: Mapping[str, Any]) -> bool:
    """Whether a file of this row was written to within ``observations.settle``, so that it may get whole by itself.

    By the modification time, which a copy in progress renews, and a copy that keeps the times of a whole file does not:
    those appear under another name first.
    """
    settle = value_at(task.config, SETTLE)
    if settle is None:
        return False
    newest = max((path.stat().st_mtime for path in task.science.sources(prepared, row)), default=0.0)
    # A time to come is a wrong clock, and no reason to wait for it.
    return bool(abs(time.time() - newest) < u.Quantity(settle).to_value("s"))
