"""Stack, fit, flux points, light curve and excess map against gammapy used directly on the same datasets."""

from __future__ import annotations

import filecmp
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
import yaml
from astropy.io import fits
from gammapy.datasets import Datasets
from gammapy.estimators import ExcessMapEstimator, FluxPoints, FluxPointsEstimator, LightCurveEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import Models

from gammaops.errors import AlgorithmError, NoWorkFound
from gammaops.physics.datasets_io import read_dataset, read_datasets
from gammaops.physics.flux_io import read_flux_maps, read_flux_points
from gammaops.physics.models_io import read_fitted_models, read_models
from gammaops.steps import load_science

BINS = {"min": "0.7 TeV", "max": "20 TeV", "nbins": 3}
# What is written and read back is the same to the last bit, but for the order of two roundings.
EXACT = 1e-9


@pytest.fixture(scope="module")
def fitted(spectra, fit_product):
    """The datasets with the fitted models, as gammapy's estimators want them."""
    datasets = read_datasets((spectra,))
    datasets.models = read_fitted_models(fit_product.path)
    return datasets


def assert_same_estimates(points, expected):
    for name in expected.available_quantities:
        ours, theirs = getattr(points, name).data.astype(float), getattr(expected, name).data.astype(float)
        np.testing.assert_allclose(ours, theirs, rtol=EXACT, err_msg=name)


@pytest.mark.requirement("R11", "R19")
def test_stack_step_is_stack_reduce(driver, spectra, tmp_path):
    product = driver.run_one("stack", driver.blocks("stack"), tmp_path, {"datasets": (spectra,)})
    (member,) = product.members
    stacked, expected = read_dataset(member.path), read_datasets((spectra,)).stack_reduce(name="stacked")
    assert (member.row["name"], member.row["obs_ids"]) == ("stacked", [1, 2])
    assert stacked.exposure.meta["livetime"].to_value("s") == pytest.approx(member.row["livetime_s"], rel=1e-9)
    for name in ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "mask_safe"):
        np.testing.assert_array_equal(getattr(stacked, name).data, getattr(expected, name).data)


def test_stack_step_makes_one_dataset_for_each_instrument(driver, spectra, tmp_path):
    rows = [{**member.row, "instrument": name} for member, name in zip(spectra.members, ("B", "A"), strict=True)]
    members = tuple(replace(member, row=row) for member, row in zip(spectra.members, rows, strict=True))
    product = driver.run_one(
        "stack", driver.blocks("stack"), tmp_path, {"datasets": (replace(spectra, members=members),)}
    )
    assert [member.row["name"] for member in product.members] == ["stacked-A", "stacked-B"]


def test_maps_stacked_by_the_step_cover_what_the_observations_cover(driver, archive, tmp_path):
    config = driver.map_config(archive, stack=False)
    product, _, _ = driver.run_fan("data-reduction", config, tmp_path / "maps")
    config["datasets"]["stack"] = True
    whole, _, _ = driver.run_fan("data-reduction", config, tmp_path / "whole")
    stacked = driver.run_one("stack", driver.blocks("stack"), tmp_path / "stack", {"datasets": (product,)})
    ours, expected = read_dataset(stacked.members[0].path), read_dataset(whole.members[0].path)
    assert ours.counts.data.sum() == expected.counts.data.sum() > 0
    np.testing.assert_allclose(ours.background.data.sum(), expected.background.data.sum(), rtol=1e-6)
    assert ours.counts.geom.is_aligned(expected.counts.geom)


@pytest.mark.requirement("R19")
def test_fit_is_gammapys_and_its_file_is_a_models_file(spectra, fit_product, models_file):
    datasets = read_datasets((spectra,))
    datasets.models = Models.read(models_file)
    result = Fit().run(datasets)
    models = read_fitted_models(fit_product.path)
    assert models.parameters.value == pytest.approx(datasets.models.parameters.value, rel=1e-9)
    np.testing.assert_allclose(models.covariance.data, datasets.models.covariance.data, rtol=1e-9)
    assert fit_product.metrics["total_stat"] == pytest.approx(result.total_stat, rel=1e-12)
    alone = Models.read(fit_product.path)
    assert alone["crab"].spectral_model.index.error == pytest.approx(
        models["crab"].spectral_model.index.error, rel=1e-9
    )


