"""Datasets that gammapy has written become products with the same counts, exposures and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from gammapy.datasets import Datasets
from gammapy.modeling import Fit
from gammapy.modeling.models import Models

import gammaops
from gammaops.config import parse_config
from gammaops.errors import AlgorithmError, DataError
from gammaops.physics.datasets_io import read_dataset
from gammaops.physics.models_io import read_fitted_models
from gammaops.products import ProductStore, RunFolder
from gammaops.steps import load_science

AXES = {
    "energy": {"min": "0.5 TeV", "max": "50 TeV", "nbins": 8},
    "energy_true": {"min": "0.3 TeV", "max": "100 TeV", "nbins": 20},
}
CONFIG = """
general: {models_file: models.yaml}
datasets_file: {path: given/datasets.yaml}
fit: {datasets: joint}
steps:
  - {name: given, tag: datasets-file, products: datasets}
  - {name: spectrum, tag: fit, required_products: [datasets], products: fit}
"""


@pytest.fixture
def given(driver, archive, tmp_path: Path, models_file: Path, monkeypatch) -> Datasets:
    """Two spectra as gammapy writes them, below the data folder."""
    config = driver.spectrum_config(archive, geom={"axes": AXES})
    product, _, _ = driver.run_fan("data-reduction", config, tmp_path / "made")
    datasets = Datasets([read_dataset(member.path) for member in product.members])
    (tmp_path / "data" / "given").mkdir(parents=True)
    datasets.write(tmp_path / "data" / "given" / "datasets.yaml")
    (tmp_path / "data" / "models.yaml").write_bytes(models_file.read_bytes())
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path / "data"))
    return datasets


def record(out: Path, *steps: str, text: str = CONFIG) -> tuple[dict, dict[str, Path]]:
    result = gammaops.run(parse_config(text, "given", "given.yaml"), out, steps=steps)
    found = RunFolder.of(ProductStore(out), result.report).read_json("run.json")
    return found, {product["name"]: out / product["path"] for step in found["steps"] for product in step["products"]}


@pytest.mark.requirement("A4.4")
def test_they_are_taken_over_and_fitted(given: Datasets, tmp_path: Path):
    found, made = record(tmp_path / "store")
    assert found["verdict"]["ok"], found["verdict"]
    index = ProductStore(tmp_path / "store").open(made["datasets"].as_uri())
    assert [member.row["name"] for member in index.members] == [dataset.name for dataset in given]
    for member, dataset in zip(index.members, given, strict=True):
        ours = read_dataset(member.path)
        for name in ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "mask_safe"):
            np.testing.assert_allclose(getattr(ours, name).data, getattr(dataset, name).data, rtol=1e-6, err_msg=name)
        assert member.row["livetime_s"] == pytest.approx(dataset.gti.time_sum.to_value("s"), rel=0.1)
    keys = {path.name for path in (tmp_path / "store" / "products").rglob("*.fits")}
    record(tmp_path / "store")
    assert {path.name for path in (tmp_path / "store" / "products").rglob("*.fits")} == keys, "nothing is made twice"


def test_what_cannot_be_read_is_told_in_the_verdict(given: Datasets, tmp_path: Path):
    path = tmp_path / "data" / "given" / f"pha_obs{given[1].name}.fits"
    path.write_bytes(path.read_bytes()[:2880])
    found, _ = record(tmp_path / "store", "given")
    assert not found["verdict"]["ok"]
    assert "RED: more than 20 % of the datasets of 'given' cannot be used" in found["verdict"]["line"]
    assert f"1 of 2 datasets of 'given' used (not {given[1].name}: " in found["verdict"]["line"]
    lenient, _ = record(tmp_path / "store", "given", text=f"dag: {{max_quarantined: 50 %}}\n{CONFIG}")
    assert lenient["verdict"]["ok"]
    assert "PARTIAL: 1 of 2 datasets of 'given' used" in lenient["verdict"]["line"]


def test_datasets_alone_are_data(given: Datasets, tmp_path: Path):
    found, _ = record(tmp_path / "store", "given")
    assert found["verdict"]["line"].endswith("GOOD: 2 of 2 datasets of 'given' used")


def test_another_file_makes_another_product(given: Datasets, tmp_path: Path):
    _, first = record(tmp_path / "store", "given")
    given[0].counts.data[0] += 1
    given.write(tmp_path / "data" / "given" / "datasets.yaml", overwrite=True)
    _, second = record(tmp_path / "store", "given")
    assert first["datasets"] != second["datasets"]


@pytest.mark.parametrize("text", ["", "datasets: 3", "datasets: [{name: a}]", "a: ["])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "datasets.yaml"
    path.write_text(text)
    with pytest.raises(AlgorithmError, match=r"datasets\.yaml is not what Datasets\.write makes"):
        load_science("datasets-file").split(path, {}, None)


def test_what_lies_elsewhere_or_is_no_dataset_of_counts_is_rejected(tmp_path: Path):
    path = tmp_path / "datasets.yaml"
    path.write_text(
        "datasets:\n- {name: a, type: MapDataset, filename: ../a.fits}\n"
        "- {name: b, type: FluxPointsDataset, filename: b.fits}\n- {name: c, type: MapDataset, filename: c.fits}\n"
    )
    table = load_science("datasets-file").split(path, {}, None)
    assert list(table["status"]) == ["rejected", "rejected", "selected"]
    assert list(table["reason"])[:2] == [
        "../a.fits is not in the folder of the datasets file",
        "a FluxPointsDataset is none of MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff",
    ]


def test_datasets_without_safe_mask_and_gti_are_fitted_as_by_gammapy(
    driver, given: Datasets, tmp_path: Path, models_file: Path
):
    for dataset in given:
        dataset.mask_safe, dataset.gti = None, None
    given.write(tmp_path / "data" / "given" / "datasets.yaml", overwrite=True)
    found, made = record(tmp_path / "store")
    assert found["verdict"]["ok"], found["verdict"]
    direct = Datasets.read(tmp_path / "data" / "given" / "datasets.yaml")
    direct.models = Models.read(models_file)
    Fit().run(direct)
    ours = read_fitted_models(made["fit"])["crab"].spectral_model
    # Two fits of the same counts agree within the tolerance of Minuit.
    assert ours.index.value == pytest.approx(direct.models["crab"].spectral_model.index.value, rel=1e-3)
    index = ProductStore(tmp_path / "store").open(made["datasets"].as_uri())
    assert [member.row["gti"] for member in index.members] == [[], []]
    light_curve = load_science("light-curve")
    config = driver.blocks("light-curve")
    with pytest.raises(AlgorithmError, match=r"obs-1 has no good time intervals \(GTI\)"):
        light_curve.split(light_curve.prepare(config), {"datasets": (index,)}, None)


def ogip(given: Datasets, folder: Path) -> Path:
    """The first dataset in OGIP format, and its datasets file."""
    folder.mkdir()
    given[0].write(folder / "pha_obs.fits", format="ogip")
    path = folder / "datasets.yaml"
    path.write_text("datasets:\n- {name: obs-1, type: SpectrumDatasetOnOff, filename: pha_obs.fits, format: ogip}\n")
    return path


def test_responses_of_a_spectrum_enter_the_key(given: Datasets, tmp_path: Path):
    science, path = load_science("datasets-file"), ogip(given, tmp_path / "ogip")
    (row,) = science.split(path, {}, None)
    assert row["status"] == "selected"
    names = ["pha_obs.fits", "pha_obs_arf.fits", "pha_obs_bkg.fits", "pha_obs_rmf.fits"]
    assert sorted(source.name for source in science.sources(path, row)) == names


@pytest.mark.parametrize("name", ["../arf.fits", "/data/arf.fits", "$HOME/arf.fits"])
def test_responses_outside_the_folder_are_rejected(given: Datasets, tmp_path: Path, name: str):
    path = ogip(given, tmp_path / "ogip")
    fits.setval(path.parent / "pha_obs.fits", "ANCRFILE", value=name, ext=1)
    (row,) = load_science("datasets-file").split(path, {}, None)
    assert (row["status"], row["reason_class"]) == ("rejected", "not-usable")
    assert row["reason"].startswith(f"pha_obs.fits names {name}, which is not in the folder of the datasets file")


def test_namesake_in_the_working_directory_is_not_read(given: Datasets, tmp_path: Path, monkeypatch):
    science, path = load_science("datasets-file"), ogip(given, tmp_path / "ogip")
    (row,) = science.split(path, {}, None)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "pha_obs_arf.fits").write_bytes((path.parent / "pha_obs_arf.fits").read_bytes())
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"gammapy would read .*pha_obs_arf\.fits"):
        science.run(path, {}, {"dataset": tmp_path / "out.fits"}, row)
