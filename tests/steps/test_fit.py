"""Which datasets a fit stacks, what it says about few OFF counts, and when its result is refused."""

from __future__ import annotations

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
import yaml
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import Models

from gammaops.errors import AlgorithmError
from gammaops.physics.datasets_io import read_datasets
from gammaops.physics.fitting import as_fitted
from gammaops.physics.flux_io import read_flux_points
from gammaops.physics.grouping import find_groups, off_counts, stack_groups
from gammaops.physics.models_io import read_fitted_models
from gammaops.steps import load_science

MAPS = ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "mask_safe")


@pytest.fixture(scope="module")
def fitted(driver, observations, faint_file, tmp_path_factory):
    """Fit products of the observations, by `fit.datasets`."""
    made = {}

    def product(how):
        if how not in made:
            config = driver.blocks("fit", general={"models_file": str(faint_file)}, fit={"datasets": how})
            made[how] = driver.run_one("fit", config, tmp_path_factory.mktemp(how), {"datasets": (observations,)})
        return made[how]

    return product


def assert_gammapys(product, datasets, models_file):
    datasets.models = Models.read(models_file)
    result = Fit().run(datasets)
    models = read_fitted_models(product.path)
    # The same numbers in another order of summation.
    np.testing.assert_allclose(models.parameters.value, datasets.models.parameters.value, rtol=1e-6)
    np.testing.assert_allclose(models.covariance.data, datasets.models.covariance.data, rtol=1e-4, atol=1e-40)
    assert product.metrics["total_stat"] == pytest.approx(result.total_stat, rel=1e-9)


def test_many_short_observations_are_stacked_by_default(fitted, observations, faint_file):
    product = fitted("auto")
    assert product.metrics["stacked"] == {"stacked": 6}
    assert product.metrics["datasets"] == 1
    assert_gammapys(product, Datasets([read_datasets((observations,)).stack_reduce("stacked")]), faint_file)


def test_joint_takes_every_observation_by_itself(fitted, observations, faint_file):
    product = fitted("joint")
    assert product.metrics["stacked"] == {}
    assert product.metrics["datasets"] == 6
    assert_gammapys(product, read_datasets((observations,)), faint_file)


def test_metrics_tell_how_many_off_counts_the_bins_have(fitted, observations):
    found = fitted("joint").metrics["off_counts"]
    datasets = read_datasets((observations,))
    off = np.concatenate([dataset.counts_off.data[dataset.mask_safe.data] for dataset in datasets])
    on = np.concatenate([dataset.counts.data[dataset.mask_safe.data] for dataset in datasets])
    # 57 of 72 bins are above 0.39 TeV.
    assert (found["datasets"], found["bins"]) == (6, 6 * 57)
    assert found["bins_few"] == np.count_nonzero(off < 10)
    assert found["bins_none"] == np.count_nonzero(off == 0) > 100
    assert found["mean"] == pytest.approx(90 / 57, rel=0.2)
    assert found["on_counts_in_few_percent"] == pytest.approx(100 * on[off < 10].sum() / on.sum())


def test_report_of_a_joint_fit_with_few_off_counts_warns_and_says_what_to_do(fitted):
    science = load_science("fit")
    (warning,) = science.report(fitted("joint")).warnings
    assert warning.startswith("6 ON/OFF spectra were fitted jointly (fit.datasets: joint) with few OFF counts: ")
    assert "too soft" in warning
    assert "set fit.datasets: auto" in warning
    stacked = science.report(fitted("auto"))
    assert stacked.warnings == ()
    assert "Stacked before the fit: 6 datasets as stacked." in stacked.notes


def grouped(datasets, how, least=10, instruments=None):
    return find_groups(datasets, instruments or {}, Models([]), how, least)


def test_groups_end_as_soon_as_their_bins_are_filled(observations):
    datasets = read_datasets((observations,))
    for dataset in datasets:
        dataset.mask_fit = dataset.counts.geom.energy_mask(energy_max=0.5 * u.TeV)
    names = datasets.names
    groups = grouped(datasets, "grouped", least=20)
    assert len(groups) > 1
    assert sorted(name for members in groups.values() for name in members) == names

    def filled(members):
        on, off = (sum(getattr(datasets[name], part).data for name in members) for part in ("counts", "counts_off"))
        return (off[datasets[0].mask.data & (on > 0)] >= 20).all()

    assert all(filled(members) for members in groups.values())
    assert not any(filled(members[:-1]) for members in list(groups.values())[:-1])


def test_bins_that_never_fill_make_one_group(observations):
    assert list(grouped(read_datasets((observations,)), "grouped")) == ["stacked"]


def test_instruments_are_never_stacked_together(observations):
    datasets = Datasets(read_datasets((observations,))[:4])
    instruments = dict(zip(datasets.names, ("A", "B", "A", "B"), strict=True))
    assert grouped(datasets, "stacked", instruments=instruments) == {
        "stacked-A": ["obs-1", "obs-3"],
        "stacked-B": ["obs-2", "obs-4"],
    }