@pytest.mark.requirement("A4.4")
def test_fit_twice_gives_the_same_bytes_and_leaves_the_models_file_alone(
    driver, spectra, fit_product, models_file, tmp_path
):
    before = models_file.read_bytes()
    config = driver.blocks("fit", general={"models_file": str(models_file)}, fit={"datasets": "joint"})
    again = driver.run_one("fit", config, tmp_path, {"datasets": (spectra,)})
    assert filecmp.cmp(again.path, fit_product.path, shallow=False)
    assert models_file.read_bytes() == before


def test_fit_says_what_it_found(fit_product):
    fit = yaml.safe_load(fit_product.path.read_text())["fit"]
    assert fit["success"] is True
    names = ["crab.spectral.index", "crab.spectral.amplitude", "crab.spectral.reference"]
    assert [parameter["name"] for parameter in fit["parameters"]] == names
    assert fit["covariance"]["parameters"] == names
    # The matrix is in the units of the list, the models that are read back in their own.
    errors = [parameter["error"] for parameter in fit["parameters"]]
    np.testing.assert_allclose(np.sqrt(np.diag(fit["covariance"]["matrix"])), errors, rtol=1e-9)
    models = read_fitted_models(fit_product.path)
    own = [parameter.error for parameter in models.parameters]
    np.testing.assert_allclose(np.sqrt(np.diag(models.covariance.data)), own, rtol=1e-9)
    index = fit["parameters"][0]
    # Truth: a log-parabola with local index 2.45 at 1 TeV, 0.12 in curvature; 40 minutes give 0.1 or so.
    assert abs(index["value"] - 2.6) < 0.4
    assert 0.02 < index["error"] < 0.3


@pytest.mark.requirement("R21")
def test_fit_that_does_not_converge_leaves_numbers_but_no_product(driver, spectra, models_file, tmp_path):
    config = driver.blocks("fit", general={"models_file": str(models_file)}, fit={"datasets": "joint"})
    config["fit"]["optimize_opts"]["migrad_opts"] = {"ncall": 3}
    with pytest.raises(AlgorithmError, match="did not converge") as caught:
        driver.run_one("fit", config, tmp_path, {"datasets": (spectra,)})
    assert caught.value.metrics["datasets"] == 2
    assert not (tmp_path / "fit.yaml").exists()


def test_fit_range_without_safe_bins_is_refused(driver, spectra, models_file, tmp_path):
    energies = {"min": "99 TeV", "max": "99.5 TeV"}
    config = driver.blocks("fit", general={"models_file": str(models_file)}, fit={"fit_range": energies})
    with pytest.raises(AlgorithmError, match="inside fit_range"):
        driver.run_one("fit", config, tmp_path, {"datasets": (spectra,)})


def test_fit_of_nothing_is_no_work(driver, spectra, models_file, tmp_path):
    config = driver.blocks("fit", general={"models_file": str(models_file)})
    with pytest.raises(NoWorkFound, match="no observation left a dataset"):
        driver.run_one("fit", config, tmp_path, {"datasets": (replace(spectra, members=()),)})


def test_fit_product_is_a_models_file_for_the_next_fit(fit_product):
    assert read_models(fit_product.path).names == ["crab"]


@pytest.mark.parametrize("content", ["", "[]", "components: 5", "components: [{type: Nothing}]", "a: ["])
def test_file_without_models_is_refused(tmp_path, content):
    path = tmp_path / "models.yaml"
    path.write_text(content)
    with pytest.raises(AlgorithmError, match=r"models\.yaml is not a models file"):
        read_models(path)


