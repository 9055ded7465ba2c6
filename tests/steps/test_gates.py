"""Off test and reference check: they pass what is right, refuse what is not, and keep that to be looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.data import DataStore
from gammapy.datasets import SpectrumDatasetOnOff
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.stats import WStatCountsStatistic

import gammaops
from gammaops.config import parse_config
from gammaops.errors import AlgorithmError, ConfigError
from gammaops.physics.datasets_io import read_dataset, write_dataset
from gammaops.physics.flux_io import read_flux_points
from gammaops.physics.models_io import read_fitted_models
from gammaops.physics.null_test import Spread
from gammaops.plan import make_plan
from gammaops.products.base import Product
from gammaops.steps import load_science

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
GEOM = RegionGeom.create("icrs;circle(83.63,22.01,0.11)", axes=[AXIS])


def off_dataset(folder: Path, number: int, on: list[int], off: list[int]) -> Product:
    """A spectrum with these counts and ten OFF regions."""
    maps = {
        "counts": on,
        "counts_off": off,
        "acceptance": [1, 1],
        "acceptance_off": [10, 10],
        "mask_safe": [True, True],
    }
    filled = {name: RegionNDMap.from_geom(GEOM, data=np.reshape(values, (2, 1, 1))) for name, values in maps.items()}
    dataset = SpectrumDatasetOnOff(**filled, name=f"obs-{number}")
    path = folder / f"{number}.fits"
    write_dataset(dataset, path)
    row = {"name": dataset.name, "obs_ids": [number]}
    return Product(path.as_uri(), "dataset", str(number), "0" * 16, "ok", lambda: path, {}, row=row)


NUMBER = 16


@pytest.fixture(scope="module")
def off_datasets(tmp_path_factory):
    """Observations of 20 expected ON counts without a source, of which a factor comes on top."""

    @cache
    def make(factor: float) -> Product:
        rng = np.random.default_rng(1)
        folder = tmp_path_factory.mktemp("off")
        counts = [(rng.poisson(10 * factor, 2).tolist(), rng.poisson(100, 2).tolist()) for _ in range(NUMBER)]
        members = tuple(off_dataset(folder, number, *both) for number, both in enumerate(counts))
        return Product("index", "datasets", "index", "0" * 16, "ok", None, {}, members=members)

    return make


@pytest.mark.requirement("R20")
def test_significances_are_li_and_mas_and_no_source_passes(driver, off_datasets, tmp_path):
    datasets = off_datasets(1.0)
    product = driver.run_one("off-test", driver.blocks("off-test"), tmp_path, {"datasets": (datasets,)})
    table = Table.read(product.path, format="ascii.ecsv")
    first = read_dataset(datasets.members[0].path)
    expected = WStatCountsStatistic(first.counts.data.sum(), first.counts_off.data.sum(), 0.1).sqrt_ts
    assert table["sqrt_ts"][0] == pytest.approx(float(expected), rel=1e-9)
    metrics = product.metrics
    assert "refused" not in metrics
    assert metrics["mean"] == pytest.approx(np.mean(table["sqrt_ts"]))
    assert (metrics["mean_tolerance"], metrics["width_tolerance"]) == pytest.approx(
        (3 / NUMBER**0.5, 3 / (2 * NUMBER) ** 0.5)
    )


def test_an_observation_without_an_off_count_has_the_significance_of_its_acceptances(driver, tmp_path):
    # 12 ON and no OFF count at a ratio of acceptances of 1 : 10: Li & Ma, equation 17, without the term of n_off.
    counts = [([6, 6], [0, 0])] + [([10, 10], [100, 100])] * NUMBER
    members = tuple(off_dataset(tmp_path, number, *both) for number, both in enumerate(counts))
    datasets = Product("index", "datasets", "index", "0" * 16, "ok", None, {}, members=members)
    product = driver.run_one("off-test", driver.blocks("off-test"), tmp_path, {"datasets": (datasets,)})
    table = Table.read(product.path, format="ascii.ecsv")
    assert table["sqrt_ts"][0] == pytest.approx(np.sqrt(2 * 12 * np.log(1.1 / 0.1)), rel=1e-6)
    assert product.metrics["observations_without"] == 0


def test_background_that_is_too_low_is_refused(driver, off_datasets, tmp_path):
    # Half as many ON counts again as the OFF regions promise: 2 σ in each observation.
    product = driver.run_one("off-test", driver.blocks("off-test"), tmp_path, {"datasets": (off_datasets(1.5),)})
    assert product.metrics["mean"] > 0.75
    assert product.metrics["refused"].startswith("off test: 16 observations, mean +")
    shown = replace(product, sidecar={"config": {"off_test": {"n_sigma": 3.0}}})
    section = load_science("off-test").report(shown)
    assert "NOT as without a source" in section.notes[0]
    assert section.warnings


def test_energies_restrict_what_is_counted(driver, off_datasets, tmp_path):
    config = driver.blocks("off-test", off_test={"energy": {"min": "3 TeV"}})
    datasets = off_datasets(1.0)
    product = driver.run_one("off-test", config, tmp_path, {"datasets": (datasets,)})
    first = read_dataset(datasets.members[0].path)
    assert Table.read(product.path, format="ascii.ecsv")["counts"][0] == first.counts.data[1].sum()


def test_too_few_observations_make_the_run_red(driver, off_datasets, tmp_path):
    config = driver.blocks("off-test", off_test={"min_observations": 17})
    words = r"16 of 16 datasets have a significance, and off_test\.min_observations is 17"
    with pytest.raises(AlgorithmError, match=words):
        driver.run_one("off-test", config, tmp_path, {"datasets": (off_datasets(1.0),)})


def test_false_alarms_of_the_spread_are_rare():
    # 3 standard errors each way, twice: 0.5 % of 1000 null tests; 5 standard deviations more would be 17.
    rng = np.random.default_rng(5)
    spreads = [Spread.of(rng.standard_normal(45), 3.0) for _ in range(1000)]
    assert sum(not spread.passed for spread in spreads) <= 17
    assert not Spread.of(1.5 * rng.standard_normal(45), 3.0).passed


def test_region_that_follows_the_pointing_is_where_it_should_be(driver, archive, tmp_path):
    relative = {"frame": "pointing", "lon": "0.3 deg", "lat": "0.4 deg", "radius": "0.11 deg"}
    product, _, _ = driver.run_fan(
        "data-reduction", driver.spectrum_config(archive, on_region=relative), tmp_path / "a"
    )
    for observation, member in zip(DataStore.from_dir(archive).get_observations([1, 2]), product.members, strict=True):
        pointing = observation.get_pointing_icrs(observation.tmid)
        center = read_dataset(member.path).counts.geom.center_skydir.icrs
        lon, lat = SkyCoord(pointing.ra, pointing.dec).spherical_offsets_to(center)
        assert (lon.deg, lat.deg) == pytest.approx((0.3, 0.4), abs=1e-6)
        absolute = {"frame": "icrs", "lon": f"{center.ra.deg:.15g} deg", "lat": f"{center.dec.deg:.15g} deg"}
        config = driver.spectrum_config(archive, on_region={**absolute, "radius": "0.11 deg"})
        config["observations"]["obs_ids"] = [observation.obs_id]
        fixed, _, _ = driver.run_fan("data-reduction", config, tmp_path / f"b{observation.obs_id}")
        for name in ("counts", "counts_off", "acceptance_off"):
            ours, theirs = (getattr(read_dataset(one.path), name).data for one in (member, fixed.members[0]))
            np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def reference(tmp_path, fit_product):
    """A reference file with the fit's own numbers, some of them moved."""

    def write(index_sigma: float = 0.0, **more) -> dict:
        model = read_fitted_models(fit_product.path)["crab"].spectral_model
        numbers = {
            "index": {"value": float(model.index.value) - 0.1 * index_sigma, "error": 0.1},
            # In another unit than the fit's: 1e-7 of it in MeV-1 m-2.
            "amplitude": {
                "value": float(model.amplitude.quantity.to_value("MeV-1 m-2 s-1")),
                "error": 1e-14,
                "unit": "MeV-1 m-2 s-1",
            },
            "reference": {"value": 1.45, "unit": "TeV"},
        }
        path = tmp_path / "reference.yaml"
        path.write_text(json.dumps({"source": "this test", "fit": {"crab": numbers | more}}))
        return {"file": str(path)}

    return write


