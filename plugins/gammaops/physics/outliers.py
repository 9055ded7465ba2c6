"""Whether a value is like that of the observations just before, by median and median absolute deviation.

Later observations do not count: what is selected would depend on when it was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FEWEST", "Deviation", "Neighbours"]

# Standard deviation of a normal distribution over its median absolute deviation.
SCALE = 1.4826
FEWEST = 5


@dataclass(frozen=True)
class Deviation:
    """How far a value is from the median of `count` others, in robust standard deviations; 0 if they are too few."""

    value: float
    median: float
    deviation: float
    count: int

    @property
    def judged(self) -> bool:
        """Whether there are enough others to tell."""
        return self.count >= FEWEST


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Values of observations, to be compared with those of the last `number` of the same group that began before.

    Parameters
    ----------
    times : array
        Starts of the observations, MJD.
    values : array
        NaN where a value is not known; it is compared with nothing then.
    number : int
        With how many others.
    errors : array
        Statistical errors of the values; the one of a value adds in quadrature to the spread of the others.
    groups : array
        Only observations of equal group are compared.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    number: int
    errors: NDArray[np.float64]
    groups: NDArray[np.float64]

    @cached_property
    def _known(self) -> NDArray[np.int64]:
        """Rows with a value, in order of time."""
        rows = np.flatnonzero(np.isfinite(self.values))
        return rows[np.argsort(self.times[rows], kind="stable")]

    def of(self, index: int) -> Deviation | None:
        """The deviation of one row; None if its value is not known."""
        value = float(self.values[index])
        if not np.isfinite(value):
            return None
        alike = self._known[self.groups[self._known] == self.groups[index]]
        around = self.values[alike[self.times[alike] < self.times[index]][-self.number :]]
        if len(around) < FEWEST:
            return Deviation(value, value, 0.0, len(around))
        median = float(np.median(around))
        spread = float(np.hypot(SCALE * np.median(np.abs(around - median)), self.errors[index]))
        distance = value - median
        deviation = distance / spread if spread else np.copysign(np.inf, distance) if distance else 0.0
        return Deviation(value, median, float(deviation), len(around))
