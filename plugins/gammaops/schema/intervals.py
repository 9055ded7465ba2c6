"""Intervals of time in a config: given one by one, or as bins of one width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.schema.fragments import Rules, block, quantity, times
from gammaops.schema.relations import Finding, same_length, together

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["time_intervals"]


def time_intervals(doc: str, more: Mapping[str, Rules] | None = None) -> Rules:
    """Intervals as `start` and `stop`, or bins of `bin_width` between one start and one stop; `more`: further keys."""
    keys = {
        "start": times("Starts of the intervals, UTC; with `bin_width`: where the first bin starts"),
        "stop": times("Ends of the intervals, UTC; with `bin_width`: where the last bin ends at the latest"),
        "bin_width": quantity("s", "Width of bins; without `start` they are counted from 2000-01-01, 0 h UTC", above=0),
    }
    relations = [together("start", "stop"), same_length("start", "stop"), _one_way, _one_range, _in_order]
    return block(doc, {**keys, **(more or {})}, relations)


def _one_way(given: Mapping[str, Any]) -> Iterator[Finding]:
    """Bins that follow the data are not given too."""
    others = [key for key in ("start", "bin_width") if given[key] is not None]
    if given.get("by") is not None and others:
        yield Finding(("by",), f"given together with {', '.join(others)}", "by, or bins that do not depend on the data")


def _one_range(given: Mapping[str, Any]) -> Iterator[Finding]:
    for key in ("start", "stop"):
        if given["bin_width"] is not None and len(given[key] or ()) > 1:
            yield Finding((key,), f"{len(given[key])} values together with bin_width", "one, or no bin_width")


def _in_order(given: Mapping[str, Any]) -> Iterator[Finding]:
    """Every interval ends after it starts, and before the next one starts."""
    starts, stops = given["start"] or (), given["stop"] or ()
    if len(starts) != len(stops):
        return
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        if start >= stop:
            yield Finding(("stop", number), f"{stop} is not after start {start}", "start < stop")
    for number, (last, start) in enumerate(zip(stops, starts[1:], strict=False), start=1):
        if start < last:
            why = f"{start} is before the end of the interval before it, {last}"
            yield Finding(("start", number), why, "intervals in order of time without overlap")
