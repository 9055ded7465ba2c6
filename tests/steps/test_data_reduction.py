"""Data reduction: the numbers of gammapy, every observation accounted for, the same bytes twice."""

from __future__ import annotations

import filecmp
import json
import re
import shutil
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDataset
from gammapy.makers import (
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

from gammaops.errors import ConfigError, NoWorkFound
from gammaops.physics.datasets_io import read_dataset, read_datasets
from gammaops.simulation import ArchivePlan, simulate_archive
from gammaops.steps import load_science

CRAB = SkyCoord(83.63, 22.01, unit="deg")
IRFS = ["aeff", "edisp", "psf", "bkg"]


def gammapy_spectra(folder, obs_ids):
    """The 1d reduction of the same settings with gammapy alone."""
    axis = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=72)
    axis_true = MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=200, name="energy_true")
    geom = RegionGeom.create(CircleSkyRegion(CRAB, 0.11 * u.deg), axes=[axis])
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)
    datasets = []
    for observation in DataStore.from_dir(folder).get_observations(obs_ids, required_irf=IRFS):
        empty = SpectrumDataset.create(geom, energy_axis_true=axis_true, name=f"obs-{observation.obs_id}")
        dataset = ReflectedRegionsBackgroundMaker().run(maker.run(empty, observation), observation)
        datasets.append(SafeMaskMaker(methods=["edisp-bias"], bias_percent=10).run(dataset, observation))
    return Datasets(datasets)


