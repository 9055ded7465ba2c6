"""Point-like IRFs: an ON region as large at each energy as RAD_MAX says, gammapy's numbers, nothing misused."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker, WobbleRegionsFinder
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling.models import LogParabolaSpectralModel, SkyModel
from regions import CircleSkyRegion, PointSkyRegion

from gammaops.errors import DataError
from gammaops.physics.datasets_io import read_datasets
from gammaops.physics.reduction import Reduction
from gammaops.simulation import ArchivePlan, simulate_archive
from gammaops.steps import load_science
from gammaops.steps.base import Scope

CRAB = SkyCoord(83.63, 22.01, unit="deg")
IRFS = ["aeff", "edisp", "rad_max"]
WOBBLE = {"method": "wobble", "parameters": {"n_off_regions": 3}}
POINT = {"radius": None}


@pytest.fixture(scope="module")
def point_like(tmp_path_factory):
    """Two nights of one observation of 28 minutes, with point-like IRFs."""
    folder = tmp_path_factory.mktemp("point-like")
    plan = ArchivePlan(nights=2, observations=1, size="small", irfs="point-like", seed=3)
    simulate_archive(folder, plan)
    return folder


def config_of(driver, folder, **datasets):
    block = {"on_region": POINT, "background": WOBBLE, "containment_correction": False, **datasets}
    block.setdefault("safe_mask", {"methods": ["aeff-default"], "parameters": {}})
    config = driver.spectrum_config(folder, **block)
    config["observations"]["required_irf"] = IRFS
    return config


@pytest.fixture(scope="module")
def reduced(driver, point_like, tmp_path_factory):
    product, rows, _ = driver.run_fan(
        "data-reduction", config_of(driver, point_like), tmp_path_factory.mktemp("reduced")
    )
    assert [row["status"] for row in rows] == ["selected"] * 2
    return product


@pytest.fixture(scope="module")
def direct(point_like):
    """The same with gammapy alone."""
    axis = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=72)
    axis_true = MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=200, name="energy_true")
    geom = RegionGeom.create(PointSkyRegion(CRAB), axes=[axis])
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"])
    background = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(n_off_regions=3))
    datasets = Datasets()
    for observation in DataStore.from_dir(point_like).get_observations([1, 2], required_irf=IRFS):
        empty = SpectrumDataset.create(geom, energy_axis_true=axis_true, name=f"obs-{observation.obs_id}")
        dataset = background.run(maker.run(empty, observation), observation)
        datasets.append(SafeMaskMaker(methods=["aeff-default"]).run(dataset, observation))
    return datasets


@pytest.mark.requirement("A4.16")
def test_numbers_are_gammapys(reduced, direct):
    for ours, theirs in zip(read_datasets((reduced,)), direct, strict=True):
        assert isinstance(ours.counts.geom.region, PointSkyRegion)
        for name in ("counts", "counts_off", "acceptance", "acceptance_off", "mask_safe"):
            np.testing.assert_array_equal(getattr(ours, name).data, getattr(theirs, name).data, err_msg=name)
        np.testing.assert_allclose(ours.exposure.quantity, theirs.exposure.quantity, rtol=1e-6)
        np.testing.assert_array_equal(ours.edisp.edisp_map.data, theirs.edisp.edisp_map.data)
        assert ours.counts_off.data.sum() > 0


def test_region_is_as_large_as_rad_max_says(reduced, point_like):
    # 0.16 deg at 0.1 TeV, 0.08 deg from 10 TeV on, so that the counts are none of any one circle.
    (observation,) = DataStore.from_dir(point_like).get_observations([1], required_irf=IRFS)
    events = observation.events
    energy, distance = events.energy.to_value("TeV"), events.radec.separation(CRAB).to_value("deg")
    limit = np.clip(0.12 - 0.04 * np.log10(energy), 0.08, 0.16)
    # At the centre of 16 bins per decade RAD_MAX is within 0.0013 deg of the line.
    counts = read_datasets((reduced,))[0].counts.data.sum()
    inside = [(distance <= limit + margin).sum() for margin in (-0.0013, 0.0013)]
    assert inside[0] <= counts <= inside[1]
    assert counts not in {(distance <= 0.08).sum(), (distance <= 0.16).sum()}


def test_simulated_flux_comes_out(reduced):
    datasets = read_datasets((reduced,))
    truth = LogParabolaSpectralModel(amplitude="3.6e-11 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.45, beta=0.12)
    datasets.models = [SkyModel(truth, name="crab")]
    stacked = datasets.stack_reduce()
    predicted = sum(dataset.npred_signal().data[dataset.mask_safe.data].sum() for dataset in datasets)
    excess = stacked.excess.data[stacked.mask_safe.data].sum()
    error = np.sqrt(stacked.counts.data[stacked.mask_safe.data].sum())
    assert predicted > 100
    assert abs(excess - predicted) < 3 * error


def test_stack_keeps_the_point(driver, point_like, direct, tmp_path):
    product, _, _ = driver.run_fan("data-reduction", config_of(driver, point_like, stack=True), tmp_path)
    (stacked,) = read_datasets((product,))
    expected = direct.stack_reduce()
    for name in ("counts", "counts_off", "exposure"):
        np.testing.assert_allclose(getattr(stacked, name).data, getattr(expected, name).data, rtol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def observations(point_like, archive):
    pointlike = DataStore.from_dir(point_like).get_observations([1], required_irf=IRFS)[0]
    full = DataStore.from_dir(archive).get_observations([1], required_irf=["aeff", "edisp", "psf", "bkg"])[0]
    return {"point-like": pointlike, "full-enclosure": full}


@pytest.mark.parametrize(
    ("irfs", "changed", "said"),
    [
        ("full-enclosure", {}, "full-enclosure; give datasets.on_region a radius"),
        (
            "point-like",
            {"on_region": {"radius": "0.11 deg"}, "containment_correction": True},
            "set datasets.containment_correction: false",
        ),
        ("point-like", {"on_region": {"radius": "0.11 deg"}}, "depends on energy; leave out the radius"),
        ("point-like", {"type": "3d"}, "which makes no maps; use datasets.type: 1d"),
    ],
    ids=["no RAD_MAX", "correction", "circle", "map"],
)
@pytest.mark.requirement("A4.16", "A4.17")
def test_irfs_that_count_other_events_are_refused(driver, observations, irfs, changed, said):
    block = config_of(driver, "", **changed)["datasets"]
    if changed.get("type") == "3d":
        block = driver.map_config("")["datasets"]
    with pytest.raises(DataError, match=f"wrong-enclosure.*{said}"):
        Reduction(block).run(observations[irfs])


def test_observations_without_psf_name_the_setting_that_asks_for_it(driver, point_like, tmp_path):
    config = config_of(driver, point_like, on_region={"radius": "0.11 deg"}, containment_correction=True)
    science = load_science("data-reduction")
    rows = science.split(science.prepare(config), {}, Scope())
    asked = "asked for by datasets.containment_correction: true"
    assert set(rows["reason_class"]) == {"wrong-enclosure"}
    assert set(rows["reason"]) == {f"the HDU index lists no psf ({asked}), and rad_max: its IRFs are point-like"}


def test_fixed_rad_max_wants_a_circle_of_that_radius(driver, observations):
    observation = observations["point-like"].copy(in_memory=True)
    observation._rad_max = None
    observation.aeff.meta["RAD_MAX"] = 0.11
    right = config_of(driver, "", on_region={"radius": "0.11 deg"}, background={"method": "reflected"})
    dataset = Reduction(right["datasets"]).run(observation)
    circle = CircleSkyRegion(CRAB, 0.11 * u.deg)
    assert dataset.counts.data.sum() == observation.events.select_region(circle).table["ENERGY"].size
    wrong = config_of(driver, "", on_region={"radius": "0.2 deg"}, background={"method": "reflected"})
    with pytest.raises(DataError, match=r"wrong-enclosure.*0\.11.*0\.2 deg"):
        Reduction(wrong["datasets"]).run(observation)
