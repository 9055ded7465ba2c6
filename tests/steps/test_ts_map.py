"""TS maps: tiles joined are gammapy's map of the whole, with known sources subtracted where asked for."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.estimators import FluxMaps, TSMapEstimator
from gammapy.modeling.models import GaussianSpatialModel, PointSpatialModel, PowerLawSpectralModel, SkyModel
from scipy.special import erf

from gammaops.config import parse_config
from gammaops.errors import AlgorithmError, ConfigError, NoWorkFound
from gammaops.physics.datasets_io import read_dataset
from gammaops.physics.flux_io import read_flux_maps
from gammaops.physics.kernel_share import joint_share, kernel_metrics, kernel_warning
from gammaops.physics.models_io import read_fitted_models
from gammaops.plan import make_plan
from gammaops.steps import load_science

KERNEL = {"spatial": "gauss", "parameters": {"sigma": "0.05 deg"}, "index": 2.5}
BLOCK = {"kernel_model": KERNEL, "kernel_width": "0.5 deg", "tile_width": "0.6 deg"}
# The same numbers but for the order of sums over energies.
EXACT = 1e-9
QUANTITIES = ("ts", "sqrt_ts", "norm", "norm_err", "npred", "npred_excess", "stat", "stat_null", "niter")


@pytest.fixture(scope="module")
def field(driver, archive, tmp_path_factory):
    return driver.small_field(archive, tmp_path_factory.mktemp("field"), obs_ids=[1])


@pytest.fixture(scope="module")
def other_field(driver, archive, tmp_path_factory):
    """The other observation, with other IRFs."""
    return driver.small_field(archive, tmp_path_factory.mktemp("other"), obs_ids=[2])


@pytest.fixture(scope="module")
def fit(driver, field, point_file, tmp_path_factory):
    config = driver.blocks("fit", general={"models_file": str(point_file)})
    return driver.run_one("fit", config, tmp_path_factory.mktemp("fit"), {"datasets": (field,)})


def gammapys(datasets, **more) -> FluxMaps:
    """The same map with gammapy alone."""
    kernel = SkyModel(PowerLawSpectralModel(index=2.5), GaussianSpatialModel(sigma="0.05 deg"))
    return TSMapEstimator(kernel, kernel_width=0.5 * u.deg, **more).run(datasets)


def assert_same(found: FluxMaps, expected: FluxMaps, names=QUANTITIES) -> None:
    assert found.geom.to_image() == expected.geom.to_image()
    assert found.geom.axes["energy"] == expected.geom.axes["energy"]
    for name in names:
        ours, theirs = getattr(found, name).data, getattr(expected, name).data
        np.testing.assert_allclose(ours, theirs, rtol=EXACT, atol=1e-9, err_msg=name)


@pytest.mark.requirement("R20")
def test_joined_tiles_are_the_map_in_one_go(driver, field, tmp_path):
    block = BLOCK | {"parameters": {"selection_optional": ["ul"]}}
    product, rows, metrics = driver.run_fan(
        "ts-map", driver.blocks("ts-map", ts_map=block), tmp_path, {"datasets": (field,)}
    )
    labels = ["x 0-9, y 0-9", "x 10-19, y 0-9", "x 0-9, y 10-19", "x 10-19, y 10-19"]
    assert [row["label"] for row in rows] == labels, "20 pixels of 0.06 deg"
    expected = gammapys(read_dataset(field.members[0].path), selection_optional=["ul"])
    found = read_flux_maps(product.path)
    assert_same(found, expected, (*QUANTITIES, "flux", "flux_ul"))
    np.testing.assert_array_equal(found.success.data, expected.success.data)
    assert np.isnan(expected.ts.data).any(), "the offset cut leaves corners of the map without data"
    assert metrics["lon_max_deg"] == pytest.approx(83.63, abs=0.06)
    assert metrics["lat_max_deg"] == pytest.approx(22.01, abs=0.06)
    assert metrics["sqrt_ts_max"] > 7


@pytest.fixture(scope="module")
def one_tile(driver, field, tmp_path_factory):
    """The map of the first energy bin alone; 20 pixels are less than an automatic tile."""
    energies = {"min": "1 TeV", "max": "3.2 TeV", "nbins": 1}
    config = driver.blocks("ts-map", ts_map=BLOCK | {"tile_width": None, "energy_edges": energies})
    product, rows, _ = driver.run_fan("ts-map", config, tmp_path_factory.mktemp("one"), {"datasets": (field,)})
    assert len(rows) == 1
    return product


def test_gammapy_alone_reads_the_map(one_tile):
    maps = FluxMaps.read(one_tile.path)
    np.testing.assert_array_equal(maps.sqrt_ts.data, read_flux_maps(one_tile.path).sqrt_ts.data)


@pytest.mark.slow
def test_tiles_of_several_energies_and_two_instruments_are_the_joint_map(driver, field, other_field, tmp_path):
    block = BLOCK | {
        "energy_edges": {"min": "1 TeV", "max": "10 TeV", "nbins": 2},
        "parameters": {"sum_over_energy_groups": False, "threshold": 1.0},
    }
    inputs = {"datasets": (field, other_field)}
    product, _, _ = driver.run_fan("ts-map", driver.blocks("ts-map", ts_map=block), tmp_path, inputs)
    one, two = (read_dataset(item.members[0].path, name) for item, name in ((field, "one"), (other_field, "two")))
    assert one.counts.geom == two.counts.geom
    edges = np.geomspace(1, 10, 3) * u.TeV
    expected = gammapys(Datasets([one, two]), energy_edges=edges, sum_over_energy_groups=False, threshold=1.0)
    found = read_flux_maps(product.path)
    assert found.geom.axes["energy"].nbin == 2
    # Below the threshold the flux is a first guess from a convolution by FFT in single precision.
    np.testing.assert_allclose(
        found.norm.data, expected.norm.data, rtol=1e-5, atol=1e-6 * np.nanmax(expected.norm.data)
    )
    fitted = expected.niter.data > 0
    np.testing.assert_allclose(found.ts.data[fitted], expected.ts.data[fitted], rtol=EXACT)


@pytest.mark.slow
@pytest.mark.requirement("R20")
def test_models_of_a_fit_are_subtracted(driver, field, fit, tmp_path):
    inputs = {"datasets": (field,), "fit": (fit,)}
    product, _, _ = driver.run_fan("ts-map", driver.blocks("ts-map", ts_map=BLOCK), tmp_path, inputs)
    found = read_flux_maps(product.path)
    dataset = read_dataset(field.members[0].path)
    with_source = gammapys(dataset)
    dataset.models = read_fitted_models(fit.path)
    expected = gammapys(dataset)
    assert_same(found, expected)
    assert np.nanmax(with_source.sqrt_ts.data) > 7
    assert np.nanmax(found.sqrt_ts.data) < 5


@pytest.mark.slow
def test_model_that_is_left_out_stays_in_the_map(driver, field, fit, tmp_path):
    inputs = {"datasets": (field,), "fit": (fit,)}
    config = driver.blocks("ts-map", ts_map=BLOCK | {"models_left_out": ["crab"], "tile_width": "2 deg"})
    product, _, metrics = driver.run_fan("ts-map", config, tmp_path, inputs)
    dataset = read_dataset(field.members[0].path)
    models = read_fitted_models(fit.path)
    dataset.models = [model for model in models if model.name != "crab"]
    assert len(dataset.models) == 1, "the background's"
    assert_same(read_flux_maps(product.path), gammapys(dataset))
    assert metrics["sqrt_ts_max"] > 7


def test_section_shows_significance_and_flux(one_tile):
    section = load_science("ts-map").report(one_tile)
    assert section.title == "TS map"
    assert section.notes[0].startswith(f"{one_tile.metrics['sqrt_ts_max']:.1f} σ at RA 83.6")
    captions = [figure.caption for figure in section.figures]
    assert [caption.split()[0] for caption in captions] == ["Significance:", "Flux", "Significance"]


@pytest.mark.slow
def test_unknown_model_to_leave_out_lists_the_known_ones(driver, field, fit, tmp_path):
    config = driver.blocks("ts-map", ts_map=BLOCK | {"models_left_out": ["vela"]})
    with pytest.raises(AlgorithmError, match="no model vela in the fit; there are: crab"):
        driver.run_fan("ts-map", config, tmp_path, {"datasets": (field,), "fit": (fit,)})


def test_tile_without_data_is_no_work_and_harms_no_other(driver, field, tmp_path):
    config = driver.blocks("ts-map", ts_map=BLOCK | {"tile_width": "0.06 deg"})
    science = load_science("ts-map")
    rows = [dict(row) for row in science.split(science.prepare(config), {"datasets": (field,)}, driver.Scope())]
    assert len(rows) == 400
    out = {"ts_map_part": tmp_path / "part.fits"}
    with pytest.raises(NoWorkFound, match="no pixel of this tile has data"):
        science.run(science.prepare(config), {"datasets": (field,)}, out, rows[0])
    metrics = science.run(science.prepare(config), {"datasets": (field,)}, out, rows[210])
    part = driver.product("ts_map_part", out["ts_map_part"], metrics)
    science.collect(science.prepare(config), {"datasets": (field,)}, {"ts_map": tmp_path / "map.fits"}, [part])
    maps = read_flux_maps(tmp_path / "map.fits")
    assert maps.geom.data_shape == (1, 20, 20)
    assert np.argwhere(np.isfinite(maps.ts.data)).tolist() == [[0, 10, 10]]


def test_on_off_datasets_are_refused_with_what_to_do(driver, archive, tmp_path):
    ring = driver.small_field(archive, tmp_path / "ring", method="ring", nbins=1)
    with pytest.raises(AlgorithmError, match=r"ON and OFF counts.*use background method fov"):
        driver.run_fan("ts-map", driver.blocks("ts-map"), tmp_path, {"datasets": (ring,)})


@pytest.mark.requires_data
def test_crab_of_hess_is_gammapys_to_the_last_bit_and_where_it_should_be(driver, test_data, tmp_path):
    background = {"method": "fov", "parameters": {"method": "scale"}}
    config = driver.map_config(test_data / "hess-dl3-dr1", background=background)
    config["observations"]["obs_ids"] = [23523, 23526]
    config["datasets"]["geom"]["wcs"] |= {"binsize": "0.02 deg", "width": {"width": "0.8 deg", "height": "0.8 deg"}}
    crab = driver.run_fan("data-reduction", config, tmp_path / "maps")[0]
    settings = {"kernel_model": {"index": 2.6}, "kernel_width": "0.4 deg", "tile_width": "0.4 deg"}
    ts_config = driver.blocks("ts-map", ts_map=settings)
    product, rows, metrics = driver.run_fan("ts-map", ts_config, tmp_path / "ts", {"datasets": (crab,)})
    assert len(rows) == 4
    kernel = SkyModel(PowerLawSpectralModel(index=2.6), PointSpatialModel())
    expected = TSMapEstimator(kernel, kernel_width=0.4 * u.deg).run(read_dataset(crab.members[0].path))
    np.testing.assert_array_equal(read_flux_maps(product.path).sqrt_ts.data, expected.sqrt_ts.data)
    # The nebula's centre, 83.633 and 22.014 deg, within a pixel of 0.02 deg.
    assert metrics["lon_max_deg"] == pytest.approx(83.633, abs=0.02 / np.cos(np.radians(22)))
    assert metrics["lat_max_deg"] == pytest.approx(22.014, abs=0.02)


STEPS = """
datasets: {type: 3d, geom: {wcs: {skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}}}, background: {method: fov}}
observations: {datastore: data}
general: {models_file: crab.yaml}
ts_map: {kernel_model: {spatial: gauss, parameters: {sigma: 0.05 deg}}}
steps:
- {name: reduce, tag: data-reduction}
- {name: fit, tag: fit}
- {name: map, tag: ts-map}
"""


def test_fit_is_read_only_where_it_is_asked_for():
    without = make_plan(parse_config(STEPS, "survey", "survey.yaml"))
    assert without["map"].inputs["fit"] == ()
    wanted = STEPS.replace("tag: ts-map", "tag: ts-map, required_products: [reduce, fit]")
    assert make_plan(parse_config(wanted, "survey", "survey.yaml"))["map"].upstream == ("reduce", "fit")


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("spatial: gauss", r"ts_map\.kernel_model\.parameters\.sigma: not given"),
        ("spatial: point, parameters: {sigma: 0.1 deg}", r"keys given, but spatial is point; expected no keys"),
        ("spatial: disk, parameters: {r_0: 0.1 TeV}", r"parameters\.r_0: .*TeV"),
    ],
)
def test_kernel_models_that_are_wrong(kernel, message):
    text = STEPS.replace("spatial: gauss, parameters: {sigma: 0.05 deg}", kernel)
    with pytest.raises(ConfigError, match=message):
        parse_config(text, "survey", "survey.yaml")


def test_a_kernel_narrower_than_the_psf_is_warned_of_with_the_share_that_it_holds(driver, field, tmp_path):
    def made(width: str):
        block = {"kernel_model": {"spatial": "point", "index": 2.5}, "kernel_width": width}
        config = driver.blocks("ts-map", ts_map=block)
        product, _, metrics = driver.run_fan("ts-map", config, tmp_path / width, {"datasets": (field,)})
        return load_science("ts-map").report(product), metrics, np.nanmax(read_flux_maps(product.path).flux.data)

    (wide, whole, flux), (narrow, part, less) = made("1 deg"), made("0.15 deg")
    # Three pixels of 0.06 deg, and the Gaussian PSF of 0.06 deg at 1 TeV near the pointing.
    expected = erf(0.09 / 0.06 / np.sqrt(2)) ** 2
    assert part["kernel_share"] == pytest.approx(expected, abs=0.05)
    assert part["kernel_width_deg"] == pytest.approx(0.15)
    assert part["kernel_enough_deg"] == pytest.approx(0.3), "five pixels, which hold 97 %"
    assert whole["kernel_share"] > 0.99
    # Counts fluctuate, and another pixel may be the highest.
    assert less / flux == pytest.approx(part["kernel_share"], rel=0.2)
    assert wide.warnings == ()
    (warning,) = narrow.warnings
    share = f"{100 * part['kernel_share']:.0f} %"
    assert warning == (
        f"The kernel of 0.15° holds {share} of a source as the PSF spreads it, and fluxes are too low by about that"
        " factor. Set ts_map.kernel_width to 0.3 deg or more."
    )


def test_the_least_share_of_several_energies_is_told(field):
    dataset = read_dataset(field.members[0].path)
    kernel = SkyModel(PowerLawSpectralModel(index=2.5), PointSpatialModel())
    settings = {"kernel_model": kernel, "kernel_width": 0.15 * u.deg}
    bins = [np.array(edges) * u.TeV for edges in ([1, 3.2], [3.2, 10])]
    each = [kernel_metrics({**settings, "energy_edges": edges}, [dataset])["kernel_share"] for edges in bins]
    both = kernel_metrics({**settings, "energy_edges": np.array([1, 3.2, 10]) * u.TeV}, [dataset])["kernel_share"]
    assert each[0] < each[1], "the PSF of the archive is narrower at higher energies"
    assert both == each[0]


def test_energies_without_exposure_have_no_share(field):
    dataset = read_dataset(field.members[0].path)
    settings = {"kernel_model": SkyModel(PowerLawSpectralModel(index=2.5), PointSpatialModel())}
    settings |= {"kernel_width": 0.15 * u.deg, "energy_edges": np.array([1, 3.2, 10]) * u.TeV}
    known = kernel_metrics({**settings, "energy_edges": np.array([3.2, 10]) * u.TeV}, [dataset])
    true = dataset.exposure.geom.axes["energy_true"].center
    # Migration spreads them a little: none below 8 TeV, none reconstructed below 3.2 TeV.
    dataset.exposure.data[true < 8 * u.TeV] = 0
    assert kernel_metrics(settings, [dataset])["kernel_share"] >= known["kernel_share"]
    dataset.exposure.data[...] = 0
    assert kernel_metrics(settings, [dataset]) == {}


def test_tiles_made_before_there_was_a_share_say_nothing_of_it():
    assert joint_share([{"sqrt_ts_max": 1.0}]) == {}
    assert kernel_warning({"sqrt_ts_max": 1.0}) == ""
