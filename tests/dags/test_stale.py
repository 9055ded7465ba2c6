"""After a clear, tasks that did not start again keep what they had returned before: none of it makes a run green."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from gammaops.config import parse_config
from gammaops.errors import RunFailed
from gammaops.orchestration.end import ReportOperator, VerdictOperator
from gammaops.orchestration.operators import operator_class
from gammaops.orchestration.tasks import StepTasks
from gammaops.plan import make_plan
from gammaops.products import ProductStore
from gammaops.runner import Provenance, Run, begin, finish, manual_scope, split
from gammaops.simulation import ArchivePlan, simulate_archive

TEXT = """\
dag: {site: hess, schedule: nightly, start: 2026-11-01}
observations: {datastore: archive}
datasets: {stack: false, on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}}
steps: [{name: reduce, tag: data-reduction}]
"""
TASKS = [StepTasks("reduce", "reduce.collect", "reduce.select", "reduce.reduce")]


class Ti:
    """A task instance of a run with these XComs and states."""

    dag_id, run_id, task_id, map_index, try_number, max_tries = "a", "r", "x", -1, 2, 2
    task = SimpleNamespace(retries=2)

    def __init__(self, returned: Mapping[str, object], states: Mapping[str, str]) -> None:
        self.returned, self.states = returned, states

    def xcom_pull(self, task_ids):
        return self.returned.get(task_ids)

    def get_task_states(self, dag_id, task_ids, run_ids):
        return {self.run_id: {name: state for name, state in self.states.items() if name in task_ids}}


@pytest.fixture
def cleared(tmp_path, monkeypatch):
    """Config, what the first execution of a run has left, and the path of its second one's config."""
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=1, observations=2, duration_min=3, size="small"))
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    config = parse_config(TEXT, name="a", source="a.yaml")
    store, scope = ProductStore(tmp_path / "store"), manual_scope(config, nights=["2026-11-02"])
    first = Run.open(begin(config, store, scope, name="r"))
    fragments = split(first, "reduce", {}, Provenance())
    report = finish(first, {}, Provenance())
    return config, fragments, report, begin(config, store, scope, name="r")


def test_a_report_of_the_execution_before_is_none(cleared):
    config, fragments, report, start = cleared
    states = dict.fromkeys(["reduce.select", "reduce.reduce", "reduce.collect", "report"], "failed")
    ti = Ti({"start": start, "reduce.select": fragments}, {"start": "success", **states})
    verdict = VerdictOperator(task_id="verdict", tasks=TASKS, shape=make_plan(config).shape, inputs={"report": report})
    with pytest.raises(RunFailed, match="the report could not be written"):
        verdict.execute({"ti": ti})
    assert Run.open(start).folder.read_json("run.json")["verdict"]["ok"] is False


def test_rows_that_the_execution_before_has_listed_are_none(cleared):
    config, fragments, _, start = cleared
    states = {"start": "success", "reduce.select": "failed", "reduce.reduce": "upstream_failed"}
    ti = Ti({"start": start, "reduce.select": fragments}, states)
    collect = operator_class("data-reduction")(
        task_id="collect",
        role="collect",
        step="reduce",
        sources={},
        split="reduce.select",
        mapped="reduce.reduce",
        inputs={"fragments": fragments, "parts": None},
    )
    with pytest.raises(AirflowSkipException, match="its rows were not listed"):
        collect.execute({"ti": ti})
    report = ReportOperator(task_id="report", tasks=TASKS, inputs={}).execute({"ti": ti})
    verdict = VerdictOperator(task_id="verdict", tasks=TASKS, shape=make_plan(config).shape, inputs={"report": report})
    ti.states = {**states, "report": "success"}
    with pytest.raises(RunFailed, match="reduce: its task ended without a product and without a word"):
        verdict.execute({"ti": ti})


def test_an_edit_that_changes_the_tasks_ends_the_run_red_in_words(cleared):
    _, fragments, report, start = cleared
    ti = Ti({"start": start, "reduce.select": fragments}, {"start": "success", "report": "success"})
    verdict = VerdictOperator(task_id="verdict", tasks=TASKS, shape="of other steps", inputs={"report": report})
    with pytest.raises(RunFailed, match="the config was changed during the run and has other steps now; clear the run"):
        verdict.execute({"ti": ti})
    added = operator_class("fit")(task_id="added", role="task", step="added", inputs={"consumed": {}})
    with pytest.raises(AirflowSkipException, match="the config was changed during the run"):
        added.execute({"ti": ti})
