"""The DAG that looks after the store: what it does, in which order, and that it deletes nothing unasked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import TriggerRule
from airflow.serialization.serialized_objects import DagSerialization

from gammaops.care.runs_kept import Rules
from gammaops.config.parse import NAME
from gammaops.errors import ConfigError, RunFailed
from gammaops.orchestration.maintenance import DAG_ID, maintenance_dag, rules_of
from gammaops.products import ProductStore, content_key

pytestmark = pytest.mark.requirement("R34")
DAGS = Path(__file__).resolve().parents[2] / "dags"
DAY = 86400.0
NO_RULE = {"keep_runs": None, "older_than": None, "sample": 10}
PARSE = """
import sys
import airflow.sdk, runpy
before = set(sys.modules)
loaded = runpy.run_path(sys.argv[1])
heavy = {"gammapy", "scipy", "matplotlib", "regions", "iminuit", "numpy", "rich"}
print(sorted({name.split(".")[0] for name in set(sys.modules) - before} & heavy), loaded["dag"].dag_id)
"""


@pytest.fixture
def dag():
    return maintenance_dag()


@pytest.fixture
def store(tmp_path, monkeypatch) -> ProductStore:
    """A store with a product that no run has made, two days old."""
    for name in ("GAMMAOPS_KEEP_RUNS", "GAMMAOPS_OLDER_THAN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GAMMAOPS_STORE", str(tmp_path))
    store = ProductStore(tmp_path)
    with store.scratch() as folder:
        (folder / "x.yaml").write_bytes(b"1\n")
        store.publish("fit", content_key({}), folder / "x.yaml", {"run": "runs/a/gone/v001"})
    for path in (tmp_path / "products").rglob("*.*"):
        os.utime(path, times=(time.time() - 2 * DAY,) * 2)
    return store


def execute(dag, task: str, **params: object) -> str:
    run = SimpleNamespace(logical_date=datetime(2026, 11, 2, 12, tzinfo=UTC), run_after=None)
    return dag.task_dict[task].execute({"dag_run": run, "params": {**NO_RULE, **params}})


def found(store: ProductStore, name: str) -> dict:
    return json.loads(store.files.read(f"maintenance/2026-11-02T120000/{name}"))


def test_the_file_makes_one_dag_that_no_analysis_can_be_called_like():
    bag = DagBag(DAGS / "maintenance.py", bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    assert list(bag.dags) == [DAG_ID]
    assert NAME.fullmatch(DAG_ID) is None


def test_nothing_heavy_is_imported_to_parse_it():
    command = [sys.executable, "-c", PARSE, str(DAGS / "maintenance.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"[] {DAG_ID}"


def test_nothing_is_collected_before_a_sample_is_whole(dag):
    assert [task.task_id for task in dag.topological_sort()] == ["growth", "verify", "collect"]
    assert {task.trigger_rule for task in dag.tasks} == {TriggerRule.ALL_SUCCESS}
    assert dag.max_active_runs == 1
    assert dag.catchup is False
    assert all(task.template_fields == () for task in dag.tasks)
    assert all(len(task.retry_policy.rules) == 7 for task in dag.tasks)
    assert DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag)))).dag_id == DAG_ID
    dag.params.validate()


def test_tasks_return_the_paths_of_what_they_have_found(dag, store):
    for task, file in (("growth", "growth.json"), ("verify", "verify.json"), ("collect", "garbage.json")):
        assert execute(dag, task) == store.uri_of(f"maintenance/2026-11-02T120000/{file}")
    assert found(store, "growth.json")["kinds"] == {
        "fit": {"products": 1, "bytes": found(store, "growth.json")["bytes"]}
    }
    assert found(store, "verify.json") == {"problems": [], "lonely": [], "verified": 1}
    garbage = found(store, "garbage.json")
    assert (garbage["deleted"], garbage["number"]) == (False, 2)
    assert len(list(store.sidecars())) == 1, "no rule, so it is only told"


def test_garbage_goes_by_a_parameter_or_by_the_environment(dag, store, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_OLDER_THAN", "3d")
    execute(dag, "collect")
    assert found(store, "garbage.json")["rules"] == {"keep_runs": None, "older_than": 3 * DAY, "grace": DAY}
    assert found(store, "garbage.json")["deleted"]
    assert list(store.files.names("products")) == []


def test_a_damaged_product_makes_the_run_red(dag, store):
    (sidecar,) = store.sidecars()
    Path(store.open(store.uri_of(sidecar)).path).write_bytes(b"2\n")
    with pytest.raises(RunFailed, match=r"1 products verified, 1 problems, the first: products/fit/.*verify.json"):
        execute(dag, "verify")


def test_what_a_killed_try_has_left_is_told_and_goes_with_the_garbage(dag, store):
    left = store.root / "products" / "fit" / "00" / f"{'0' * 32}.{'1' * 16}.json"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"{}")
    os.utime(left, (0, 0))
    execute(dag, "verify")
    assert found(store, "verify.json")["lonely"] == [left.relative_to(store.root).as_posix()]
    assert found(store, "verify.json")["problems"] == []


@pytest.mark.parametrize(
    ("params", "environment", "rules"),
    [
        ({}, {}, Rules()),
        ({"keep_runs": 0}, {"GAMMAOPS_KEEP_RUNS": "3"}, Rules(keep_runs=0)),
        ({}, {"GAMMAOPS_KEEP_RUNS": "3"}, Rules(keep_runs=3)),
        ({"older_than": "2w"}, {"GAMMAOPS_OLDER_THAN": "90d"}, Rules(older_than=14 * DAY)),
        ({}, {"GAMMAOPS_KEEP_RUNS": "", "GAMMAOPS_OLDER_THAN": ""}, Rules()),
    ],
)
def test_parameters_come_before_the_environment(params, environment, rules, monkeypatch):
    for name in ("GAMMAOPS_KEEP_RUNS", "GAMMAOPS_OLDER_THAN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert rules_of({**NO_RULE, **params}) == rules


def test_rules_that_cannot_be_meant_are_refused(monkeypatch):
    monkeypatch.setenv("GAMMAOPS_KEEP_RUNS", "few")
    with pytest.raises(ConfigError) as raised:
        rules_of({**NO_RULE, "older_than": "soon"})
    keys = {problem.key: problem.message for problem in raised.value.problems}
    assert keys == {
        "keep_runs": "'few' is no number",
        "older_than": "'soon' is no age; expected a number with min, h, d or w, such as 90d",
    }
