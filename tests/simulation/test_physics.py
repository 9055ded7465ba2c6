"""The archive says what the truth says, found with gammapy alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from gammapy.data import DataStore, EventList, FixedPointingInfo, Observation, Observations
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.makers import ReflectedRegionsBackgroundMaker, ReflectedRegionsFinder, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.makers.utils import make_map_background_irf
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import Models, SkyModel
from regions import CircleSkyRegion

from gammaops.simulation import CRAB, VARIABLE, Archive, ArchivePlan, plan_visits, simulate_archive, truth_models
from gammaops.simulation.events import DEADTIME_FRACTION, random_state, sample_events
from gammaops.simulation.irfs import make_irfs

ENERGY = MapAxis.from_energy_bounds("0.3 TeV", "50 TeV", nbin=8, per_decade=True)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.05 TeV", "150 TeV", nbin=20, per_decade=True, name="energy_true")


def _reduce(observations: Observations, source: tuple[float, float]) -> Datasets:
    region = CircleSkyRegion(SkyCoord(*source, unit="deg"), 0.11 * u.deg)
    empty = SpectrumDataset.create(RegionGeom.create(region, axes=[ENERGY]), energy_axis_true=ENERGY_TRUE)
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)
    # A dozen of the 45 regions that fit around the variable source are enough, and quicker.
    background = ReflectedRegionsBackgroundMaker(region_finder=ReflectedRegionsFinder(max_region_number=12))
    mask = SafeMaskMaker(methods=["aeff-default"])
    datasets = Datasets()
    for observation in observations:
        dataset = maker.run(empty.copy(name=str(observation.obs_id)), observation)
        datasets.append(mask.run(background.run(dataset, observation), observation))
    return datasets


def _fit(datasets: Datasets, truth: SkyModel, *frozen: str) -> dict[str, float]:
    """Pulls of the free parameters."""
    stacked = datasets.stack_reduce(name="stacked")
    model = SkyModel(truth.spectral_model.copy(), name=truth.name)
    for name in frozen:
        model.parameters[name].frozen = True
    stacked.models = [model]
    assert Fit().run([stacked]).success
    return {
        parameter.name: (parameter.value - truth.parameters[parameter.name].value) / parameter.error
        for parameter in model.parameters.free_parameters
    }


def test_the_spectrum_of_the_crab_is_recovered(archive: Archive):
    datasets = _reduce(DataStore.from_dir(archive.root).get_observations(), CRAB)
    pulls = _fit(datasets, truth_models()["crab"])
    assert set(pulls) == {"amplitude", "alpha", "beta"}
    assert max(map(abs, pulls.values())) < 3
    info = datasets.info_table(cumulative=True)[-1]
    assert info["sqrt_ts"] > 30
    assert 2.5 < info["livetime"] / 3600 / 0.9 < 3.0


def test_the_variable_source_follows_its_light_curve(archive: Archive):
    observations = DataStore.from_dir(archive.root).get_observations()
    for night, factor in ((observations[:3], 1.0), (observations[3:], 0.5)):
        pulls = _fit(_reduce(night, VARIABLE), truth_models(factor)["variable"], "index")
        assert abs(pulls["amplitude"]) < 3


@pytest.mark.slow
def test_reflected_regions_estimate_the_background_without_bias(tmp_path: Path):
    """At a place in the field without a source, many observations together have no excess."""
    archive = simulate_archive(tmp_path, ArchivePlan(nights=4, observations=6, seed=11))
    # One degree west of the target: no ring of reflected regions through it touches a source.
    empty = (CRAB[0] - 1.08, CRAB[1])
    stacked = _reduce(DataStore.from_dir(archive.root).get_observations(), empty).stack_reduce(name="empty")
    info = stacked.info_dict()
    assert info["counts_off"] > 1000
    assert abs(info["sqrt_ts"]) < 3


@pytest.mark.parametrize("size", ["full", "small"])
def test_source_events_follow_the_response_functions(size: str):
    """At 300 times the flux of the Crab, counts in a region agree with gammapy's forecast bin by bin."""
    truth = truth_models()["crab"]
    truth.spectral_model.amplitude.value *= 300
    region = CircleSkyRegion(SkyCoord(*CRAB, unit="deg"), 0.11 * u.deg)
    empty = SpectrumDataset.create(RegionGeom.create(region, axes=[ENERGY]), energy_axis_true=ENERGY_TRUE)
    dataset = SpectrumDatasetMaker(containment_correction=True).run(empty, _observe(Models([truth]), size))
    dataset.models = [SkyModel(truth.spectral_model, name="crab")]
    counts, expected = dataset.counts.data.ravel(), dataset.npred().data.ravel()
    assert counts.sum() > 30_000
    # 3 standard deviations, and 0.5 % for the interpolation of the IRFs, which differs here and there.
    assert counts.sum() == pytest.approx(expected.sum(), abs=3 * np.sqrt(expected.sum()), rel=0.005)
    filled = expected > 10
    chi2 = np.sum((counts - expected)[filled] ** 2 / expected[filled])
    assert chi2 < filled.sum() + 4 * np.sqrt(2 * filled.sum())


def test_background_events_follow_their_rate():
    """Counts in rings around the pointing and in energies agree with gammapy's background map."""
    observation = _observe(Models([]), "full")
    pointing = observation.pointing.fixed_icrs
    # Fine, because gammapy takes the rate for a power law within a bin; compared in four coarse ones.
    energy = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=64)
    geom = WcsGeom.create(skydir=pointing, width=6, binsz=0.05, axes=[energy], proj="TAN")
    ontime = observation.observation_time_duration
    fine = make_map_background_irf(pointing, ontime, observation.bkg, geom, observation.tstart).data
    layers = fine.reshape(4, 16, *fine.shape[1:]).sum(axis=1)
    offset = geom.to_image().separation(pointing).to_value("deg")
    edges = np.linspace(0, 3, 7)
    rings = [(offset >= low) & (offset < high) for low, high in pairwise(edges)]
    expected = np.array([[layer[ring].sum() for ring in rings] for layer in layers])
    events = observation.events
    event_offset = events.radec.separation(pointing).to_value("deg")
    counts, _, _ = np.histogram2d(events.energy.to_value("TeV"), event_offset, bins=[energy.edges.value[::16], edges])
    assert counts.sum() > 2_000
    chi2 = np.sum((counts - expected) ** 2 / expected)
    assert chi2 < counts.size + 4 * np.sqrt(2 * counts.size)


def _observe(models: Models, size: str) -> Observation:
    """One observation in memory."""
    visit = plan_visits(ArchivePlan(nights=1, observations=1))[0]
    events = sample_events(visit, models, size, random_state(1, visit.obs_id, 0))
    events["TIME"] = Time(visit.start) + events["TIME"].quantity
    observation = Observation.create(
        pointing=FixedPointingInfo(fixed_icrs=SkyCoord(visit.ra_deg, visit.dec_deg, unit="deg")),
        tstart=Time(visit.start),
        tstop=Time(visit.stop),
        irfs={name.lower(): irf for name, irf in make_irfs(size).items()},
        deadtime_fraction=DEADTIME_FRACTION,
    )
    observation._events = EventList(events)
    return observation
