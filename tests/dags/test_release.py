"""The DAG that makes a release: what each task does and returns, and what comes of a person's answer."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import ParamValidationError, TaskAwaitingInput
from airflow.serialization.serialized_objects import DagSerialization

import gammaops
from gammaops.config import parse_config
from gammaops.config.parse import NAME
from gammaops.errors import ProductError
from gammaops.orchestration.release import COMMENT, DAG_ID, release_dag
from gammaops.products import ProductStore, RunFolder
from gammaops.releases.decisions import current_release, decisions
from gammaops.releases.records import open_release

pytestmark = pytest.mark.requirement("R23")
DAGS = Path(__file__).resolve().parents[2] / "dags"
ANSWERED = datetime(2026, 11, 3, 8, 15, tzinfo=UTC)
# A run id like those of Airflow.
RUN_ID = "manual__2026-11-03T08:00:00+00:00"
PARSE = """
import sys
import airflow.sdk, runpy
before = set(sys.modules)
loaded = runpy.run_path(sys.argv[1])
heavy = {"gammapy", "scipy", "matplotlib", "regions", "iminuit", "numpy", "rich", "jinja2"}
print(sorted({name.split(".")[0] for name in set(sys.modules) - before} & heavy), loaded["dag"].dag_id)
"""
TOY = "count: {number: 2}\nsteps: [{name: two, tag: count}, {name: sum, tag: total, required_products: [two]}]"


@pytest.fixture
def dag():
    return release_dag()


@pytest.fixture
def store(toys, tmp_path, monkeypatch) -> ProductStore:
    """A store with one run of toy steps, which need no data."""
    monkeypatch.setenv("GAMMAOPS_STORE", str(tmp_path))
    store = ProductStore(tmp_path)
    gammaops.run(parse_config(TOY, name="crab", source="crab.yaml"), tmp_path, label="first")
    return store


def context(run_id: str = RUN_ID, **params: object) -> dict:
    given = {"release": "r1", "analysis": "crab", "runs": [], "nights": [], "without": [], "comment": "", **params}
    return {
        "params": given,
        "run_id": run_id,
        "dag_run": SimpleNamespace(triggering_user_name="Ann", conf=given),
        "task_instance": SimpleNamespace(id="a-uuid"),
    }


def execute(dag, about: dict) -> dict[str, str]:
    """Freeze and compare; what they have returned, as the third task gets it."""
    release = dag.task_dict["freeze"].execute(about)
    compare = dag.task_dict["compare"]
    compare.inputs = {"release": release}
    return {"release": release, "page": compare.execute(about)}


def answer(dag, about: dict, inputs: dict[str, str], option: str, comment: str = "") -> str:
    task = dag.task_dict["approve"]
    task.inputs = inputs
    event = {
        "chosen_options": [option],
        "params_input": {COMMENT: comment},
        "responded_at": ANSWERED,
        "responded_by_user": {"id": "7", "name": "Ben"},
    }
    return task.execute_complete({**about, "task": task}, event)


def asked(dag, about: dict, inputs: dict[str, str], monkeypatch) -> dict:
    """What Airflow is told to ask."""
    told: dict = {}
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **details: told.update(details)
    )
    task = dag.task_dict["approve"]
    task.inputs = inputs
    with pytest.raises(TaskAwaitingInput):
        task.execute(about)
    return told


def test_the_file_makes_one_dag_that_no_analysis_can_be_called_like():
    bag = DagBag(DAGS / "release.py", bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    assert list(bag.dags) == [DAG_ID]
    assert NAME.fullmatch(DAG_ID) is None


def test_nothing_heavy_is_imported_to_parse_it():
    command = [sys.executable, "-c", PARSE, str(DAGS / "release.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"[] {DAG_ID}"


def test_a_person_is_asked_last_and_no_text_of_users_is_a_template(dag):
    assert [task.task_id for task in dag.topological_sort()] == ["freeze", "compare", "approve"]
    assert {task.trigger_rule for task in dag.tasks} == {TriggerRule.ALL_SUCCESS}
    assert {task.template_fields for task in dag.tasks} == {(), ("inputs",)}
    assert all(len(task.retry_policy.rules) == 7 for task in dag.tasks)
    assert dag.timetable.can_be_scheduled is False
    assert DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag)))).dag_id == DAG_ID


@pytest.mark.parametrize("name", ["", "../x", "a b", "{{ var.value.x }}", "x" * 81])
def test_the_form_refuses_names_that_no_release_can_have(dag, name):
    dag.params["comment"] = "as usual"
    with pytest.raises(ParamValidationError):
        dag.params["release"] = name


def test_tasks_return_the_paths_of_release_and_page(dag, store):
    inputs = execute(dag, context())
    assert inputs["release"] == store.uri_of("releases/r1.json")
    page = Path(unquote(urlsplit(inputs["page"]).path))
    assert page.parent == store.root / "comparisons" / "r1"
    assert "no release (none is promoted yet)" in page.read_text(encoding="utf-8")
    frozen = open_release(store, "r1").document["frozen"]
    assert (frozen["author"], frozen["who"]) == ("Ann", {"dag_id": DAG_ID, "run_id": RUN_ID})


def test_the_question_tells_what_the_comparison_has_found(dag, store, monkeypatch):
    about = context()
    answer(dag, about, execute(dag, about), "Approve")
    about = context("manual__2", release="r2")
    inputs = execute(dag, about)
    told = asked(dag, about, inputs, monkeypatch)
    assert told["subject"] == "Promote the release r2?"
    assert told["options"] == ["Approve", "Reject"]
    assert told["body"].startswith("Compared with release r1: **No flags. 3 products: 3 identical**")
    assert inputs["page"] in told["body"]
    assert list(told["params"]) == [COMMENT]


def test_approval_promotes_with_who_answered_when_and_the_comment(dag, store):
    about = context()
    uri = answer(dag, about, execute(dag, about), "Approve", "as the last one, \N{GREEK SMALL LETTER SIGMA} < 0.1")
    assert uri == store.uri_of("releases/decisions/0001.json")
    assert current_release(store) == "r1"
    (one,) = decisions(store)
    assert (one.verdict, one.signature.author, one.signature.comment) == ("promoted", "Ben", "as the last one, σ < 0.1")
    assert one.signature.time == "2026-11-03T08:15:00+00:00"


def test_rejection_leaves_the_release_frozen_and_is_written_down(dag, store):
    about = context()
    answer(dag, about, execute(dag, about), "Reject", "wrong IRFs")
    assert current_release(store) == ""
    assert open_release(store, "r1").problems() == []
    (one,) = decisions(store)
    assert (one.release, one.verdict, one.signature.comment) == ("r1", "rejected", "wrong IRFs")


def test_tasks_that_are_tried_again_find_what_they_have_done(dag, store):
    about = context()
    inputs = execute(dag, about)
    assert execute(dag, about) == inputs
    uri = answer(dag, about, inputs, "Approve")
    assert answer(dag, about, inputs, "Approve") == uri
    assert len(decisions(store)) == 1
    with pytest.raises(ProductError, match=r"there is a release r1 already"):
        dag.task_dict["freeze"].execute(context("manual__another"))


def test_a_release_of_nothing_or_of_a_red_run_is_refused(dag, store):
    with pytest.raises(ProductError, match="would hold no run; choose some"):
        dag.task_dict["freeze"].execute(context(analysis=None))
    (folder,) = RunFolder.all(store, "crab")
    record = folder.read_json("run.json")
    after = folder.successor()
    after.create_json("run.json", {**record, "run": after.relative, "verdict": {"line": "crab: RED: x", "ok": False}})
    with pytest.raises(ProductError, match="is red: crab: RED: x"):
        dag.task_dict["freeze"].execute(context())


def test_what_is_returned_fits_into_an_xcom(dag, store):
    about = context(release="x" * 80)
    inputs = execute(dag, about)
    for path in (*inputs.values(), answer(dag, about, inputs, "Approve")):
        assert len(path.removeprefix(store.uri).encode()) <= 128  # with a root of as many bytes at most 256
