"""Observations cut into intervals of time, and light curves of them, against gammapy used directly."""

from __future__ import annotations

import shutil

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table, vstack
from astropy.time import Time
from gammapy.data import DataStore
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.estimators import LightCurveEstimator
from gammapy.estimators.utils import compute_lightcurve_fvar
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom
from regions import CircleSkyRegion

from gammaops.errors import AlgorithmError, ConfigError, NoWorkFound
from gammaops.nights import night_of
from gammaops.physics.datasets_io import read_datasets
from gammaops.physics.flux_io import read_flux_points
from gammaops.physics.models_io import read_fitted_models
from gammaops.physics.time_slices import cut
from gammaops.steps import load_science
from gammaops.steps.base import Scope

HESS_LON_DEG = 16.5
ENERGIES = {"energy_edges": {"min": "1 TeV", "max": "20 TeV", "nbins": 1}}


@pytest.fixture(scope="module")
def starts(archive):
    """Starts (UTC) of the archive's two observations of 20 minutes, in two nights."""
    return [observation.tstart.utc for observation in DataStore.from_dir(archive).get_observations([1, 2])]


@pytest.fixture(scope="module")
def intervals(starts):
    """Two bins of 8 minutes that begin a minute into the first observation, one that none overlaps with, none later."""
    first = starts[0] + 1 * u.min
    return [(first + low * u.min, first + high * u.min) for low, high in ((0, 8), (8, 16), (60, 68))]


def block(intervals) -> dict:
    return {name: [one[place].isot for one in intervals] for place, name in enumerate(("start", "stop"))}


@pytest.fixture(scope="module")
def slices(driver, archive, intervals, tmp_path_factory):
    config = driver.spectrum_config(archive)
    config["observations"]["time_intervals"] |= block(intervals)
    return driver.run_fan("data-reduction", config, tmp_path_factory.mktemp("slices"))


def gammapy_slices(folder, intervals):
    """The same datasets with gammapy alone."""
    axis = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=72)
    axis_true = MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=200, name="energy_true")
    region = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.11 * u.deg)
    empty = SpectrumDataset.create(RegionGeom.create(region, axes=[axis]), energy_axis_true=axis_true)
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)
    observations = DataStore.from_dir(folder).get_observations([1, 2], required_irf=["aeff", "edisp", "psf", "bkg"])
    datasets = []
    for observation in observations.select_time([Time(pair) for pair in intervals]):
        dataset = maker.run(empty.copy(name=f"slice-{len(datasets)}"), observation)
        dataset = ReflectedRegionsBackgroundMaker().run(dataset, observation)
        datasets.append(SafeMaskMaker(methods=["edisp-bias"], bias_percent=10).run(dataset, observation))
    return Datasets(datasets)


def test_slices_are_those_of_gammapy(slices, archive, intervals, starts):
    product, rows, metrics = slices
    expected = gammapy_slices(archive, intervals)
    datasets = read_datasets((product,))
    stamps = [low.strftime("%Y%m%dT%H%M%S") for low, _ in intervals[:2]]
    assert datasets.names == [f"obs-1-{stamp}" for stamp in stamps]
    for dataset, other in zip(datasets, expected, strict=True):
        for name in ("counts", "counts_off", "acceptance_off", "exposure", "mask_safe"):
            ours, theirs = getattr(dataset, name).data, getattr(other, name).data
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=name)
        assert dataset.gti.time_sum.to_value("s") == pytest.approx(480, abs=1e-6)
    assert sum(dataset.counts.data.sum() for dataset in datasets) > 20
    assert metrics["observations"] == 1
    assert [row["status"] for row in rows] == ["selected", "selected", "rejected"]


def test_observation_outside_all_intervals_keeps_a_row_that_says_so(slices):
    row = slices[1][-1]
    assert (row["obs_id"], row["status"], row["reason_class"]) == (2, "rejected", "outside-intervals")


def test_interval_without_good_time_is_no_work(archive):
    (observation,) = DataStore.from_dir(archive).get_observations([1])
    after = observation.tstop.tt
    row = {"interval_start_tt": after.isot, "interval_stop_tt": (after + 1 * u.min).isot}
    with pytest.raises(NoWorkFound, match="no good time between"):
        cut(observation, row)


