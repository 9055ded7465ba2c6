"""Releases: frozen, compared in physical terms, promoted with a name under it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from astropy.io import fits

import gammaops
from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.errors import ConfigError, ProductError, ProductMissing
from gammaops.products import ProductStore, RunFolder
from gammaops.releases import (
    Side,
    Tolerances,
    all_releases,
    compared,
    current_release,
    decide,
    finished_runs,
    freeze,
    release_called,
    side_called,
)
from gammaops.simulation import ArchivePlan, simulate_archive

CONFIG = """
dag: {site: hess}
general: {models_file: models.yaml}
observations: {datastore: archive, required_irf: [aeff, edisp]}
datasets:
  type: 1d
  stack: false
  geom: {axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 8}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 16}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
flux_points: {energy: {min: 1 TeV, max: 10 TeV, nbins: 2}}
light_curve: {energy_edges: {min: 1 TeV, max: 10 TeV, nbins: 1}}
steps:
  - {name: reduce, tag: data-reduction}
  - {name: steady, tag: fit}
  - {name: points, tag: flux-points}
  - {name: curve, tag: light-curve}
"""
MODELS = """
components:
- name: crab
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.6}
    - {name: amplitude, value: 3.8e-11, unit: TeV-1 s-1 cm-2}
    - {name: reference, value: 1.0, unit: TeV, frozen: true}
