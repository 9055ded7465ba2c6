"""The documentation agrees with the code and with itself."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from gammaops.cli.main import COMMANDS
from gammaops.config import parse_config
from gammaops.plan import make_plan
from gammaops.steps.base import StepSpec

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.requirement("R33")
def test_the_reference_is_what_the_code_says(tmp_path: Path):
    # In a process of its own: other tests bring step types that no user has.
    command = [sys.executable, "docs/generate.py", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _texts(ROOT / "docs" / "reference") == _texts(tmp_path), "run `make docs`"


def _texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(
        rf"^ *```{language}\n(.*?)^ *```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def test_the_analysis_in_the_readme_is_accepted():
    (text,) = _blocks("README.md", "yaml")
    plan = make_plan(parse_config(text, "crab-spectrum", "README.md"))
    assert [step.spec.tag for step in plan.steps] == ["data-reduction", "fit", "flux-points"]


def test_the_step_in_the_how_to_is_a_step():
    spec, science = (textwrap.dedent(code) for code in _blocks("docs/howto/add-a-step.md", "python"))
    found: dict[str, object] = {}
    exec(spec, found)  # noqa: S102 - our own page
    assert isinstance(found["SPEC"], StepSpec)
    assert {"def prepare(", "def run("} <= {
        line[: line.index("(") + 1] for line in science.splitlines() if line[:4] == "def "
    }


def test_commands_in_the_docs_exist():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    used = set(re.findall(r"^ *\$ gammaops (\w+)", pages, flags=re.MULTILINE))
    assert used
    assert used <= set(COMMANDS)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_decisions_are_numbered_without_gaps_and_listed():
    folder = ROOT / "docs" / "adr"
    pages = sorted(path.name for path in folder.glob("0*.md"))
    assert [page[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    listed = LINK.findall((folder / "README.md").read_text(encoding="utf-8"))
    assert listed == pages


def test_every_make_target_explains_itself():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (\S+)$", text, flags=re.MULTILINE))
    explained = set(re.findall(r"^([a-z][a-z0-9-]*):.*## \S", text, flags=re.MULTILINE))
    assert phony == explained
    assert phony >= {
        "setup",
        "demo",
        "test",
        "test-slow",
        "lint",
        "check-configs",
        "up",
        "down",
        "clean",
        "bench",
        "docs",
        "physics",
    }


def test_changelog_fragments_have_a_known_type():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    known = {kind["directory"] for kind in settings["type"]}
    fragments = [path.name for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
    assert [name for name in fragments if name.split(".")[-2] not in known or not name.endswith(".md")] == []
