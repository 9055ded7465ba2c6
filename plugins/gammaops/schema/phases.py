"""Intervals of pulse phase as a config gives them."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

from gammaops.schema.relations import Finding

__all__ = ["canonical_phases", "overlap", "phases_finding"]

Interval = list[float]


def phases_finding(value: list[Any]) -> Finding | None:
    """What is wrong with an interval or a list of intervals."""
    expected = "[from, to] with two different numbers from 0 to 1, or a list of these"
    wrong = [interval for interval in _listed(value) if not _is_interval(interval)]
    if wrong:
        return Finding((), f"{wrong[0]!r:.60} is not an interval of phase", expected)
    if any(overlap([one], [other]) for one, other in combinations(_listed(value), 2)):
        return Finding((), "two of its intervals overlap", "intervals without common phases")
    return None


def canonical_phases(value: list[Any]) -> list[Interval] | None:
    """A list of intervals, one that goes through phase 1 as two; None if something is wrong with it."""
    if phases_finding(value):
        return None
    return [[float(low), float(high)] for low, high in _in_one_turn(_listed(value))]


def _in_one_turn(intervals: list[Interval]) -> list[tuple[float, float]]:
    """The same phases as intervals that end above their start: one that goes through phase 1 becomes two."""
    found = []
    for start, stop in intervals:
        parts = [(start, stop)] if start < stop else [(start, 1.0), (0.0, stop)]
        found += [(low, high) for low, high in parts if low < high]
    return found


def overlap(first: list[Interval], second: list[Interval]) -> bool:
    """Whether intervals of `first` have phases in common with intervals of `second`."""
    pairs = product(_in_one_turn(first), _in_one_turn(second))
    return any(low < other_high and other_low < high for (low, high), (other_low, other_high) in pairs)


def _listed(value: list[Any]) -> list[Any]:
    return value if value and all(isinstance(item, list) for item in value) else [value]


def _is_interval(value: object) -> bool:
    if not isinstance(value, list) or len(value) != len(("from", "to")):
        return False
    ends = [end for end in value if isinstance(end, int | float) and not isinstance(end, bool) and 0 <= end <= 1]
    return len(ends) == len(value) and ends[0] != ends[1]
