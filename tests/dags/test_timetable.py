"""When DAGs run."""

from __future__ import annotations

from datetime import timedelta

import pendulum
import pytest
from airflow.sdk import CronDataIntervalTimetable
from airflow.timetables.base import TimeRestriction

from gammaops.orchestration.timetable import DelayedNights

NOON = "54 10 * * *"


def first(timetable: DelayedNights, earliest: pendulum.DateTime | None, *, catchup: bool):
    restriction = TimeRestriction(earliest=earliest, latest=None, catchup=catchup)
    return timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)


@pytest.mark.requirement("R16")
def test_nightly_means_noon_to_noon_at_the_site(make_dag):
    timetable = make_dag().timetable
    assert isinstance(timetable, CronDataIntervalTimetable)
    assert (timetable.expression, str(timetable.timezone)) == (NOON, "UTC")


def test_a_cron_string_gives_data_intervals_too(make_dag):
    assert make_dag(schedule="'0 12 * * 1'").timetable == CronDataIntervalTimetable("0 12 * * 1", "UTC")


def test_a_product_is_an_asset(make_dag):
    condition = make_dag(schedule="{product: crab/datasets}").timetable.asset_condition
    assert [(asset.name, asset.uri) for asset in condition.objects] == [("crab/datasets", "gammaops://crab/datasets")]


def test_no_schedule_runs_by_hand_alone(make_dag):
    assert make_dag(schedule="null").timetable.can_be_scheduled is False


def test_a_delay_moves_the_run_and_not_the_night():
    info = first(DelayedNights(NOON, timedelta(hours=3)), pendulum.datetime(2004, 12, 4, 10, 54), catchup=True)
    assert info.data_interval.start == pendulum.datetime(2004, 12, 4, 10, 54)
    assert info.data_interval.end == pendulum.datetime(2004, 12, 5, 10, 54)
    assert info.run_after == pendulum.datetime(2004, 12, 5, 13, 54)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (pendulum.datetime(2004, 12, 5, 13, 53), pendulum.datetime(2004, 12, 3, 10, 54)),
        (pendulum.datetime(2004, 12, 5, 13, 54), pendulum.datetime(2004, 12, 4, 10, 54)),
        (pendulum.datetime(2004, 12, 6, 10, 54), pendulum.datetime(2004, 12, 4, 10, 54)),
    ],
)
def test_without_catchup_the_latest_night_that_is_due_runs_first(monkeypatch, now, start):
    monkeypatch.setattr("pendulum.now", lambda _zone: now)
    monkeypatch.setattr("airflow.timetables.interval.utcnow", lambda: now)
    info = first(DelayedNights(NOON, timedelta(hours=3)), None, catchup=False)
    assert info.data_interval.start == start
    assert info.run_after <= now


def test_a_delayed_timetable_survives_serialization():
    delayed = DelayedNights(NOON, timedelta(hours=3))
    again = DelayedNights.deserialize(delayed.serialize())
    assert again.serialize() == delayed.serialize() == {"cron": NOON, "delay_s": 10800.0}
