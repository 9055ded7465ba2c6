"""A step type is one folder that says all about itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gammaops.steps import step_specs, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.steps.base import StepSpec

ROOT = Path(__file__).resolve().parents[2]
STEPS = ROOT / "plugins" / "gammaops" / "steps"
FOLDERS = sorted(path for path in STEPS.iterdir() if path.is_dir() and path.name != "__pycache__")
DESIGNED = {
    "data-reduction",
    "stack",
    "fit",
    "flux-points",
    "light-curve",
    "excess-map",
    "ts-map",
    "source-detection",
    "sensitivity",
    "flux-profile",
    "report",
}


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.requirement("A1.3", "R2")
def test_step_folder_is_complete(folder: Path):
    spec = step_specs()[tag_of(folder.name)]
    assert {"__init__.py", "spec.py", "science.py"} <= {path.name for path in folder.glob("*.py")}
    assert spec.tag == tag_of(folder.name), "the folder is named after the tag"
    assert re.fullmatch(r"[A-Z0-9].*\.", spec.doc), "the doc is one sentence"
    assert isinstance(spec.version, int)
    assert spec.version >= 1
    assert _wanted(spec) <= _functions(folder / "science.py")


def _wanted(spec: StepSpec) -> set[str]:
    """Functions that the runner calls."""
    if not spec.produces:
        return {"render"}  # the report makes no product: it draws the page of a whole run
    wanted = {"prepare", "run"} | ({"measured"} if spec.measures else set())
    return wanted | ({"split", "collect"} if spec.fan_out else set())


@pytest.mark.parametrize("tag", [tag_of(folder.name) for folder in FOLDERS])
def test_ports_and_config_keys_are_documented(tag: str):
    spec = step_specs()[tag]
    assert all(port.doc for port in spec.consumes.values())
    assert all(output.doc for output in spec.produces.values())
    assert _undocumented({"schema": spec.schema}) == []


def _undocumented(rules: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted paths of keys without a sentence for people."""
    missing = []
    for name, rule in rules.get("schema", {}).items():
        missing += [] if rule.get("meta", {}).get("doc") else [f"{prefix}{name}"]
        missing += _undocumented(rule, f"{prefix}{name}.")
    return missing


def test_the_designed_steps_exist():
    assert set(step_specs()) >= DESIGNED
