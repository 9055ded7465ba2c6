"""What a table of toys says about the fit: bias, coverage, goodness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

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
        ``toys``, ``failed`` (those whose fit did not pass its gates), ``p_value`` (share of toys that fit worse than
        the data) and ``parameters``: for each, ``bias`` (mean of fitted - true) in units of the mean error with its own
        error, ``pull_width``, ``coverage_percent`` of the 68.3 % intervals with its binomial error.
    """
    good = toys[toys["failed"] == ""]
    number = len(good)
    worse = int((np.asarray(good["stat"], dtype=float) >= toys.meta["stat"]).sum())
    return {
        "toys": len(toys),
        "failed": len(toys) - number,
        "p_value": (worse + 1) / (number + 1),
        "parameters": {name: _parameter(toys, good, name) for name in toys.meta["truth"]} if number > 1 else {},
    }


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
