"""Excess maps: gammapy's, of one or several radii, of ring background, and of two instruments with unlike IRFs."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from gammapy.data import DataStore
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.estimators import ExcessMapEstimator, FluxMaps
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, RingBackgroundMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.physics.datasets_io import read_dataset
from gammaops.physics.flux_io import read_flux_maps
from gammaops.simulation import ArchivePlan, simulate_archive
from gammaops.steps import load_science

CRAB = SkyCoord(83.63, 22.01, unit="deg")
QUANTITIES = ("counts", "npred", "npred_excess", "ts", "sqrt_ts", "norm", "norm_err", "flux", "flux_err")
IRFS = ["aeff", "edisp", "psf", "bkg"]


def gammapys_stack(folder: Path, background, nbins: int, *, on_off: bool) -> MapDataset:
    """Map dataset of all observations of an archive, with gammapy alone."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=nbins)
    true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8, name="energy_true")
    geom = WcsGeom.create(skydir=CRAB, binsz=0.05, width=3, axes=[axis], frame="icrs")
    empty = MapDataset.create(geom, energy_axis_true=true, binsz_irf=0.5)
    cls = MapDatasetOnOff if on_off else MapDataset
    stacked = cls.create(geom, energy_axis_true=true, binsz_irf=0.5, name="stacked")
    mask_maker = SafeMaskMaker(methods=["offset-max"], offset_max="1.5 deg")
    for observation in DataStore.from_dir(folder).get_observations(required_irf=IRFS):
        cutout = empty.cutout(observation.get_pointing_icrs(observation.tmid), width="3 deg", name="obs")
        dataset = mask_maker.run(MapDatasetMaker().run(cutout, observation), observation)
        stacked.stack(background.run(dataset, observation))
    return stacked


