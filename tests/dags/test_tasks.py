"""What operators read of each other's outputs."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from gammaops.config import parse_config
from gammaops.orchestration.tasks import StepTasks, failed_tasks, gathered, paths, warn_of_no_effect

TASKS = [StepTasks("reduce", "reduce.collect", "reduce.select", "reduce.reduce"), StepTasks("fit 1", "fit_1")]


def context(states: dict[str, str], values: dict[str, object]):
    """A run with these states of tasks and these values in its XCom table, from whichever try they are."""
    ti = SimpleNamespace(
        dag_id="a",
        run_id="r",
        get_task_states=lambda dag_id, task_ids, run_ids: {"r": states},
        xcom_pull=lambda *, task_ids: values.get(task_ids),
    )
    return {"ti": ti}


def test_everything_that_succeeded_is_gathered():
    states = {
        "reduce.select": "success",
        "reduce.reduce_0": "success",
        "reduce.reduce_1": "success",
        "reduce.collect": "success",
        "fit_1": "success",
    }
    values = {
        "reduce.select": ["t#row=0", "t#row=1"],
        "reduce.reduce": ["p0", "p1"],
        "reduce.collect": "d",
        "fit_1": "f",
    }
    assert gathered(context(states, values), TASKS) == {
        "reduce": {"fragments": ["t#row=0", "t#row=1"], "parts": ["p0", "p1"], "product": "d"},
        "fit 1": {"fragments": [], "parts": [], "product": "f"},
    }


def test_what_is_left_of_an_earlier_execution_is_not_gathered():
    states = {
        "reduce.select": "success",
        "reduce.reduce_0": "success",
        "reduce.reduce_1": "removed",
        "reduce.collect": "failed",
        "fit_1": "upstream_failed",
    }
    values = {"reduce.select": ["t#row=0"], "reduce.reduce": ["p0", "old"], "fit_1": "old"}
    assert gathered(context(states, values), TASKS) == {
        "reduce": {"fragments": ["t#row=0"], "parts": ["p0"], "product": None},
        "fit 1": {"fragments": [], "parts": [], "product": None},
    }


def test_one_mapped_value_comes_without_its_list():
    states = {"reduce.reduce_0": "success"}
    assert gathered(context(states, {"reduce.reduce": "p0"}), TASKS)["reduce"]["parts"] == ["p0"]


def test_failed_instances_are_named():
    states = {"late": "success", "late_run_0": "failed", "late_run_1": "success"}
    assert failed_tasks(context(states, {}), ["late", "late_run"]) == ["late_run_0"]
    assert failed_tasks(context(states, {}), []) == []


def test_a_lazy_sequence_is_asked_once():
    class Lazy:
        def __getitem__(self, key: slice) -> list[str]:
            assert key == slice(None)
            return ["a", "b"]

    assert paths(Lazy()) == ["a", "b"]
    assert paths(None) == []


REDUCE = """
observations: {datastore: dl3}
datasets: {background: {method: reflected}, on_region: {frame: icrs, lon: 0 deg, lat: 0 deg, radius: 0.1 deg}}
steps: [{name: reduce, tag: data-reduction}]
"""


@pytest.mark.requirement("A4.1", "A4.3")
def test_a_dag_says_what_it_does_not_follow(caplog: pytest.LogCaptureFixture) -> None:
    text = f"general: {{n_jobs: 4, outdir: out, log: {{level: debug, filename: x.log}}}}\n{REDUCE}"
    warn_of_no_effect(parse_config(text, name="toy", source="toy.yaml"), logging.getLogger("start"))
    assert caplog.messages == [
        "general.outdir, general.n_jobs, general.log.filename: without effect in a DAG, "
        "whose tasks, logs and store Airflow and GAMMAOPS_STORE decide"
    ]
    caplog.clear()
    warn_of_no_effect(parse_config(REDUCE, name="toy", source="toy.yaml"), logging.getLogger("start"))
    assert not caplog.messages
