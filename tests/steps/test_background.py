"""What is excluded from background estimation, in whichever way it is given, and what happens where nothing is left."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.maps import Map, MapAxis, WcsGeom
from regions import CircleSkyRegion

from gammaops.errors import ConfigError, DataError
from gammaops.physics.background import Background
from gammaops.physics.exclusion import Exclusion, read_mask
from gammaops.physics.reduction import Reduction
from gammaops.steps import load_science

CRAB = SkyCoord(83.63, 22.01, unit="deg")
# About as far from the pointing as the Crab, so that it takes reflected regions away.
FIELD = {"frame": "icrs", "lon": "84.3 deg", "lat": "22.5 deg", "radius": "0.3 deg"}
DS9 = "icrs;circle(84.3,22.5,0.3)"
RING = {"method": "ring", "parameters": {"r_in": "0.4 deg", "width": "0.3 deg"}}
FOV = {"method": "fov", "parameters": {"method": "scale"}}
REFLECTED = {"method": "reflected", "parameters": {}}
METHODS = {"reflected": REFLECTED, "ring": RING, "fov": FOV}


@pytest.fixture(scope="module")
def observation(archive):
    store = DataStore.from_dir(archive)
    return store.get_observations([1], required_irf=["aeff", "edisp", "psf", "bkg"])[0].copy(in_memory=True)


@pytest.fixture
def reduce(driver, observation):
    """Reduces the observation with a background, an exclusion and masks of other steps; coarse axes."""

    def run(background, exclusion=None, masks=(), **more):
        axes = {
            "energy": {"min": "0.5 TeV", "max": "50 TeV", "nbins": 2},
            "energy_true": {"min": "0.2 TeV", "max": "100 TeV", "nbins": 4},
        }
        make = driver.spectrum_config if background["method"] in ("reflected", "wobble") else driver.map_config
        config = make("", geom={"axes": axes}, background={**background, "exclusion": exclusion}, **more)
        config["datasets"]["safe_mask"] = {"methods": ["offset-max"], "parameters": {"offset_max": "1.5 deg"}}
        return Reduction(config["datasets"], tuple(masks)).run(observation)

    return run


def numbers(dataset):
    """All that depends on the exclusion."""
    background = dataset.npred_background() if dataset.stat_type == "cash" else dataset.background
    return background.data, dataset.mask_safe.data


def circle_mask(path: Path, center: SkyCoord, axes=()) -> Path:
    geom = WcsGeom.create(skydir=CRAB, binsz=0.01, width=4, axes=list(axes))
    mask = geom.region_mask([CircleSkyRegion(center, 0.3 * u.deg)], inside=False)
    mask.write(path)
    return path


@pytest.mark.requirement("A4.14")
@pytest.mark.parametrize("method", METHODS)
def test_circle_is_excluded_however_it_is_given(reduce, tmp_path, method):
    mask = circle_mask(tmp_path / "mask.fits", SkyCoord(84.3, 22.5, unit="deg"))
    region_file = tmp_path / "regions.reg"
    region_file.write_text(f"# Region file format: DS9\n{DS9.replace(';', chr(10))}\n")
    whole = numbers(reduce(METHODS[method]))
    forms = {
        "circle": ([FIELD], ()),
        "text": ([DS9], ()),
        "file of regions": (str(region_file), ()),
        "mask": (str(mask), ()),
        "mask of a step": (None, (mask,)),
        "all at once": ([FIELD, DS9], (mask,)),
    }
    first = numbers(reduce(METHODS[method], [FIELD]))
    assert not np.array_equal(first[0], whole[0])
    for form, (exclusion, masks) in forms.items():
        found = numbers(reduce(METHODS[method], exclusion, masks))
        # A mask has pixels: some at the edge of the circle fall the other way, worth a count or two.
        rtol = 0.03 if "mask" in form or form == "all at once" else 1e-6
        np.testing.assert_allclose(found[0], first[0], rtol=rtol, atol=0, err_msg=form)
        np.testing.assert_array_equal(found[1], first[1], err_msg=form)


@pytest.mark.parametrize("method", METHODS)
def test_mask_says_nothing_of_the_sky_beyond_its_edge(reduce, tmp_path, method):
    # gammapy's makers each take it differently there: as allowed, as excluded, and as not a number.
    path = tmp_path / "small.fits"
    Map.from_geom(WcsGeom.create(skydir=CRAB, binsz=0.05, width=1), data=1).write(path)
    for mine, other in zip(numbers(reduce(METHODS[method], str(path))), numbers(reduce(METHODS[method])), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_masks_exclude_together(tmp_path):
    first = circle_mask(tmp_path / "first.fits", CRAB)
    second = circle_mask(tmp_path / "second.fits", SkyCoord(84.3, 22.5, unit="deg"))
    geom = WcsGeom.create(skydir=CRAB, binsz=0.02, width=4)
    mask = Exclusion("x", str(first), (second,)).on(geom)
    excluded = (~mask.data).sum() * 0.02**2
    assert mask.data.dtype == bool
    assert excluded == pytest.approx(2 * np.pi * 0.3**2, rel=0.01)  # the circles do not touch
    assert not mask.get_by_coord(CRAB)[0]


def test_mask_with_energy_bins_excludes_what_any_of_them_does(tmp_path):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    path = circle_mask(tmp_path / "cube.fits", CRAB, [axis])
    cube = Map.read(path)
    cube.data[0] = 1
    cube.write(path, overwrite=True)
    mask = read_mask(path)
    assert not mask.geom.axes
    assert mask.data.dtype == bool
    np.testing.assert_array_equal(mask.data, cube.data[1] > 0)


def test_region_that_cannot_be_read_is_told_with_its_key():
    bad = "icrs;circle(83.63,22.01)"
    with pytest.raises(
        ConfigError, match=r"datasets\.background\.exclusion: .*circle\(83\.63,22\.01\).* cannot be read"
    ):
        _ = Exclusion("datasets.background.exclusion", [bad]).regions


def test_too_many_off_regions_quarantine_with_the_remedy(reduce):
    with pytest.raises(DataError, match=r"no-off-region.*of 40 OFF regions none is left.*try fewer"):
        reduce({"method": "wobble", "parameters": {"n_off_regions": 40}})


@pytest.mark.parametrize("method", ["ring", "fov"])
def test_field_that_is_excluded_whole_quarantines(reduce, method):
    everything = {**FIELD, "radius": "5 deg"}
    with pytest.raises(DataError, match=f"no-background.*by {method}: too little is left"):
        reduce(METHODS[method], [everything])


def test_counts_that_a_field_of_view_background_was_scaled_to_are_those_outside_the_exclusion(reduce, observation):
    dataset = reduce(METHODS["fov"], [FIELD])
    background = Background("fov", {}, Exclusion("datasets.background.exclusion", [FIELD]))
    (counts,) = background.field_metrics(dataset).values()
    geom = dataset.counts.geom
    outside = geom.to_image().separation(SkyCoord(FIELD["lon"], FIELD["lat"])) > u.Quantity(FIELD["radius"])
    # By the very events, in pixels that are safe at any energy of the map, and not in the circle.
    events = observation.events
    inside = (events.energy > 0.5 * u.TeV) & (events.energy < 50 * u.TeV)
    pixels = geom.to_image().coord_to_idx(events.radec[inside], clip=True)
    allowed = outside & dataset.mask_safe.data.all(axis=0)
    on_map = geom.to_image().contains(events.radec[inside])
    assert counts == (allowed[pixels[1], pixels[0]] & on_map).sum() > 0
    assert Background("ring", {}, Exclusion("k", None)).field_metrics(dataset) == {}


def test_events_without_phase_quarantine_with_the_name_of_the_column(reduce):
    background = {
        "method": "phase",
        "parameters": {"on_phase": [[0.1, 0.2]], "off_phase": [[0.5, 0.9]], "phase_column_name": "ORBIT"},
    }
    with pytest.raises(DataError, match=r"no-phase.*no column ORBIT"):
        reduce(background)


def test_pixel_whose_ring_is_excluded_whole_is_not_safe(reduce):
    # Of the ring from 0.4 to 0.7 deg around the centre of such a circle nothing is left.
    wide = {**FIELD, "lon": "83.63 deg", "lat": "22.01 deg", "radius": "0.8 deg"}
    dataset = reduce(RING, [wide])
    distance = dataset.counts.geom.to_image().separation(CRAB)
    assert not dataset.mask_safe.data[:, distance < 0.05 * u.deg].any()
    assert dataset.mask_safe.data[:, (distance > 0.2 * u.deg) & (distance < 0.8 * u.deg)].all()
    safe = dataset.mask_safe.data
    # alpha is of the order of one pixel over a part of the ring, not of 1 over rounding errors.
    assert dataset.alpha.data[safe].max() < 1


def test_pixel_whose_ring_lies_outside_the_map_is_not_safe(reduce):
    # The map is 3 deg wide: of such a ring around the centre nothing is in it, of that around its edge a part is.
    dataset = reduce({"method": "ring", "parameters": {"r_in": "2.5 deg", "width": "0.3 deg"}})
    separation = dataset.counts.geom.to_image().separation(CRAB)
    assert not dataset.mask_safe.data[:, separation < 0.15 * u.deg].any()
    safe = dataset.mask_safe.data
    assert safe.any()
    assert (dataset.acceptance_off.data >= 0).all()
    assert (dataset.acceptance_off.data[~safe] == 0).any()
    assert np.isfinite(dataset.alpha.data[safe]).all()


def test_ring_of_which_nothing_is_in_the_map_quarantines(reduce):
    with pytest.raises(DataError, match=r"no-background.*by ring"):
        reduce({"method": "ring", "parameters": {"r_in": "7 deg", "width": "0.3 deg"}})


@pytest.mark.parametrize("method", [None, "phase"])
def test_mask_of_a_step_for_a_method_that_excludes_nothing_is_refused_at_once(driver, tmp_path, method):
    parameters = {"on_phase": [[0.1, 0.2]], "off_phase": [[0.5, 0.9]]} if method else {}
    config = driver.spectrum_config(tmp_path, background={"method": method, "parameters": parameters})
    mask = driver.product("mask", circle_mask(tmp_path / "mask.fits", CRAB))
    science = load_science("data-reduction")
    with pytest.raises(ConfigError, match=f"the method {method or 'none'} excludes nothing"):
        science.split(science.prepare(config), {"exclusion": (mask,)}, driver.Scope())
