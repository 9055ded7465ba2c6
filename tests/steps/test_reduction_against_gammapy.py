"""Every background and every safe mask gives the datasets of gammapy's public makers, called here without our code."""

from __future__ import annotations

import filecmp
import shutil
from itertools import combinations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from gammapy.data import DataStore
from gammapy.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import (
    AdaptiveRingBackgroundMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    PhaseBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from regions import CircleSkyRegion

from gammaops.errors import DataError
from gammaops.physics.datasets_io import read_dataset
from gammaops.physics.reduction import Reduction

CRAB = SkyCoord(83.63, 22.01, unit="deg")
OBS_ID = 1
# Simple products of the same numbers; maps are stored in single precision where gammapy makes them so.
RTOL = 1e-6


@pytest.fixture(scope="module")
def pulsed(archive, tmp_path_factory):
    """The archive with the phase of a pulsar in the event lists: uniform, but the same for everybody."""
    folder = tmp_path_factory.mktemp("pulsed") / "archive"
    shutil.copytree(archive, folder)
    for path in sorted((folder / "data").glob("*.fits.gz")):
        with fits.open(path, memmap=False) as hdus:
            place = hdus.index_of("EVENTS")
            columns, header = hdus[place].columns, hdus[place].header
            phase = fits.Column("PHASE", "D", array=np.random.default_rng(7).uniform(0, 1, len(hdus[place].data)))
            hdus[place] = fits.BinTableHDU.from_columns(columns + phase, header=header)
            hdus.writeto(path, overwrite=True)
    return folder


@pytest.fixture(scope="module")
def mask_file(tmp_path_factory):
    """A mask, stored as most are, as numbers: false in 0.3 deg around the Crab and around a place 0.5 deg from it."""
    geom = WcsGeom.create(skydir=CRAB, binsz=0.02, width=6)
    around = [CRAB, CRAB.directional_offset_by(45 * u.deg, 0.7 * u.deg)]
    mask = geom.region_mask([CircleSkyRegion(center, 0.3 * u.deg) for center in around], inside=False)
    path = tmp_path_factory.mktemp("mask") / "mask.fits.gz"
    mask.write(path)
    return path


def observation_of(folder):
    return DataStore.from_dir(folder).get_observations([OBS_ID], required_irf=["aeff", "edisp", "psf", "bkg"])[0]


def boolean(path):
    mask = Map.read(path)
    mask.data = mask.data.astype(bool)
    return mask


def gammapy_spectrum(observation, background, methods=("edisp-bias",), **safe):
    axis = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=72)
    axis_true = MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=200, name="energy_true")
    geom = RegionGeom.create(CircleSkyRegion(CRAB, 0.11 * u.deg), axes=[axis])
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)
    dataset = maker.run(SpectrumDataset.create(geom, energy_axis_true=axis_true, name="direct"), observation)
    if background is not None:
        dataset = background.run(dataset, observation)
    return SafeMaskMaker(methods=methods, **(safe or {"bias_percent": 10})).run(dataset, observation)


def gammapy_map(observation, background, nbins, methods=("offset-max",), **safe):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=nbins)
    axis_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8, name="energy_true")
    geom = WcsGeom.create(skydir=CRAB, binsz=0.05, width=3, axes=[axis])
    whole = MapDataset.create(geom, energy_axis_true=axis_true, binsz_irf=0.5)
    empty = whole.cutout(observation.get_pointing_icrs(observation.tmid).galactic, width=3 * u.deg, name="direct")
    dataset = MapDatasetMaker().run(empty, observation)
    dataset = SafeMaskMaker(methods=methods, **(safe or {"offset_max": "1.5 deg"})).run(dataset, observation)
    return dataset if background is None else background.run(dataset, observation)


def reduced(driver, config, tmp_path):
    config["observations"]["obs_ids"] = [OBS_ID]
    product, rows, _ = driver.run_fan("data-reduction", config, tmp_path)
    assert [row["status"] for row in rows] == ["selected"]
    return read_dataset(product.members[0].path)


