"""What is imported is declared, and what is declared is locked."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
# Distributions whose modules have another name; the packages that Airflow splits itself into come with it.
MODULES = {"pyyaml": "yaml", "apache-airflow": "airflow"}


def _declared() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    bare = [line.split("#")[0].strip() for line in lines]
    return {one.name: one for one in (Requirement(line) for line in bare if line)}


def _locked() -> dict[str, list[str]]:
    """Distribution to its versions; several where they differ between versions of Python."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", text, flags=re.MULTILINE):
        versions.setdefault(name, []).append(version)
    return versions


def _imported() -> set[str]:
    names = set()
    for path in [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "dags").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"gammaops", "airflow_local_settings"}


def test_what_is_imported_is_declared():
    declared = {MODULES.get(name, name) for name in _declared()}
    assert _imported() - declared == set(), "list it in requirements.txt, with the reason"


def test_what_is_declared_is_imported():
    # regions is listed for its upper bound.
    declared = {MODULES.get(name, name) for name in _declared()} - {"regions"}
    assert declared - _imported() == set(), "take it out of requirements.txt"


def test_the_lock_fits_the_requirements():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = settings["optional-dependencies"]
    wanted = [*_declared().values(), *(Requirement(line) for name in ("test", "docs") for line in extras[name])]
    locked = _locked()
    unfit = [
        f"{one} is locked as {locked.get(one.name)}"
        for one in wanted
        if not locked.get(one.name) or not all(Version(version) in one.specifier for version in locked[one.name])
    ]
    assert unfit == [], "run `make lock`"


def test_the_lock_has_hashes_and_names_no_server():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
