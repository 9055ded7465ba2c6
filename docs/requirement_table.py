"""What was asked for and which tests show it, read from docs/requirements.yaml and the markers in tests/.

A test shows a requirement if it, its class or its module carries ``@pytest.mark.requirement("A3.5")``. The files are
read, not imported, so that every test is seen on every machine.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
MARKER = "requirement"
INTRO = """\
What was asked for, and the tests that show it. The rows are those of [requirements.yaml](../requirements.yaml); a test
is listed where it carries the marker `requirement` with the row's name. What a row still lacks is said in italics.
"""


def parts() -> dict[str, dict[str, dict[str, str]]]:
    """Title of a part, name of a row, what was asked and what comes later."""
    text = (ROOT / "docs" / "requirements.yaml").read_text(encoding="utf-8")
    read: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(text)
    return read


def tests_by_requirement() -> dict[str, list[tuple[str, str]]]:
    """Name of a row to the tests that carry it: file below the clone, and name of the test."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        shown_by_all = _named(node.value for node in tree.body if _is_module_mark(node))
        for name, rows in _marked(tree, shown_by_all):
            for row in dict.fromkeys(rows):
                found.setdefault(row, []).append((path.relative_to(ROOT).as_posix(), name))
    return found


def _is_module_mark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    )


def _marked(owner: ast.Module | ast.ClassDef, rows: list[str], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Tests, also those of classes, with the rows that they show."""
    for node in owner.body:
        if isinstance(node, ast.ClassDef):
            yield from _marked(node, rows + _named(node.decorator_list), f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{prefix}{node.name}", rows + _named(node.decorator_list)


def _named(expressions: Any) -> list[str]:
    """The rows named by markers anywhere in these expressions."""
    calls = (node for one in expressions for node in ast.walk(one) if isinstance(node, ast.Call))
    marks = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == MARKER)
    return [ast.literal_eval(argument) for mark in marks for argument in mark.args]


def requirement_page(note: str) -> str:
    """The page of the reference, in Markdown."""
    tests = tests_by_requirement()
    lines = [note, "", "# Requirements and their tests", "", INTRO]
    for title, rows in parts().items():
        lines += [f"## {title}", "", "| | what was asked | tests |", "| --- | --- | --- |"]
        lines += [f"| {name} | {_asked(row)} | {_links(tests.get(name, []))} |" for name, row in rows.items()]
        lines.append("")
    return "\n".join(lines)


def _asked(row: Mapping[str, str]) -> str:
    return row["asked"] + (f". *To come: {row['later']}*" if "later" in row else "")


def _links(tests: list[tuple[str, str]]) -> str:
    """One link per file, with the names of its tests, which tell what they show."""
    by_file: dict[str, list[str]] = {}
    for path, name in tests:
        by_file.setdefault(path, []).append(name.removeprefix("test_").replace("_", " "))
    return "<br>".join(f"[{Path(path).stem}](../../{path}): {'; '.join(names)}" for path, names in by_file.items())
