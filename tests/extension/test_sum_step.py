"""A step type of another package, built and installed as its users do: it is there wherever ours are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "sum-step"
CONFIG = EXAMPLE / "three-steps.yaml"
DAG = """
import json, sys
from gammaops.config import load_config
from gammaops.orchestration.factory import build_dag
dag = build_dag(load_config(sys.argv[1]))
tasks = {task.task_id: [task.task_type, sorted(task.upstream_task_ids)] for task in dag.tasks}
heavy = [name for name in ("gammapy", "gammaops_sum.science") if name in sys.modules]
print(json.dumps({"tasks": tasks, "heavy": heavy}))
"""


@pytest.fixture(scope="module")
def python(sum_package: Path):
    """Runs Python where the package is installed; returns what was printed."""

    def run(*arguments: object) -> str:
        command = [sys.executable, *map(str, arguments)]
        env = {**os.environ, "PYTHONPATH": f"{sum_package}{os.pathsep}{ROOT / 'plugins'}", "COLUMNS": "200"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=sum_package)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_package_is_installed_by_itself(sum_package: Path):
    found = {path.name for path in sum_package.iterdir()}
    assert {"gammaops_sum", "gammaops_sum-1.0.dist-info"} <= found
    assert not any(name.partition("-")[0] == "gammaops" for name in found)


@pytest.mark.requirement("A1.8", "R2")
def test_it_is_listed_checked_and_planned(python):
    assert "The sum of numbers" in re.sub(r"\s+", " ", python("-m", "gammaops", "steps").replace("│", ""))
    assert "1 config checked, no problem" in python("-m", "gammaops", "lint", CONFIG)
    planned = python("-m", "gammaops", "plan", "--filename", CONFIG, "--values")
    assert re.search(r"third\s*│ sum\s*│ one, two\s*│ three, third_log", planned)
    assert re.search(r"sum\.add\s*│ 2\s*│ step config \S*three-steps\.yaml:7", planned)


def test_its_config_is_checked_like_ours(sum_package: Path, tmp_path: Path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(CONFIG.read_text(encoding="utf-8").replace("add: 2", "ad: 2"), encoding="utf-8")
    command = [sys.executable, "-m", "gammaops", "lint", str(wrong)]
    env = {**os.environ, "PYTHONPATH": f"{sum_package}{os.pathsep}{ROOT / 'plugins'}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 1
    assert done.stdout == (
        f"{wrong}:7:74: steps[1].config.sum.ad: unknown key; expected one of: add, pause; did you mean add?\n"
    )


@pytest.mark.requirement("A3.12", "R1")
def test_the_third_step_waits_for_both_and_they_for_nothing(python):
    dag = json.loads(python("-c", DAG, CONFIG))
    assert dag["heavy"] == []
    assert {name: dag["tasks"][name] for name in ("first", "second", "third")} == {
        "first": ["SumOperator", ["start"]],
        "second": ["SumOperator", ["start"]],
        "third": ["SumOperator", ["first", "second"]],
    }


@pytest.mark.requirement("A1.8", "A3.7", "A3.12", "R2")
def test_it_runs_and_is_in_the_report(python, tmp_path: Path):
    python("-m", "gammaops", "run", "--filename", CONFIG, "--out", tmp_path)
    (path,) = tmp_path.glob("runs/three-steps/*/v001/run.json")
    steps = {step["name"]: step for step in json.loads(path.read_text(encoding="utf-8"))["steps"]}
    made = {product["name"]: tmp_path / product["path"] for step in steps.values() for product in step["products"]}
    assert {name: made[name].read_text() for name in ("one", "two", "three", "third_log")} == {
        "one": "1\n",
        "two": "2\n",
        "three": "3\n",
        "third_log": "0 + 1 + 2 = 3\n",
    }
    page = path.with_name("report.html").read_text(encoding="utf-8")
    assert "0 + 1 + 2 = 3" in page
    assert re.search(r"<th[^>]*>\s*numbers\s*</th>\s*<th[^>]*>\s*sum\s*</th>", page)


def test_the_tutorial_shows_the_files_of_the_package():
    text = (ROOT / "docs" / "howto" / "write-a-step-type.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:python|toml|yaml)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    files = ("src/gammaops_sum/spec.py", "src/gammaops_sum/science.py", "pyproject.toml", "three-steps.yaml")
    for name in files:
        content = (EXAMPLE / name).read_text(encoding="utf-8")
        assert any(block in content for block in blocks if len(block) > 100), f"{name} has changed"
    assert all(any(block in (EXAMPLE / name).read_text(encoding="utf-8") for name in files) for block in blocks)