def background_of(dataset):
    """Expected background counts, however the dataset holds them."""
    if isinstance(dataset, MapDatasetOnOff):
        return dataset.background.data
    return None if dataset.background is None else dataset.npred_background().data


def assert_same(ours, theirs):
    np.testing.assert_array_equal(ours.counts.data, theirs.counts.data)
    np.testing.assert_allclose(ours.exposure.quantity, theirs.exposure.quantity, rtol=RTOL)
    if isinstance(theirs, MapDatasetOnOff):
        # Whole counts; what convolution in single precision leaves beside them is not ours.
        off = np.nan_to_num(theirs.counts_off.data)
        np.testing.assert_allclose(ours.counts_off.data, off, rtol=RTOL, atol=1e-5)
        assert (ours.counts_off.data == np.round(ours.counts_off.data)).all()
        assert (ours.counts_off.data >= 0).all()
    expected = background_of(theirs)
    assert (background_of(ours) is None) == (expected is None)
    if expected is not None:
        # Without a ring gammapy leaves NaN, and we nothing; `test_map` asks that no such pixel is safe.
        whole = np.isfinite(expected)
        np.testing.assert_allclose(background_of(ours)[whole], expected[whole], rtol=RTOL, atol=1e-6)
        assert (background_of(ours)[~whole] == 0).all()


SPECTRA = {
    "reflected": (
        {"method": "reflected", "parameters": {"max_region_number": 5, "min_distance": "0.1 rad"}},
        lambda mask: ReflectedRegionsBackgroundMaker(max_region_number=5, min_distance="0.1 rad", exclusion_mask=mask),
    ),
    "wobble": (
        {"method": "wobble", "parameters": {"n_off_regions": 4}},
        lambda mask: ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(n_off_regions=4), exclusion_mask=mask),
    ),
    "phase": (
        {"method": "phase", "parameters": {"on_phase": [[0.9, 1.0], [0.0, 0.2]], "off_phase": [[0.3, 0.8]]}},
        lambda _: PhaseBackgroundMaker(on_phase=[(0.9, 1.2)], off_phase=[(0.3, 0.8)]),
    ),
    "none": ({"method": None, "parameters": {}}, lambda _: None),
}


@pytest.mark.requirement("A4.14", "R19")
@pytest.mark.parametrize("excluded", [False, True], ids=["whole", "excluded"])
@pytest.mark.parametrize("name", SPECTRA)
def test_spectrum(driver, pulsed, mask_file, tmp_path, name, excluded):
    background, maker = SPECTRA[name]
    excluded = excluded and name in ("reflected", "wobble")
    background = background | ({"exclusion": str(mask_file)} if excluded else {})
    ours = reduced(driver, driver.spectrum_config(pulsed, background=background), tmp_path)
    theirs = gammapy_spectrum(observation_of(pulsed), maker(boolean(mask_file) if excluded else None))
    assert ours.name == f"obs-{OBS_ID}"
    assert isinstance(ours, SpectrumDatasetOnOff) == (name != "none")
    assert_same(ours, theirs)
    np.testing.assert_array_equal(ours.mask_safe.data, theirs.mask_safe.data)
    if name in ("reflected", "wobble"):
        np.testing.assert_array_equal(ours.acceptance_off.data, theirs.acceptance_off.data)
    if name == "phase":
        # Also where there are no OFF counts; gammapy's maker has zero there, and its fit leaves such bins out.
        assert (ours.counts_off.data == 0).any()
        np.testing.assert_allclose(ours.acceptance_off.data, 0.5, rtol=1e-12)
        np.testing.assert_allclose(ours.acceptance.data, 0.3, rtol=1e-12)


