"""Tests on real data run where the data are, are counted where they are not, and never skip themselves unseen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import os
import pytest

def test_plain():
    assert "gammaops-tests" in os.environ["AIRFLOW_HOME"]

@pytest.mark.requires_data
def test_on_data(test_data):
    assert os.environ["GAMMAPY_DATA"] == str(test_data)
"""
SKIPS = (
    TESTS
    + """
def test_that_skips():
    pytest.skip("no reason is good enough")
"""
)


@pytest.fixture
def session(tmp_path: Path):
    """Run a session of its own, with this project's settings, over the given tests."""
    folder = tmp_path / "tests"
    folder.mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", folder)

    def run(tests: str, data: Path | None) -> tuple[int, str]:
        (folder / "test_example.py").write_text(tests, encoding="utf-8")
        env = {name: value for name, value in os.environ.items() if name != "GAMMAOPS_TEST_DATA"}
        env |= {"GAMMAOPS_TEST_DATA": str(data)} if data else {}
        command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
        command += ["-p", "no:cacheprovider", str(folder)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "hess-dl3-dr1").mkdir(parents=True)
    return tmp_path / "data"


def test_without_data_they_are_deselected_and_counted(session):
    code, output = session(TESTS, None)
    assert code == 0, output
    assert "1 passed, 1 deselected" in output
    assert "deselected for want of real data: 1" in output


def test_where_all_need_data_their_absence_is_no_failure(session):
    only = TESTS.replace("def test_plain", "@pytest.mark.requires_data\ndef test_plain")
    code, output = session(only, None)
    assert code == 0, output
    assert "deselected for want of real data: 2" in output


def test_with_data_they_run(session, data):
    code, output = session(TESTS, data)
    assert code == 0, output
    assert "2 passed" in output


def test_with_data_a_skip_fails_the_session(session, data):
    code, output = session(SKIPS, data)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "skipped: 1, which fails the session" in output


def test_a_wrong_folder_is_refused(session, tmp_path):
    code, output = session(TESTS, tmp_path)
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "has no folder hess-dl3-dr1" in output
