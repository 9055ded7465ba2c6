"""The exclusion mask: where a map is significant and around it, what was excluded before, and what the report says."""

from __future__ import annotations

import filecmp

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.estimators import FluxMaps
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

from gammaops.physics.exclusion import read_mask
from gammaops.physics.flux_io import write_flux_maps
from gammaops.steps import load_science

CENTER = SkyCoord(83.63, 22.01, unit="deg")
ELSEWHERE = SkyCoord(84.5, 22.6, unit="deg")
PIXEL = 0.02
CIRCLE = {"frame": "icrs", "lon": "82.8 deg", "lat": "21.4 deg", "radius": "0.2 deg"}


@pytest.fixture(scope="module")
def maps(driver, tmp_path_factory):
    """An excess map with 6 σ in one pixel of the first energy, 4 σ in one of the second, and a corner without data."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    geom = WcsGeom.create(skydir=CENTER, binsz=PIXEL, width=3, axes=[axis])
    sqrt_ts = Map.from_geom(geom, data=0.5)
    sqrt_ts.data[:, :20, :20] = np.nan
    for plane, (place, value) in enumerate(((CENTER, 6.0), (ELSEWHERE, 4.0))):
        sqrt_ts.get_image_by_idx((plane,)).set_by_coord(place, value)
    norm = Map.from_geom(geom, data=1.0)
    model = SkyModel(PowerLawSpectralModel(), name="reference")
    path = tmp_path_factory.mktemp("maps") / "map.fits"
    write_flux_maps(FluxMaps({"norm": norm, "sqrt_ts": sqrt_ts}, model), path)
    return driver.product("excess_map", path)


def made(driver, tmp_path, maps, masks=(), **block):
    config = driver.blocks("exclusion-mask", exclusion_mask=block)
    return driver.run_one("exclusion-mask", config, tmp_path, {"map": (maps,), "exclusion": tuple(masks)})


@pytest.mark.parametrize(("significance", "places"), [(5.0, [CENTER]), (3.0, [CENTER, ELSEWHERE]), (7.0, [])])
def test_significant_pixels_and_their_surroundings_are_excluded(driver, maps, tmp_path, significance, places):
    product = made(driver, tmp_path, maps, significance=significance, radius="0.3 deg")
    mask = read_mask(product.path)
    assert not mask.geom.axes
    # Within the radius of the pixel's centre, which is up to a pixel from the place.
    separation = np.array([mask.geom.separation(place).deg for place in places] or [np.full(mask.data.shape, 9)])
    nearest = separation.min(axis=0)
    assert not mask.data[nearest < 0.3 - PIXEL].any()
    assert mask.data[nearest > 0.3 + PIXEL].all()
    assert product.metrics["regions"] == len(places)
    assert product.metrics["excluded_deg2"] == pytest.approx(len(places) * np.pi * 0.3**2, rel=0.05)
    assert product.metrics["sqrt_ts_max_outside"] == pytest.approx(6.0 if not places else [4.0, 0.5][len(places) - 1])


def test_without_radius_only_the_pixels_themselves_are_excluded(driver, maps, tmp_path):
    product = made(driver, tmp_path, maps, significance=3.0, radius="0 deg")
    assert (~read_mask(product.path).data).sum() == 2


def test_what_was_excluded_before_stays_so_and_is_not_new(driver, maps, tmp_path):
    first = made(driver, tmp_path / "first", maps, significance=5.0)
    second = made(driver, tmp_path / "second", maps, [first], significance=3.0, exclusion=[CIRCLE])
    mask = read_mask(second.path)
    for place in (CENTER, ELSEWHERE, SkyCoord(82.8, 21.4, unit="deg")):
        assert not mask.get_by_coord(place)[0]
    assert second.metrics["excluded_deg2"] == pytest.approx(np.pi * (2 * 0.3**2 + 0.2**2), rel=0.05)
    assert second.metrics["new_deg2"] == pytest.approx(np.pi * 0.3**2, rel=0.05)  # only around the 4 σ
    again = made(driver, tmp_path / "again", maps, [second], significance=3.0, exclusion=[CIRCLE])
    assert again.metrics["new_deg2"] == 0
    # A reduction with the one is the reduction with the other.
    assert filecmp.cmp(again.path, second.path, shallow=False)


def test_file_opens_with_gammapy_alone(driver, maps, tmp_path):
    product = made(driver, tmp_path, maps)
    mask = Map.read(product.path)
    assert set(np.unique(mask.data)) == {0, 1}
    assert mask.geom.width.to_value("deg") == pytest.approx(3)
    assert mask.geom.pixel_scales.to_value("deg") == pytest.approx([PIXEL] * 2)
    assert mask.get_by_coord(CENTER)[0] == 0


def test_report_tells_how_much_is_excluded_and_what_is_left(driver, maps, tmp_path):
    product = made(driver, tmp_path, maps, significance=5.0, exclusion=[CIRCLE])
    section = load_science("exclusion-mask").report(product)
    assert section.notes == (
        "2 regions excluded: 0.41 deg², 4.5 % of the map; 0.28 deg² are new.",
        "The highest significance outside is 4.0 σ.",
    )
    (figure,) = section.figures
    assert figure.png.startswith(b"\x89PNG")
    (table,) = section.tables
    assert [row[3] for row in table.rows] == ["6.0", "0.5"]
    assert float(table.rows[0][0]) == pytest.approx(CENTER.ra.deg, abs=PIXEL)
    assert float(table.rows[0][1]) == pytest.approx(CENTER.dec.deg, abs=PIXEL)
    assert float(table.rows[1][2]) == pytest.approx(np.pi * 0.2**2, abs=0.01)


def test_report_says_when_nothing_or_too_much_is_excluded(driver, maps, tmp_path):
    report = load_science("exclusion-mask").report
    assert report(made(driver, tmp_path / "a", maps, significance=9.0)).notes == ("Nothing is excluded.",)
    everything = made(driver, tmp_path / "b", maps, significance=0.1, radius="0.3 deg")
    assert "more than half of the map" in report(everything).notes[-1]