MAPS = {
    "scale": ({"method": "fov", "parameters": {"method": "scale"}}, lambda m: FoVBackgroundMaker("scale", m), 3),
    "fit": (
        {"method": "fov", "parameters": {"method": "fit", "min_counts": 1}},
        lambda m: FoVBackgroundMaker("fit", m, min_counts=1),
        3,
    ),
    "ring": (
        {"method": "ring", "parameters": {"r_in": "0.4 deg", "width": "0.3 deg"}},
        lambda m: RingBackgroundMaker("0.4 deg", "0.3 deg", m),
        2,
    ),
    "adaptive-ring": (
        {
            "method": "adaptive-ring",
            "parameters": {"r_in": "0.3 deg", "width": "0.2 deg", "r_out_max": "0.8 deg", "threshold_alpha": 0.005},
        },
        lambda m: AdaptiveRingBackgroundMaker("0.3 deg", "0.8 deg", "0.2 deg", threshold_alpha=0.005, exclusion_mask=m),
        1,
    ),
    "phase": (
        {"method": "phase", "parameters": {"on_phase": [[0.9, 1.0], [0.0, 0.2]], "off_phase": [[0.3, 0.8]]}},
        lambda _: PhaseBackgroundMaker(on_phase=[(0.9, 1.2)], off_phase=[(0.3, 0.8)]),
        2,
    ),
    "none": ({"method": None, "parameters": {}}, lambda _: None, 2),
}


@pytest.mark.requirement("A4.14", "R19")
@pytest.mark.parametrize("excluded", [False, True], ids=["whole", "excluded"])
@pytest.mark.parametrize("name", MAPS)
def test_map(driver, pulsed, mask_file, tmp_path, name, excluded):
    background, maker, nbins = MAPS[name]
    excluded = excluded and name not in ("phase", "none")
    background = background | ({"exclusion": str(mask_file)} if excluded else {})
    ours = reduced(driver, driver.map_config(pulsed, nbins, stack=False, background=background), tmp_path)
    theirs = gammapy_map(observation_of(pulsed), maker(boolean(mask_file) if excluded else None), nbins)
    assert ours.name == f"obs-{OBS_ID}"
    assert_same(ours, theirs)
    safe = theirs.mask_safe.data
    if name == "adaptive-ring":
        no_ring = ~np.isfinite(theirs.acceptance_off.data)
        # What gammapy calls safe all the same is among the pixels, and is not all of them.
        assert 0 < no_ring[safe].mean() < 0.5
        safe = safe & ~no_ring
    np.testing.assert_array_equal(ours.mask_safe.data, safe)


@pytest.mark.parametrize(("kind", "name"), [("1d", "phase"), ("3d", "phase"), ("3d", "adaptive-ring")])
def test_twice_gives_the_same_bytes(driver, pulsed, tmp_path, kind, name):
    # gammapy's phase maker gives its dataset another name each time.
    if kind == "1d":
        config = driver.spectrum_config(pulsed, background=SPECTRA[name][0])
    else:
        config = driver.map_config(pulsed, MAPS[name][2], stack=False, background=MAPS[name][0])
    config["observations"]["obs_ids"] = [OBS_ID]
    paths = [driver.run_fan("data-reduction", config, tmp_path / run)[0].members[0].path for run in ("a", "b")]
    assert filecmp.cmp(*paths, shallow=False)


CRITERIA = ("aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak")
COMBINED = [names for number in (1, 2, 5) for names in combinations(CRITERIA, number)]
# Values that cut, each another part: the pointing is 0.5 deg from the Crab.
LIMITS = {"aeff_percent": 40.0, "bias_percent": 4.0, "offset_max": "0.9 deg"}


@pytest.fixture(scope="module")
def observation(archive):
    observation = observation_of(archive).copy(in_memory=True)
    observation.bkg = observation.bkg.to_3d()
    return observation


@pytest.fixture(scope="module")
def unmasked(observation):
    """Datasets without safe mask, by type, made by gammapy alone."""
    axis = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=12)
    axis_true = MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=20, name="energy_true")
    geom = RegionGeom.create(CircleSkyRegion(CRAB, 0.11 * u.deg), axes=[axis])
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)
    spectrum = maker.run(SpectrumDataset.create(geom, energy_axis_true=axis_true), observation)
    spectrum = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(3)).run(spectrum, observation)
    geom = WcsGeom.create(skydir=CRAB, binsz=0.1, width=3, axes=[axis])
    whole = MapDataset.create(geom, energy_axis_true=axis_true, binsz_irf=0.5)
    cutout = whole.cutout(observation.get_pointing_icrs(observation.tmid).galactic, width=3 * u.deg)
    return {"1d": spectrum, "3d": MapDatasetMaker().run(cutout, observation)}