def check(driver, block, folder, result):
    config = driver.blocks("reference-check", reference_check=block)
    return driver.run_one("reference-check", config, folder, {"result": (result,)})


def test_numbers_that_agree_pass_in_any_unit(driver, reference, fit_product, tmp_path):
    product = check(driver, reference(0.9), tmp_path, fit_product)
    rows = Table.read(product.path, format="ascii.ecsv")
    assert rows["deviation"].tolist() == pytest.approx([0.9, 0, 0], abs=1e-9)
    assert "refused" not in product.metrics
    section = load_science("reference-check").report(product)
    assert section.notes[0] == (
        "All 3 numbers agree with the reference; the largest deviation is crab.index +0.9 σ (allowed 1.0)."
    )


@pytest.mark.requirement("R20")
def test_number_that_does_not_agree_is_refused(driver, reference, fit_product, tmp_path):
    product = check(driver, reference(-1.2), tmp_path, fit_product)
    assert product.metrics["failed"] == ["crab.index"]
    assert product.metrics["refused"] == (
        "reference check: 1 of 3 numbers do not agree with the reference: crab.index -1.2 σ (allowed 1.0)"
    )
    assert load_science("reference-check").report(product).warnings
    assert "refused" not in check(driver, reference(-1.2) | {"n_sigma": 1.3}, tmp_path / "wide", fit_product).metrics


