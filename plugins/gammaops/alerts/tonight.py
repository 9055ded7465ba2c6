"""Which nights a run is about, and what has been measured in them.

A light curve may reach back for years: what was told when it was new is not told again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gammaops.nights import night_interval, night_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammaops.steps.base import Measurement, Scope

__all__ = ["nights_of", "within"]

MJD_0 = datetime(1858, 11, 17, tzinfo=UTC)


def nights_of(scope: Scope, observed: Sequence[str]) -> tuple[str, ...] | None:
    """The nights that are new in a run.

    Those that it was started for; of one that takes all observations up to a time, the last before that time; of one
    that was asked for observations, all of theirs; of any other the last one that it has observations of.

    Parameters
    ----------
    scope : Scope
        What the run takes.
    observed : sequence of str
        ISO dates of the nights of its observations.

    Returns
    -------
    tuple of str or None
        None where there are no nights, for want of a site.
    """
    if scope.longitude_deg is None:
        return None
    if scope.nights:
        return scope.nights
    if scope.obs_ids or scope.start:
        return tuple(sorted(observed))
    if scope.stop:
        end = datetime.fromisoformat(scope.stop).replace(tzinfo=UTC) - timedelta(seconds=1)
        return tuple(night_of((end - MJD_0) / timedelta(days=1), scope.longitude_deg))
    return tuple(sorted(observed)[-1:])


def within(
    nights: Sequence[str] | None, longitude_deg: float | None, measured: Sequence[Measurement]
) -> list[Measurement]:
    """What has been measured in these nights, noon to noon, as far as an interval meets one; None: everything."""
    if nights is None or longitude_deg is None:
        return list(measured)
    spans = [night_interval(night, longitude_deg) for night in nights]
    return [
        one for one in measured if any(_moment(one.start) < stop and _moment(one.stop) > start for start, stop in spans)
    ]


def _moment(time: str) -> datetime:
    # A leap second is no time for Python; the one before it is in the same night.
    return datetime.fromisoformat(time.replace(":60", ":59")).replace(tzinfo=UTC)