"""
CHANGED = 2


def process(data: Path, out: Path, label: str = "nightly") -> gammaops.runner.LocalRun:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_DATA", str(data))
        result = gammaops.run(parse_config(CONFIG, name="crab", source="crab.yaml"), out, label=label)
    assert result.verdict.ok, result.verdict
    return result


def scale_area(path: Path, factor: float) -> None:
    """A calibration that finds another effective area."""
    with fits.open(path, memmap=False) as hdus:
        hdus["AEFF"].data["EFFAREA"] *= factor
        hdus.writeto(path, overwrite=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_archive(folder / "archive", ArchivePlan(nights=1, observations=3, duration_min=15, size="small", seed=5))
    (folder / "models.yaml").write_text(MODELS)
    return folder


@pytest.fixture(scope="module")
def filled(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ProductStore:
    """A store with one finished run."""
    out = tmp_path_factory.mktemp("store")
    process(data, out)
    return ProductStore(out)


@pytest.fixture(scope="module")
def recalibrated(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ProductStore:
    """The same night with 10 % more effective area in one observation."""
    folder = tmp_path_factory.mktemp("recalibrated")
    shutil.copytree(data, folder / "data")
    scale_area(folder / "data" / "archive" / "data" / f"sim_obs_{CHANGED:06d}.fits.gz", 1.1)
    process(folder / "data", folder / "store")
    return ProductStore(folder / "store")


@pytest.fixture
def store(filled: ProductStore, tmp_path: Path) -> ProductStore:
    """A copy to write into."""
    shutil.copytree(filled.root, tmp_path / "copy")
    return ProductStore(tmp_path / "copy")


def side(store: ProductStore, name: str) -> Side:
    return Side(name, finished_runs(store))


@pytest.mark.requirement("R23")
def test_area_of_one_observation_is_flagged_at_that_observation(filled, recalibrated):
    found = compared(side(filled, "2026-11-prod"), side(recalibrated, "2026-12-prod"), Tolerances())
    reduced = [one for one in found.flagged if one.item.startswith("observation")]
    assert [(one.item, one.what.partition(" at ")[0]) for one in reduced] == [
        (f"observation {CHANGED} (reduce)", "exposure")
    ]
    # The file keeps areas as float32.
    assert reduced[0].size == pytest.approx(10.0, abs=1e-3)
    assert reduced[0].scale == "%"
    light = max((one for one in found.differences if one.item.startswith("light_curve")), key=lambda one: abs(one.size))
    before, after = float(light.before.split()[0]), float(light.after.split()[0])
    # Events are the same, so the flux of that observation falls by the area; 5 digits are told.
    assert after / before == pytest.approx(1 / 1.1, rel=2e-3)
    fitted = {one.what for one in found.differences if one.item.startswith("fit")}
    assert {name.rpartition(".")[2] for name in fitted} == {"index", "amplitude"}


@pytest.mark.requirement("R23")
def test_the_same_again_is_not_flagged(filled, data, tmp_path):
    process(data, tmp_path)
    found = compared(side(filled, "a"), side(ProductStore(tmp_path), "b"), Tolerances())
    assert (found.differences, found.flagged) == ((), [])
    assert found.same == 3 + 3, "three observations, fit, points and curve"
    assert found.headline == "0 flagged, 0 changed within the tolerances, 6 products the same"


def test_small_change_is_told_but_not_flagged(filled, data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    scale_area(tmp_path / "data" / "archive" / "data" / f"sim_obs_{CHANGED:06d}.fits.gz", 1.005)
    process(tmp_path / "data", tmp_path / "store")
    found = compared(side(filled, "a"), side(ProductStore(tmp_path / "store"), "b"), Tolerances())
    assert found.flagged == []
    sizes = [one.size for one in found.differences if one.item == f"observation {CHANGED} (reduce)"]
    assert sizes == [pytest.approx(0.5, abs=1e-3)]
    strict = compared(side(filled, "a"), side(ProductStore(tmp_path / "store"), "b"), Tolerances(percent=0.1))
    assert [one.item for one in strict.flagged] == [f"observation {CHANGED} (reduce)"]


def test_observation_that_is_gone_is_flagged(filled, data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "archive" / "data" / f"sim_obs_{CHANGED:06d}.fits.gz").unlink()
    text = CONFIG.replace("{site: hess}", "{site: hess, max_quarantined: 50 %}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_DATA", str(tmp_path / "data"))
        gammaops.run(parse_config(text, name="crab", source="crab.yaml"), tmp_path / "store", label="nightly")
    found = compared(side(filled, "a"), side(ProductStore(tmp_path / "store"), "b"), Tolerances())
    states = [(one.item, one.before, one.after) for one in found.flagged if one.what == "state"]
    assert states == [(f"observation {CHANGED} (reduce)", "used", "missing")]
    assert [one.after for one in found.flagged if one.item.startswith("light_curve")] == ["none"]


@pytest.mark.requirement("R23")
def test_frozen_release_names_verified_products_and_is_never_written_again(store):
    release = freeze(store, "2026-11-prod", finished_runs(store), "A. Shifter", "first of the season")
    (run,) = release.document["runs"]
    record = RunFolder(store, run["run"]).read_json("run.json")
    products = [product for step in record["steps"] for product in step["products"]]
    assert [one["digest"] for one in run["products"]] == [one["digest"] for one in products]
    assert [one.name for one in all_releases(store)] == ["2026-11-prod"]
    before = store.files.read("releases/2026-11-prod.json")
    with pytest.raises(ConfigError, match="there is a release 2026-11-prod already"):
        freeze(store, "2026-11-prod", finished_runs(store), "B. Hasty", "once more")
    assert store.files.read("releases/2026-11-prod.json") == before


def test_damaged_product_is_not_released(store):
    (run,) = finished_runs(store)
    record = run.read_json("run.json")
    fit = next(product for step in record["steps"] for product in step["products"] if product["kind"] == "fit")
    path = store.root / fit["path"]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ProductError, match=r"2026-11-prod cannot be frozen: .*products/fit/"):
        freeze(store, "2026-11-prod", [run], "A. Shifter", "not whole")
    assert all_releases(store) == []


def test_red_and_unfinished_runs_are_not_released(store, tmp_path):
    unfinished = RunFolder.new(store, "crab", "tonight", {"name": "tonight"})
    (red,) = finished_runs(store)
    record = red.read_json("run.json")
    store.files.replace(
        f"{red.relative}/run.json", json.dumps({**record, "verdict": {"ok": False, "line": "RED: x"}}).encode()
    )
    with pytest.raises(ProductError, match=r"tonight.* has not ended; .* is red: RED: x"):
        freeze(store, "a", [unfinished, red], "A. Shifter", "in a hurry")


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "x" * 81, "decisions/0001"])
def test_name_that_would_leave_the_folder_is_refused(store, name):
    with pytest.raises(ConfigError, match="cannot name a release"):
        freeze(store, name, finished_runs(store), "A. Shifter", "a name")


@pytest.mark.requirement("R23")
def test_last_promoted_release_is_the_current_one(store):
    runs = finished_runs(store)
    for name in ("one", "two"):
        freeze(store, name, runs, "A. Shifter", "test")
    assert current_release(store) is None
    decide(store, "one", "promoted", "P. Head", "looks right")
    decide(store, "two", "rejected", "P. Head", "area of run 2")
    assert current_release(store).name == "one"
    decide(store, "two", "promoted", "P. Head", "area was right after all")
    assert current_release(store).name == "two"
    with pytest.raises(ProductMissing, match="no release 'three'; there are: one, two"):
        decide(store, "three", "promoted", "P. Head", "a slip")
    with pytest.raises(ConfigError, match="without author or comment"):
        decide(store, "one", "promoted", "P. Head", " ")


def test_runs_are_named_by_their_folder_or_their_release(store):
    (run,) = finished_runs(store)
    freeze(store, "one", [run], "A. Shifter", "test")
    assert side_called(store, run.relative).runs == [run]
    assert side_called(store, run.uri_of("report.html")).runs == [run]
    assert side_called(store, "one").runs == release_called(store, "one").runs == [run]
    with pytest.raises(ProductMissing, match="no finished run runs/crab/other/v001"):
        side_called(store, "runs/crab/other/v001")


@pytest.mark.requirement("R23", "R30")
def test_command_line_freezes_compares_and_promotes(store, recalibrated, tmp_path, capsys):
    root, other = str(store.root), str(recalibrated.root)
    signed = ["--author", "A. Shifter", "--comment", "test"]
    assert main(["releases", "freeze", "old", "--store", root, *signed]) == 0
    assert main(["releases", "freeze", "new", "--store", other, *signed]) == 0
    assert main(["releases", "promote", "old", "--store", root, *signed]) == 0
    assert main(["releases", "ls", "--store", root]) == 0
    assert "old (current)" in capsys.readouterr().out
    assert main(["releases", "show", "old", "--store", root]) == 0
    assert "products/fit/" in capsys.readouterr().out
    page = tmp_path / "diff.html"
    code = main(["diff", "old", "new", "--store", root, "--second-store", other, "--page", str(page)])
    assert code == 2
    assert f"observation {CHANGED} (reduce)" in capsys.readouterr().out
    assert f"observation {CHANGED} (reduce)" in page.read_text(encoding="utf-8")
    assert main(["diff", "old", "new", "--store", root, "--second-store", other, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["differences"][0]["size"] == pytest.approx(10.0, abs=1e-3)
    assert main(["diff", "old", "old", "--store", root]) == 0
    assert main(["diff", "old", "never", "--store", root]) == 1
