"""Parameters of a run, and which observations a run takes."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.orchestration.parameters import KNOWN, refuse_unknown, run_params
from gammaops.orchestration.scope import run_scope
from gammaops.runner.scope import scope_in_words
from gammaops.steps.base import Scope

TEXT = """\
dag: {{start: 2004-11-01, {dag}}}
observations: {{datastore: $GAMMAPY_DATA/hess-dl3-dr1}}
datasets: {{on_region: {{frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}}}}
steps: [{{tag: data-reduction}}]
"""
HESS = 16.5
# The night of 2004-12-04 at H.E.S.S. begins and ends at 10:54 UTC.
START, STOP = datetime(2004, 12, 4, 10, 54, tzinfo=UTC), datetime(2004, 12, 5, 10, 54, tzinfo=UTC)


def config(dag: str):
    return parse_config(TEXT.format(dag=dag), name="a", source="a.yaml")


def context(run_type="manual", begin=None, end=None, logical=None, run_after=None, events=None, **params):
    run = SimpleNamespace(
        run_type=run_type,
        data_interval_start=begin,
        data_interval_end=end,
        logical_date=logical,
        run_after=run_after or datetime(2004, 12, 6, 9, tzinfo=UTC),
    )
    return {"params": params, "dag_run": run, "triggering_asset_events": events or {}}


@pytest.fixture(scope="module")
def nightly():
    return config("site: hess, schedule: nightly")


def test_defaults_fit_their_own_schemas():
    params = ParamsDict(run_params(["reduce", "fit"]))
    assert set(params.validate()) == KNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("obs_ids", [1.5]),
        ("obs_ids", "1,2"),
        ("obs_ids", [-1]),
        ("night", "yesterday"),
        ("start", "{{ ds }}"),
        ("steps", ["unknown"]),
        ("reuse", "sometimes"),
        ("config", "text"),
        ("label", "../elsewhere"),
    ],
)
def test_values_that_do_not_fit_are_refused(name, value):
    params = ParamsDict(run_params(["reduce"]))
    with pytest.raises(ParamValidationError, match="Invalid input for param"):
        params[name] = value


def test_unknown_parameters_are_all_named():
    with pytest.raises(ConfigError, match=r"evil: is not a parameter(?s:.*)worse: is not a parameter"):
        refuse_unknown(["night", "worse", "evil"])


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_scheduled_run_takes_the_night_of_its_data_interval(nightly, run_type):
    assert run_scope(nightly, context(run_type, START, STOP)) == Scope(nights=("2004-12-04",), longitude_deg=HESS)


def test_a_run_of_a_cron_schedule_takes_all_nights_that_start_in_its_interval():
    weekly = config("site: hess, schedule: '0 12 * * 1'")
    start, stop = datetime(2004, 11, 29, 12, tzinfo=UTC), datetime(2004, 12, 6, 12, tzinfo=UTC)
    nights = run_scope(weekly, context("scheduled", start, stop)).nights
    assert nights == ("2004-11-30", "2004-12-01", "2004-12-02", "2004-12-03", "2004-12-04", "2004-12-05", "2004-12-06")


def test_a_cumulative_analysis_takes_all_up_to_the_end_of_the_night():
    cumulative = config("site: hess, schedule: nightly, observations: cumulative")
    assert run_scope(cumulative, context("scheduled", START, STOP)) == Scope(
        stop="2004-12-05T10:54:00", longitude_deg=HESS
    )


def test_a_manual_run_without_parameters_takes_the_last_complete_night(nightly):
    assert run_scope(nightly, context(run_after=datetime(2004, 12, 6, 9, tzinfo=UTC))).nights == ("2004-12-04",)
    assert run_scope(nightly, context(run_after=datetime(2004, 12, 6, 11, tzinfo=UTC))).nights == ("2004-12-05",)


def test_the_logical_date_of_a_manual_run_comes_before_run_after(nightly):
    logical = datetime(2004, 12, 5, 12, tzinfo=UTC)
    assert run_scope(nightly, context(logical=logical)).nights == ("2004-12-04",)


def test_a_night_is_complete_only_after_the_delay():
    late = config("site: hess, schedule: nightly, delay: 3 h")
    assert run_scope(late, context(run_after=datetime(2004, 12, 6, 11, tzinfo=UTC))).nights == ("2004-12-04",)


def test_a_manual_only_analysis_takes_all_that_it_selects():
    assert run_scope(config("site: hess"), context()) == Scope(longitude_deg=HESS)


def test_a_run_started_by_a_product_takes_its_nights():
    follower = config("site: hess, schedule: {product: crab/datasets}")
    event = SimpleNamespace(extra={"nights": ["2004-12-04"]})
    assert run_scope(follower, context("asset_triggered", events={"crab/datasets": [event]})).nights == ("2004-12-04",)


NOTHING = Scope(start="2004-12-04T11:00:00", stop="2004-12-04T11:00:00", longitude_deg=HESS)
HOUR = datetime(2004, 12, 4, 11, tzinfo=UTC), datetime(2004, 12, 4, 12, tzinfo=UTC)


def test_a_scheduled_run_without_a_night_takes_nothing(nightly):
    assert run_scope(nightly, context("scheduled", *HOUR)) == NOTHING


def test_a_run_started_by_a_product_of_no_night_takes_nothing():
    follower = config("site: hess, schedule: {product: crab/datasets}")
    event = SimpleNamespace(extra={"nights": []})
    run = context("asset_triggered", run_after=HOUR[0], events={"crab/datasets": [event]})
    assert run_scope(follower, run) == NOTHING


@pytest.mark.parametrize("schedule", ["'@hourly'", "{product: crab/datasets}"])
def test_an_analysis_of_all_observations_needs_no_night(schedule):
    every = config(f"schedule: {schedule}, observations: all")
    for run_type in ("scheduled", "asset_triggered"):
        assert run_scope(every, context(run_type, *HOUR)) == Scope()


def test_a_run_that_takes_nothing_says_so():
    assert scope_in_words(NOTHING) == "no night, so no observation"


@pytest.mark.requirement("R17")
def test_parameters_win_over_the_data_interval(nightly):
    scope = run_scope(nightly, context("backfill", START, STOP, obs_ids=[23523, 23526]))
    assert (scope.nights, scope.obs_ids) == ((), (23523, 23526))


def test_times_with_an_offset_become_utc(nightly):
    scope = run_scope(nightly, context(start="2004-12-04T20:00:00+02:00", stop="2004-12-05T03:00:00"))
    assert (scope.start, scope.stop) == ("2004-12-04T18:00:00", "2004-12-05T03:00:00")


def test_a_time_that_is_none_is_refused(nightly):
    with pytest.raises(ConfigError, match="params: start: '2004-13' is not a time"):
        run_scope(nightly, context(start="2004-13"))