@pytest.mark.requirement("R19")
def test_flux_points_bin_by_bin_are_the_estimator_at_once(driver, spectra, fit_product, fitted, tmp_path):
    config = driver.blocks("flux-points", flux_points={"energy": BINS})
    inputs = {"datasets": (spectra,), "fit": (fit_product,)}
    product, rows, metrics = driver.run_fan("flux-points", config, tmp_path, inputs)
    edges = np.geomspace(0.7, 20, 4) * u.TeV
    expected = FluxPointsEstimator(energy_edges=edges, source="crab", selection_optional=["ul"]).run(fitted)
    points = read_flux_points(product.path)
    assert_same_estimates(points, expected)
    assert [row["status"] for row in rows] == ["selected"] * 3
    assert metrics["points"] == 3
    low, high = expected.geom.axes["energy"].edges[:2].to_value("TeV")
    assert rows[0]["label"] == f"{low:.3g}-{high:.3g} TeV"
    assert points.reference_model.spectral_model.index.value == pytest.approx(
        fitted.models[0].spectral_model.index.value
    )


@pytest.mark.requirement("R29")
def test_flux_points_read_by_gammapy_alone_are_right(driver, spectra, fit_product, fitted, tmp_path):
    config = driver.blocks("flux-points", flux_points={"energy": {**BINS, "nbins": 1}})
    inputs = {"datasets": (spectra,), "fit": (fit_product,)}
    product, _, _ = driver.run_fan("flux-points", config, tmp_path, inputs)
    right = read_flux_points(product.path).flux.data
    spectrum = fitted.models["crab"].spectral_model
    np.testing.assert_allclose(FluxPoints.read(product.path, reference_model=spectrum).flux.data, right, rtol=EXACT)
    np.testing.assert_allclose(FluxPoints.read(product.path, sed_type="flux").flux.data, right, rtol=EXACT)
    with fits.open(product.path) as hdus:
        model = Models.from_yaml("\n".join(hdus["MODEL"].data["YAML"]))[0]
    assert model.spectral_model.index.value == pytest.approx(spectrum.index.value)


def test_energy_bins_outside_the_datasets_are_rejected(driver, spectra, fit_product):
    science = load_science("flux-points")
    wide = {"min": "100 TeV", "max": "10000 TeV", "nbins": 2}
    prepared = science.prepare(driver.blocks("flux-points", flux_points={"energy": wide}))
    table = science.split(prepared, {"datasets": (spectra,), "fit": (fit_product,)}, driver.Scope())
    assert list(table["status"]) == ["rejected", "rejected"]
    assert set(table["reason_class"]) == {"outside-axis"}
    assert set(table["reason"]) == {"the datasets reach from 0.1 to 100 TeV"}


def test_energy_bins_narrower_than_those_of_the_datasets_are_rejected_as_such(driver, spectra, fit_product):
    science = load_science("flux-points")
    narrow = {"min": "1.01 TeV", "max": "1.04 TeV", "nbins": 2}
    prepared = science.prepare(driver.blocks("flux-points", flux_points={"energy": narrow}))
    table = science.split(prepared, {"datasets": (spectra,), "fit": (fit_product,)}, driver.Scope())
    assert set(table["reason_class"]) == {"narrower-than-bins"}
    # 72 bins over three decades: 24 per decade.
    assert table["reason"][0] == "1.01 to 1.025 TeV is narrower than the datasets' bins, here 1 to 1.101 TeV"


def test_unknown_source_lists_the_known_ones(driver, spectra, fit_product, tmp_path):
    config = driver.blocks("flux-points", flux_points={"energy": BINS, "source": "vela"})
    with pytest.raises(AlgorithmError, match=r"no source 'vela' .* crab"):
        driver.run_fan("flux-points", config, tmp_path, {"datasets": (spectra,), "fit": (fit_product,)})


@pytest.fixture
def light_curve_config(driver):
    return driver.blocks("light-curve", light_curve={"energy_edges": {"min": "1 TeV", "max": "20 TeV", "nbins": 1}})


@pytest.mark.requirement("R19")
def test_light_curve_by_intervals_is_the_estimator_at_once(
    driver, light_curve_config, spectra, fit_product, fitted, tmp_path
):
    inputs = {"datasets": (spectra,), "fit": (fit_product,)}
    product, rows, _ = driver.run_fan("light-curve", light_curve_config, tmp_path, inputs)
    expected = LightCurveEstimator(energy_edges=[1, 20] * u.TeV, source="crab", selection_optional=["ul"]).run(fitted)
    curve = read_flux_points(product.path)
    assert_same_estimates(curve, expected)
    axis, other = curve.geom.axes["time"], expected.geom.axes["time"]
    assert abs((axis.time_min - other.time_min).to_value("s")).max() < 1e-6
    assert len(rows) == 2
    # A light curve has one energy bin, from which gammapy cannot guess the model: the fluxes themselves are there too.
    np.testing.assert_allclose(FluxPoints.read(product.path, sed_type="flux").flux.data, expected.flux.data, rtol=EXACT)


