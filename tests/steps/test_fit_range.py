"""Estimates use the energies of the fit, as gammapy does with `mask_fit`."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPointsEstimator, LightCurveEstimator

from gammaops.physics.datasets_io import read_datasets
from gammaops.physics.flux_io import read_flux_points
from gammaops.physics.models_io import read_fitted_models

RANGE = {"min": "0.8 TeV", "max": "8 TeV"}
# What is written and read back is the same but for the order of sums.
EXACT = 1e-6


@pytest.fixture(scope="module")
def limited(driver, observations, faint_file, tmp_path_factory):
    """A fit of the observations between 0.8 and 8 TeV, stacked."""
    config = driver.blocks("fit", general={"models_file": str(faint_file)}, fit={"fit_range": RANGE})
    return driver.run_one("fit", config, tmp_path_factory.mktemp("limited"), {"datasets": (observations,)})


@pytest.fixture
def direct(observations, limited):
    """The same in gammapy alone."""
    datasets = Datasets([read_datasets((observations,)).stack_reduce("stacked")])
    datasets.models = read_fitted_models(limited.path)
    datasets[0].mask_fit = datasets[0].counts.geom.energy_mask(*(u.Quantity(RANGE[end]) for end in ("min", "max")))
    return datasets


def assert_same(found, expected, names):
    for name in names:
        np.testing.assert_allclose(getattr(found, name).data, getattr(expected, name).data, rtol=EXACT, err_msg=name)


def test_flux_points_use_the_energies_of_the_fit(driver, observations, limited, direct, tmp_path):
    bins = {"min": "0.5 TeV", "max": "20 TeV", "nbins": 2}
    config = driver.blocks("flux-points", flux_points={"energy": bins})
    inputs = {"datasets": (observations,), "fit": (limited,)}
    product, _, _ = driver.run_fan("flux-points", config, tmp_path, inputs)
    edges = np.geomspace(0.5, 20, 3) * u.TeV
    estimator = FluxPointsEstimator(energy_edges=edges, source="source", selection_optional=["ul"])
    expected = estimator.run(direct)
    assert_same(read_flux_points(product.path), expected, ("norm", "norm_err", "norm_ul", "npred"))
    direct[0].mask_fit = None
    assert not np.allclose(expected.norm.data, estimator.run(direct).norm.data, rtol=0.05), "the range matters here"


def test_bin_outside_the_energies_of_the_fit_has_no_flux(driver, observations, limited, tmp_path):
    config = driver.blocks("flux-points", flux_points={"energy": {"min": "1 TeV", "max": "100 TeV", "nbins": 2}})
    inputs = {"datasets": (observations,), "fit": (limited,)}
    _, _, metrics = driver.run_fan("flux-points", config, tmp_path, inputs)
    (lost,) = metrics["points_without_flux"]
    assert lost["reason"] == "no dataset is safe to use in this bin, inside the fit's energies"


def test_light_curve_uses_the_energies_of_the_fit(driver, observations, limited, tmp_path):
    config = driver.blocks("light-curve", light_curve={"energy_edges": {"min": "0.5 TeV", "max": "20 TeV", "nbins": 1}})
    inputs = {"datasets": (observations,), "fit": (limited,)}
    product, _, _ = driver.run_fan("light-curve", config, tmp_path, inputs)
    datasets = read_datasets((observations,))
    datasets.models = read_fitted_models(limited.path)
    for dataset in datasets:
        dataset.mask_fit = dataset.counts.geom.energy_mask(*(u.Quantity(RANGE[end]) for end in ("min", "max")))
    expected = LightCurveEstimator(energy_edges=[0.5, 20] * u.TeV, source="source").run(datasets)
    assert_same(read_flux_points(product.path), expected, ("norm", "norm_err"))