def safe_config(driver, kind, methods, **parameters):
    axes = {
        "energy": {"min": "0.1 TeV", "max": "100 TeV", "nbins": 12},
        "energy_true": {"min": "0.05 TeV", "max": "200 TeV", "nbins": 20},
    }
    if kind == "1d":
        background = {"method": "wobble", "parameters": {"n_off_regions": 3}}
        config = driver.spectrum_config("", geom={"axes": axes}, background=background)
    else:
        config = driver.map_config("", geom={"axes": axes, "wcs": {"binsize": "0.1 deg"}})
    config["datasets"]["safe_mask"] = {"methods": list(methods), "parameters": parameters}
    return config["datasets"]


@pytest.mark.requirement("A4.15")
@pytest.mark.parametrize("irfs", ["DL4", "DL3"])
@pytest.mark.parametrize("kind", ["1d", "3d"])
@pytest.mark.parametrize("methods", COMBINED, ids="+".join)
def test_safe_mask(driver, observation, unmasked, kind, methods, irfs):
    maker = Reduction(safe_config(driver, kind, methods, irfs=irfs, fixed_offset=None, **LIMITS)).safe_mask_maker
    ours = maker.run(unmasked[kind].copy(), observation).mask_safe.data
    theirs = SafeMaskMaker(methods=methods, irfs=irfs, **LIMITS).run(unmasked[kind].copy(), observation).mask_safe.data
    assert theirs.any()
    assert kind == "1d" or not theirs.all()
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", ["1d", "3d"])
def test_no_safe_mask(driver, observation, unmasked, kind):
    none, default = (
        Reduction(safe_config(driver, kind, [method])).safe_mask_maker.run(unmasked[kind].copy(), observation)
        for method in ("none", "aeff-default")
    )
    theirs = SafeMaskMaker(methods=[]).run(unmasked[kind].copy(), observation)
    np.testing.assert_array_equal(none.mask_safe.data, theirs.mask_safe.data)
    assert kind == "3d" or none.mask_safe.data.all()
    assert none.mask_safe.data.sum() > default.mask_safe.data.sum()


@pytest.mark.parametrize("irfs", ["DL4", "DL3"])
@pytest.mark.parametrize("method", ["aeff-max", "edisp-bias"])
def test_safe_mask_at_a_fixed_offset(driver, observation, unmasked, method, irfs):
    block = safe_config(driver, "3d", [method], irfs=irfs, fixed_offset="1.2 deg", **LIMITS)
    ours = Reduction(block).safe_mask_maker.run(unmasked["3d"].copy(), observation).mask_safe.data
    maker = SafeMaskMaker(methods=[method], irfs=irfs, fixed_offset=1.2 * u.deg, **LIMITS)
    np.testing.assert_array_equal(ours, maker.run(unmasked["3d"].copy(), observation).mask_safe.data)


@pytest.mark.requirement("A4.15")
@pytest.mark.parametrize("kind", ["1d", "3d"])
@pytest.mark.parametrize("methods", [*((name,) for name in CRITERIA), CRITERIA], ids="+".join)
def test_safe_mask_of_a_whole_reduction(driver, observation, unmasked, kind, methods):
    ours = Reduction(safe_config(driver, kind, methods, **LIMITS)).run(observation).mask_safe.data
    theirs = SafeMaskMaker(methods=methods, **LIMITS).run(unmasked[kind].copy(), observation).mask_safe.data
    np.testing.assert_array_equal(ours, theirs)


def test_peak_of_a_background_model_that_gammapy_cannot_search_is_told(driver, archive):
    # gammapy 2.1 looks for the peak in the archive's model only where that has two coordinates in the field of view.
    observation = observation_of(archive)
    with pytest.raises(DataError, match="irfs: DL4"):
        Reduction(safe_config(driver, "3d", ["bkg-peak"], irfs="DL3")).run(observation)
