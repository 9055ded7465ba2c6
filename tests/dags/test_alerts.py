"""The task that tells people, and the deadline: when they are there, and that each is told once."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization

from gammaops.config import parse_config
from gammaops.errors import ConfigError, RunFailed
from gammaops.orchestration.alerting import AlertsOperator, tell_late
from gammaops.orchestration.end import VerdictOperator
from gammaops.orchestration.factory import build_dag
from gammaops.orchestration.tasks import StepTasks
from gammaops.plan import make_plan
from gammaops.products import ProductStore, RunFolder
from gammaops.runner import begin, finish, manual_scope, run_plan
from gammaops.runner.run import Provenance, Run

pytestmark = pytest.mark.requirement("R26")

NIGHTLY = """\
dag: {site: hess, schedule: nightly, start: 2004-12-01, lookback: LOOKBACK}
general: {models_file: crab.yaml}
observations: {datastore: $GAMMAPY_DATA/hess-dl3-dr1}
datasets: {on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}}
"""
RED = "red: {failed: true, tell: shift}"
LATE = "late: {deadline: 3 h, tell: shift}"


def dag_of(alerts: str, lookback: int = 30):
    text = NIGHTLY.replace("LOOKBACK", str(lookback)) + f"alerts: {{{alerts}}}\n"
    return build_dag(parse_config(text, "small", "small.yaml"))


@pytest.mark.parametrize(("lookback", "after"), [(30, {"report", "late_run"}), (0, {"report"})])
def test_people_are_told_before_the_verdict_which_stays_the_only_leaf(lookback, after):
    tasks = dag_of(RED, lookback).task_dict
    assert tasks["alerts"].upstream_task_ids == after
    assert tasks["alerts"].trigger_rule == "all_done"
    assert tasks["alerts"].retries == 5
    assert tasks["verdict"].upstream_task_ids == {*after, "alerts"}
    assert [task.task_id for task in tasks.values() if not task.downstream_task_ids] == ["verdict"]
    assert tasks["alerts"].template_fields == ("inputs",)


def test_an_analysis_that_tells_nobody_has_no_such_task():
    assert "alerts" not in dag_of("").task_dict
    assert "alerts" not in dag_of(LATE).task_dict
    assert dag_of(RED).deadline in (None, [])


def test_a_deadline_is_airflows():
    dag = dag_of(f"{RED}, {LATE}")
    (deadline,) = dag.deadline
    assert deadline.interval.total_seconds() == 3 * 3600
    assert deadline.reference.reference_name == "DagRunQueuedAtDeadline"
    assert deadline.callback.path == "gammaops.orchestration.alerting.tell_late"
    written = json.dumps(DagSerialization.to_dict(dag), sort_keys=True)
    assert written == json.dumps(DagSerialization.to_dict(dag_of(f"{RED}, {LATE}")), sort_keys=True)
    assert "alerts" in DagSerialization.from_dict(json.loads(written)).task_dict


# What the task does, with a run of toys as the runner leaves it.

TOY = """\
toy: {{words: [{words}]}}
steps: [{{name: reduce, tag: toy-reduce, products: words}}]
alerts:
  lost: {{quarantined_above: 20 %, tell: [shift, office]}}
  red: {{failed: true, tell: shift, backfills: false}}