def test_given_time_intervals_are_kept_and_empty_ones_rejected(
    driver, light_curve_config, spectra, fit_product, fitted, tmp_path
):
    gti = Datasets(fitted).gti
    first, last = gti.time_start[0].utc, gti.time_stop[-1].utc
    empty = (first - 2 * u.day, first - 1 * u.day)
    intervals = [empty, (first - 1 * u.s, last + 1 * u.s)]
    light_curve_config["light_curve"]["time_intervals"] |= {
        "start": [start.isot for start, _ in intervals],
        "stop": [stop.isot for _, stop in intervals],
    }
    inputs = {"datasets": (spectra,), "fit": (fit_product,)}
    product, rows, metrics = driver.run_fan("light-curve", light_curve_config, tmp_path, inputs)
    assert [(row["status"], row["reason_class"]) for row in rows] == [("rejected", "no-data"), ("selected", "")]
    assert metrics["points"] == 1
    estimator = LightCurveEstimator(
        time_intervals=[intervals[1]], energy_edges=[1, 20] * u.TeV, source="crab", selection_optional=["ul"]
    )
    assert_same_estimates(read_flux_points(product.path), estimator.run(fitted))


@pytest.fixture(scope="module")
def maps(driver, archive, tmp_path_factory):
    """Map datasets of the same archive under two configs: all observations, and the first alone."""
    config = driver.map_config(archive, background={"method": "fov", "parameters": {"method": "scale"}})
    both = driver.run_fan("data-reduction", config, tmp_path_factory.mktemp("both"))[0]
    config["observations"]["obs_ids"] = [1]
    return both, driver.run_fan("data-reduction", config, tmp_path_factory.mktemp("first"))[0]


@pytest.mark.requirement("A4.18", "R19")
def test_excess_map_is_gammapys(driver, maps, tmp_path):
    product = driver.run_one("excess-map", driver.blocks("excess-map"), tmp_path, {"datasets": maps[:1]})
    expected = ExcessMapEstimator("0.1 deg").run(read_dataset(maps[0].members[0].path))
    found = read_flux_maps(product.path)
    for name in ("counts", "npred_excess", "sqrt_ts", "norm", "norm_err"):
        np.testing.assert_allclose(getattr(found, name).data, getattr(expected, name).data, rtol=EXACT, err_msg=name)
    np.testing.assert_allclose(found.flux.data, expected.flux.data, rtol=EXACT)
    assert product.metrics["lon_max_deg"] == pytest.approx(83.63, abs=0.1)
    assert product.metrics["lat_max_deg"] == pytest.approx(22.01, abs=0.1)
    assert product.metrics["sqrt_ts_max"] > 10


def test_excess_map_of_two_inputs_is_that_of_their_sum(driver, maps, tmp_path):
    product = driver.run_one("excess-map", driver.blocks("excess-map"), tmp_path, {"datasets": maps})
    one, two = (read_dataset(item.members[0].path) for item in maps)
    radius_pixels = 2  # 0.1 deg in pixels of 0.05 deg
    y, x = np.mgrid[-radius_pixels : radius_pixels + 1, -radius_pixels : radius_pixels + 1]
    near = x**2 + y**2 <= radius_pixels**2
    counts = (one.counts.data * one.mask_safe.data + two.counts.data * two.mask_safe.data).sum(axis=0)
    found = read_flux_maps(product.path).counts.data[0]
    for row, column in ((30, 30), (25, 33), (40, 20)):
        window = counts[row - 2 : row + 3, column - 2 : column + 3]
        assert found[row, column] == pytest.approx(window[near].sum(), rel=1e-5)
    assert product.metrics["counts"] == int(counts.sum())
