"""The configs that people start from: each has a simulated twin that runs, with every step good."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

import gammaops
from gammaops.config import load_config
from gammaops.config.blocks import block_levels
from gammaops.config.layers import overlay
from gammaops.products import ProductStore, RunFolder

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path for path in (ROOT / "include" / "configs").glob("*.yaml") if path.stem != "demo")
LISTED = {
    "crab-1d",
    "crab-3d",
    "hess1-hess1u-joint",
    "msh-3d-disk",
    "nightly-quicklook",
    "off-null-test",
    "pks2155-flare-lc",
    "pks2155-steady",
    "rxj1713-1d",
    "sensitivity",
    "tsmap-survey",
}
TWINS = yaml.safe_load((ROOT / "tests" / "data" / "twins.yaml").read_text(encoding="utf-8"))
# One of each kind, unless FULL=1 asks for all.
SAMPLE = {"hess1-hess1u-joint", "nightly-quicklook", "sensitivity", "tsmap-survey"}
CHOSEN = [path for path in CONFIGS if path.stem in SAMPLE or os.environ.get("FULL") == "1"]


@pytest.mark.requirement("A6.6")
def test_the_library_is_complete():
    assert {path.stem for path in CONFIGS} >= LISTED
    assert set(TWINS["twins"]) == {path.stem for path in CONFIGS}, "every config has its twin"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_says_in_three_lines_what_it_is(path: Path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.startswith("# ") for line in lines[:4]] == [True] * 3 + [False]
    assert load_config(path).document["description"]


@pytest.fixture(scope="module")
def library_data(two_instruments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two simulated archives under the names that the configs use."""
    folder = tmp_path_factory.mktemp("library")
    for name, archive in {"hess1": "hess1", "hess1u": "hess1u", "hess-dl3-dr1": "hess1u"}.items():
        (folder / name).symlink_to(two_instruments / "data" / archive)
    return folder


@pytest.fixture
def library(library_data: Path, two_instruments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """These archives are the data folders."""
    for name in ("GAMMAOPS_DATA", "GAMMAPY_DATA"):
        monkeypatch.setenv(name, str(library_data))
    monkeypatch.setenv("GAMMAOPS_ROOTS", str(two_instruments))


def overrides(name: str) -> dict:
    """What makes a config its twin, block by block."""
    twin = TWINS["twins"][name]
    blocks = dict(TWINS["common"][twin["use"]])
    for block, values in twin.get("and", {}).items():
        if values is None:
            del blocks[block]
        else:
            blocks[block] = overlay_given(block, blocks.get(block, {}), values)
    return blocks


def overlay_given(block: str, base: dict, over: dict) -> dict:
    """`over` laid over `base`, with its nulls kept: they take a key of the config away."""
    merged = overlay(block_levels()[block], base, over)
    return {**merged, **{key: None for key, value in over.items() if value is None}}


@pytest.mark.slow
@pytest.mark.requirement("R17")
@pytest.mark.usefixtures("library")
def test_the_second_analysis_of_the_chain_reduces_nothing(tmp_path):
    chain = ("nightly-quicklook", "nightly-history")
    configs = [load_config(ROOT / "include" / "configs" / f"{name}.yaml") for name in chain]
    made = {configs[0].name: [step.products[0] for step in configs[0].steps]}
    analysis, _, product = configs[1].dag["schedule"]["product"].partition("/")
    assert product in made[analysis], "it waits for what the first one makes"
    first, second = (gammaops.run(config, tmp_path, overrides=overrides(config.name)) for config in configs)
    ledger = RunFolder.of(ProductStore(tmp_path), second.report).read_json("run.json")["ledger"]
    assert first.verdict.ok
    assert second.verdict.ok
    assert len(ledger) > 1
    assert {row["state"] for row in ledger} == {"reused"}
    assert second.products["spectra"] == first.products["spectra"]


@pytest.mark.slow
@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.stem)
@pytest.mark.requirement("A6.6")
@pytest.mark.usefixtures("library")
def test_the_twin_runs(path: Path, tmp_path: Path):
    left_out = TWINS["twins"][path.stem].get("without", [])
    names = {step.name for step in load_config(path).steps} - set(left_out)
    result = gammaops.run(path, tmp_path, overrides=overrides(path.stem), steps=sorted(names))
    record = RunFolder.of(ProductStore(tmp_path), result.report).read_json("run.json")
    assert result.verdict.ok, json.dumps(record["steps"], indent=1)
    assert {step["name"]: step["status"] for step in record["steps"] if step["status"] != "ok"} == {}
    assert {row["state"] for row in record["ledger"]} == {"done"}
    assert {step["name"] for step in record["steps"]} == names
    assert all(product["path"] for step in record["steps"] for product in step["products"])
