"""Nights: mean solar noon to noon at the site's longitude, named by the date of the evening.

Mean solar noon falls ``720 - 4 * longitude`` minutes after midnight UTC (the Earth turns one degree in four minutes),
rounded to the minute. No time zone and no clock takes part, so that no observation is split and every one has a night.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["last_complete_night", "night_interval", "night_of", "nights_starting_in", "noon_cron"]

MINUTES_PER_DAY = 1440
MJD_OF_DATE_ORDINAL_0 = date(1858, 11, 17).toordinal()


def _noon_minutes(longitude_deg: float) -> int:
    """Minutes from midnight UTC of a date to the mean solar noon of that date at the site, 0 to 1440."""
    if not -180 <= longitude_deg <= 180:
        raise ValueError(f"longitude {longitude_deg} deg is not between -180 and 180")
    return round(MINUTES_PER_DAY / 2 - 4 * longitude_deg)


def noon_cron(longitude_deg: float) -> str:
    """Cron expression (UTC) of mean solar noon at this longitude (degrees, east positive).

    >>> noon_cron(16.5)
    '54 10 * * *'
    """
    hour, minute = divmod(_noon_minutes(longitude_deg) % MINUTES_PER_DAY, 60)
    return f"{minute} {hour} * * *"


def night_of(mjd_utc: ArrayLike, longitude_deg: float) -> list[str]:
    """ISO dates of the nights in which these times (MJD, UTC scale) lie, at this longitude in degrees.

    What is no time, or none that has a date, is in no night: an empty string.
    """
    since_noon = np.atleast_1d(np.asarray(mjd_utc, dtype=float)) - _noon_minutes(longitude_deg) / MINUTES_PER_DAY
    days = np.floor(since_noon) + MJD_OF_DATE_ORDINAL_0
    known = (days >= date.min.toordinal()) & (days <= date.max.toordinal())
    return [date.fromordinal(int(day)).isoformat() if ok else "" for day, ok in zip(days, known, strict=True)]


def night_interval(night: str, longitude_deg: float) -> tuple[datetime, datetime]:
    """First and last moment (UTC, the last excluded) of the night with this ISO date."""
    midnight = datetime.combine(date.fromisoformat(night), datetime.min.time(), UTC)
    start = midnight + timedelta(minutes=_noon_minutes(longitude_deg))
    return start, start + timedelta(days=1)


def nights_starting_in(start: datetime, stop: datetime, longitude_deg: float) -> list[str]:
    """Nights whose first moment lies in the half-open interval from `start` to `stop`, oldest first."""
    first = start.astimezone(UTC).date() - timedelta(days=2)
    days = (stop.astimezone(UTC).date() - first).days + 1
    nights = [(first + timedelta(days=day)).isoformat() for day in range(days)]
    return [night for night in nights if start <= night_interval(night, longitude_deg)[0] < stop]


def last_complete_night(moment: datetime, longitude_deg: float, delay: timedelta = timedelta(0)) -> str:
    """The latest night that had ended, and `delay` had passed since, at `moment`."""
    nights = nights_starting_in(moment - timedelta(days=3) - delay, moment, longitude_deg)
    return [night for night in nights if night_interval(night, longitude_deg)[1] + delay <= moment][-1]
