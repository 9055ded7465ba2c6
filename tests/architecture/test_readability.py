"""Limits that keep the code readable: sizes, documentation of public names, and nothing of one machine in the tree."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "plugins").rglob("*.py"), *(ROOT / "dags").glob("*.py")])
MODULE_LINES = 300
SPEC_LINES = 90
FUNCTION_LINES = 40
# Exceptions, each with its reason.
LONGER = {
    "plugins/gammaops/steps/data_reduction/spec.py": 140,  # two of gammapy's blocks: observations and datasets
    "plugins/gammaops/orchestration/parameters.py _which_observations": 50,  # the form, one entry after the other
}
# Names that say nothing about what is inside.
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler"}
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".cfg", ".html", ".css", ".json", ".sh", ".lock", ".ecsv", ""}
# Absolute folders that exist on somebody's machine, and to-dos that no issue remembers.
MACHINE = re.compile(r"(?<![\w.~$}])/(?:root|work|farm|Users|tmp/bash)[/_.]\S|(?<![\w.~$}/])/home/(?!airflow\b)\w+/")
TO_DO = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b(?!.*#\d)")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\0") if listed.returncode == 0 else []
    return [path for name in names if name and (path := ROOT / name).is_file() and path.suffix in TEXT]


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    lines = (node.end_lineno or 0) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def test_modules_are_short():
    limits = {path: SPEC_LINES if path.name == "spec.py" else MODULE_LINES for path in SOURCES}
    limits |= {ROOT / name: limit for name, limit in LONGER.items() if name.endswith(".py")}
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert [f"{_name(path)}: {lengths[path]} lines" for path in SOURCES if lengths[path] > limits[path]] == []


def test_functions_are_short():
    long = [
        f"{_name(path)}:{node.lineno} {node.name}: {_length(node)} lines"
        for path in SOURCES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if _length(node) > LONGER.get(f"{_name(path)} {node.name}", FUNCTION_LINES)
    ]
    assert long == []


def test_no_module_has_a_vague_name():
    parts = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert parts & VAGUE == set()


def test_every_module_and_public_name_is_documented():
    missing = []
    for path in SOURCES:
        tree = _tree(path)
        if tree.body and not ast.get_docstring(tree):
            missing.append(_name(path))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                missing += _undocumented(node, path)
    assert missing == []


def _undocumented(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, path: Path) -> list[str]:
    if node.name.startswith("_"):
        return []
    missing = [] if ast.get_docstring(node) else [f"{_name(path)}:{node.lineno} {node.name}"]
    if isinstance(node, ast.ClassDef):
        methods = [child for child in node.body if isinstance(child, ast.FunctionDef)]
        missing += [
            f"{_name(path)}:{child.lineno} {node.name}.{child.name}"
            for child in methods
            if not child.name.startswith("_") and not ast.get_docstring(child) and not _overrides(node, child)
        ]
    return missing


def _overrides(owner: ast.ClassDef, method: ast.FunctionDef) -> bool:
    """A method that a foreign base class defines is documented there."""
    foreign = bool(owner.bases) and owner.name not in {"GammaopsError"}
    return foreign and not any(isinstance(one, ast.Name) and one.id == "property" for one in method.decorator_list)


def test_nothing_is_printed():
    """The command line prints through rich; the rest logs."""
    printed = [
        f"{_name(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printed == []


@pytest.mark.parametrize(("what", "pattern"), [("a folder of one machine", MACHINE), ("a to-do of no issue", TO_DO)])
def test_no_file_holds(what: str, pattern: re.Pattern[str]):
    hits = [
        f"{_name(path)}:{number}: {line.strip()[:100]}"
        for path in _tracked()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert hits == [], f"{what}: {hits}"
