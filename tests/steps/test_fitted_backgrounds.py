"""Background models of a fit reach every dataset that a later step reads, or the step says that they do not."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from gammapy.estimators import LightCurveEstimator, TSMapEstimator
from gammapy.modeling.models import FoVBackgroundModel, Models, PointSpatialModel, PowerLawSpectralModel, SkyModel

from gammaops.errors import AlgorithmError
from gammaops.physics.datasets_io import read_dataset, read_datasets, write_dataset
from gammaops.physics.flux_io import read_flux_maps, read_flux_points
from gammaops.physics.models_io import read_fitted_models

# The same sums in another order.
EXACT = 1e-6
TS_MAP = {"kernel_model": {"index": 2.5}, "kernel_width": "0.5 deg", "models_left_out": ["crab"]}
ENERGIES = {"min": "1 TeV", "max": "10 TeV", "nbins": 1}


@pytest.fixture(scope="module")
def maps(driver, archive, tmp_path_factory):
    """Two observations, with twice the background that there is: the fit has to halve it."""
    made = driver.small_field(archive, tmp_path_factory.mktemp("maps"), stack=False)
    for member in made.members:
        dataset = read_dataset(member.path)
        dataset.background *= 2
        write_dataset(dataset, member.path)
    return made


def fitted(driver, datasets, point_file, folder, how):
    config = driver.blocks("fit", general={"models_file": str(point_file)}, fit={"datasets": how})
    return driver.run_one("fit", config, folder, {"datasets": (datasets,)})


@pytest.fixture(scope="module")
def stacked_fit(driver, maps, point_file, tmp_path_factory):
    """A fit that stacks the observations itself."""
    return fitted(driver, maps, point_file, tmp_path_factory.mktemp("stacked-fit"), "stacked")


@pytest.fixture(scope="module")
def fit_of_a_stack(driver, maps, point_file, tmp_path_factory):
    """A fit of a product of the step `stack`."""
    folder = tmp_path_factory.mktemp("fit-of-a-stack")
    stack = driver.run_one("stack", driver.blocks("stack"), folder / "stack", {"datasets": (maps,)})
    return fitted(driver, stack, point_file, folder, "auto")


def test_ts_map_of_observations_has_the_background_of_the_stack_that_was_fitted(driver, maps, stacked_fit, tmp_path):
    models = read_fitted_models(stacked_fit.path)
    assert models.background_models == {"stacked": "stacked-bkg"}
    norm = models["stacked-bkg"].spectral_model.norm
    assert abs(norm.value - 1) > 5 * norm.error, "else this test tests nothing"
    config = driver.blocks("ts-map", ts_map=TS_MAP)
    product, _, _ = driver.run_fan("ts-map", config, tmp_path, {"datasets": (maps,), "fit": (stacked_fit,)})
    stack = read_datasets((maps,)).stack_reduce("stacked")
    stack.models = Models([models["stacked-bkg"]])
    kernel = SkyModel(PowerLawSpectralModel(index=2.5), PointSpatialModel())
    expected = TSMapEstimator(kernel, kernel_width=0.5 * u.deg).run(stack)
    found = read_flux_maps(product.path)
    for name in ("norm", "stat_null", "npred"):
        ours, theirs = getattr(found, name).data, getattr(expected, name).data
        np.testing.assert_allclose(ours, theirs, rtol=EXACT, atol=EXACT * np.nanmax(np.abs(theirs)), err_msg=name)


def test_light_curve_by_observation_has_the_background_of_the_stack_that_was_fitted(
    driver, maps, stacked_fit, tmp_path
):
    config = driver.blocks("light-curve", light_curve={"energy_edges": ENERGIES})
    product, _, _ = driver.run_fan("light-curve", config, tmp_path, {"datasets": (maps,), "fit": (stacked_fit,)})
    datasets, models = read_datasets((maps,)), read_fitted_models(stacked_fit.path)
    background = models["stacked-bkg"].spectral_model
    backgrounds = [FoVBackgroundModel(name, spectral_model=background.copy()) for name in datasets.names]
    datasets.models = Models([models["crab"], *backgrounds])
    estimator = LightCurveEstimator(energy_edges=[1, 10] * u.TeV, source="crab", selection_optional=["ul"])
    expected = estimator.run(datasets)
    curve = read_flux_points(product.path)
    assert curve.geom.axes["time"].nbin == 2
    for name in ("norm", "norm_err", "norm_ul", "npred"):
        np.testing.assert_allclose(
            np.nansum(getattr(curve, name).data, axis=1), np.nansum(getattr(expected, name).data, axis=1), rtol=EXACT
        )


@pytest.mark.parametrize(("tag", "block"), [("ts-map", TS_MAP), ("light-curve", {"energy_edges": ENERGIES})])
def test_datasets_that_the_fit_did_not_read_are_refused(driver, maps, fit_of_a_stack, tmp_path, tag, block):
    config = driver.blocks(tag, **{tag.replace("-", "_"): block})
    with pytest.raises(AlgorithmError, match=r"no background model for obs-1.*, only for stacked; let this step read"):
        driver.run_fan(tag, config, tmp_path, {"datasets": (maps,), "fit": (fit_of_a_stack,)})