def curve(driver, folder, product, fit_product, scope=None, **settings):
    config = driver.blocks("light-curve", light_curve={**ENERGIES, **settings})
    inputs = {"datasets": (product,), "fit": (fit_product,)}
    return driver.run_fan("light-curve", config, folder, inputs, scope)


@pytest.mark.requirement("R19")
def test_fixed_bins_are_gammapys_over_the_same_intervals(
    driver, slices, fit_product, archive, intervals, starts, tmp_path
):
    low, high = intervals[0][0], intervals[1][1]
    bins = {"start": [low.isot], "stop": [high.isot], "bin_width": "480 s"}
    product, rows, metrics = curve(driver, tmp_path, slices[0], fit_product, time_intervals=bins)
    datasets = gammapy_slices(archive, intervals)
    datasets.models = read_fitted_models(fit_product.path)
    estimator = LightCurveEstimator(
        time_intervals=[Time(pair) for pair in intervals[:2]],
        energy_edges=[1, 20] * u.TeV,
        source="crab",
        selection_optional=["ul"],
        atol=1e-3 * u.s,
    )
    expected = estimator.run(datasets)
    found = read_flux_points(product.path)
    for name in ("norm", "norm_err", "norm_ul"):
        np.testing.assert_allclose(getattr(found, name).data, getattr(expected, name).data, rtol=1e-3, err_msg=name)
    assert [row["status"] for row in rows] == ["selected", "selected"]
    assert metrics["datasets_left_out"] == []
    (fvar,) = compute_lightcurve_fvar(expected)
    flux, error = (getattr(expected, name).data.flatten() for name in ("flux", "flux_err"))
    excess = flux.var(ddof=1) - (error**2).mean()
    # Where the points scatter less than their errors, gammapy gives the root of what is lacking; we give none.
    if excess > 0:
        assert metrics["fvar"] == pytest.approx(float(np.ravel(fvar["fvar"])[0]), rel=1e-3)
    else:
        assert metrics["fvar"] is None


def test_datasets_that_no_bin_holds_are_told(driver, spectra, fit_product, starts, tmp_path):
    # From a minute before the first observation; its 20 minutes do not fit into bins of 30 minutes from 15 minutes on.
    first, second = starts
    intervals = [(first - 1 * u.min, first + 30 * u.min), (second + 10 * u.min, second + 40 * u.min)]
    _, rows, metrics = curve(driver, tmp_path, spectra, fit_product, time_intervals=block(intervals))
    assert [row["reason_class"] for row in rows] == ["", "no-data"]
    assert metrics["datasets_left_out"] == ["obs-2"]


def split_rows(driver, spectra, fit_product, **intervals):
    """The intervals that a light curve of whole observations is made in."""
    config = driver.blocks("light-curve", light_curve={**ENERGIES, "time_intervals": intervals})
    science = load_science("light-curve")
    return science.split(science.prepare(config), {"datasets": (spectra,), "fit": (fit_product,)}, Scope())


def test_bins_that_hold_no_whole_observation_are_no_light_curve(driver, spectra, fit_product):
    with pytest.raises(AlgorithmError, match=r"none of the 2 datasets lies as a whole .* cut the observations by"):
        split_rows(driver, spectra, fit_product, bin_width="120 s")


def test_bins_at_another_time_are_no_work(driver, spectra, fit_product, starts):
    before = starts[0] - 10 * u.day
    bins = {"start": [before.utc.isot], "stop": [(before + 1 * u.day).utc.isot], "bin_width": "1 h"}
    with pytest.raises(NoWorkFound, match="no dataset lies in any interval"):
        split_rows(driver, spectra, fit_product, **bins)


def test_bins_are_those_that_observations_meet(driver, spectra, fit_product, starts):
    rows = split_rows(driver, spectra, fit_product, bin_width="40 min")
    lows = Time([row["time_min_tt"] for row in rows], scale="tt")
    assert list(lows) == sorted(set(lows))
    assert all(min(abs((low - start).to_value("min")) for start in starts) < 40 for low in lows)


