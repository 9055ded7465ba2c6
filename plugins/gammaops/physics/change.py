"""What changed between two fits of the same models, in units of the errors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gammaops.physics.notation import measured, unit_text
from gammaops.steps.base import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["change_table", "pull"]


def pull(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """(one - other) / √(error² + other error²), of values with errors in the same unit; NaN without errors."""
    if one["error"] is None or other["error"] is None:
        return math.nan
    error = math.hypot(one["error"], other["error"])
    return (one["value"] - other["value"]) / error if error > 0 else math.nan


def change_table(now: Mapping[str, Any], before: Mapping[str, Any], run: str) -> Table:
    """The free parameters of this run beside those of an earlier one.

    Parameters
    ----------
    now, before : mapping
        By name of the parameter: ``value``, ``error``, ``unit``, ``frozen``, as in the metrics of a fit.
    run : str
        What to call the earlier one.
    """
    rows = [
        (name, measured(one["value"], one["error"]), measured(before[name]["value"], before[name]["error"]),
         unit_text(one["unit"]), _sigma(pull(one, before[name])))
        for name, one in now.items()
        if not one["frozen"] and name in before and before[name]["unit"] == one["unit"]
    ]  # fmt: skip
    header = ("Parameter", "This run", "The run before", "Unit", "Change [σ]")
    caption = f"Change since {run}. Within 2 σ a steady source; observations in both runs make it look smaller."
    return Table(header, rows, caption)


def _sigma(value: float) -> str:
    return f"{value:+.1f}" if math.isfinite(value) else "–"
