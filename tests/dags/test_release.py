"""The DAG that makes a release: what its tasks write, what they ask, and what becomes of the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from airflow.serialization.serialized_objects import DagSerialization

from gammaops.config.parse import NAME
from gammaops.errors import ConfigError
from gammaops.orchestration.release import DAG_ID, release_dag
from gammaops.products import ProductStore, RunFolder, content_key
from gammaops.releases import current_release, decide, decisions

pytestmark = pytest.mark.requirement("R23")
DAGS = Path(__file__).resolve().parents[2] / "dags"
PARAMS = {"name": "2026-11-prod", "comment": "season <b>one</b>", "analyses": [], "nights": []}


@pytest.fixture
def dag():
    return release_dag()


@pytest.fixture
def store(tmp_path, monkeypatch) -> ProductStore:
    """A store with a finished run of one product."""
    monkeypatch.setenv("GAMMAOPS_STORE", str(tmp_path))
    store = ProductStore(tmp_path)
    folder = RunFolder.new(store, "crab", "nightly", {"name": "nightly"})
    with store.scratch() as scratch:
        (scratch / "x.yaml").write_bytes(b"1\n")
        product = store.publish("value", content_key({}), scratch / "x.yaml", {"run": folder.relative})
    made = {"name": "value", "kind": "value", "path": store.relative(product.uri), "digest": product.digest}
    record = {
        "analysis": "crab", "name": "nightly", "nights": ["2026-11-02"], "scope": {}, "config_digest": "c",
        "verdict": {"ok": True, "line": "GOOD"}, "ledger": [], "provenance": {"code": {}},
        "steps": [{"name": "count", "products": [made]}],
    }  # fmt: skip
    folder.create_json("run.json", record)
    return store


def context(**params: object) -> dict:
    run = SimpleNamespace(triggering_user_name="shifter")
    return {
        "params": {**PARAMS, **params},
        "dag_run": run,
        "run_id": "manual__1",
        "task_instance": SimpleNamespace(id="7"),
    }


def answer(option: str, comment: str) -> dict:
    user = {"id": "1", "name": "P. Head"}
    return {
        "chosen_options": [option],
        "params_input": {"comment": comment},
        "responded_at": datetime(2026, 11, 27, 8, tzinfo=UTC),
        "responded_by_user": user,
    }


def test_the_file_makes_one_dag_that_no_analysis_can_be_called_like(dag):
    bag = DagBag(DAGS / "release.py", bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    assert list(bag.dags) == [DAG_ID]
    assert NAME.fullmatch(DAG_ID) is None
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert {task.task_id: set(task.downstream_task_ids) for task in again.tasks} == {
        "freeze": {"compare"},
        "compare": {"decide"},
        "decide": set(),
    }


def test_release_is_frozen_by_who_triggered_it_and_a_second_try_finds_it(dag, store):
    path = dag.task_dict["freeze"].execute(context())
    assert path == store.uri_of("releases/2026-11-prod.json")
    document = json.loads(store.files.read("releases/2026-11-prod.json"))
    assert (document["author"], document["comment"]) == ("shifter", "season <b>one</b>")
    assert dag.task_dict["freeze"].execute(context()) == path
    with pytest.raises(ConfigError, match="there is a release 2026-11-prod already"):
        dag.task_dict["freeze"].execute({**context(), "run_id": "manual__2"})


def test_first_release_is_compared_with_nothing(dag, store):
    dag.task_dict["freeze"].execute(context())
    with pytest.raises(AirflowSkipException, match="no current release"):
        dag.task_dict["compare"].execute(context())


def test_next_release_is_compared_with_the_current_one(dag, store):
    dag.task_dict["freeze"].execute(context())
    decide(store, "2026-11-prod", "promoted", "P. Head", "first")
    dag.task_dict["freeze"].execute({**context(name="2026-12-prod"), "run_id": "manual__2"})
    page = dag.task_dict["compare"].execute(context(name="2026-12-prod"))
    assert page == store.uri_of("comparisons/2026-12-prod.html")
    assert "NOTHING FLAGGED" in store.files.read("comparisons/2026-12-prod.html").decode()


def test_question_says_what_it_is_about_and_nothing_in_it_is_markup(dag, store, monkeypatch):
    dag.task_dict["freeze"].execute(context())
    asked = {}
    monkeypatch.setattr("airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **kw: asked.update(kw))
    with pytest.raises(TaskAwaitingInput):
        dag.task_dict["decide"].execute(context())
    assert asked["subject"] == "Promote the release 2026-11-prod?"
    assert asked["body"].startswith("1 runs, frozen by shifter: season \\<b>one\\</b>")
    assert asked["options"] == ["Promote", "Reject"]


@pytest.mark.parametrize(("option", "verdict"), [("Promote", "promoted"), ("Reject", "rejected")])
def test_answer_is_written_down_with_the_person_and_the_reason(dag, store, option, verdict):
    dag.task_dict["freeze"].execute(context())
    path = dag.task_dict["decide"].execute_complete(context(), answer(option, "looks right"))
    assert path == store.uri_of("releases/decisions/0001.json")
    (decision,) = decisions(store)
    assert (decision.verdict, decision.author, decision.comment) == (verdict, "P. Head", "looks right")
    assert (current_release(store) is not None) == (verdict == "promoted")


def test_answer_without_a_reason_decides_nothing(dag, store):
    dag.task_dict["freeze"].execute(context())
    with pytest.raises((ConfigError, ValueError)):
        dag.task_dict["decide"].execute_complete(context(), answer("Promote", ""))
    assert decisions(store) == []
