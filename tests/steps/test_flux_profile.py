"""Flux profiles: region by region and joined they are gammapy's in one go."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from gammapy.estimators import FluxPoints, FluxProfileEstimator
from gammapy.modeling.models import PowerLawSpectralModel
from gammapy.utils.regions import make_concentric_annulus_sky_regions, make_orthogonal_rectangle_sky_regions
from regions import CircleAnnulusSkyRegion, Regions

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.physics.datasets_io import read_dataset, read_datasets, write_dataset
from gammaops.physics.flux_io import read_flux_points
from gammaops.report.opening import how_to_open
from gammaops.steps import load_science

CRAB = {"frame": "icrs", "lon": "83.63 deg", "lat": "22.01 deg"}
BOXES = {
    "start_pos": {"frame": "icrs", "lon": "83.1 deg", "lat": "22.01 deg"},
    "end_pos": {"frame": "icrs", "lon": "84.1 deg", "lat": "22.01 deg"},
    "height": "0.2 deg",
    "nbin": 3,
}
ANNULI = {"center": CRAB, "radius_max": "0.4 deg", "nbin": 2}
# Upper limits take most of the time of a fit of one number.
PARAMETERS = {"selection_optional": None}
ENERGIES = {"min": "1 TeV", "max": "10 TeV", "nbins": 1}
# The order of two roundings when columns are read back.
EXACT = 1e-9


@pytest.fixture(scope="module")
def maps(driver, archive, tmp_path_factory):
    config = driver.map_config(archive, nbins=2, background={"method": "fov", "parameters": {"method": "scale"}})
    return driver.run_fan("data-reduction", config, tmp_path_factory.mktemp("maps"))[0]


@pytest.fixture(scope="module")
def boxes(driver, maps, tmp_path_factory):
    limits = {"selection_optional": ["ul"]}
    folder = tmp_path_factory.mktemp("boxes")
    return made(driver, maps, folder, boxes=BOXES, energy_edges=ENERGIES, parameters=limits)


def made(driver, maps, folder, **block):
    config = driver.blocks("flux-profile", flux_profile={"index": 2.5, "parameters": PARAMETERS, **block})
    return driver.run_fan("flux-profile", config, folder, {"datasets": (maps,)})


def assert_same(profile, expected):
    axis, other = (points.geom.axes["projected-distance"] for points in (profile, expected))
    np.testing.assert_allclose(axis.edges.to_value("deg"), other.edges.to_value("deg"), rtol=0, atol=1e-12)
    for name in expected.available_quantities:
        ours, theirs = getattr(profile, name).data.astype(float), getattr(expected, name).data.astype(float)
        np.testing.assert_allclose(ours, theirs, rtol=EXACT, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(profile.flux.data, expected.flux.data, rtol=EXACT)


@pytest.mark.requirement("R20")
def test_boxes_joined_are_the_profile_in_one_go(maps, boxes):
    product, rows, metrics = boxes
    datasets = read_datasets((maps,))
    start, end = (SkyCoord(lon, 22.01, unit="deg") for lon in (83.1, 84.1))
    wcs = datasets[0].counts.geom.wcs
    regions = make_orthogonal_rectangle_sky_regions(start, end, wcs, 0.2 * u.deg, nbin=3)
    estimator = FluxProfileEstimator(
        regions, PowerLawSpectralModel(index=2.5), energy_edges=[1, 10] * u.TeV, selection_optional=["ul"]
    )
    profile = read_flux_points(product.path)
    assert_same(profile, estimator.run(datasets))
    assert int(np.nanargmax(profile.flux.data[:, 0, 0, 0])) == 1, "the source is in the middle box"
    assert [row["label"] for row in rows] == ["1: 0.000 deg", "2: 0.309 deg", "3: 0.618 deg"]
    assert metrics["regions"] == 3
    # Gammapy alone reads the fluxes, and the regions are there in DS9's words.
    np.testing.assert_allclose(FluxPoints.read(product.path, sed_type="flux").flux.data, profile.flux.data, rtol=EXACT)
    with fits.open(product.path) as hdus:
        texts = list(hdus["REGIONS"].data["region"])
    centres = [Regions.parse(f"icrs;{text}", format="ds9")[0].center for text in texts]
    assert all(here.separation(there.center) < 0.001 * u.deg for here, there in zip(centres, regions, strict=True))


@pytest.mark.slow
@pytest.mark.requirement("R20")
def test_annuli_joined_are_the_profile_in_one_go(driver, maps, tmp_path):
    edges = {"min": "1 TeV", "max": "10 TeV", "nbins": 2}
    product, rows, _ = made(driver, maps, tmp_path, annuli=ANNULI, energy_edges=edges)
    regions = make_concentric_annulus_sky_regions(SkyCoord(83.63, 22.01, unit="deg"), 0.4 * u.deg, nbin=3)
    assert len(rows) == len(regions) == 2
    estimator = FluxProfileEstimator(
        regions, PowerLawSpectralModel(index=2.5), energy_edges=np.geomspace(1, 10, 3) * u.TeV
    )
    profile = read_flux_points(product.path)
    assert_same(profile, estimator.run(read_datasets((maps,))))
    assert profile.geom.axes["energy"].nbin == 2
    with fits.open(product.path) as hdus:
        region = Regions.parse(f"icrs;{hdus['REGIONS'].data['region'][1]}", format="ds9")[0]
    assert isinstance(region, CircleAnnulusSkyRegion)
    assert region.outer_radius.to_value("deg") == pytest.approx(0.4, abs=1e-4)


def test_boxes_beyond_the_map_are_rejected_and_the_others_kept(driver, maps):
    far = {**BOXES, "end_pos": {"frame": "icrs", "lon": "86.1 deg", "lat": "22.01 deg"}}
    config = driver.blocks("flux-profile", flux_profile={"boxes": far})
    science = load_science("flux-profile")
    table = science.split(science.prepare(config), {"datasets": (maps,)}, driver.Scope())
    # The map ends at 85.25 deg: the second of three boxes ends at 85.1 deg.
    assert list(table["status"]) == ["selected", "selected", "rejected"]
    assert table["reason"][2] == "it is not within the map of stacked"


def test_recipe_of_the_report_opens_a_profile_with_the_right_fluxes(boxes):
    names: dict = {}
    exec(how_to_open("flux_profile", str(boxes[0].path)), names)  # noqa: S102 - what the page offers to paste
    expected = read_flux_points(boxes[0].path)
    np.testing.assert_allclose(names["points"].flux.data, expected.flux.data, rtol=1e-6)


def test_section_says_where_the_flux_is_highest(boxes):
    section = load_science("flux-profile").report(boxes[0])
    assert "at 0.31°; 3 regions within the map." in section.notes[0], "the middle of a line of 0.93 deg"
    assert len(section.tables[0].rows) == 3


def test_regions_that_are_left_out_come_before_the_highest_flux(driver, maps, tmp_path):
    far = {**BOXES, "end_pos": {"frame": "icrs", "lon": "86.1 deg", "lat": "22.01 deg"}}
    product, rows, metrics = made(driver, maps, tmp_path, boxes=far)
    assert [row["status"] for row in rows] == ["selected", "selected", "rejected"]
    assert (metrics["regions"], metrics["regions_left_out"]) == (2, 1)
    headline = load_science("flux-profile").report(product).notes[0]
    said = "1 of 3 regions do not lie within the map and are left out; of the others the highest flux is "
    assert headline.startswith(said)


def test_an_index_of_2_warns_of_no_division(driver, maps, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        _, _, metrics = made(driver, maps, tmp_path, boxes=BOXES, energy_edges=ENERGIES, index=2.0)
    assert metrics["regions_with_flux"] == 3


def test_regions_none_of_which_is_in_the_map_make_nothing(driver, maps, tmp_path):
    config = driver.blocks("flux-profile", flux_profile={"boxes": BOXES})
    science = load_science("flux-profile")
    with pytest.raises(driver.NoWorkFound, match="none of the 3 regions lies within the map"):
        science.collect(science.prepare(config), {"datasets": (maps,)}, {}, [])


TEXT = """
observations: {datastore: data}
datasets: {type: 3d, geom: {wcs: {skydir: {frame: icrs, lon: 1 deg, lat: 1 deg}}}, background: {method: fov}}
flux_profile: PROFILE
steps:
- {name: reduce, tag: data-reduction}
- {name: profile, tag: flux-profile}
"""


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("{}", r"flux_profile: none of boxes, annuli given; expected one of boxes, annuli"),
        (
            "{boxes: {start_pos: {frame: icrs, lon: 1 deg, lat: 1 deg}, end_pos: {frame: icrs, lon: 2 deg, lat: 1 deg},"
            " height: 0.1 deg, nbin: 3}, annuli: {center: {frame: icrs, lon: 1 deg, lat: 1 deg}, radius_max: 1 deg,"
            " nbin: 3}}",
            r"flux_profile\.annuli: boxes, annuli given together; expected one of boxes, annuli",
        ),
        ("{annuli: {radius_max: 1 deg, nbin: 3}}", r"flux_profile\.annuli: center\.lon not given"),
        (
            "{annuli: {center: {frame: icrs, lon: 1 deg, lat: 1 deg}, radius_min: 2 deg, radius_max: 1 deg, nbin: 3}}",
            r"flux_profile\.annuli\.radius_min: 2 deg is not below radius_max \(1 deg\)",
        ),
    ],
)
def test_regions_that_are_wrong(profile, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(TEXT.replace("PROFILE", profile), "profile", "profile.yaml")


def test_region_that_cannot_be_estimated_says_why_and_harms_no_other(driver, maps, boxes, tmp_path):
    def spoiled(member):
        """The first box has counts that are no number, which gammapy's fit refuses."""
        dataset = read_dataset(member.path)
        dataset.counts.data = dataset.counts.data.astype(float)
        lon = dataset.counts.geom.to_image().get_coord().skycoord.ra.deg
        dataset.counts.data[:, lon < 83.25] = np.nan
        write_dataset(dataset, tmp_path / member.path.name)
        return replace(member, payload=partial(Path, tmp_path / member.path.name))

    damaged = replace(maps, members=tuple(spoiled(member) for member in maps.members))
    limits = {"selection_optional": ["ul"]}
    product, rows, metrics = made(driver, damaged, tmp_path, boxes=BOXES, energy_edges=ENERGIES, parameters=limits)
    flux, whole = (read_flux_points(one.path).flux.data[:, 0, 0, 0] for one in (product, boxes[0]))
    assert np.isnan(flux).tolist() == [True, False, False]
    np.testing.assert_allclose(flux[1:], whole[1:], rtol=EXACT)
    (told,) = metrics["points_without_flux"]
    assert told["label"] == rows[0]["label"]
    assert told["reason"].startswith("the fit of this bin failed") or "did not converge" in told["reason"]
    assert f"1 bin without a flux: {told['label']}" in load_science("flux-profile").report(product).notes[-1]