def test_full_bins_are_fitted_jointly_by_default(observations):
    datasets = Datasets(read_datasets((observations,))[:2])
    assert grouped(datasets, "auto") == {"stacked": ["obs-1", "obs-2"]}
    for dataset in datasets:
        dataset.counts_off.data += 10
    assert off_counts(datasets, 10)["bins_few"] == 0
    assert grouped(datasets, "auto") == {}


def test_stack_of_a_group_is_stack_reduce(observations):
    datasets = Datasets(read_datasets((observations,))[:3])
    stacked, single = stack_groups(datasets, {"stacked": ["obs-1", "obs-2"]})
    expected = Datasets(datasets[:2]).stack_reduce("stacked")
    assert (stacked.name, single.name) == ("stacked", "obs-3")
    for name in MAPS:
        np.testing.assert_array_equal(getattr(stacked, name).data, getattr(expected, name).data, err_msg=name)


def test_model_of_some_observations_keeps_them_apart_and_keeps_its_names(driver, observations, faint_file, tmp_path):
    document = yaml.safe_load(faint_file.read_text())
    document["components"][0]["datasets_names"] = ["obs-1", "obs-2"]
    other = yaml.safe_load(faint_file.read_text())["components"][0]
    other |= {"name": "later", "datasets_names": [f"obs-{obs_id}" for obs_id in range(3, 7)]}
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump({"components": [*document["components"], other]}))
    config = driver.blocks("fit", general={"models_file": str(path)})
    product = driver.run_one("fit", config, tmp_path, {"datasets": (observations,)})
    assert product.metrics["stacked"] == {"stacked-SIM-1": 2, "stacked-SIM-2": 4}
    models = read_fitted_models(product.path)
    assert models["source"].datasets_names == ["obs-1", "obs-2"]
    datasets = as_fitted((observations,), product)
    assert [[model.name for model in dataset.models] for dataset in datasets] == [["source"], ["later"]]


def test_flux_points_are_those_of_the_stack_that_was_fitted(driver, fitted, observations, tmp_path):
    bins = {"min": "1 TeV", "max": "10 TeV", "nbins": 2}
    inputs = {"datasets": (observations,), "fit": (fitted("auto"),)}
    product, _, _ = driver.run_fan(
        "flux-points", driver.blocks("flux-points", flux_points={"energy": bins}), tmp_path, inputs
    )
    stacked = Datasets([read_datasets((observations,)).stack_reduce("stacked")])
    stacked.models = read_fitted_models(fitted("auto").path)
    edges = np.geomspace(1, 10, 3) * u.TeV
    expected = FluxPointsEstimator(energy_edges=edges, source="source", selection_optional=["ul"]).run(stacked)
    found = read_flux_points(product.path)
    for name in ("norm", "norm_err", "norm_ul", "sqrt_ts"):
        np.testing.assert_allclose(getattr(found, name).data, getattr(expected, name).data, rtol=1e-6, err_msg=name)


def test_flux_points_of_a_joint_fit_carry_its_warning(driver, fitted, observations, tmp_path):
    config = driver.blocks("flux-points", flux_points={"energy": {"min": "1 TeV", "max": "10 TeV", "nbins": 1}})
    warnings = {}
    for how in ("joint", "auto"):
        fit = fitted(how)
        inputs = {"datasets": (observations,), "fit": (fit,)}
        product, _, _ = driver.run_fan("flux-points", config, tmp_path / how, inputs)
        sidecar = {"inputs": {"fit": [{"path": "products/fit/ab/fit.yaml"}]}, "config": config}
        beside = {"products/fit/ab/fit.yaml": fit}
        points = replace(product, sidecar=sidecar, beside=lambda entry, beside=beside: beside[entry["path"]])
        warnings[how] = load_science("flux-points").report(points).warnings
    assert warnings["auto"] == ()
    assert [line.startswith("6 ON/OFF spectra were fitted jointly") for line in warnings["joint"]] == [True]


def test_datasets_that_had_another_name_in_the_fit_are_stacked_as_there(driver, observations, faint_file, tmp_path):
    (tmp_path / "other").mkdir()
    other = driver.short_observations(tmp_path / "other", 3, seed=2)
    config = driver.blocks("fit", general={"models_file": str(faint_file)})
    fit = driver.run_one("fit", config, tmp_path / "fit", {"datasets": (observations, other)})
    assert fit.metrics["stacked"] == {"stacked": 9}
    # Both have obs-1, obs-2 and obs-3; alone they need no number before the name.
    assert as_fitted((other,), fit).names == ["stacked"]
    (stacked,) = as_fitted((other,), fit)
    expected = read_datasets((other,)).stack_reduce("stacked")
    np.testing.assert_array_equal(stacked.counts.data, expected.counts.data)
    assert [model.name for model in stacked.models] == ["source"]


def test_two_datasets_of_one_name_in_the_fit_are_an_error(driver, fitted, observations, tmp_path):
    other = driver.short_observations(tmp_path, 1, seed=2)
    renamed = replace(other.members[0], row={**other.members[0].row, "name": "obs-1"})
    known = replace(observations.members[0], row={**observations.members[0].row, "name": "first"})
    with pytest.raises(AlgorithmError, match=r"several datasets are called obs-1 .* the same datasets as the fit"):
        as_fitted((replace(observations, members=(known, renamed)),), fitted("auto"))
