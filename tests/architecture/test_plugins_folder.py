"""Airflow executes every module below its plugins folder unless ``.airflowignore`` says otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, sys, statistics, types
before = {"statistics": statistics.__file__, "types": types.__file__}
from airflow import plugins_manager
plugins_manager.ensure_plugins_loaded()
files = {n: getattr(m, "__file__", "") or "" for n, m in sys.modules.items() if "." not in n}
ours = [n for n, file in files.items() if "/plugins/gammaops/" in file]
print("\\n" + json.dumps({
    "errors": plugins_manager.get_import_errors(),
    "plugins": [type(one).__name__ + ":" + one.name if not isinstance(one, type) else one.name
                for one in plugins_manager._get_plugins()[0]],
    "hijacked": [n for n in before if sys.modules[n].__file__ != before[n]],
    "executed": ours,
    "heavy": sorted({n.split(".")[0] for n in sys.modules} & {"gammapy", "scipy", "matplotlib", "regions"}),
}))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """What loading the plugins does to a fresh process."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_plugins_load_without_errors(loaded):
    assert loaded["errors"] == {}


def test_the_gammaops_plugin_is_found(loaded):
    assert any("gammaops" in name for name in loaded["plugins"])


def test_no_module_of_the_package_is_executed_as_a_plugin(loaded):
    assert loaded["executed"] in ([], ["gammaops"])
    assert loaded["hijacked"] == []


def test_loading_the_plugins_imports_nothing_heavy(loaded):
    assert loaded["heavy"] == []
