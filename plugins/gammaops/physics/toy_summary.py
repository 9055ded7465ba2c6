"""What a table of toys says about the fit: bias, coverage, goodness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["BIAS", "COVERAGE_PERCENT", "pulls", "summary"]

BIAS = 0.2
"""Mean bias, in units of the error, that is tolerated."""
COVERAGE_PERCENT = (63.3, 73.3)
"""Coverage of the 68.3 % intervals that is tolerated."""


def pulls(toys: Table, name: str) -> np.ndarray:
    """(fitted - true) / error of one parameter in the toys whose fit was good."""
    good = toys[toys["failed"] == ""]
    value, error = (np.asarray(good[column], dtype=float) for column in (name, f"{name}_err"))
    return (value - toys.meta["truth"][name]) / error


def summary(toys: Table) -> dict[str, Any]:
    """Numbers of a table of toys, JSON types.

    Returns
    -------
    dict
        ``toys``, ``failed`` (those whose fit did not pass its gates), ``worse_percent`` (share of the others that fit
        worse than the data), ``p_value`` (chance of that, from how the toys scatter; None for fewer than two) and
        ``parameters``: for each, ``bias`` (mean of fitted - true) in units of the mean error with its own
        error, ``pull_width``, ``coverage_percent`` of the 68.3 % intervals with its binomial error.
    """
    good = toys[toys["failed"] == ""]
    number = len(good)
    stats = np.asarray(good["stat"], dtype=float)
    chance = _chance_of_worse(stats, toys.meta["stat"]) if number > 1 else np.nan
    return {
        "toys": len(toys),
        "failed": len(toys) - number,
        "worse_percent": 100 * float(np.mean(stats >= toys.meta["stat"])) if number else None,
        "p_value": chance if np.isfinite(chance) else None,
        "parameters": {name: _parameter(toys, good, name) for name in toys.meta["truth"]} if number > 1 else {},
    }


def _chance_of_worse(stats: np.ndarray, found: float) -> float:
    """Chance that one more toy has a fit statistic of at least `found`.

    Counting the toys beyond it tells nothing below one in their number. The cube root of a sum of squares is close to
    normal (Wilson & Hilferty 1931), so that Student's distribution gives the next one.
    """
    roots = np.cbrt(stats)
    spread = np.std(roots, ddof=1) * np.sqrt(1 + 1 / len(roots))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(student.sf((np.cbrt(found) - np.mean(roots)) / spread, len(roots) - 1))


def _parameter(toys: Table, good: Table, name: str) -> dict[str, float]:
    offset = np.asarray(good[name], dtype=float) - toys.meta["truth"][name]
    error = float(np.mean(good[f"{name}_err"]))
    found, number = pulls(toys, name), len(good)
    inside = float(np.mean(np.abs(found) <= 1))
    return {
        "truth": float(toys.meta["truth"][name]),
        "bias": float(np.mean(offset) / error),
        "bias_err": float(np.std(offset, ddof=1) / error / np.sqrt(number)),
        "pull_width": float(np.std(found, ddof=1)),
        "coverage_percent": 100 * inside,
        "coverage_percent_err": float(100 * np.sqrt(0.683 * 0.317 / number)),
    }
