from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammaops.nights import last_complete_night, night_interval, night_of, nights_starting_in, noon_cron

HESS_LONGITUDE = 16.5
MJD_OF_UNIX_EPOCH = 40587.0
longitudes = st.floats(-180, 180, allow_nan=False)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


def mjd(moment: datetime) -> float:
    return moment.timestamp() / 86400 + MJD_OF_UNIX_EPOCH


@pytest.mark.parametrize(
    ("longitude", "cron"),
    [(16.5, "54 10 * * *"), (0, "0 12 * * *"), (-180, "0 0 * * *"), (180, "0 0 * * *"), (-17.89, "12 13 * * *")],
)
def test_cron_is_mean_solar_noon_in_utc(longitude: float, cron: str) -> None:
    assert noon_cron(longitude) == cron


def test_longitude_off_the_globe_is_refused() -> None:
    with pytest.raises(ValueError, match="longitude 181"):
        noon_cron(181)


def test_observation_after_utc_midnight_belongs_to_the_evening_before() -> None:
    evening, morning = datetime(2006, 7, 29, 20, 30, tzinfo=UTC), datetime(2006, 7, 30, 2, 10, tzinfo=UTC)
    assert night_of([mjd(evening), mjd(morning)], HESS_LONGITUDE) == ["2006-07-29", "2006-07-29"]


def test_night_changes_at_solar_noon() -> None:
    noon = datetime(2004, 12, 5, 10, 54, tzinfo=UTC)
    assert night_of([mjd(noon - timedelta(seconds=1)), mjd(noon + timedelta(seconds=1))], HESS_LONGITUDE) == [
        "2004-12-04",
        "2004-12-05",
    ]


@given(moments, longitudes)
@pytest.mark.requirement("R16")
def test_every_moment_lies_in_the_interval_of_its_night(moment: datetime, longitude: float) -> None:
    start, stop = night_interval(night_of(mjd(moment), longitude)[0], longitude)
    # MJD as a double resolves about a microsecond
    margin = timedelta(milliseconds=1)
    assert start - margin <= moment < stop + margin


@given(moments, longitudes)
@pytest.mark.requirement("R16")
def test_nights_follow_each_other_without_gap_or_overlap(moment: datetime, longitude: float) -> None:
    nights = nights_starting_in(moment, moment + timedelta(days=5), longitude)
    intervals = [night_interval(night, longitude) for night in nights]
    assert len(nights) == 5
    assert all(first[1] == second[0] for first, second in pairwise(intervals))


@given(st.dates(date(2000, 1, 1), date(2040, 1, 1)), longitudes)
def test_middle_of_the_night_at_the_site_has_the_date_of_the_evening(evening: date, longitude: float) -> None:
    start, stop = night_interval(evening.isoformat(), longitude)
    solar_time_at_start = start + timedelta(minutes=4 * longitude)
    # the boundary is rounded to the minute
    assert abs(
        solar_time_at_start - datetime.combine(evening, datetime.min.time(), UTC) - timedelta(hours=12)
    ) <= timedelta(seconds=31)
    assert stop - start == timedelta(days=1)


def test_last_complete_night_waits_for_the_delay() -> None:
    end = datetime(2004, 12, 6, 10, 54, tzinfo=UTC)
    assert last_complete_night(end, HESS_LONGITUDE) == "2004-12-05"
    assert last_complete_night(end, HESS_LONGITUDE, timedelta(hours=3)) == "2004-12-04"
    assert last_complete_night(end + timedelta(hours=3), HESS_LONGITUDE, timedelta(hours=3)) == "2004-12-05"


def test_what_is_no_time_is_in_no_night() -> None:
    assert night_of([53343.9, float("nan"), float("inf"), -1e9, 1e12], 16.5) == ["2004-12-04", "", "", "", ""]
