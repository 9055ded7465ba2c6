"""When and where the telescopes point: wobble observations of one target in the dark hours of each night.

The Sun, sidereal time and precession follow the low-precision formulas of the Astronomical Almanac (0.02 deg, far finer
than an observation is long), so that no schedule depends on tables of the Earth's rotation. The Moon is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from gammaops.errors import ConfigError, Problem

from .plan import ArchivePlan, Site
from .sources import CRAB

__all__ = ["Visit", "altaz", "plan_visits", "sun_altitude"]

log = logging.getLogger(__name__)

WOBBLE_OFFSET_DEG = 0.5
GAP_S = 180
ASTRONOMICAL_DUSK_DEG = -18.0
LOWEST_ALTITUDE_DEG = 20.0
LONGEST_WAIT = 400
GRID_S = 60
J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Visit:
    """One observation as scheduled.

    Parameters
    ----------
    obs_id : int
        Its number.
    night : datetime.date
        Date of the evening of its night.
    number : int
        Days since the first night of the plan.
    start, stop : datetime
        UTC, whole seconds.
    ra_deg, dec_deg : float
        Pointing, ICRS.
    alt_deg, az_deg : float
        Of the pointing in the middle of the observation.
    """

    obs_id: int
    night: date
    number: int
    start: datetime
    stop: datetime
    ra_deg: float
    dec_deg: float
    alt_deg: float
    az_deg: float


def plan_visits(plan: ArchivePlan) -> tuple[Visit, ...]:
    """All observations of a plan in order of time, wobbling 0.5 deg north and south of the target in turn.

    Raises
    ------
    ConfigError
        If none of 400 nights on end has enough dark hours with the target up.
    """
    visits: list[Visit] = []
    nights = _observable_nights(plan)
    for index in range(plan.nights):
        night, first_start = next(nights)
        for turn in range(plan.observations):
            obs_id = plan.first_obs_id + index * plan.observations + turn
            start = first_start + turn * timedelta(seconds=plan.duration_s + GAP_S)
            visits.append(_visit(plan, obs_id, night, start, WOBBLE_OFFSET_DEG * (1 if turn % 2 == 0 else -1)))
    return tuple(visits)


def _visit(plan: ArchivePlan, obs_id: int, night: date, start: datetime, wobble_deg: float) -> Visit:
    stop = start + timedelta(seconds=plan.duration_s)
    ra_deg, dec_deg = CRAB[0], CRAB[1] + wobble_deg
    alt, az = altaz(_days([start + (stop - start) / 2]), ra_deg, dec_deg, plan.site)
    number = (night - plan.first_night).days
    return Visit(obs_id, night, number, start, stop, ra_deg, dec_deg, float(alt[0]), float(az[0]))


def _observable_nights(plan: ArchivePlan) -> Iterator[tuple[date, datetime]]:
    """Nights with the target up long enough in the dark, and when the first observation starts."""
    night, waited = plan.first_night, 0
    while waited < LONGEST_WAIT:
        start = _best_start(plan, night)
        if start is None:
            waited += 1
            log.debug("night %s passed over: the target is not up in the dark for long enough", night)
        else:
            waited = 0
            yield night, start
        night += timedelta(days=1)
    message = f"{plan.observations} observations of {plan.duration_min:g} min fit into no night from {plan.first_night}"
    raise ConfigError([Problem("simulate", 0, 0, "observations", message, "fewer or shorter ones, or another site")])


def _best_start(plan: ArchivePlan, night: date) -> datetime | None:
    """Start of the observations nearest to the target's culmination within the dark hours, if it is up all the time."""
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=UTC) - timedelta(hours=plan.site.lon_deg / 15)
    noon = (noon + timedelta(seconds=30)).replace(second=0, microsecond=0)
    days = _days([noon])[0] + np.arange(0, 86400, GRID_S) / 86400
    dark = np.flatnonzero(sun_altitude(days, plan.site) < ASTRONOMICAL_DUSK_DEG)
    needed = -(-(plan.observations * (plan.duration_s + GAP_S)) // GRID_S)
    if len(dark) <= needed:
        return None
    altitude = altaz(days, CRAB[0], CRAB[1], plan.site)[0]
    starts = np.arange(dark[0], dark[-1] - needed + 1)
    lowest = np.minimum(altitude[starts], altitude[starts + needed])
    best = int(np.argmax(lowest))
    if lowest[best] < LOWEST_ALTITUDE_DEG:
        return None
    return noon + timedelta(seconds=int(starts[best]) * GRID_S)


def _days(times: list[datetime]) -> np.ndarray:
    """Days since J2000, UTC taken for UT1."""
    return np.array([(time - J2000).total_seconds() / 86400 for time in times])


def sun_altitude(days: np.ndarray, site: Site) -> np.ndarray:
    """Altitude of the Sun in deg; `days` since J2000 (Astronomical Almanac, section C, low precision)."""
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    ra = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
    dec = np.arcsin(np.sin(obliquity) * np.sin(longitude))
    return _horizontal(days, ra, dec, site)[0]


def altaz(days: np.ndarray, ra_deg: float, dec_deg: float, site: Site) -> tuple[np.ndarray, np.ndarray]:
    """Altitude and azimuth (north over east) in deg of an ICRS direction; `days` since J2000."""
    centuries = days / 36525
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    # Precession since J2000 (m and n of the Almanac, section B), 0.35 deg by 2026.
    ra_of_date = ra + np.radians((1.2812 + 0.5567 * np.sin(ra) * np.tan(dec)) * centuries)
    dec_of_date = dec + np.radians(0.5567 * np.cos(ra) * centuries)
    return _horizontal(days, ra_of_date, dec_of_date, site)


def _horizontal(days: np.ndarray, ra: np.ndarray, dec: np.ndarray, site: Site) -> tuple[np.ndarray, np.ndarray]:
    sidereal = np.radians(280.46062 + 360.985647366 * days + site.lon_deg)
    hour_angle = sidereal - ra
    lat = np.radians(site.lat_deg)
    sin_alt = np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour_angle)
    east = -np.cos(dec) * np.sin(hour_angle)
    north = np.sin(dec) * np.cos(lat) - np.cos(dec) * np.sin(lat) * np.cos(hour_angle)
    return np.degrees(np.arcsin(sin_alt)), np.degrees(np.arctan2(east, north)) % 360
