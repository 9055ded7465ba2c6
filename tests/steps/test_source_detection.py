"""Source detection: known sources of a simulated field are found where they are, and no others."""

from __future__ import annotations

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.datasets import MapDataset
from gammapy.estimators import ExcessMapEstimator, FluxMaps
from gammapy.irf import PSFMap
from gammapy.maps import MapAxis, WcsGeom, WcsNDMap
from gammapy.modeling.models import FoVBackgroundModel, PointSpatialModel, PowerLawSpectralModel, SkyModel

from gammaops.physics.flux_io import write_flux_maps
from gammaops.physics.source_names import source_names
from gammaops.steps import load_science

BINSIZE = 0.04 * u.deg
# Two point sources, the second a third as bright: RA, Dec (deg) and flux at 1 TeV.
SOURCES = {"J0534.5+2200": (83.63, 22.01, 9e-12), "J0538.1+2136": (84.53, 21.61, 3e-12)}


def simulated(*, nbins: int, sources) -> FluxMaps:
    """Excess map of a field of 3 deg: exposure of 50 h with 0.1 km², background of 4 counts per pixel and bin."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=nbins)
    true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=nbins, name="energy_true")
    geom = WcsGeom.create(skydir=SkyCoord(84, 22, unit="deg"), width=3, binsz=BINSIZE, axes=[axis], frame="icrs")
    dataset = MapDataset.create(geom, energy_axis_true=true, name="field")
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e9 * 50 * 3600) * u.Unit("cm2 s")
    dataset.psf = PSFMap.from_gauss(true, sigma="0.06 deg")
    dataset.edisp = None
    dataset.background.data += 4.0
    dataset.mask_safe.data[...] = True
    models = [FoVBackgroundModel(dataset_name="field")]
    for name, (ra, dec, amplitude) in sources.items():
        spectrum = PowerLawSpectralModel(index=2, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1"))
        place = PointSpatialModel(lon_0=ra * u.deg, lat_0=dec * u.deg, frame="icrs")
        models.append(SkyModel(spectrum, place, name=name))
    dataset.models = models
    dataset.fake(random_state=1)
    dataset.models = None
    edges = axis.edges if nbins > 1 else None
    return ExcessMapEstimator("0.1 deg", energy_edges=edges).run(dataset)


def detect(driver, maps: FluxMaps, folder, **block):
    write_flux_maps(maps, folder / "maps.fits")
    product = driver.product("excess_map", folder / "maps.fits")
    config = driver.blocks("source-detection", source_detection=block)
    found = driver.run_one("source-detection", config, folder, {"maps": (product,)})
    return found, Table.read(found.path, format="ascii.ecsv")


@pytest.mark.requirement("R20")
def test_known_sources_are_found_within_a_pixel_and_no_others(driver, tmp_path):
    found, table = detect(driver, simulated(nbins=1, sources=SOURCES), tmp_path)
    truth = SkyCoord([place[:2] for place in SOURCES.values()], unit="deg")
    assert len(table) == 2
    distance = SkyCoord(table["ra"], table["dec"]).separation(truth)
    assert (distance < 1.5 * BINSIZE).all(), "a pixel to each side and its diagonal"
    assert list(table["sqrt_ts"]) == sorted(table["sqrt_ts"], reverse=True)
    assert found.metrics["names"] == list(table["source_name"])
    # Inside a circle of 0.1 deg there are 1 - exp(-0.1² / 2 / 0.06²) = 75 % of a point source's events.
    expected = PowerLawSpectralModel(amplitude="9e-12 cm-2 s-1 TeV-1").integral(1 * u.TeV, 10 * u.TeV)
    assert table["flux"].quantity[0].to_value("cm-2 s-1") == pytest.approx(
        0.75 * expected.to_value("cm-2 s-1"), rel=0.1
    )


def test_a_source_that_is_seen_in_two_energy_bins_is_one_source(driver, tmp_path):
    maps = simulated(nbins=2, sources=SOURCES)
    _, table = detect(driver, maps, tmp_path)
    seen = [(plane > 5).any() for plane in maps.sqrt_ts.data]
    assert seen == [True, True]
    assert len(table) == 2


def test_an_empty_field_gives_an_empty_table_with_its_columns(driver, tmp_path):
    found, table = detect(driver, simulated(nbins=1, sources={}), tmp_path)
    assert len(table) == 0
    assert table.colnames[:3] == ["source_name", "ra", "dec"]
    assert str(table["flux"].unit) == "1 / (s cm2)"
    assert found.metrics == {"sources": 0, "names": [], "sqrt_ts_max": None}
    assert load_science("source-detection").report(found).notes == ("0 sources.",)


def test_a_field_without_data_gives_an_empty_table(driver, tmp_path):
    maps = simulated(nbins=1, sources={})
    nothing = {
        name: WcsNDMap(maps.geom, np.full(maps.geom.data_shape, np.nan)) for name in ("norm", "norm_err", "sqrt_ts")
    }
    _, table = detect(driver, FluxMaps(nothing, maps.reference_model), tmp_path)
    assert len(table) == 0


def test_threshold_and_distance_are_obeyed(driver, tmp_path):
    maps = simulated(nbins=1, sources=SOURCES)
    assert len(detect(driver, maps, tmp_path, min_distance="2 deg")[1]) == 1
    highest = float(np.nanmax(maps.sqrt_ts.data))
    assert len(detect(driver, maps, tmp_path, threshold=highest - 0.01)[1]) == 1
    assert len(detect(driver, maps, tmp_path, threshold=highest + 0.01)[1]) == 0


def test_section_lists_and_draws_the_sources(driver, tmp_path):
    found, table = detect(driver, simulated(nbins=1, sources=SOURCES), tmp_path, prefix="TEST")
    beside = {"products/excess_map/ab/maps.fits": driver.product("excess_map", tmp_path / "maps.fits")}
    named = {"inputs": {"maps": [{"path": path} for path in beside]}}
    sources = replace(driver.product("sources", found.path, sidecar=named), beside=lambda entry: beside[entry["path"]])
    section = load_science("source-detection").report(sources)
    assert section.notes[0].startswith(f"2 sources; the most significant is {table['source_name'][0]}, ")
    assert [row[0] for row in section.tables[0].rows] == list(table["source_name"])
    assert table["source_name"][0].startswith("TEST J053")
    assert len(section.figures) == 1


@pytest.mark.parametrize(
    ("ra", "dec", "name"),
    [
        (83.6331, 22.0145, "J0534.5+2200"),  # the Crab nebula: 05h 34.53m, 22° 0.87'
        (329.7169, -30.2256, "J2158.8-3013"),  # PKS 2155-304: 21h 58.87m, -30° 13.5'
        (359.9999, -0.005, "J2359.9-0000"),
        (0.0, 0.5, "J0000.0+0030"),
    ],
)
def test_names_are_cut_off_and_not_rounded(ra, dec, name):
    assert source_names(SkyCoord([ra], [dec], unit="deg")) == [name]


def test_equal_names_get_letters():
    places = SkyCoord([10.0, 10.001, 20.0], [5.0, 5.0, 5.0], unit="deg")
    assert source_names(places, "HESS") == ["HESS J0040.0+0500a", "HESS J0040.0+0500b", "HESS J0120.0+0500"]
