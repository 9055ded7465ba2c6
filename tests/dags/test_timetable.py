"""When DAGs run."""

from __future__ import annotations

from datetime import timedelta

import pendulum
import pytest
from airflow.sdk import CronDataIntervalTimetable
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.utils.types import DagRunType

from gammaops.orchestration.timetable import DelayedIntervals, Nights

NOON = "54 10 * * *"


def first(timetable: DelayedIntervals, earliest: pendulum.DateTime | None, *, catchup: bool):
    restriction = TimeRestriction(earliest=earliest, latest=None, catchup=catchup)
    return timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)


@pytest.mark.requirement("R16")
def test_nightly_means_noon_to_noon_at_the_site(make_dag):
    timetable = make_dag().timetable
    info = first(timetable, pendulum.datetime(2004, 12, 4), catchup=True)
    assert info.data_interval.start == pendulum.datetime(2004, 12, 4, 10, 54)
    assert info.run_after == info.data_interval.end == pendulum.datetime(2004, 12, 5, 10, 54)


@pytest.mark.requirement("R16")
@pytest.mark.parametrize(
    ("longitude", "start"),
    [
        (16.5, pendulum.datetime(2004, 12, 4, 10, 54)),
        (180, pendulum.datetime(2004, 12, 4, 0, 0)),
        (-180, pendulum.datetime(2004, 12, 5, 0, 0)),
        (-17.89, pendulum.datetime(2004, 12, 4, 13, 12)),
    ],
)
def test_runs_are_named_by_their_night_wherever_the_site_is(longitude, start):
    timetable = Nights(longitude, timedelta(hours=3))
    interval = DataInterval(start, start.add(days=1))
    names = {
        kind: timetable.generate_run_id(run_type=kind, run_after=interval.end, data_interval=interval)
        for kind in (DagRunType.SCHEDULED, DagRunType.BACKFILL_JOB, DagRunType.MANUAL)
    }
    assert names[DagRunType.SCHEDULED] == "scheduled__2004-12-04"
    assert names[DagRunType.BACKFILL_JOB] == "backfill__2004-12-04"
    assert names[DagRunType.MANUAL] == f"manual__{interval.end.isoformat()}"


def test_the_schedule_is_shown_in_words():
    assert Nights(16.5).summary == "nightly, 10:54 UTC"
    assert Nights(16.5, timedelta(hours=3)).summary == "nightly, 13:54 UTC"


def test_a_cron_string_gives_data_intervals_too(make_dag):
    assert make_dag(schedule="'0 12 * * 1'").timetable == CronDataIntervalTimetable("0 12 * * 1", "UTC")


def test_a_product_is_an_asset(make_dag):
    condition = make_dag(schedule="{product: crab/datasets}").timetable.asset_condition
    assert [(asset.name, asset.uri) for asset in condition.objects] == [("crab/datasets", "gammaops://crab/datasets")]


def test_no_schedule_runs_by_hand_alone(make_dag):
    assert make_dag(schedule="null").timetable.can_be_scheduled is False


def test_a_delay_moves_the_run_and_not_the_night():
    info = first(DelayedIntervals(NOON, timedelta(hours=3)), pendulum.datetime(2004, 12, 4, 10, 54), catchup=True)
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
    info = first(DelayedIntervals(NOON, timedelta(hours=3)), None, catchup=False)
    assert info.data_interval.start == start
    assert info.run_after <= now


def test_a_delayed_timetable_survives_serialization():
    delayed = DelayedIntervals(NOON, timedelta(hours=3))
    again = DelayedIntervals.deserialize(delayed.serialize())
    assert again.serialize() == delayed.serialize() == {"cron": NOON, "delay_s": 10800.0}


def test_nights_survive_serialization_and_are_no_other_intervals():
    nights = Nights(16.5, timedelta(hours=3))
    again = Nights.deserialize(nights.serialize())
    assert again == nights
    assert again.serialize() == {"longitude_deg": 16.5, "delay_s": 10800.0}
    assert nights != DelayedIntervals(NOON, timedelta(hours=3))
    assert nights != Nights(-17.89, timedelta(hours=3))
