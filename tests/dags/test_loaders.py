"""The two DAG files: one bad config harms no other, and none goes unseen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from gammaops.errors import ConfigError, Problem
from gammaops.orchestration.factory import build_tombstone

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags"
CRAB = ROOT / "tests" / "data" / "crab.yaml"

PARSE = """
import json, sys
import airflow.sdk, runpy
loaded = runpy.run_path(sys.argv[1])
heavy = {"gammapy", "scipy", "matplotlib", "regions", "iminuit"}
print("\\n" + json.dumps({
    "dags": sum(isinstance(value, airflow.sdk.DAG) for value in loaded.values()),
    "heavy": sorted({name.split(".")[0] for name in sys.modules} & heavy),
}))
"""


@pytest.fixture
def configs(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "configs"
    folder.mkdir()
    for name in ("alpha", "beta"):
        shutil.copy(CRAB, folder / f"{name}.yaml")
    monkeypatch.setenv("GAMMAOPS_CONFIGS", str(folder))
    return folder


def loaded(name: str) -> DagBag:
    return DagBag(DAGS / name, bundle_path=DAGS, bundle_name="dags-folder")


def break_beta(configs: Path) -> None:
    path = configs / "beta.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("retries: 2", "retrys: 2"), encoding="utf-8")


@pytest.mark.requirement("R1")
def test_every_config_becomes_a_dag_named_after_its_file(configs):
    bag = loaded("analyses.py")
    assert bag.import_errors == {}
    assert sorted(bag.dags) == ["alpha", "beta"]


def test_a_config_may_be_called_like_anything_in_the_loader(configs):
    names = ("only", "path", "dag_of", "config_files", "get_parsing_context", "globals")
    for name in names:
        shutil.copy(CRAB, configs / f"{name}.yaml")
    bag = loaded("analyses.py")
    assert bag.import_errors == {}
    assert sorted(bag.dags) == sorted(["alpha", "beta", *names])


def test_good_configs_raise_no_import_error(configs):
    bag = loaded("config_errors.py")
    assert (bag.import_errors, bag.dags) == ({}, {})


@pytest.mark.requirement("R9")
def test_a_broken_config_becomes_a_tombstone_and_harms_no_other(configs):
    break_beta(configs)
    bag = loaded("analyses.py")
    assert bag.import_errors == {}
    assert sorted(task.task_id for task in bag.dags["alpha"].tasks)[-1] == "verdict"
    tombstone = bag.dags["beta"]
    assert "config-error" in tombstone.tags
    assert tombstone.timetable.can_be_scheduled is False
    assert "beta.yaml:14:3: dag.retrys" in tombstone.doc_md
    assert "did you mean retries?" in tombstone.doc_md


def test_the_import_error_names_file_line_key_and_remedy(configs):
    break_beta(configs)
    (message,) = loaded("config_errors.py").import_errors.values()
    assert "beta.yaml:14:3: dag.retrys" in message
    assert "did you mean retries?" in message


def test_files_whose_names_cannot_be_a_dag_are_reported(configs):
    (configs / "Gamma.yaml").write_text("", encoding="utf-8")
    (configs / "delta.yml").write_text("", encoding="utf-8")
    (message,) = loaded("config_errors.py").import_errors.values()
    assert "Gamma.yaml" in message
    assert "delta.yml" in message


def test_a_defect_of_ours_stays_with_its_config(configs, monkeypatch):
    def defect(_config: object) -> None:
        raise ZeroDivisionError("somewhere deep")

    monkeypatch.setattr("gammaops.orchestration.configs.build_dag", defect)
    bag = loaded("analyses.py")
    assert bag.import_errors == {}
    assert "ZeroDivisionError: somewhere deep" in bag.dags["alpha"].doc_md


def test_a_tombstone_says_what_is_wrong_when_it_is_run():
    problem = Problem("x.yaml", 3, 5, "fit.backend", "'sherpa' does not fit", "minuit or scipy")
    task = build_tombstone("x", ConfigError([problem])).task_dict["config_error"]
    assert task.problems == "x.yaml:3:5: fit.backend: 'sherpa' does not fit; expected minuit or scipy"
    assert task.retries == 0


def test_docs_cannot_be_broken_out_of(make_dag):
    problem = Problem("x.yaml", 1, 1, "", "``````")
    doc = build_tombstone("x", ConfigError([problem])).doc_md
    assert doc.count("```````") == 2


@pytest.mark.requirement("A3.13", "R8")
def test_parsing_imports_nothing_heavy(configs):
    for number in range(20):
        shutil.copy(CRAB, configs / f"more-{number}.yaml")
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(DAGS / "analyses.py")], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"dags": 22, "heavy": []}
