"""Sensitivity: gammapy's numbers, of one dataset or of the sum of several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from gammapy.estimators import SensitivityEstimator
from gammapy.maps import MapAxis
from gammapy.modeling.models import PowerLawSpectralModel

from gammaops.config import parse_config
from gammaops.errors import AlgorithmError, ConfigError, NoWorkFound
from gammaops.physics.datasets_io import read_dataset, read_datasets
from gammaops.plan import make_plan
from gammaops.steps import load_science

BINS = {"min": "1 TeV", "max": "10 TeV", "nbins": 4}
# What ECSV keeps is the shortest text that reads back to the same number.
EXACT = 1e-6


def estimated(driver, datasets, folder, **block):
    config = driver.blocks("sensitivity", sensitivity=block)
    found = driver.run_one("sensitivity", config, folder, {"datasets": (datasets,)})
    return found, Table.read(found.path, format="ascii.ecsv")


def assert_same(table, expected):
    for name in ("e_ref", "e_min", "e_max", "e2dnde", "excess", "background"):
        np.testing.assert_allclose(table[name].data, expected[name].data, rtol=EXACT, err_msg=name)
        assert table[name].unit == expected[name].unit
    assert list(table["criterion"]) == list(expected["criterion"])


@pytest.mark.requirement("R20")
def test_sum_of_several_observations_is_gammapys(driver, spectra, tmp_path):
    found, table = estimated(driver, spectra, tmp_path, energy=BINS, index=2.5)
    stacked = read_datasets((spectra,)).stack_reduce(name="stacked")
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    spectrum = PowerLawSpectralModel(index=2.5, amplitude="1 cm-2 s-1 TeV-1")
    rebinned = stacked.resample_energy_axis(axis)
    expected = SensitivityEstimator(spectrum).run(rebinned)
    with_off = rebinned.counts_off.data[:, 0, 0] > 0
    assert with_off.tolist() == [True, False, True, True]
    assert_same(table[with_off], expected[with_off])
    # Without an OFF count gammapy has no background estimate in rebinned data; ten events are needed all the same.
    assert (table["excess"][1], table["criterion"][1]) == (10.0, "gamma")
    assert table["e2dnde"][0] < table["e2dnde"][1] < table["e2dnde"][2]
    assert found.metrics["livetime_s"] == pytest.approx(sum(member.row["livetime_s"] for member in spectra.members))
    assert found.metrics["e_ref_tev"] == pytest.approx(expected["e_ref"][0])


def test_single_dataset_in_its_own_bins_loses_only_bins_that_are_not_safe(driver, spectra, tmp_path):
    one = replace(spectra, members=spectra.members[:1])
    found, table = estimated(driver, one, tmp_path, parameters={"n_sigma": 3.0, "gamma_min": 5.0})
    dataset = read_dataset(one.members[0].path)
    safe = dataset.mask_safe.data[:, 0, 0]
    assert 0 < found.metrics["bins_left_out"] == int((~safe).sum()) < len(safe) / 2
    why = "not safe, without a response, or beyond the datasets"
    assert load_science("sensitivity").report(found).notes[1] == f"{(~safe).sum()} energy bins are left out: {why}."
    # Responses are stacked in single precision.
    assert_same(table, SensitivityEstimator(n_sigma=3, gamma_min=5).run(dataset)[safe])


def test_four_times_the_livetime_sees_half_the_flux_where_background_counts(driver, spectra, tmp_path):
    # Without the least number of events and systematics, n sigma needs an excess that grows with the root of time.
    free = {"gamma_min": 0.0, "bkg_syst_fraction": 0.0}
    wide = {"min": "0.5 TeV", "max": "2 TeV", "nbins": 1}
    four = replace(spectra, members=spectra.members * 2)
    _, two_runs = estimated(driver, spectra, tmp_path / "two", energy=wide, parameters=free)
    _, four_runs = estimated(driver, four, tmp_path / "four", energy=wide, parameters=free)
    ratio = (four_runs["e2dnde"] / two_runs["e2dnde"])[0]
    # Twice the time: 1 / sqrt(2) for many counts, 1 / 2 for few; here there are some tens.
    assert 0.5 < ratio < 1 / np.sqrt(2) + 0.02


def test_bins_outside_the_datasets_are_refused_with_their_range(driver, spectra, tmp_path):
    with pytest.raises(AlgorithmError, match=r"the datasets reach from 0\.1 to 100 TeV"):
        estimated(driver, spectra, tmp_path, energy={"min": "200 TeV", "max": "400 TeV", "nbins": 2})


def test_bins_beyond_the_datasets_are_told_among_those_left_out(driver, spectra, tmp_path):
    found, table = estimated(driver, spectra, tmp_path, energy={"min": "1 TeV", "max": "1000 TeV", "nbins": 6})
    assert table["e_max"].max() < 200, "the datasets end at 100 TeV"
    left_out = 6 - len(table)
    assert left_out >= 2
    assert found.metrics["bins_left_out"] == left_out
    section = load_science("sensitivity").report(found)
    assert section.notes[1] == (
        f"{left_out} energy bins are left out: not safe, without a response, or beyond the datasets."
    )


def test_without_off_counts_it_is_refused(driver, archive, tmp_path):
    config = driver.spectrum_config(archive, background={"method": None, "parameters": {}})
    plain = driver.run_fan("data-reduction", config, tmp_path / "plain")[0]
    with pytest.raises(AlgorithmError, match="have none; use background method reflected"):
        estimated(driver, plain, tmp_path)


def test_of_nothing_there_is_no_sensitivity(driver, spectra, tmp_path):
    with pytest.raises(NoWorkFound, match="no observation left a dataset"):
        estimated(driver, replace(spectra, members=()), tmp_path)


def test_section_says_what_would_be_seen(driver, spectra, tmp_path):
    found, table = estimated(driver, spectra, tmp_path, energy=BINS)
    section = load_science("sensitivity").report(found)
    assert section.notes[0].startswith("In 0.6")
    assert len(section.tables[0].rows) == len(table) == 4
    assert {row[4] for row in section.tables[0].rows} <= {"significance", "number of events", "background systematics"}


def test_maps_have_no_sensitivity_here():
    text = """
observations: {datastore: data}
datasets: {type: 3d, geom: {wcs: {skydir: {frame: icrs, lon: 1 deg, lat: 1 deg}}}, background: {method: fov}}
steps:
- {name: reduce, tag: data-reduction, products: maps}
- {name: see, tag: sensitivity, required_products: maps}
"""
    with pytest.raises(ConfigError, match="'sensitivity' cannot work on 3d datasets"):
        make_plan(parse_config(text, "see", "see.yaml"))