def gammapy_map(folder, obs_ids, background, nbins, *, on_off):
    """The 3d reduction of the same settings with gammapy alone, stacked."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=nbins)
    axis_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8, name="energy_true")
    geom = WcsGeom.create(skydir=CRAB, binsz=0.05, width=3, axes=[axis])
    cls = MapDatasetOnOff if on_off else MapDataset
    stacked = cls.create(geom, energy_axis_true=axis_true, binsz_irf=0.5, name="stacked")
    makers = [MapDatasetMaker(), SafeMaskMaker(methods=["offset-max"], offset_max="1.5 deg")]
    makers += [background] if background else []
    observations = DataStore.from_dir(folder).get_observations(obs_ids, required_irf=IRFS)
    maker = DatasetsMaker(makers, stack_datasets=False, n_jobs=1, cutout_mode="trim", cutout_width=3 * u.deg)
    reference = MapDataset.create(geom, energy_axis_true=axis_true, binsz_irf=0.5)
    for dataset in maker.run(reference, observations):
        stacked.stack(dataset)
    return stacked


def assert_same_maps(dataset, expected, names, rtol=1e-6):
    for name in names:
        ours, theirs = getattr(dataset, name), getattr(expected, name)
        np.testing.assert_allclose(ours.data, theirs.data, rtol=rtol, err_msg=name)
        assert ours.unit == theirs.unit


@pytest.mark.requirement("A4.10", "A4.16", "R19")
def test_spectra_are_those_of_gammapy_to_the_last_bit(spectra, archive):
    expected = gammapy_spectra(archive, [1, 2])
    datasets = read_datasets((spectra,))
    assert datasets.names == ["obs-1", "obs-2"]
    names = ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "mask_safe")
    for dataset, other in zip(datasets, expected, strict=True):
        assert_same_maps(dataset, other, names, rtol=0)
        np.testing.assert_array_equal(dataset.edisp.edisp_map.data, other.edisp.edisp_map.data)


def test_index_says_what_each_dataset_is_made_of(spectra):
    row = spectra.members[0].row
    assert (row["name"], row["obs_ids"], row["instrument"]) == ("obs-1", [1], "HESS")
    assert row["livetime_s"] == pytest.approx(20 * 60 * 0.95, rel=0.06)  # 20 minutes less a few percent of dead time
    assert len(row["gti"]) == 1


def test_reduction_twice_gives_the_same_bytes(driver, archive, tmp_path):
    config = driver.spectrum_config(archive)
    first, _, _ = driver.run_fan("data-reduction", config, tmp_path / "a")
    second, _, _ = driver.run_fan("data-reduction", config, tmp_path / "b")
    for one, two in zip(first.members, second.members, strict=True):
        assert filecmp.cmp(one.path, two.path, shallow=False)


@pytest.mark.requirement("A4.11", "R11")
def test_stack_is_one_dataset_with_the_counts_of_all(driver, archive, spectra, tmp_path):
    product, _, metrics = driver.run_fan("data-reduction", driver.spectrum_config(archive, stack=True), tmp_path)
    (member,) = product.members
    stacked = read_dataset(member.path)
    expected = read_datasets((spectra,)).stack_reduce(name="stacked")
    assert stacked.name == "stacked"
    assert member.row["obs_ids"] == [1, 2]
    assert metrics["counts"] == int(expected.counts.data.sum())
    assert_same_maps(
        stacked, expected, ("counts", "counts_off", "acceptance", "acceptance_off", "exposure"), rtol=1e-12
    )


@pytest.mark.parametrize("method", ["scale", "fit"])
@pytest.mark.requirement("A4.10", "A4.14", "R19")
def test_field_of_view_background_is_gammapys(driver, archive, tmp_path, method):
    background = {"method": "fov", "parameters": {"method": method}}
    product, _, _ = driver.run_fan("data-reduction", driver.map_config(archive, background=background), tmp_path)
    expected = gammapy_map(archive, [1, 2], FoVBackgroundMaker(method=method), 3, on_off=False)
    stacked = read_dataset(product.members[0].path)
    assert isinstance(stacked, MapDataset)
    # Maps are stored in single precision where gammapy makes them so; the sum differs in the last digits.
    assert_same_maps(stacked, expected, ("counts", "background", "exposure", "mask_safe"))
    np.testing.assert_allclose(stacked.psf.psf_map.data, expected.psf.psf_map.data, rtol=1e-6)


@pytest.mark.requirement("A4.14")
def test_ring_background_is_gammapys(driver, archive, tmp_path):
    background = {"method": "ring", "parameters": {"r_in": "0.4 deg", "width": "0.3 deg"}}
    config = driver.map_config(archive, nbins=1, background=background)
    product, _, _ = driver.run_fan("data-reduction", config, tmp_path)
    expected = gammapy_map(archive, [1, 2], RingBackgroundMaker("0.4 deg", "0.3 deg"), 1, on_off=True)
    stacked = read_dataset(product.members[0].path)
    assert isinstance(stacked, MapDatasetOnOff)
    # Whole counts, where gammapy's convolution in single precision leaves up to 1e-6 of one. Of pixels without OFF
    # counts its stack takes the OFF acceptance from the ratio of such remainders.
    np.testing.assert_allclose(stacked.counts_off.data, expected.counts_off.data, rtol=1e-6, atol=1e-5)
    counted = stacked.counts_off.data > 0
    assert counted.mean() > 0.5
    for dataset in (stacked, expected):
        dataset.acceptance_off.data[~counted] = 0
    assert_same_maps(stacked, expected, ("counts", "acceptance", "acceptance_off", "exposure"))


def test_without_background_method_the_model_of_the_irfs_is_left_as_it_is(driver, archive, tmp_path):
    product, _, _ = driver.run_fan("data-reduction", driver.map_config(archive), tmp_path)
    expected = gammapy_map(archive, [1, 2], None, 3, on_off=False)
    assert_same_maps(read_dataset(product.members[0].path), expected, ("counts", "background", "exposure"))


def test_observation_without_events_in_the_mask_is_a_result(driver, archive, tmp_path):
    axes = {"energy": {"min": "90 TeV", "max": "100 TeV", "nbins": 1}}
    product, rows, _ = driver.run_fan("data-reduction", driver.spectrum_config(archive, geom={"axes": axes}), tmp_path)
    assert [row["status"] for row in rows] == ["selected"] * 2
    assert read_dataset(product.members[0].path).counts.data.sum() == 0


def test_observation_far_from_the_map_is_quarantined_as_such(driver, archive, tmp_path):
    config = driver.map_config(archive)
    config["datasets"]["geom"]["wcs"]["skydir"] = {"frame": "icrs", "lon": "10 deg", "lat": "0 deg"}
    with pytest.raises(NoWorkFound, match="no observation left a dataset"):
        driver.run_fan("data-reduction", config, tmp_path)


def test_observation_that_gammapy_refuses_is_quarantined_with_its_words(driver, archive, tmp_path):
    folder = tmp_path / "archive"
    shutil.copytree(archive, folder)
    config = driver.spectrum_config(folder)
    science = load_science("data-reduction")
    row = science.split(science.prepare(config), {}, driver.Scope(obs_ids=(1,)))[0]
    (path,) = science.sources(science.prepare(config), row)
    with fits.open(path, memmap=False) as hdus:
        hdus["AEFF"].header[f"TUNIT{hdus['AEFF'].columns.names.index('EFFAREA') + 1}"] = "GeV"
        hdus.writeto(path, overwrite=True)
    _, rows, metrics = driver.run_fan("data-reduction", config, tmp_path)
    assert [(row["status"], row["reason_class"]) for row in rows] == [
        ("quarantined", "not-reducible"),
        ("selected", ""),
    ]
    assert re.match(r"gammapy cannot reduce observation 1: UnitConversionError: .*GeV", rows[0]["reason"])
    assert metrics["observations"] == 1


def test_exclusion_mask_that_is_none_is_no_observations_fault(driver, archive, tmp_path):
    path = tmp_path / "mask.fits"
    path.write_text("no mask")
    config = driver.spectrum_config(archive, background={"method": "reflected", "exclusion": str(path)})
    with pytest.raises(ConfigError, match=r"mask\.fits' cannot be read: no map is in it; expected a FITS map"):
        driver.run_fan("data-reduction", config, tmp_path)


BAD = {
    2: ("nan-irf", "quarantined", "irf-not-finite"),
    3: ("missing-irf", "quarantined", "missing-irf"),
    4: ("missing-hdu", "quarantined", "missing-irf"),
    5: ("empty-gti", "quarantined", "empty-gti"),
    6: ("wrong-obs-id", "quarantined", "wrong-obs-id"),
    7: ("duplicate-id", "quarantined", "duplicate-id"),
    8: ("truncated", "quarantined", "truncated"),
    9: ("truncated-tail", "quarantined", "truncated"),
    10: ("empty-file", "quarantined", "truncated"),
    11: ("bit-flip", "quarantined", "unreadable"),
    12: ("two-telescopes", "rejected", "n_tels"),
}


def test_each_kind_of_damage_is_found_and_harms_no_other(driver, tmp_path):
    plan = {"nights": 1, "observations": 14, "duration_min": 3, "size": "small"}
    bad = {obs_id: kind for obs_id, (kind, _, _) in BAD.items()}
    clean, damaged = tmp_path / "clean", tmp_path / "damaged"
    simulate_archive(clean, ArchivePlan(**plan))
    simulate_archive(damaged, ArchivePlan(**plan, bad=bad, late=frozenset({13})))
    config = driver.spectrum_config(damaged)
    config["observations"]["quality"]["n_tels"] = {"min": 3}
    product, rows, _ = driver.run_fan("data-reduction", config, tmp_path / "out")
    found = {row["obs_id"]: (row["status"], row["reason_class"]) for row in rows}
    expected = {obs_id: state for obs_id, (_, *state) in BAD.items()}
    assert found == {1: ("selected", ""), 13: ("missing", "absent"), 14: ("selected", "")} | {
        obs_id: tuple(state) for obs_id, state in expected.items()
    }
    undisturbed, _, _ = driver.run_fan("data-reduction", driver.spectrum_config(clean), tmp_path / "reference")
    for member in product.members:
        (same,) = [other for other in undisturbed.members if other.row["name"] == member.row["name"]]
        assert filecmp.cmp(member.path, same.path, shallow=False)


def test_sources_are_the_files_of_the_observation(driver, archive):
    science = load_science("data-reduction")
    prepared = science.prepare(driver.spectrum_config(archive))
    row = science.split(prepared, {}, driver.Scope(obs_ids=(2,)))[0]
    (path,) = science.sources(prepared, row)
    assert path.is_file()
    assert path.is_relative_to(archive)


def test_file_outside_the_archive_is_no_source(driver, archive):
    science = load_science("data-reduction")
    prepared = science.prepare(driver.spectrum_config(archive))
    row = dict(science.split(prepared, {}, driver.Scope(obs_ids=(2,)))[0])
    (hdu, *_) = json.loads(row["hdus"])
    row["hdus"] = json.dumps([{**hdu, "file": "../secret.fits"}])
    assert science.sources(prepared, row) == []


def test_no_row_names_a_folder_of_this_machine(driver, archive):
    science = load_science("data-reduction")
    table = science.split(science.prepare(driver.spectrum_config(archive)), {}, driver.Scope())
    assert str(archive) not in "".join(str(value) for row in table for value in row)


@pytest.mark.requires_data
@pytest.mark.requirement("R31")
def test_crab_of_hess_has_the_published_counts_and_gammapys_fit(driver, test_data, models_file, tmp_path):
    folder = test_data / "hess-dl3-dr1"
    config = driver.spectrum_config(folder)
    product, rows, metrics = driver.run_fan("data-reduction", config, tmp_path, scope=driver.Scope(longitude_deg=16.5))
    assert [row["obs_id"] for row in rows] == [23523, 23526, 23559, 23592]
    assert [row["night"] for row in rows] == ["2004-12-04", "2004-12-04", "2004-12-06", "2004-12-08"]
    assert (metrics["counts"], metrics["counts_off"]) == (410, 620)
    fit_config = driver.blocks("fit", general={"models_file": str(models_file)}, fit={"datasets": "joint"})
    fit = driver.run_one("fit", fit_config, tmp_path, {"datasets": (product,)})
    index, amplitude = (fit.metrics["parameters"][f"crab.spectral.{name}"]["value"] for name in ("index", "amplitude"))
    assert index == pytest.approx(2.651, abs=5e-4)
    assert amplitude == pytest.approx(1.598e-11, rel=5e-4)  # at 1.45 TeV, cm-2 s-1 TeV-1
    datasets = gammapy_spectra(folder, [23523, 23526, 23559, 23592])
    spectrum = PowerLawSpectralModel(index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1", reference="1.45 TeV")
    datasets.models = [SkyModel(spectral_model=spectrum, name="crab")]
    Fit().run(datasets)
    assert index == pytest.approx(spectrum.index.value, rel=1e-6)
    assert amplitude == pytest.approx(spectrum.amplitude.value, rel=1e-6)


@pytest.mark.requires_data
def test_exclusion_mask_of_the_crab_takes_off_counts_away(driver, test_data, tmp_path):
    mask = str(test_data / "exclusion" / "exclusion_mask_crab.fits.gz")
    background = {"method": "reflected", "exclusion": mask, "parameters": {}}
    config = driver.spectrum_config(test_data / "hess-dl3-dr1", background=background)
    _, _, metrics = driver.run_fan("data-reduction", config, tmp_path)
    assert (metrics["counts"], metrics["counts_off"]) == (410, 600)


@pytest.mark.requires_data
@pytest.mark.parametrize("method", ["fov", "ring"])
@pytest.mark.requirement("R31")
def test_crab_maps_of_hess_are_gammapys(driver, test_data, tmp_path, method):
    folder, obs_ids = test_data / "hess-dl3-dr1", [23523, 23526]
    ring = method == "ring"
    parameters = {"r_in": "0.4 deg", "width": "0.3 deg"} if ring else {"method": "scale"}
    config = driver.map_config(folder, nbins=1 if ring else 3, background={"method": method, "parameters": parameters})
    config["observations"]["obs_ids"] = obs_ids
    product, _, _ = driver.run_fan("data-reduction", config, tmp_path)
    maker = RingBackgroundMaker("0.4 deg", "0.3 deg") if ring else FoVBackgroundMaker(method="scale")
    expected = gammapy_map(folder, obs_ids, maker, 1 if ring else 3, on_off=ring)
    names = ("counts", "counts_off", "acceptance_off", "exposure") if ring else ("counts", "background", "exposure")
    assert_same_maps(read_dataset(product.members[0].path), expected, names)


@pytest.mark.requires_data
def test_observation_whose_off_regions_are_all_excluded_is_quarantined(driver, test_data, tmp_path):
    config = driver.spectrum_config(Path(test_data) / "hess-dl3-dr1")
    config["observations"] |= {"obs_ids": [20900], "obs_cone": dict.fromkeys(("frame", "lon", "lat", "radius"))}
    config["datasets"]["on_region"] = {"frame": "icrs", "lon": "258.39 deg", "lat": "-39.76 deg", "radius": "0.6 deg"}
    science = load_science("data-reduction")
    prepared = science.prepare(config)
    (row,) = science.split(prepared, {}, driver.Scope())
    with pytest.raises(driver.DataError, match="no-off-region"):
        science.run(prepared, {}, {"dataset": tmp_path / "x.fits"}, row)
