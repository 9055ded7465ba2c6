"""Differences between two products in physical terms, and when they are worth a look.

Both are made from the same sky, mostly from the same events. Their statistical errors are therefore the same error and
not two: a difference is told in units of the error of the first, not of both added, and half of it is already much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ABSOLUTE",
    "COUNTS",
    "OTHER",
    "RELATIVE",
    "SIGMA",
    "Difference",
    "Tolerances",
    "in_sigma",
    "relative",
    "unlike",
]

COUNTS, RELATIVE, SIGMA, ABSOLUTE, OTHER = "counts", "relative", "sigma", "absolute", "other"


@dataclass(frozen=True)
class Tolerances:
    """How much of a difference is not worth a look.

    Parameters
    ----------
    counts : float
        Events that are in other bins. None may: the same events through the same cuts are the same counts.
    exposure : float
        Relative, at any energy that matters. 1 % is a tenth of the systematic uncertainty of an effective area
        (10 % to 20 %), and far above what rounding and interpolation do (below 1e-3).
    response : float
        Share of the energy dispersion or point spread function that has moved.
    livetime : float
        Relative. 0.1 % is 1.7 s of an observation of 28 min: less than any gap that a clock would cut.
    background : float
        Relative, of the whole; and of any number in a table that has no error.
    sigma : float
        Of parameters, flux points, light curve bins and significances, in errors of the first.
    """

    counts: float = 0.0
    exposure: float = 0.01
    response: float = 0.01
    livetime: float = 0.001
    background: float = 0.01
    sigma: float = 0.5


@dataclass(frozen=True)
class Difference:
    """One number, or one property, in both.

    Parameters
    ----------
    quantity : str
        ``exposure at 1.2 TeV``, ``crab.spectral.index``, …
    pair : sequence of float or str, optional
        What it is in the first and in the second; None where it is not there.
    unit : str
        Of both.
    size : float, optional
        How much they differ, as `measure` says; None where that cannot be told in a number.
    measure : {"counts", "relative", "sigma", "absolute", "other"}
        What `size` counts: events, parts of the first, its errors, the unit itself, or nothing.
    limit : float, optional
        Above it, or where there is no size, it is worth a look; None: it never is.
    """

    quantity: str
    pair: Sequence[float | str | None]
    unit: str
    size: float | None
    measure: str
    limit: float | None = 0.0

    @property
    def flagged(self) -> bool:
        """Whether it is worth a look."""
        if self.limit is None:
            return False
        return self.size is None or not abs(self.size) <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON types; what is not finite is null."""
        numbers = {"before": self.pair[0], "after": self.pair[1], "size": self.size, "limit": self.limit}
        words = {"quantity": self.quantity, "unit": self.unit, "measure": self.measure, "flagged": self.flagged}
        return {**words, **{name: _finite(value) for name, value in numbers.items()}}


def unlike(quantity: str, pair: Sequence[float | str | None], unit: str = "") -> Difference:
    """Something that is another thing in the second, or is there in one alone."""
    return Difference(quantity, pair, unit, None, OTHER)


def relative(quantity: str, before: float, after: float, limit: float | None, unit: str = "") -> Difference:
    """A number without an error: by how much of the first it has changed."""
    if before == after or (math.isnan(before) and math.isnan(after)):
        size: float | None = 0.0
    else:
        size = after / before - 1 if before and math.isfinite(after / before) else None
    return Difference(quantity, (before, after), unit, size, RELATIVE, limit)


def in_sigma(quantity: str, pair: tuple[float, float], error: float, limit: float, unit: str = "") -> Difference:
    """A number with an error: by how many errors of the first it has changed; without an error, relative to 1 %."""
    before, after = pair
    if before == after or (math.isnan(before) and math.isnan(after)):
        return Difference(quantity, (before, after), unit, 0.0, SIGMA, limit)
    if not (math.isfinite(error) and error > 0):
        return relative(quantity, before, after, Tolerances.background, unit)
    size = (after - before) / error
    return Difference(quantity, (before, after), unit, size if math.isfinite(size) else None, SIGMA, limit)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