"""
TASKS = [StepTasks("reduce", "reduce.collect", "reduce.select", "reduce.reduce")]


class Ti:
    """A task instance of a run whose config and report are at these paths."""

    dag_id, run_id, task_id, map_index, try_number, max_tries = "toy", "r", "alerts", -1, 1, 5
    task = SimpleNamespace(retries=5)

    def __init__(self, start: str | None, **states: str) -> None:
        self.start, self.states = start, {"report": "success", **states}

    def xcom_pull(self, task_ids):
        return self.start if task_ids == "start" else None

    def get_task_states(self, dag_id, task_ids, run_ids):
        return {self.run_id: {name: state for name, state in self.states.items() if name in task_ids}}


@pytest.fixture
def connections(monkeypatch, web):
    """Two people behind the same receiver."""
    for name in ("shift", "office"):
        known = {"conn_type": "http", "host": f"{web.url}/{name}"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(known))


@pytest.fixture
def ended(toys, tmp_path, monkeypatch, connections):
    """Runs a toy analysis, and gives what its task that tells people is asked with."""
    monkeypatch.setenv("GAMMAOPS_STORE", str(tmp_path))

    def end(words: str, name: str = "r", **context: object):
        config = parse_config(TOY.format(words=words), name="toy", source="toy.yaml")
        result = run_plan(config, ProductStore(tmp_path), manual_scope(config), name=name)
        return asked(config, result.report, **context)

    return end


def asked(config, report: str, *, run_type: str = "manual", tries: int = 1, **states: str):
    common = {"tasks": TASKS, "inputs": {"report": report}, "shape": make_plan(config).shape, "others": ["late"]}
    ti = Ti(report.replace("report.html", "config.yaml") if report else None, **states)
    ti.try_number = tries
    context = {"ti": ti, "dag_run": SimpleNamespace(run_type=run_type, run_id="r", dag_id="toy")}
    tell = AlertsOperator(task_id="alerts", analysis=config, **common)
    judge = VerdictOperator(task_id="verdict", telling=["alerts"], **common)
    return SimpleNamespace(
        tell=lambda: tell.execute(context), judge=lambda: judge.execute(context), ti=ti, report=report, config=config
    )


def told(web) -> list[tuple[str, str]]:
    return sorted((path, json.loads(body)["rule"]) for path, _, body in web.posts)


def markers(tmp_path) -> int:
    return len(list(tmp_path.rglob("alerts/*.json")))


def test_everybody_is_told_once_however_often_the_task_runs(ended, web, tmp_path):
    run = ended("good, truncated")
    run.tell()
    assert told(web) == [("/office", "lost"), ("/shift", "lost"), ("/shift", "red")]
    assert markers(tmp_path) == 3
    with pytest.raises(AirflowSkipException, match="everybody has been told"):
        run.tell()
    assert len(web.posts) == 3
    message = json.loads(web.posts[0][2])
    assert message["what"] == "1 of 2 observations are quarantined or missing (50 %), more than 20 %"
    assert message["run"] == "r, v001"
    assert message["link"].endswith("/dags/toy/runs/r/plugin/gammaops-products")
    assert message["report"] == run.report


def test_the_record_and_the_report_say_what_was_raised(ended, tmp_path):
    run = ended("good, truncated")
    folder = RunFolder.of(ProductStore(tmp_path), run.report)
    record = folder.read_json("run.json")
    assert [(alert["rule"], alert["value"]) for alert in record["alerts"]] == [("lost", 50.0), ("red", None)]
    page = folder.read("report.html").decode()
    assert "<b>Alert lost:</b> 1 of 2 observations are quarantined or missing (50 %), more than 20 %" in page


def test_a_good_run_tells_nobody(ended, web):
    run = ended("good, better")
    with pytest.raises(AirflowSkipException, match="nothing to tell"):
        run.tell()
    assert web.posts == []


def test_a_receiver_that_fails_is_tried_again_and_the_others_are_told(ended, web, tmp_path, caplog):
    run = ended("good, truncated")
    web.answers += [200, 500, 200]
    with pytest.raises(OSError, match="500"):
        run.tell()
    assert told(web) == [("/shift", "lost"), ("/shift", "red")]
    assert markers(tmp_path) == 2
    run.tell()
    assert told(web) == [("/office", "lost"), ("/shift", "lost"), ("/shift", "red")]


def test_what_can_be_tried_again_decides_beside_what_cannot(ended, web, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHIFT", json.dumps({"conn_type": "postgres"}))
    run = ended("good, truncated")
    web.answers.append(503)
    with pytest.raises(OSError, match="503"):
        run.tell()
    with pytest.raises(ConfigError, match="connection shift: is of type postgres"):
        run.tell()
    assert told(web) == [("/office", "lost")]


@pytest.mark.parametrize(
    ("words", "green"), [("good, better, best, fine, truncated", True), ("good, truncated", False)]
)
def test_the_verdict_is_the_same_whether_people_were_told(ended, words, green, caplog):
    run = ended(words, alerts="failed")
    if green:
        run.judge()
    else:
        with pytest.raises(RunFailed, match=r"^toy, all observations: RED: 1 of 2 quarantined or missing"):
            run.judge()


def test_a_backfilled_run_tells_what_is_not_for_new_nights_alone(ended, web):
    ended("good, truncated", run_type="backfill").tell()
    assert told(web) == [("/office", "lost"), ("/shift", "lost")]


def test_what_makes_a_run_red_after_its_report_is_told_too(ended, web):
    ended("good, better", late="failed").tell()
    ((_, _, body),) = web.posts
    assert json.loads(body)["what"].startswith(
        "RED: failed: late; see the logs there. Otherwise: toy, all observations: GOOD"
    )


def test_a_run_that_did_not_start_is_told_once(ended, web, tmp_path):
    config = parse_config(TOY.format(words="good"), name="toy", source="toy.yaml")
    run = asked(config, "")
    run.tell()
    ((_, _, body),) = web.posts
    assert json.loads(body)["what"] == "the run did not start; see the log of the task 'start'"
    with pytest.raises(AirflowSkipException):
        run.tell()
    assert [path.parent.parent.name for path in tmp_path.rglob("alerts/*.json")] == ["unstarted"]


def test_without_a_store_the_last_try_tells_that_nothing_is_known(ended, web, monkeypatch):
    run = ended("good, better")
    monkeypatch.setattr("gammaops.runner.ended_folder", broken)
    with pytest.raises(OSError, match="no such disk"):
        run.tell()
    assert web.posts == [], "it is tried again"
    run.ti.try_number = 6
    with pytest.raises(OSError, match="no such disk"):
        run.tell()
    ((_, _, body),) = web.posts
    assert json.loads(body)["what"] == "RED: it cannot be judged: no such disk"


def broken(*_):
    raise OSError("no such disk")


def test_a_further_execution_tells_again_and_a_cleared_task_does_not(ended, web, tmp_path):
    run = ended("good, truncated")
    run.tell()
    folder = RunFolder.of(ProductStore(tmp_path), run.report)
    successor = folder.successor()
    successor.create_json("run.json", folder.read_json("run.json"))
    cleared = asked(run.config, successor.uri_of("report.html"))
    with pytest.raises(AirflowSkipException, match="everybody has been told"):
        cleared.tell()
    assert len(web.posts) == 3
    ended("good, truncated").tell()
    assert len(web.posts) == 6


def test_a_dry_run_tells_nobody(ended, web, tmp_path):
    config = parse_config(TOY.format(words="truncated"), name="toy", source="toy.yaml")
    store, scope = ProductStore(tmp_path), manual_scope(config)
    uri = begin(config, store, scope, name="dry", params={"dry_run": True})
    run = Run.open(uri)
    finish(run, {}, Provenance())
    with pytest.raises(AirflowSkipException, match="a dry run tells nobody"):
        asked(config, run.folder.uri_of("report.html")).tell()
    assert web.posts == []


# The deadline, as Airflow calls it.

DUE = "2004-12-05T14:00:00+00:00"


def missed(web, **run: object) -> None:
    dag_run = {
        "dag_id": "toy",
        "dag_run_id": "scheduled__1",
        "run_type": "scheduled",
        "state": "running",
        "data_interval_start": "2004-12-04T10:54:00Z",
        "data_interval_end": "2004-12-05T10:54:00Z",
        "end_date": None,
        "conf": {},
        **run,
    }
    rule = {"name": "late", "deadline": "3 h", "tell": ["shift"], "backfills": True}
    context = {"dag_run": dag_run, "deadline": {"id": "x", "deadline_time": DUE}}
    asyncio.run(tell_late(context=context, rule=rule, longitude_deg=16.5))


def test_a_run_that_is_late_is_told_once(toys, connections, web, tmp_path, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_STORE", str(tmp_path))
    missed(web)
    missed(web)
    ((path, _, body),) = web.posts
    message = json.loads(body)
    assert path == "/shift"
    assert message["subject"] == "toy, night 2004-12-04: late: no report after 3 h"
    assert message["what"] == "no report yet: the run should have ended by 2004-12-05 14:00 UTC and is running"
    assert message["link"].endswith("/dags/toy/runs/scheduled__1")
    config = parse_config(TOY.format(words="good"), name="toy", source="toy.yaml")
    result = run_plan(config, ProductStore(tmp_path), manual_scope(config), name="scheduled__1")
    record = RunFolder.of(ProductStore(tmp_path), result.report).read_json("run.json")
    assert [(alert["rule"], alert["kind"]) for alert in record["alerts"]] == [("late", "deadline")]
    with pytest.raises(AirflowSkipException):
        asked(config, result.report).tell()
    assert len(web.posts) == 1


@pytest.mark.parametrize(
    "run",
    [
        {"run_type": "manual"},
        {"run_type": "backfill"},
        {"state": "failed", "end_date": "2004-12-05T13:59:00Z"},
    ],
    ids=["by hand", "backfill", "red in time"],
)
def test_nobody_waits_for_this_run(connections, web, tmp_path, monkeypatch, run):
    monkeypatch.setenv("GAMMAOPS_STORE", str(tmp_path))
    missed(web, **run)
    assert web.posts == []


def test_a_receiver_that_is_down_for_a_moment_is_tried_again(connections, web, tmp_path, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_STORE", str(tmp_path))
    slept: list[float] = []
    monkeypatch.setattr("gammaops.orchestration.alerting.time.sleep", slept.append)
    web.answers += [503, 503]
    missed(web)
    assert slept == [10, 20]
    assert len(web.posts) == 1
    web.answers += [503] * 4
    with pytest.raises(OSError, match="503"):
        missed(web, dag_run_id="scheduled__2")