def test_bins_by_night_hold_all_of_a_night(driver, slices, spectra, fit_product, starts, tmp_path):
    scope = Scope(longitude_deg=HESS_LON_DEG)
    by_night = {"by": "night"}
    _, rows, _ = curve(driver, tmp_path / "spectra", spectra, fit_product, scope, time_intervals=by_night)
    assert len(rows) == len(set(night_of([start.mjd for start in starts], HESS_LON_DEG))) == 2
    _, rows, metrics = curve(driver, tmp_path / "slices", slices[0], fit_product, scope, time_intervals=by_night)
    assert len(rows) == metrics["points"] == 1


def test_nights_without_a_site_are_the_authors_error(driver, spectra, fit_product):
    config = driver.blocks("light-curve", light_curve={**ENERGIES, "time_intervals": {"by": "night"}})
    science = load_science("light-curve")
    with pytest.raises(ConfigError, match=r"without dag\.site there are no nights"):
        science.split(science.prepare(config), {"datasets": (spectra,), "fit": (fit_product,)}, Scope())


@pytest.mark.requirement("R20")
def test_bayesian_blocks_are_sought_where_asked(driver, spectra, fit_product, tmp_path):
    _, _, without = curve(driver, tmp_path / "no", spectra, fit_product)
    assert "blocks" not in without["bands"][0]
    _, _, metrics = curve(driver, tmp_path / "yes", spectra, fit_product, bayesian_blocks={"p0": 0.01})
    (blocks,) = (band["blocks"] for band in metrics["bands"])
    assert sum(one["points"] for one in blocks) == 2


def test_what_is_to_be_said_of_the_observations_is_said_of_their_intervals_too(driver, archive, intervals, starts):
    config = driver.spectrum_config(archive)
    config["observations"]["time_intervals"] |= block(intervals)
    science = load_science("data-reduction")
    scope = Scope(obs_ids=(1, 2), start=(starts[0] + 1 * u.h).isot)
    table = science.split(science.prepare(config), {}, scope)
    assert [note.partition(":")[0] for note in table.meta["notes"]] == ["1"]


@pytest.fixture
def rewritten(archive, tmp_path):
    """A copy of the archive with another index of observations."""

    def write(change):
        folder = tmp_path / "archive"
        shutil.copytree(archive, folder)
        path = folder / "obs-index.fits.gz"
        change(Table.read(path)).write(path, overwrite=True)
        return folder

    return write


def split(driver, folder, intervals, **observations):
    config = driver.spectrum_config(folder)
    config["observations"] |= observations
    config["observations"]["time_intervals"] |= block(intervals)
    science = load_science("data-reduction")
    return science.split(science.prepare(config), {}, Scope(obs_ids=(1,)))


def test_intervals_are_those_of_the_version_that_is_taken(driver, rewritten, intervals):
    def twice(table):
        later = table[:1].copy()
        for column in ("TSTART", "TSTOP"):
            later[column] += 86400.0
        return vstack([table, later], metadata_conflicts="silent")

    rows = split(driver, rewritten(twice), intervals, duplicates="first")
    assert [(row["status"], row["interval_start_tt"][:10]) for row in rows] == [
        ("selected", intervals[0][0].tt.isot[:10])
    ] * 2


def test_an_end_that_the_index_does_not_tell_is_that_of_the_time_on_source_or_is_said(driver, rewritten, intervals):
    def without_stop(table):
        table["TSTOP"] = np.nan
        return table

    folder = rewritten(without_stop)
    assert len(split(driver, folder, intervals)) == 2
    table = Table.read(folder / "obs-index.fits.gz", mask_invalid=False)
    table["ONTIME"] = np.nan
    table.write(folder / "obs-index.fits.gz", overwrite=True)
    (row,) = split(driver, folder, intervals)
    assert (row["status"], row["reason_class"]) == ("quarantined", "unknown-end")
    assert "neither TSTOP nor ONTIME" in row["reason"]
