"""Intervals of time that a config gives, one by one or as bins of one width, and which of them a span of time meets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.time import Time

from gammaops.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TimeIntervals", "nanoseconds"]

Interval = tuple[Time, Time]
MOST = 100_000
# More than there have been since the origin.
LEAP_SECONDS = 30
# Bins without a start are counted from here, so that everybody has the same ones.
ORIGIN = "2000-01-01T00:00:00"
# Times of one interval and one observation that differ by less are the same.
RESOLUTION = 1e-6 * u.s


@dataclass(frozen=True)
class TimeIntervals:
    """The intervals of a block ``time_intervals``.

    Parameters
    ----------
    given : tuple of pairs of str
        Starts and stops (ISO, UTC), in order of time; with a width: one pair, the range of the bins, or none.
    width : `~astropy.units.Quantity`, optional
        Width of bins.
    """

    given: tuple[tuple[str, str], ...]
    width: u.Quantity | None = None

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> TimeIntervals:
        """The intervals of this block."""
        pairs = tuple(zip(block["start"] or (), block["stop"] or (), strict=True))
        width = block.get("bin_width")
        return cls(pairs, None if width is None else u.Quantity(width))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.given) or self.width is not None

    def meeting(self, start: Time, stop: Time) -> list[Interval]:
        """The intervals that overlap with the span from `start` to `stop`, in order of time (TT).

        Raises
        ------
        ConfigError
            If there are more bins than anybody can have meant.
        """
        pairs = self._bins(start, stop) if self.width is not None else self.listed()
        return [(low, high) for low, high in pairs if low + RESOLUTION < stop and high - RESOLUTION > start]

    def listed(self) -> list[Interval]:
        """The pairs that are given (TT)."""
        return [(Time(low, scale="utc").tt, Time(high, scale="utc").tt) for low, high in self.given]

    def _bins(self, start: Time, stop: Time) -> list[Interval]:
        """The bins that the span meets; a bin that would reach beyond the range's end stops there."""
        low, high = self.listed()[0] if self.given else (Time(ORIGIN, scale="utc"), None)
        # Some bins more on either side: the clock of UTC and the time that passes differ by leap seconds.
        margin = 1 + int(LEAP_SECONDS / self.width.to_value("s"))  # type: ignore[union-attr]
        first = int(np.floor(self._widths(low, start))) - margin
        last = int(np.ceil(self._widths(low, stop if high is None else min(stop, high)))) + margin
        if last - first > MOST:
            message = f"{last - first} bins of {self.width:g}"
            raise ConfigError([Problem("config", 0, 0, "time_intervals.bin_width", message, "wider bins")])
        first = first if high is None else max(first, 0)
        edges = [self._edge(low, number) for number in range(first, last + 1)]
        bins = list(pairwise(edges))
        return bins if high is None else [(one, min(two, high)) for one, two in bins if one + RESOLUTION < high]

    def _widths(self, origin: Time, time: Time) -> float:
        """How many bins fit between two times."""
        return float(((time.tt - origin.tt) / self.width).to_value(u.one))

    def _edge(self, origin: Time, number: int) -> Time:
        """The start of a bin: whole widths after the origin by the clock of UTC, which knows no leap second."""
        width = timedelta(seconds=self.width.to_value("s"))  # type: ignore[union-attr]
        clock = datetime.fromisoformat(str(Time(origin.utc, precision=6).isot)) + number * width
        return Time(clock.isoformat(), scale="utc", format="isot").tt


def nanoseconds(time: Time) -> str:
    """ISO with nanoseconds, in the scale of the time, so that an interval read back still holds its dataset."""
    return str(Time(time, precision=9).isot)
