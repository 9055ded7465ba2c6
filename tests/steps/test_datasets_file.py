"""Datasets that gammapy has written become products with the same counts, exposures and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gammapy.datasets import Datasets

import gammaops
from gammaops.config import parse_config
from gammaops.errors import AlgorithmError
from gammaops.physics.datasets_io import read_dataset
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
