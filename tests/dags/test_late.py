"""What the end of a run makes of late nights, with Airflow's answers played by a record of runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from gammaops.config import parse_config
from gammaops.nights import night_interval
from gammaops.orchestration.late import LateNightsOperator, LateRunOperator
from gammaops.orchestration.tasks import failed_tasks
from gammaops.products import ProductStore, RunFolder
from gammaops.runner import begin, late_nights, scheduled_scope
from gammaops.runner.run import Provenance, Run

TEXT = """\
dag: {site: hess, schedule: nightly, start: 2004-12-01, lookback: 3}
observations: {datastore: $GAMMAPY_DATA/hess-dl3-dr1}
datasets: {on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}}
steps: [{tag: data-reduction}]
"""
HESS = 16.5
NIGHT = "2004-12-03"


class Ti:
    """A task instance that knows these runs, by run_id or start of the night, and these states of tasks."""

    dag_id, run_id, task_id, map_index, try_number = "a", "scheduled__1", "late", -1, 1
    max_tries, task = 0, SimpleNamespace(retries=0)

    def __init__(self, uri: str, runs: Mapping[object, str], tasks: Mapping[str, str] | None = None) -> None:
        self.uri, self.runs, self.tasks = uri, dict(runs), tasks or {}

    def xcom_pull(self, task_ids):
        return {"start": self.uri}.get(task_ids)

    def get_dr_count(self, dag_id, logical_dates=None, run_ids=None, states=None):
        wanted = logical_dates or run_ids
        return sum(name in wanted and (not states or state in states) for name, state in self.runs.items())

    def get_task_states(self, dag_id, task_ids, run_ids):
        return {self.run_id: self.tasks} if self.tasks else {}


@pytest.fixture
def run(tmp_path) -> Run:
    config = parse_config(TEXT, name="a", source="a.yaml")
    scope = scheduled_scope(config, ["2004-12-04"])
    return Run.open(begin(config, ProductStore(tmp_path), scope, name="scheduled__1"))


@pytest.fixture
def row(run, monkeypatch) -> str:
    """The path of a night that was listed when no late run of it had begun."""
    found = [(NIGHT, {"step": "data-reduction", "obs_id": 1, "present": True, "sources": []})]
    monkeypatch.setattr("gammaops.runner.late._archive_rows", lambda *_: found)
    (path,) = late_nights(run, lambda _: False, 4, Provenance())
    return path


def started(run: Run, row: str, runs: Mapping[object, str]) -> str:
    operator = LateRunOperator(task_id="late_run", longitude_deg=HESS, row=row)
    with pytest.raises(DagRunTriggerException) as raised:
        operator.execute({"ti": Ti(run.uri, runs)})
    assert raised.value.skip_when_already_exists
    assert raised.value.conf == {"night": NIGHT}
    return raised.value.dag_run_id


def test_the_first_late_run_of_a_night(run, row):
    assert started(run, row, {}) == f"late__{NIGHT}__1"


def test_one_that_ended_before_it_began_leaves_its_number(run, row):
    assert started(run, row, {f"late__{NIGHT}__1": "failed"}) == f"late__{NIGHT}__2"


def test_a_further_one_counts_those_that_have_begun(run, row):
    RunFolder.new(run.store, "a", f"late__{NIGHT}__1", {})
    (again,) = late_nights(run, lambda _: False, 4, Provenance())
    assert started(run, again, {f"late__{NIGHT}__1": "success"}) == f"late__{NIGHT}__2"


@pytest.mark.parametrize(
    "busy", [f"late__{NIGHT}__1", night_interval(NIGHT, HESS)[0]], ids=["late run", "the night's own"]
)
@pytest.mark.parametrize("state", ["queued", "running"])
def test_nothing_is_started_twice(run, row, busy, state):
    operator = LateRunOperator(task_id="late_run", longitude_deg=HESS, row=row)
    with pytest.raises(AirflowSkipException, match=f"a run of {NIGHT} is queued or running"):
        operator.execute({"ti": Ti(run.uri, {busy: state})})


def test_nothing_is_started_after_somebody_else_has(run, row):
    RunFolder.new(run.store, "a", f"late__{NIGHT}__1", {})
    operator = LateRunOperator(task_id="late_run", longitude_deg=HESS, row=row)
    with pytest.raises(AirflowSkipException, match=f"a late run of {NIGHT} was started after"):
        operator.execute({"ti": Ti(run.uri, {f"late__{NIGHT}__1": "success"})})


@pytest.mark.parametrize(("state", "listed"), [("running", 0), ("success", 1)])
def test_a_night_under_way_is_not_listed_even_if_airflow_forgot_earlier_runs(run, row, state, listed):
    for number in (1, 2):
        RunFolder.new(run.store, "a", f"late__{NIGHT}__{number}", {})
    operator = LateNightsOperator(task_id="late", longitude_deg=HESS, limit=4)
    context = {"ti": Ti(run.uri, {f"late__{NIGHT}__3": state}), "dag_run": SimpleNamespace(run_type="scheduled")}
    assert len(operator.execute(context)) == listed


def test_tasks_that_failed_are_named():
    states = {"late": "success", "late_run_0": "success", "late_run_1": "failed", "late_run_2": "skipped"}
    assert failed_tasks({"ti": Ti("", {}, states)}, ("late", "late_run")) == ["late_run_1"]
    assert failed_tasks({"ti": Ti("", {}, {"late": "failed", "late_run": "upstream_failed"})}, ("late",)) == ["late"]
    assert failed_tasks({"ti": Ti("", {})}, ("late",)) == []
