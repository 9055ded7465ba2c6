"""Flux points and light curves of maps, and of stacks of observations, against gammapy's estimators used directly."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPointsEstimator, LightCurveEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, Models

from gammaops.physics.datasets_io import read_datasets
from gammaops.physics.flux_io import read_flux_points
from gammaops.physics.models_io import read_fitted_models

pytestmark = pytest.mark.slow

FITTED = 1e-3  # two fits from different starting points agree within the tolerance of Minuit
BINS = {"min": "1 TeV", "max": "10 TeV", "nbins": 3}


def assert_same(points, expected, names=("norm", "norm_err", "norm_ul")):
    for name in names:
        np.testing.assert_allclose(getattr(points, name).data, getattr(expected, name).data, rtol=FITTED, err_msg=name)
    np.testing.assert_allclose(points.counts.data, expected.counts.data, rtol=1e-6)
    np.testing.assert_allclose(points.sqrt_ts.data, expected.sqrt_ts.data, rtol=FITTED)


@pytest.fixture(scope="module")
def maps(driver, archive, tmp_path_factory):
    """Map datasets of two observations, not stacked."""
    config = driver.map_config(archive, stack=False, background={"method": "fov", "parameters": {"method": "scale"}})
    return driver.run_fan("data-reduction", config, tmp_path_factory.mktemp("maps"))[0]


@pytest.fixture(scope="module")
def map_fit(driver, maps, point_file, tmp_path_factory):
    config = driver.blocks("fit", general={"models_file": str(point_file)})
    return driver.run_one("fit", config, tmp_path_factory.mktemp("map-fit"), {"datasets": (maps,)})


@pytest.fixture(scope="module")
def gammapy_maps(driver, maps):
    """The same datasets, fitted with gammapy alone."""
    datasets = read_datasets((maps,))
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([*Models.from_yaml(driver.POINT), *backgrounds])
    assert Fit().run(datasets).success
    return datasets


@pytest.mark.requirement("R19")
def test_fit_and_flux_points_of_maps(driver, maps, map_fit, gammapy_maps, tmp_path):
    ours, theirs = read_fitted_models(map_fit.path)["crab"], gammapy_maps.models["crab"]
    np.testing.assert_allclose(ours.parameters.value, theirs.parameters.value, rtol=FITTED)
    config = driver.blocks("flux-points", flux_points={"energy": BINS})
    product, _, _ = driver.run_fan("flux-points", config, tmp_path, {"datasets": (maps,), "fit": (map_fit,)})
    edges = np.geomspace(1, 10, 4) * u.TeV
    estimator = FluxPointsEstimator(energy_edges=edges, source="crab", selection_optional=["ul"])
    points, expected = read_flux_points(product.path), estimator.run(gammapy_maps)
    for name in ("dnde", "dnde_err", "dnde_ul"):
        np.testing.assert_allclose(getattr(points, name).data, getattr(expected, name).data, rtol=2 * FITTED)
    np.testing.assert_allclose(points.counts.data, expected.counts.data, rtol=1e-6)


def test_light_curve_of_maps(driver, maps, map_fit, gammapy_maps, tmp_path):
    config = driver.blocks("light-curve", light_curve={"energy_edges": {**BINS, "nbins": 1}})
    product, _, _ = driver.run_fan("light-curve", config, tmp_path, {"datasets": (maps,), "fit": (map_fit,)})
    estimator = LightCurveEstimator(energy_edges=[1, 10] * u.TeV, source="crab", selection_optional=["ul"])
    curve, expected = read_flux_points(product.path), estimator.run(gammapy_maps)
    for name in ("flux", "flux_err", "flux_ul"):
        np.testing.assert_allclose(getattr(curve, name).data, getattr(expected, name).data, rtol=2 * FITTED)


@pytest.fixture(scope="module")
def stacked_fit(driver, observations, faint_file, tmp_path_factory):
    config = driver.blocks("fit", general={"models_file": str(faint_file)})
    return driver.run_one("fit", config, tmp_path_factory.mktemp("stacked"), {"datasets": (observations,)})


@pytest.fixture(scope="module")
def gammapy_stack(observations, stacked_fit):
    """The observations stacked with gammapy, with the fitted models."""
    stack = Datasets([read_datasets((observations,)).stack_reduce(name="stacked")])
    stack.models = read_fitted_models(stacked_fit.path)
    return stack


def test_flux_points_are_from_the_stack_that_was_fitted(driver, observations, stacked_fit, gammapy_stack, tmp_path):
    bins = {"min": "0.5 TeV", "max": "5 TeV", "nbins": 2}
    config = driver.blocks("flux-points", flux_points={"energy": bins})
    inputs = {"datasets": (observations,), "fit": (stacked_fit,)}
    product, _, _ = driver.run_fan("flux-points", config, tmp_path, inputs)
    (source,) = {model.name for model in gammapy_stack.models}
    edges = np.geomspace(0.5, 5, 3) * u.TeV
    estimator = FluxPointsEstimator(energy_edges=edges, source=source, selection_optional=["ul"])
    assert_same(read_flux_points(product.path), estimator.run(gammapy_stack))


@pytest.mark.requirement("R19")
def test_interval_of_several_observations_is_stacked_as_the_fit_was(
    driver, observations, stacked_fit, gammapy_stack, tmp_path
):
    edges = [time for member in observations.members for pair in member.row["gti"] for time in pair]
    first, last = (Time(edge, scale="tt").utc for edge in (min(edges), max(edges)))
    interval = (first - 1 * u.s, last + 1 * u.s)
    block = {"start": [interval[0].isot], "stop": [interval[1].isot]}
    energies = {"min": "0.5 TeV", "max": "5 TeV", "nbins": 1}
    config = driver.blocks("light-curve", light_curve={"energy_edges": energies, "time_intervals": block})
    inputs = {"datasets": (observations,), "fit": (stacked_fit,)}
    product, _, metrics = driver.run_fan("light-curve", config, tmp_path, inputs)
    (source,) = {model.name for model in gammapy_stack.models}
    estimator = LightCurveEstimator(
        time_intervals=[Time(interval)], energy_edges=[0.5, 5] * u.TeV, source=source, selection_optional=["ul"]
    )
    curve, expected = read_flux_points(product.path), estimator.run(gammapy_stack)
    for name in ("norm", "norm_err", "norm_ul"):
        np.testing.assert_allclose(getattr(curve, name).data, getattr(expected, name).data, rtol=FITTED)
    assert (metrics["points"], metrics["datasets_left_out"]) == (1, [])