def assert_same(found: FluxMaps, expected: FluxMaps, rtol: float) -> None:
    assert found.geom.to_image().wcs.wcs.crval == pytest.approx(expected.geom.to_image().wcs.wcs.crval)
    for name in QUANTITIES:
        ours, theirs = getattr(found, name).data, getattr(expected, name).data
        # What is summed in single precision by FFT has noise of 1e-7 of the largest value.
        noise = 1e-6 * np.nanmax(np.abs(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=noise if name != "counts" else 0, err_msg=name)


def reduced(driver, archive, folder, method: str, parameters, nbins: int = 2):
    config = driver.map_config(archive, nbins=nbins, background={"method": method, "parameters": parameters})
    return driver.run_fan("data-reduction", config, folder)[0]


@pytest.fixture(scope="module")
def field(driver, archive, tmp_path_factory):
    return reduced(driver, archive, tmp_path_factory.mktemp("field"), "fov", {"method": "scale"})


@pytest.fixture(scope="module")
def second_archive(tmp_path_factory) -> Path:
    """Another instrument: 40 % of the effective area, a PSF half as wide again, its own observations."""
    folder = tmp_path_factory.mktemp("second")
    simulate_archive(folder, ArchivePlan(nights=1, observations=2, duration_min=15, size="small", seed=8))
    for path in folder.rglob("*.fits*"):
        if "index" not in path.name:
            _change_irfs(path)
    return folder


def _change_irfs(path: Path) -> None:
    with fits.open(path, memmap=False) as hdus:
        if "AEFF" not in hdus:
            return
        hdus["AEFF"].data["EFFAREA"] *= 0.4
        hdus["PSF"].data["RPSF"] /= 1.5**2
        for name in ("RAD_LO", "RAD_HI"):
            hdus["PSF"].data[name] *= 1.5
        hdus.writeto(path, overwrite=True)


@pytest.mark.requirement("R19")
def test_excess_map_of_a_ring_background_is_gammapys(driver, archive, tmp_path):
    datasets = reduced(driver, archive, tmp_path, "ring", {"r_in": "0.4 deg", "width": "0.3 deg"}, nbins=1)
    config = driver.blocks("excess-map", excess_map={"parameters": {"selection_optional": ["alpha", "ul"]}})
    product = driver.run_one("excess-map", config, tmp_path, {"datasets": (datasets,)})
    dataset = gammapys_stack(archive, RingBackgroundMaker("0.4 deg", "0.3 deg"), 1, on_off=True)
    expected = ExcessMapEstimator("0.1 deg", selection_optional=["alpha", "ul"]).run(dataset)
    found = read_flux_maps(product.path)
    assert_same(found, expected, 1e-6)
    np.testing.assert_allclose(found.flux_ul.data, expected.flux_ul.data, rtol=1e-4)
    np.testing.assert_allclose(found._data["alpha"].data, expected._data["alpha"].data, rtol=1e-5)


@pytest.mark.requirement("A5.2", "R19")
def test_map_of_two_instruments_with_unlike_irfs_is_that_of_their_sum(driver, archive, second_archive, field, tmp_path):
    other = reduced(driver, second_archive, tmp_path / "other", "fov", {"method": "scale"})
    first_psf, second_psf = (read_dataset(item.members[0].path).psf for item in (field, other))
    radii = [
        psf.containment_radius(fraction=0.68, energy_true=2 * u.TeV, position=CRAB) for psf in (first_psf, second_psf)
    ]
    assert radii[1] > 1.2 * radii[0], "the two do have unlike PSFs"
    edges = {"min": "1 TeV", "max": "10 TeV", "nbins": 2}
    config = driver.blocks("excess-map", excess_map={"energy_edges": edges})
    product = driver.run_one("excess-map", config, tmp_path, {"datasets": (field, other)})
    one, two = (
        gammapys_stack(folder, FoVBackgroundMaker(method="scale"), 2, on_off=False)
        for folder in (archive, second_archive)
    )
    total = one.copy(name="total")
    total.stack(two)
    found = read_flux_maps(product.path)
    expected = ExcessMapEstimator("0.1 deg", energy_edges=np.geomspace(1, 10, 3) * u.TeV).run(total)
    assert_same(found, expected, 1e-6)
    assert product.metrics["counts"] == int(total.counts.data[total.mask_safe.data].sum())
    alone = ExcessMapEstimator("0.1 deg", energy_edges=np.geomspace(1, 10, 3) * u.TeV).run(one)
    assert np.nanmax(found.sqrt_ts.data) > np.nanmax(alone.sqrt_ts.data)


@pytest.fixture(scope="module")
def two_radii(driver, field, tmp_path_factory):
    config = driver.blocks("excess-map", excess_map={"correlation_radius": ["0.2 deg", "0.1 deg"]})
    return driver.run_one("excess-map", config, tmp_path_factory.mktemp("radii"), {"datasets": (field,)})


@pytest.mark.requirement("A4.18")
def test_several_radii_are_the_maps_of_each(field, two_radii):
    found = read_flux_maps(two_radii.path)
    axis = found.geom.axes["correlation-radius"]
    assert axis.center.to_value("deg").tolist() == pytest.approx([0.1, 0.2])
    dataset = read_dataset(field.members[0].path)
    for place, radius in enumerate(("0.1 deg", "0.2 deg")):
        expected = ExcessMapEstimator(radius).run(dataset)
        assert_same(found.slice_by_idx({"correlation-radius": place}), expected, 1e-9)
    alone = FluxMaps.read(two_radii.path)
    np.testing.assert_array_equal(alone.sqrt_ts.data, found.sqrt_ts.data)


def test_section_shows_each_radius(two_radii):
    section = load_science("excess-map").report(two_radii)
    assert [note.split(",")[0] for note in section.notes] == ["Radius 0.1°", "Radius 0.2°"]
    assert len(section.figures) == 8
    assert "Circle of 0.2°" in section.figures[-1].caption


def test_sources_and_masks_are_made_from_maps_of_several_radii(driver, two_radii, tmp_path):
    sources = driver.run_one("source-detection", driver.blocks("source-detection"), tmp_path, {"maps": (two_radii,)})
    assert sources.metrics["sources"] == 1, "the same source with both radii"
    mask = driver.run_one("exclusion-mask", driver.blocks("exclusion-mask"), tmp_path, {"map": (two_radii,)})
    assert mask.metrics["regions"] == 1


def test_one_radius_means_the_same_alone_and_in_a_list():
    text = """
observations: {datastore: data}
datasets: {type: 3d, geom: {wcs: {skydir: {frame: icrs, lon: 1 deg, lat: 1 deg}}}, background: {method: fov}}
excess_map: {correlation_radius: RADIUS}
steps: [{tag: data-reduction}, {tag: excess-map}]
"""
    alone, listed, several = (
        parse_config(text.replace("RADIUS", radius), "maps", "maps.yaml")
        for radius in ("0.1 deg", "[6 arcmin]", "[0.1 deg, 0.2 deg]")
    )
    assert alone.digest == listed.digest != several.digest
    with pytest.raises(
        ConfigError, match=r"excess_map\.correlation_radius: 0 deg is out of range; expected more than 0"
    ):
        parse_config(text.replace("RADIUS", "[0.1 deg, 0 deg]"), "maps", "maps.yaml")