def test_another_reference_energy_is_refused(driver, reference, fit_product, tmp_path):
    block = reference(reference={"value": 1.0, "unit": "TeV"})
    assert check(driver, block, tmp_path, fit_product).metrics["failed"] == ["crab.reference"]


CURVE = {"energy_min": "1 TeV", "energy_max": "9 TeV", "start": "2006-07-29 20:30", "bin_width": "1 h"}
CURVE |= {"unit": "cm-2 s-1", "flux": [1e-10]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "is no reference file"),
        ('{"fit": {"crab": {}}}', "it needs `source` and one of fit, light_curve"),
        (json.dumps({"source": "x", "light_curve": CURVE}), "is about a light_curve, the input is a fit"),
        ('{"source": "x", "fit": {"vela": {"index": {"value": 1}}}}', "no source 'vela'; there are: crab"),
        ('{"source": "x", "fit": {"crab": {"alpha": {"value": 1}}}}', "crab has no parameter 'alpha'; it has index"),
    ],
)
def test_reference_that_cannot_be_compared_is_told(driver, fit_product, tmp_path, text, words):
    path = tmp_path / "reference.yaml"
    path.write_text(text)
    with pytest.raises(AlgorithmError, match=words.replace("[", r"\[")):
        check(driver, {"file": str(path)}, tmp_path, fit_product)


@pytest.fixture(scope="module")
def curve(driver, spectra, fit_product, tmp_path_factory):
    config = driver.blocks("light-curve", light_curve={"energy_edges": {"min": "1 TeV", "max": "20 TeV", "nbins": 1}})
    inputs = {"datasets": (spectra,), "fit": (fit_product,)}
    return driver.run_fan("light-curve", config, tmp_path_factory.mktemp("curve"), inputs)[0]


