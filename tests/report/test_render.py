from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from gammapy.modeling.models import Models

from gammaops.errors import ProductMissing
from gammaops.physics.datasets_io import write_dataset
from gammaops.physics.flux_io import write_flux_maps, write_flux_points
from gammaops.physics.models_io import fit_document, write_fit
from gammaops.products.base import Product
from gammaops.report.opening import how_to_open
from gammaops.steps.report import science

SIDECAR = {"config": {"flux_points": {"parameters": {"n_sigma_ul": 3}}}, "packages": {"gammapy": "2.1"}}


@pytest.fixture
def spectrum_record(record, make_step):
    return {**record, "steps": [make_step("points", "flux-points", product="flux_points")]}


@pytest.fixture
def flux_points(points, tmp_path) -> Product:
    path = tmp_path / "products" / "flux_points" / "1f" / "points.fits"
    path.parent.mkdir(parents=True)
    write_flux_points(points, path)
    return Product("u", "flux_points", "k", "d", "ok", lambda: path, {"source": "crab"}, SIDECAR)


@pytest.fixture
def fit(datasets, model, tmp_path) -> Path:
    path = tmp_path / "products" / "fit" / "2a" / "fit.yaml"
    path.parent.mkdir(parents=True)
    result = SimpleNamespace(
        success=True, message="ok", backend="minuit", method="migrad", nfev=1, total_stat=1.0, covariance_result="made"
    )
    fitted = Models([model.copy(name="crab")])
    fitted.covariance = np.array([[0.01, 1e-14, 0], [1e-14, 4e-24, 0], [0, 0, 0]])
    write_fit(fit_document(fitted, result, {}), path)
    return path


def test_products_are_drawn_into_the_page(spectrum_record, flux_points, read):
    page = read(science.render(spectrum_record, {"flux_points": flux_points}))
    assert "3 of 4 energy bins above 2 σ" in page.text
    assert "Upper limit (3 σ)" in page.text, "as the config of the product says"
    assert len(page.having("img")) == 1
    assert "packages gammapy 2.1" in page.text


def test_rendering_twice_gives_the_same_bytes(spectrum_record, flux_points):
    products = {"flux_points": flux_points}
    assert science.render(spectrum_record, products) == science.render(spectrum_record, products)


def test_the_error_band_comes_from_the_fit_if_it_is_still_there(spectrum_record, flux_points, fit):
    def opened(entry: dict[str, str]) -> Product:
        if not Path(entry["path"]).exists():
            raise ProductMissing("gone")
        return Product("f", "fit", "k", entry["digest"], "ok", lambda: Path(entry["path"]))

    inputs = {"fit": [{"path": str(fit), "digest": "d"}]}
    described = replace(flux_points, sidecar={**SIDECAR, "inputs": inputs}, beside=opened)
    with_band = science.render(spectrum_record, {"flux_points": described})
    without = science.render(spectrum_record, {"flux_points": flux_points})
    assert with_band != without
    fit.unlink()
    assert science.render(spectrum_record, {"flux_points": described}) == without


def test_a_picture_that_breaks_does_not_take_the_page_with_it(spectrum_record, flux_points, caplog, read):
    flux_points.path.write_bytes(b"not FITS")
    with caplog.at_level(logging.ERROR):
        page = read(science.render(spectrum_record, {"flux_points": flux_points}))
    assert "This part could not be drawn: OSError" in page.text
    assert "GOOD" in page.text
    (logged,) = [one for one in caplog.records if one.name == science.__name__]
    assert logged.exc_info is not None
    assert "flux_points" in logged.getMessage()


def test_a_product_that_could_not_be_opened_is_named(spectrum_record, read):
    page = read(science.render(spectrum_record, {}))
    assert "This part could not be drawn: the product could not be opened" in page.text


def test_a_step_type_without_pictures_is_no_problem(spectrum_record, flux_points, monkeypatch, read):
    monkeypatch.setattr(science, "load_science", lambda tag: ModuleType("bare"))
    page = read(science.render(spectrum_record, {"flux_points": flux_points}))
    assert "could not be drawn" not in page.text
    assert page.having("img") == []


@pytest.fixture
def in_store(tmp_path):
    """Paths in recipes are relative to the store."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def run(code: str) -> dict:
    names: dict = {}
    exec(code, names)  # noqa: S102 - the recipes of the page, which people paste
    return names


def test_recipe_opens_flux_points_with_the_right_fluxes(flux_points, points, in_store):
    code = how_to_open("flux_points", str(flux_points.path.relative_to(in_store)))
    opened = run(code)["points"]
    assert opened.dnde.data == pytest.approx(points.dnde.data, rel=1e-3)


@pytest.mark.requirement("R29")
def test_recipe_opens_a_light_curve_with_the_right_fluxes(light_curve, in_store):
    write_flux_points(light_curve, in_store / "curve.fits")
    opened = run(how_to_open("light_curve", "curve.fits"))["points"]
    assert opened.flux.quantity.to_value("cm-2 s-1") == pytest.approx(light_curve.flux.quantity.to_value("cm-2 s-1"))


def test_recipe_opens_a_fit(fit, in_store):
    models = run(how_to_open("fit", str(fit.relative_to(in_store))))["models"]
    assert models["crab"].spectral_model.index.value == pytest.approx(2.5)
    assert models["crab"].spectral_model.index.error == pytest.approx(0.1)


def test_recipe_opens_maps(maps, in_store):
    maps.write("maps.fits")
    opened = run(how_to_open("excess_map", "maps.fits").rsplit("\n", 1)[0])["maps"]
    assert opened.sqrt_ts.data == pytest.approx(maps.sqrt_ts.data, nan_ok=True)


def test_recipe_opens_a_map_of_significance_with_its_model(maps, in_store):
    write_flux_maps(maps, Path("ts.fits"))
    opened = run(how_to_open("ts_map", "ts.fits").rsplit("\n", 1)[0])["maps"]
    assert opened.sqrt_ts.data == pytest.approx(maps.sqrt_ts.data, nan_ok=True)
    assert opened.flux.data == pytest.approx(maps.flux.data, nan_ok=True)


def test_recipe_opens_datasets(datasets, in_store):
    members = []
    for dataset in datasets.copy():
        write_dataset(dataset, in_store / f"{dataset.name}.fits")
        members.append({"name": dataset.name, "path": f"{dataset.name}.fits"})
    Path("index.json").write_text(json.dumps({"kind": "datasets", "members": members}))
    opened = run(how_to_open("datasets", "index.json"))["datasets"]
    assert opened.names == ["obs-1", "obs-2", "obs-3"] or len(opened) == 3
    assert opened[0].counts.data.sum() == datasets[0].counts.data.sum()


def test_kinds_without_a_recipe_have_none():
    assert how_to_open("observations", "table.ecsv") == ""
