"""The config block ``observations.quality``: cuts that reject an observation before it is reduced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.schema.fragments import block, integer, named, number, path, quantity
from gammaops.schema.relations import Finding, increasing, needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.schema.fragments import Rules

__all__ = ["COLUMN", "QUALITY"]

COLUMN = r"[A-Za-z][A-Za-z0-9_-]{0,67}"
_DEFAULT_NEIGHBOURS = 20


def _ordered(limits: Mapping[str, Any]) -> Iterator[Finding]:
    """A range that holds something; `equal` stands alone."""
    low, high = limits["min"], limits["max"]
    if limits["equal"] is not None and (low is not None or high is not None):
        yield Finding(("equal",), "given beside min or max", "either equal, or min and max")
    if low is not None and high is not None and low > high:
        yield Finding(("min",), f"{low:g} is above max ({high:g})", "min <= max")


def _deviation(doc: str) -> dict[str, Rules]:
    return {
        "max_deviation": number(f"{doc}, in robust standard deviations", low=0),
        "neighbours": integer(
            "With how many before it is compared; with fewer than 5 it is not judged",
            _DEFAULT_NEIGHBOURS,
            low=5,
            high=1000,
        ),
    }


def _idle(limits: Mapping[str, Any]) -> Iterator[Finding]:
    """Neighbours to be compared with, and no deviation that is too large."""
    if limits["max_deviation"] is None and limits["neighbours"] != _DEFAULT_NEIGHBOURS:
        yield Finding(("max_deviation",), "not given beside neighbours, so nothing is cut", "such as 5")


def _limits() -> dict[str, Rules]:
    return {
        "min": number("Smallest value, in the unit of the index"),
        "max": number("Largest value, in the unit of the index"),
        "equal": {"type": ["float", "string"], "default": None, "meta": {"doc": "The one value that is good"}},
    }


_FAR = "Largest distance from the median of the observations before it with as many telescopes"

QUALITY = {
    "livetime": block("Livetime", {"min": quantity("min", "Shortest livetime", low=0)}),
    "livetime_fraction": block(
        "Livetime over time on source", {"min": number("Smallest fraction, 0 to 1", low=0, high=1)}
    ),
    "zenith": block(
        "Zenith angle",
        {
            "min": quantity("deg", "Smallest zenith angle", low=0, high=90),
            "max": quantity("deg", "Largest zenith angle", low=0, high=90),
        },
        [increasing("min", "max")],
    ),
    "n_tels": block("Telescopes", {"min": integer("Fewest telescopes", low=1)}),
    "moon": block(
        "The moon; from astropy's own ephemeris, at the place that the header of the index names",
        {
            "max_altitude": quantity("deg", "Highest altitude during the observation", low=-90, high=90),
            "min_separation": quantity(
                "deg", "Smallest distance from the pointing while the moon is up", low=0, high=180
            ),
        },
    ),
    "columns": named(
        "Column of the observation index", block("Limits of a column", _limits(), [_ordered]), regex=COLUMN
    ),
    "event_rate": block("Events over livetime", _deviation(_FAR), [_idle]),
    "outliers": named(
        "Column of the observation index",
        block("Distance from the others", _deviation(_FAR), [needs("max_deviation", "such as 5")]),
        regex=COLUMN,
    ),
    "overrides": path(
        "YAML list of observations that somebody accepts or rejects, with author and comment", home="overrides"
    ),
}
"""Rules of the block, in the order in which the cuts are applied."""
