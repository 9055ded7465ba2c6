"""A bin that cannot be estimated becomes a bin without a flux that says why; the others are as they were."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gammaops.errors import AlgorithmError, NoWorkFound
from gammaops.physics.datasets_io import read_dataset, write_dataset
from gammaops.physics.flux_io import read_flux_points
from gammaops.physics.models_io import read_fitted_models
from gammaops.steps import load_science

BINS = {"min": "1 TeV", "max": "30 TeV", "nbins": 3}
ONE_BIN = {**BINS, "nbins": 1}


def changed(driver, spectra, folder, change):
    """The datasets with `change` applied to the counts' energy bins of each."""
    folder.mkdir()
    members = []
    for member in spectra.members:
        dataset = read_dataset(member.path)
        change(dataset)
        path = folder / member.path.name
        write_dataset(dataset, path)
        members.append(replace(member, payload=partial(Path, path)))
    return replace(spectra, members=tuple(members))


def in_last_bin(dataset) -> np.ndarray:
    return dataset.counts.geom.axes["energy"].center.to_value("TeV") > 30 ** (2 / 3)


def without_counts(dataset):
    dataset.counts.data[in_last_bin(dataset)] = 0
    dataset.counts_off.data[in_last_bin(dataset)] = 0


def unsafe(dataset):
    dataset.mask_safe.data[in_last_bin(dataset)] = False


def damaged(dataset):
    """Counts that are no number, which gammapy's fit refuses with a ValueError."""
    dataset.counts.data = dataset.counts.data.astype(float)
    dataset.counts.data[in_last_bin(dataset)] = np.nan


def points(driver, datasets, fit_product, folder, **settings):
    config = driver.blocks("flux-points", flux_points={"energy": BINS} | settings)
    inputs = {"datasets": (datasets,), "fit": (fit_product,)}
    product, _, metrics = driver.run_fan("flux-points", config, folder, inputs)
    return read_flux_points(product.path), metrics, product


@pytest.fixture(scope="module")
def one(spectra):
    """The first observation alone: what a bin does is the same for many."""
    return replace(spectra, members=spectra.members[:1])


@pytest.fixture(scope="module")
def whole(driver, one, fit_product, tmp_path_factory):
    return points(driver, one, fit_product, tmp_path_factory.mktemp("whole"))


def test_bin_without_counts_is_an_upper_limit(driver, one, fit_product, whole, tmp_path):
    datasets = changed(driver, one, tmp_path / "data", without_counts)
    found, metrics, _ = points(driver, datasets, fit_product, tmp_path)
    np.testing.assert_allclose(found.norm.data[:2], whole[0].norm.data[:2], rtol=1e-9)
    assert found.is_ul.data.flatten().tolist() == [False, False, True]
    assert metrics["points_without_flux"] == []
    assert metrics["upper_limits"] == 1
    # With no count, ON and OFF, the statistic is twice the predicted signal; it rises by 2 σ squared at 2 counts.
    models = read_fitted_models(fit_product.path)
    total = 0.0
    for member in one.members:
        dataset = read_dataset(member.path)
        dataset.models = models
        bins = in_last_bin(dataset) & (dataset.counts.geom.axes["energy"].center.to_value("TeV") < 30)
        total += dataset.npred_signal().data[bins & dataset.mask_safe.data[:, 0, 0]].sum()
    assert found.norm_ul.data.flatten()[2] * total == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(damaged, "the fit of this bin failed: ValueError: "), (unsafe, "no dataset is safe to use in this bin")],
)
def test_bin_that_cannot_be_estimated_says_why_and_harms_no_other(
    driver, one, fit_product, whole, tmp_path, change, reason
):
    datasets = changed(driver, one, tmp_path / "data", change)
    found, metrics, product = points(driver, datasets, fit_product, tmp_path)
    np.testing.assert_allclose(found.norm.data[:2], whole[0].norm.data[:2], rtol=1e-9)
    np.testing.assert_allclose(found.norm_ul.data[:2], whole[0].norm_ul.data[:2], rtol=1e-9)
    assert np.isnan(found.norm.data.flatten()[2])
    assert not found.success.data.flatten()[2]
    (told,) = metrics["points_without_flux"]
    assert told["reason"].startswith(reason)
    assert metrics["points_with_flux"] == 2
    shown = replace(product, sidecar={"config": {"flux_points": {"parameters": {}}}})
    assert f"1 bin without a flux: {told['label']}: {reason}" in load_science("flux-points").report(shown).notes[-1]


def test_threshold_decides_what_is_an_upper_limit(driver, one, fit_product, whole, tmp_path):
    highest = float(np.nanmax(whole[0].sqrt_ts.data))
    found, metrics, _ = points(driver, one, fit_product, tmp_path, sqrt_ts_threshold_ul=highest + 1)
    assert found.is_ul.data.all()
    assert metrics["upper_limits"] == 3
    np.testing.assert_array_equal(found.norm.data, whole[0].norm.data)


def test_no_bin_at_all_is_an_error_or_no_work(driver, one, fit_product, tmp_path):
    def none_safe(dataset):
        dataset.mask_safe.data[...] = False

    def all_damaged(dataset):
        dataset.counts.data = np.full(dataset.counts.data.shape, np.nan)

    for change, error, words in (
        (none_safe, NoWorkFound, "no dataset is safe"),
        (all_damaged, AlgorithmError, "1 bin without a flux"),
    ):
        datasets = changed(driver, one, tmp_path / change.__name__, change)
        with pytest.raises(error, match=words):
            points(driver, datasets, fit_product, tmp_path / error.__name__, energy=ONE_BIN)


def test_interval_that_cannot_be_estimated_loses_no_other(driver, spectra, fit_product, tmp_path):
    first = replace(spectra, members=spectra.members[:1])
    (member,) = changed(driver, first, tmp_path / "data", damaged).members
    datasets = replace(spectra, members=(member, spectra.members[1]))
    config = driver.blocks("light-curve", light_curve={"energy_edges": {"min": "1 TeV", "max": "30 TeV", "nbins": 1}})
    inputs = {"datasets": (datasets,), "fit": (fit_product,)}
    product, rows, metrics = driver.run_fan("light-curve", config, tmp_path, inputs)
    flux = read_flux_points(product.path).norm.data.flatten()
    assert np.isnan(flux).tolist() == [True, False]
    assert [one["label"] for one in metrics["points_without_flux"]] == [rows[0]["label"]]
    assert metrics["fvar"] is None
