"""Makers and estimators are made from the config alone: none of the files that it names has to be there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gammaops.config import load_config
from gammaops.plan import make_plan
from gammaops.steps import load_science

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [*sorted((ROOT / "include" / "configs").glob("*.yaml")), ROOT / "tests" / "data" / "original.yaml"]
PACKAGES = (sys.prefix, sys.base_prefix, str(ROOT))
opened: list[str] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes):
        opened.append(str(arguments[0]))


sys.addaudithook(_watch)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.requirement("A3.15", "A6.5")
def test_preparing_opens_no_file(path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("GAMMAOPS_DATA", "GAMMAPY_DATA"):
        monkeypatch.delenv(name, raising=False)
    config = load_config(path)
    blocks = {step.name: config.blocks(step) for step in config.steps}
    for step in make_plan(config).steps:
        science = load_science(step.spec.tag)
        opened.clear()
        science.prepare(blocks[step.name])
        # What Python itself and the packages read of their own is not the config's.
        assert [name for name in opened if name.startswith("/") and not name.startswith(PACKAGES)] == []
