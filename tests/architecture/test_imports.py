"""Who may import whom: imports point one way, and nothing heavy is reachable when a DAG file is parsed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"

# Lower may not import higher. What shares a rank may import each other only within one component.
RANKS = {
    "errors": 0,
    "schema": 1, "nights": 1,
    "sites": 2, "products": 2,
    "steps": 3,
    "alerts": 4, "config": 4, "ledger": 4, "lineage": 4,
    "plan": 5, "report": 5,
    "runner": 6, "simulation": 6, "conversion": 6,
    "api": 7, "care": 7,
    "releases": 8,
    "comparison": 9,
    "cli": 10, "orchestration": 10,
    "__main__": 11,
}  # fmt: skip
# The one science module that draws what all others made, for the page of a run.
REPORT = "gammaops.steps.report.science"
# What a science module may use of gammaops; physics and simulation as well.
SCIENCE_MAY = {"errors", "nights", "products", "physics", "steps.base"}
HEAVY = {"gammapy", "scipy", "regions", "matplotlib", "iminuit"}
LIGHT_ASTROPY = {"astropy.units"}


@dataclass(frozen=True)
class Import:
    """One imported module: by whom, in which line, and whether importing the importer runs it."""

    importer: str
    path: Path
    line: int
    name: str
    at_import: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.name}"


def _module(path: Path) -> str:
    parts = path.relative_to(PLUGINS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _for_typing(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _walk(node: ast.AST, at_import: bool) -> list[tuple[ast.Import | ast.ImportFrom, bool]]:
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt) and _for_typing(child):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            found.append((child, at_import))
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        found += _walk(child, at_import and not inside)
    return found


def _names(node: ast.Import | ast.ImportFrom, importer: str, is_package: bool) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = importer.split(".")
        base = ".".join([*parts[: len(parts) - node.level + is_package], *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def _imports() -> list[Import]:
    found = []
    for path in sorted([*PLUGINS.rglob("*.py"), *(ROOT / "dags").glob("*.py")]):
        importer = _module(path) if path.is_relative_to(PLUGINS) else f"dags.{path.stem}"
        for node, at_import in _walk(ast.parse(path.read_text(encoding="utf-8")), at_import=True):
            for name in _names(node, importer, path.name == "__init__.py"):
                found.append(Import(importer, path, node.lineno, name, at_import))
    return found


IMPORTS = _imports()


def _component(module: str) -> str:
    return module.split(".")[1] if module.startswith("gammaops.") else ""


def _is_step_science(module: str) -> bool:
    return module.startswith("gammaops.steps.") and module.endswith(".science")


def _is_science(module: str) -> bool:
    return _is_step_science(module) or _component(module) in {"physics", "simulation"}


def _is_heavy(name: str) -> bool:
    if name.split(".", maxsplit=1)[0] in HEAVY:
        return True
    return name.split(".", maxsplit=1)[0] == "astropy" and not any(
        f"{name}.".startswith(f"{ok}.") for ok in LIGHT_ASTROPY
    )


def test_imports_point_one_way():
    wrong = [
        f"{one} (rank {RANKS[_component(one.importer)]} imports rank {RANKS[_component(one.name)]})"
        for one in IMPORTS
        if _component(one.importer) in RANKS and _component(one.name) in RANKS
        if _component(one.importer) != _component(one.name) and not _is_science(one.importer)
        if RANKS[_component(one.importer)] <= RANKS[_component(one.name)]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_component_has_a_rank():
    components = {_component(_module(path)) for path in (PLUGINS / "gammaops").rglob("*.py")}
    assert components - set(RANKS) - {"", "physics"} == set()


def test_airflow_is_imported_only_by_orchestration_and_the_plugin():
    wrong = [
        str(one)
        for one in IMPORTS
        if one.name.split(".")[0] == "airflow"
        if not one.importer.startswith(("gammaops.orchestration", "gammaops_plugin", "dags."))
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_heavy_is_imported_at_the_top_of_a_module_outside_science():
    wrong = [str(one) for one in IMPORTS if one.at_import and _is_heavy(one.name) and not _is_science(one.importer)]
    assert not wrong, "\n".join(wrong)


def test_gammapy_is_used_only_by_science():
    computing = HEAVY - {"matplotlib"}
    wrong = [str(one) for one in IMPORTS if one.name.split(".")[0] in computing and not _is_science(one.importer)]
    assert not wrong, "\n".join(wrong)


def test_science_knows_nothing_of_plans_runs_and_airflow():
    wrong = [
        str(one)
        for one in IMPORTS
        if _is_step_science(one.importer) or _component(one.importer) == "physics"
        if one.name.startswith("gammaops.")
        if not any(f"{one.name}.".startswith(f"gammaops.{ok}.") for ok in SCIENCE_MAY)
        if not one.name.startswith(one.importer.rpartition(".")[0] + ".") and one.importer != REPORT
    ]
    assert not wrong, "\n".join(wrong)


def test_spec_modules_import_only_the_contract_and_the_schema():
    allowed = ("__future__", "gammaops.steps.base", "gammaops.schema")
    wrong = [str(one) for one in IMPORTS if one.importer.endswith(".spec") and not one.name.startswith(allowed)]
    assert not wrong, "\n".join(wrong)


def test_no_step_imports_another_step():
    folders = {path.name for path in (PLUGINS / "gammaops" / "steps").iterdir() if path.is_dir()}
    wrong = []
    for one in IMPORTS:
        parts, target = one.importer.split("."), one.name.split(".")
        if parts[:2] != ["gammaops", "steps"] or len(parts) < 4 or target[:2] != ["gammaops", "steps"]:
            continue
        if target[2] in folders - {parts[2]}:
            wrong.append(str(one))
    assert not wrong, "\n".join(wrong)


def test_dag_files_import_only_orchestration():
    used = {one.name for one in IMPORTS if one.importer.startswith("dags.") and one.name.startswith("gammaops")}
    assert used
    assert all(name.startswith("gammaops.orchestration.") for name in used)


# What parsing the DAG files imports is tested with Airflow, in tests/dags.
@pytest.mark.parametrize("module", ["gammaops", "gammaops.config", "gammaops.plan", "gammaops.cli"])
def test_importing_imports_nothing_heavy(module: str):
    heavy = _loaded_by(f"import {module}")
    assert heavy == []


def _loaded_by(code: str) -> list[str]:
    """Heavy modules in `sys.modules` after `code` ran in a fresh process."""
    script = f"{code}\nimport json, sys; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    return sorted({name.split(".")[0] for name in loaded} & HEAVY) + [
        name for name in loaded if name in {"astropy.table", "astropy.io.fits", "astropy.coordinates", "astropy.time"}
    ]
