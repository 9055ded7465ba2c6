"""When and where the telescopes point."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_sun
from astropy.time import Time
from astropy.utils import iers
from hypothesis import given, settings
from hypothesis import strategies as st

from gammaops.errors import ConfigError
from gammaops.simulation import CRAB, HESS, ArchivePlan, Site, plan_visits
from gammaops.simulation.schedule import altaz, sun_altitude

J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


def _noon(night: date, lon_deg: float) -> datetime:
    return datetime(night.year, night.month, night.day, 12, tzinfo=UTC) - timedelta(hours=lon_deg / 15)


@settings(max_examples=50)
@given(
    lon_deg=st.floats(-180, 180),
    first_night=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    nights=st.integers(1, 3),
    observations=st.integers(1, 4),
)
def test_observations_lie_within_their_night(lon_deg, first_night, nights, observations):
    plan = ArchivePlan(
        nights=nights, observations=observations, first_night=first_night, site=Site(lon_deg, -23.27, 1835)
    )
    visits = plan_visits(plan)
    assert len({visit.night for visit in visits}) == nights
    for visit in visits:
        noon = _noon(visit.night, lon_deg)
        assert visit.night >= first_night
        assert noon < visit.start < visit.stop < noon + timedelta(days=1)


def test_observations_are_dark_high_and_do_not_overlap():
    visits = plan_visits(ArchivePlan(nights=30, observations=6))
    middles = np.array([((visit.start - J2000) / timedelta(days=1)) for visit in visits])
    assert np.all(sun_altitude(middles, HESS) < -18)
    assert min(visit.alt_deg for visit in visits) > 20
    assert all(after.start >= before.stop for before, after in pairwise(visits))


def test_numbers_run_on_from_night_to_night():
    plan = ArchivePlan(nights=4, observations=3)
    nights: dict[str, list[int]] = {}
    for visit in plan_visits(plan):
        nights.setdefault(visit.night.isoformat(), []).append(visit.obs_id)
    assert nights == {
        "2026-11-02": [1, 2, 3],
        "2026-11-03": [4, 5, 6],
        "2026-11-04": [7, 8, 9],
        "2026-11-05": [10, 11, 12],
    }


def test_pointings_wobble_half_a_degree_around_the_target():
    visits = plan_visits(ArchivePlan(nights=1, observations=4))
    target = SkyCoord(*CRAB, unit="deg")
    offsets = [SkyCoord(visit.ra_deg, visit.dec_deg, unit="deg").separation(target).deg for visit in visits]
    assert offsets == pytest.approx([0.5] * 4, abs=1e-9)
    assert [visit.dec_deg > CRAB[1] for visit in visits] == [True, False, True, False]


def test_nights_without_the_target_are_passed_over():
    first = plan_visits(ArchivePlan(nights=1, first_night=date(2026, 6, 1)))[0]
    # The Crab is near the Sun in June and rises before dawn again in late summer.
    assert date(2026, 7, 15) < first.night < date(2026, 9, 30)


def test_more_observations_than_any_night_holds_are_refused():
    with pytest.raises(ConfigError, match="30 observations of 28 min fit into no night from 2026-11-02"):
        plan_visits(ArchivePlan(observations=30))


def test_altitudes_agree_with_astropy():
    # 2024: within the tables of the Earth's rotation that astropy brings.
    start = datetime(2024, 11, 2, 18, tzinfo=UTC)
    times = [start + timedelta(hours=hour) for hour in range(10)]
    days = np.array([(time - J2000) / timedelta(days=1) for time in times])
    location = EarthLocation(lon=HESS.lon_deg * u.deg, lat=HESS.lat_deg * u.deg, height=HESS.height_m * u.m)
    with iers.conf.set_temp("auto_download", False):
        frame = AltAz(obstime=Time(times), location=location)
        crab = SkyCoord(*CRAB, unit="deg").transform_to(frame)
        sun = get_sun(Time(times)).transform_to(frame)
    altitude, azimuth = altaz(days, *CRAB, HESS)
    # Nutation, aberration and parallax of the Sun, all left out, come to 0.02 deg.
    assert altitude == pytest.approx(crab.alt.deg, abs=0.03)
    assert azimuth == pytest.approx(crab.az.deg, abs=0.05)
    assert sun_altitude(days, HESS) == pytest.approx(sun.alt.deg, abs=0.03)