def curve_reference(path: Path, product: Product, **changes) -> dict:
    """The first point of a light curve as a reference, 1 % lower."""
    points = read_flux_points(product.path)
    energy, time = (points.geom.axes[name] for name in ("energy", "time"))
    numbers = {
        "energy_min": str(energy.edges_min[0]),
        "energy_max": str(energy.edges_max[0]),
        "start": time.time_min[0].utc.isot,
        "bin_width": f"{(time.time_min[1] - time.time_min[0]).to_value('s'):.9f} s",
        "unit": "cm-2 s-1",
        "flux": (points.flux.quantity[:, 0, 0, 0].to_value("cm-2 s-1") / 1.01).tolist(),
    }
    path.write_text(json.dumps({"source": "this test", "light_curve": numbers | changes}))
    return {"file": str(path)}


def test_light_curve_is_compared_bin_by_bin(driver, curve, tmp_path):
    block = curve_reference(tmp_path / "r.yaml", curve)
    product = check(driver, block | {"rtol": "2 %"}, tmp_path, curve)
    assert "refused" not in product.metrics
    assert Table.read(product.path, format="ascii.ecsv")["deviation"].tolist() == pytest.approx([1, 1], rel=1e-6)
    assert len(check(driver, block | {"rtol": "0.5 %"}, tmp_path / "b", curve).metrics["failed"]) == 2
    errors = [1e-9, 1e-30]
    block = curve_reference(tmp_path / "e.yaml", curve, error=errors)
    assert len(check(driver, block, tmp_path / "c", curve).metrics["failed"]) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"energy_max": "30 TeV"}, "the light curve has the edges"),
        ({"start": "2020-01-01T00:00:00"}, "bins of time are not those of the reference"),
        ({"flux": [1e-11]}, "the reference has 1 bins of time, the light curve 2"),
    ],
)
def test_light_curve_with_other_bins_is_not_compared(driver, curve, tmp_path, changes, words):
    block = curve_reference(tmp_path / "r.yaml", curve, **changes)
    with pytest.raises(AlgorithmError, match=words):
        check(driver, block, tmp_path, curve)


REFUSED = """
observations: {{datastore: {archive}}}
datasets:
  type: 1d
  stack: false
  geom:
    axes: {{energy: {{min: 0.5 TeV, max: 50 TeV, nbins: 6}}, energy_true: {{min: 0.2 TeV, max: 100 TeV, nbins: 12}}}}
  on_region: {{frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}}
  background: {{method: reflected}}
off_test: {{min_observations: 2}}
steps:
  - {{name: reduce, tag: data-reduction, products: datasets}}
  - {{name: null test, tag: off-test, products: off_test}}
"""


@pytest.mark.parametrize("stack", ["stack: true", ""])
def test_stacked_observations_are_refused_when_the_config_is_read(stack):
    text = REFUSED.format(archive="archive").replace("stack: false", stack)
    with pytest.raises(ConfigError, match=r"of the step 'reduce': it stacks its obs.*; expected datasets.stack: false"):
        make_plan(parse_config(text, name="stacked", source="stacked.yaml"))


def test_stack_of_the_step_that_makes_the_datasets_counts():
    text = REFUSED.format(archive="archive").replace("stack: false", "stack: true")
    text = text.replace("products: datasets}", "products: datasets, config: {datasets: {stack: false}}}")
    make_plan(parse_config(text, name="apart", source="apart.yaml"))


def test_a_source_where_none_should_be_makes_the_run_red_and_is_shown(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_ROOTS", str(archive))
    config = parse_config(REFUSED.format(archive=archive), name="refused", source="refused.yaml")
    result = gammaops.run(config, tmp_path)
    assert not result.verdict.ok
    assert "null test: off test: 2 observations, mean +" in result.verdict.line
    page = Path(unquote(urlsplit(result.report).path))
    record = json.loads(page.with_name("run.json").read_text(encoding="utf-8"))
    assert [(step["name"], step["status"], len(step["products"])) for step in record["steps"]] == [
        ("reduce", "ok", 1),
        ("null test", "failed", 1),
    ]
    assert "do not trust significances" in page.read_text(encoding="utf-8")
