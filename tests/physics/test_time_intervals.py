"""Bins of time: whole widths in UTC, none lost and none twice."""

from __future__ import annotations

from itertools import pairwise

import astropy.units as u
import pytest
from astropy.time import Time

from gammaops.errors import ConfigError
from gammaops.physics.time_intervals import TimeIntervals


def intervals(start=None, stop=None, width=None) -> TimeIntervals:
    return TimeIntervals.of({"start": start, "stop": stop, "bin_width": width})


def utc(text: str) -> Time:
    return Time(text, scale="utc").tt


def shown(found) -> list[tuple[str, str]]:
    return [(low.utc.isot, high.utc.isot) for low, high in found]


def test_flare_night_has_34_bins_of_ten_minutes():
    bins = intervals(["2006-07-29T20:30:00"], ["2006-07-30T02:10:00"], "600 s")
    found = bins.meeting(utc("2006-07-29T12:00:00"), utc("2006-07-30T12:00:00"))
    assert len(found) == 34
    assert shown(found)[0] == ("2006-07-29T20:30:00.000", "2006-07-29T20:40:00.000")
    assert shown(found)[-1] == ("2006-07-30T02:00:00.000", "2006-07-30T02:10:00.000")
    assert all(one[1] == two[0] for one, two in pairwise(found))


def test_last_bin_ends_where_the_range_does():
    found = intervals(["2006-07-29T20:30:00"], ["2006-07-29T20:45:00"], "600 s").meeting(
        utc("2006-07-29T20:30:00"), utc("2006-07-29T21:30:00")
    )
    assert shown(found)[1:] == [("2006-07-29T20:40:00.000", "2006-07-29T20:45:00.000")]


def test_bins_without_a_start_are_the_same_for_everybody():
    bins = intervals(width="3600 s")
    one = bins.meeting(utc("2006-07-29T20:30:00"), utc("2006-07-29T21:30:00"))
    assert shown(one) == [
        ("2006-07-29T20:00:00.000", "2006-07-29T21:00:00.000"),
        ("2006-07-29T21:00:00.000", "2006-07-29T22:00:00.000"),
    ]
    assert shown(bins.meeting(utc("2006-07-29T20:59:00"), utc("2006-07-29T21:30:00"))) == shown(one)
    # Before the origin and across a leap second (2016-12-31T23:59:60) they are whole hours of UTC too.
    assert shown(bins.meeting(utc("1999-12-31T23:30:00"), utc("1999-12-31T23:40:00"))) == [
        ("1999-12-31T23:00:00.000", "2000-01-01T00:00:00.000")
    ]
    (low, high), _ = bins.meeting(utc("2016-12-31T23:30:00"), utc("2017-01-01T00:30:00"))
    assert (high - low).to_value("s") == pytest.approx(3601, abs=1e-6)


def test_span_that_only_touches_an_interval_does_not_meet_it():
    bins = intervals(["2006-07-29T20:30:00"], ["2006-07-29T20:40:00"])
    assert bins.meeting(utc("2006-07-29T20:40:00"), utc("2006-07-29T21:00:00")) == []
    assert len(bins.meeting(utc("2006-07-29T20:39:59"), utc("2006-07-29T21:00:00"))) == 1


def test_more_bins_than_meant_are_refused():
    start = utc("2006-07-29T20:40:00")
    with pytest.raises(ConfigError, match="wider bins"):
        intervals(width="1 s").meeting(start, start + 400 * u.day)
