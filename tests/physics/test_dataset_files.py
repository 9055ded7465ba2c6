"""Datasets in files: what is written is what gammapy writes, what is read is what was there."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.irf import EDispKernelMap
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel
from regions import CircleSkyRegion

from gammaops.errors import AlgorithmError
from gammaops.physics.datasets_io import energy_axis_of, named_members, read_dataset, write_dataset
from gammaops.physics.reproducible import make_reproducible
from gammaops.physics.spectrum_io import spectrum_hdus
from gammaops.physics.stacking import common_geoms, empty_stack, stack
from gammaops.products.base import Product

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
SPECTRUM_MAPS = ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "mask_safe", "mask_fit")
MAPS = (*SPECTRUM_MAPS, "background")


def circle(lon, lat=22.0, frame="icrs"):
    return CircleSkyRegion(center=SkyCoord(lon, lat, unit="deg", frame=frame), radius=0.1 * u.deg)


def gti(start):
    begin = Time(start, scale="tt")
    return GTI.create(begin, begin + 20 * u.min)


def spectrum(name="obs-1", *, on_off=True, frame="icrs", masked=False):
    geom = RegionGeom.create(circle(83.0, frame=frame), axes=[AXIS])
    dataset = SpectrumDataset.create(geom, energy_axis_true=AXIS_TRUE, name=name)
    dataset.counts.data += np.arange(4).reshape(4, 1, 1)
    dataset.exposure.data += 1e9
    dataset.exposure.meta = {"livetime": 1200 * u.s}
    dataset.edisp = EDispKernelMap.from_diagonal_response(AXIS, AXIS_TRUE, geom=geom.to_image())
    dataset.mask_safe.data[1:] = True
    dataset.gti = gti("2004-12-04T22:08:10.184")
    if masked:
        dataset.mask_fit = geom.energy_mask(2 * u.TeV)
    if not on_off:
        return dataset
    off = RegionGeom.from_regions([circle(83.5), circle(82.5)], axes=[AXIS])
    return SpectrumDatasetOnOff.from_spectrum_dataset(
        dataset=dataset,
        acceptance=Map.from_geom(geom, data=1),
        acceptance_off=Map.from_geom(off, data=2),
        counts_off=Map.from_geom(off, data=np.arange(4.0)),
        name=name,
    )


def cube(name="obs-1", lon=83.0, *, on_off=False):
    geom = WcsGeom.create(skydir=(lon, 22.0), binsz=0.1, width=1, axes=[AXIS], frame="icrs")
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, binsz_irf=0.5, name=name)
    dataset.counts.data += 3
    dataset.background.data += 2
    dataset.exposure.data += 1e9
    dataset.exposure.meta = {"livetime": 1200 * u.s}
    dataset.mask_safe.data[:, 2:, :] = True
    dataset.gti = gti("2004-12-04T22:08:10.184")
    if not on_off:
        return dataset
    return MapDatasetOnOff.from_map_dataset(
        dataset, acceptance=1.0, acceptance_off=4.0, counts_off=Map.from_geom(geom, data=8.0), name=name
    )


DATASETS = {
    "spectrum on/off": spectrum(),
    "spectrum on/off with mask_fit": spectrum(masked=True),
    "spectrum": spectrum(on_off=False),
    "spectrum in galactic coordinates": spectrum(frame="galactic"),
    "map": cube(),
    "map on/off": cube(on_off=True),
}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS.keys())
def test_round_trip_keeps_all(dataset, tmp_path):
    write_dataset(dataset.copy(name=dataset.name), tmp_path / "d.fits")
    found = read_dataset(tmp_path / "d.fits")
    assert type(found) is type(dataset)
    assert found.name == "obs-1"
    for name in SPECTRUM_MAPS if isinstance(dataset, MapDatasetOnOff) else MAPS:
        ours, theirs = getattr(found, name, None), getattr(dataset, name, None)
        assert (ours is None) == (theirs is None), name
        if theirs is not None:
            np.testing.assert_array_equal(ours.data, theirs.data, err_msg=name)
            assert ours.data.dtype.isnative
            assert ours.unit == theirs.unit
            assert ours.geom == theirs.geom
    assert found.mask_safe.data.dtype == bool
    np.testing.assert_array_equal(found.edisp.edisp_map.data, dataset.edisp.edisp_map.data)
    assert found.exposure.meta["livetime"] == 1200 * u.s
    # GTIs are stored in seconds since 2001, which holds 0.2 microseconds.
    assert abs((found.gti.time_start - dataset.gti.time_start).to_value("s")).max() < 1e-6


@pytest.mark.parametrize("kind", ["spectrum on/off", "spectrum", "spectrum in galactic coordinates"])
def test_files_of_spectra_are_those_of_gammapy(kind, tmp_path):
    dataset = DATASETS[kind]
    dataset.to_hdulist().writeto(tmp_path / "gammapy.fits")
    spectrum_hdus(dataset).writeto(tmp_path / "ours.fits")
    with fits.open(tmp_path / "gammapy.fits") as theirs, fits.open(tmp_path / "ours.fits") as ours:
        left_over = [hdu.name for hdu in theirs if hdu.name == "BACKGROUND_REGION" and "BACKGROUND" not in theirs]
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in theirs if hdu.name not in left_over]
        for hdu in ours:
            difference = fits.HDUDiff(theirs[hdu.name], hdu, ignore_keywords=["CREATED"])
            assert difference.identical, difference.report()


@pytest.mark.parametrize("kind", ["spectrum on/off", "spectrum", "map", "map on/off"])
def test_gammapy_alone_reads_them(kind, tmp_path):
    dataset = DATASETS[kind]
    write_dataset(dataset.copy(name=dataset.name), tmp_path / "d.fits")
    make_reproducible(tmp_path / "d.fits")
    found = type(dataset).read(tmp_path / "d.fits", format="gadf")
    np.testing.assert_array_equal(found.counts.data, dataset.counts.data)
    assert found.name == "obs-1"


def test_regions_read_are_those_written_though_they_are_remembered(tmp_path):
    for number, lon in enumerate((10.0, 20.0)):
        geom = RegionGeom.create(circle(lon), axes=[AXIS])
        write_dataset(SpectrumDataset.create(geom, energy_axis_true=AXIS_TRUE), tmp_path / f"{number}.fits")
    centers = [read_dataset(tmp_path / f"{number}.fits").counts.geom.region.center.ra.deg for number in (0, 1, 0)]
    assert centers == pytest.approx([10.0, 20.0, 10.0])


def test_fitted_background_is_applied_before_it_is_written(tmp_path):
    dataset = cube()
    model = FoVBackgroundModel(dataset_name=dataset.name)
    model.spectral_model.norm.value = 1.5
    dataset.models = [model]
    write_dataset(dataset, tmp_path / "d.fits")
    np.testing.assert_allclose(read_dataset(tmp_path / "d.fits").background.data, 3.0, rtol=1e-6)


def test_energy_axis_is_found_without_the_data(tmp_path):
    for number, dataset in enumerate((spectrum(), cube())):
        write_dataset(dataset, tmp_path / f"{number}.fits")
        assert energy_axis_of(tmp_path / f"{number}.fits") == AXIS


def product(path, name):
    return Product(path.as_uri(), "dataset", name, "", "ok", lambda: path, row={"name": name})


@pytest.mark.requirement("A7.2")
def test_names_of_two_products_do_not_meet(tmp_path):
    member = product(tmp_path, "obs-1")
    index = Product("i", "datasets", "i", "", "ok", None, members=(member,))
    assert [name for name, _ in named_members([index])] == ["obs-1"]
    assert [name for name, _ in named_members([index, index])] == ["1-obs-1", "2-obs-1"]


def test_cutouts_are_stacked_on_the_geometry_that_holds_both(tmp_path):
    whole = WcsGeom.create(skydir=(83.0, 22.0), binsz=0.1, width=(3, 2), axes=[AXIS], frame="icrs")
    reference = MapDataset.create(whole, energy_axis_true=AXIS_TRUE, binsz_irf=0.5, name="whole")
    reference.counts.data += 1
    reference.exposure.data += 1e9
    reference.mask_safe.data[...] = True
    reference.gti = gti("2004-12-04T22:08:10.184")
    for number, lon in enumerate((82.5, 83.5)):
        part = reference.cutout(SkyCoord(lon, 22.0, unit="deg"), width=1 * u.deg, mode="trim", name=f"obs-{number}")
        write_dataset(part, tmp_path / f"{number}.fits")
    paths = [tmp_path / "0.fits", tmp_path / "1.fits"]
    cls, geoms = common_geoms(paths)
    stacked = stack(empty_stack(cls, geoms, "stacked"), (read_dataset(path) for path in paths))
    assert stacked.counts.data.sum() == sum(read_dataset(path).counts.data.sum() for path in paths)
    assert stacked.counts.geom.is_aligned(whole)
    width, height = stacked.counts.geom.data_shape[2], stacked.counts.geom.data_shape[1]
    assert height == read_dataset(paths[0]).counts.geom.data_shape[1]
    assert width > read_dataset(paths[0]).counts.geom.data_shape[2]
    coords = {"skycoord": SkyCoord(82.5, 22.0, unit="deg"), "energy": 2 * u.TeV}
    assert stacked.counts.get_by_coord(coords) == 1


def test_maps_on_two_grids_are_not_stacked(tmp_path):
    write_dataset(cube(), tmp_path / "a.fits")
    write_dataset(cube(lon=83.033), tmp_path / "b.fits")
    with pytest.raises(AlgorithmError, match="another grid"):
        common_geoms([tmp_path / "a.fits", tmp_path / "b.fits"])


def test_spectra_and_maps_are_not_stacked_together(tmp_path):
    write_dataset(spectrum(), tmp_path / "a.fits")
    write_dataset(cube(), tmp_path / "b.fits")
    with pytest.raises(AlgorithmError, match="spectra and maps"):
        common_geoms([tmp_path / "a.fits", tmp_path / "b.fits"])


def test_spectra_with_other_energies_are_not_stacked(tmp_path):
    other = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=5)
    geom = RegionGeom.create(circle(83.0), axes=[other])
    write_dataset(spectrum(), tmp_path / "a.fits")
    write_dataset(SpectrumDataset.create(geom, energy_axis_true=AXIS_TRUE), tmp_path / "b.fits")
    with pytest.raises(AlgorithmError, match="other energy axes"):
        common_geoms([tmp_path / "a.fits", tmp_path / "b.fits"])
