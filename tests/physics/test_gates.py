"""`make physics`: whole analyses of HESS DL3 DR1, by their configs, beside published numbers.

The published numbers stand here as well as in ``include/references``, so that neither can drift. Observations of the
larger targets are sampled for the fit of maps; FULL=1 takes all.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

import gammaops
from gammaops.config import load_config
from gammaops.physics.flux_io import read_flux_points
from gammaops.physics.models_io import read_fitted_models, read_models

pytestmark = [pytest.mark.physics, pytest.mark.requires_data]

CONFIGS = Path(__file__).resolve().parents[2] / "include" / "configs"
MODELS = CONFIGS.parent / "models"
MSH_SAMPLE = (20136, 20282, 20301, 20303, 20323, 20325)


class Analysis:
    """A run of one of the configs: its record, and the files of its products by name."""

    def __init__(self, store: Path, result: gammaops.runner.LocalRun) -> None:
        self.page = Path(unquote(urlsplit(result.report).path))
        self.record = json.loads(self.page.with_name("run.json").read_text(encoding="utf-8"))
        self.verdict = result.verdict
        products = [product for step in self.record["steps"] for product in step["products"]]
        self.files = {product["name"]: store / product["path"] for product in products}
        self.metrics = {product["name"]: product["metrics"] for product in products}

    @property
    def states(self) -> dict[str, int]:
        """How many observations ended in each state."""
        return dict(Counter(row["state"] for row in self.record["ledger"]))


@pytest.fixture(scope="session")
def analyse(tmp_path_factory: pytest.TempPathFactory):
    """Run a config, whole or only some steps and what they need, in one store for all."""
    store = tmp_path_factory.mktemp("physics") / "store"

    @cache
    def run(name: str, steps: tuple[str, ...] = (), obs_ids: tuple[int, ...] = ()) -> Analysis:
        return Analysis(store, gammaops.run(CONFIGS / f"{name}.yaml", store, steps=steps, obs_ids=obs_ids))

    run.store = store  # type: ignore[attr-defined]
    return run


def power_law(analysis: Analysis, source: str) -> tuple[float, float]:
    """Index, and amplitude in TeV-1 cm-2 s-1 at the model's reference energy."""
    model = read_fitted_models(analysis.files["fit"])[source].spectral_model
    return model.index.value, float(model.amplitude.quantity.to_value("TeV-1 cm-2 s-1"))


@pytest.mark.parametrize(
    ("config", "source", "observations", "index", "amplitude"),
    [
        # Mohrmann et al. 2019, A&A 632, A72, gammapy 1D: value and statistical error.
        ("crab-1d-published", "crab", 4, (2.62888, 0.0735), (1.62924e-11, 8.85e-13)),
        ("pks2155-steady", "pks2155", 6, (3.46399, 0.246), (1.74911e-11, 2.07e-12)),
    ],
)
def test_spectrum_is_the_published_one_within_its_error(analyse, config, source, observations, index, amplitude):
    analysis = analyse(config, ("published",))
    assert analysis.verdict.ok, analysis.verdict.line
    assert analysis.states == {"done": observations}
    for found, (value, error) in zip(power_law(analysis, source), (index, amplitude), strict=True):
        assert abs(found - value) < error
    agreement = Table.read(analysis.files["agreement"], format="ascii.ecsv")
    assert agreement["reference"][:2].tolist() == [index[0], amplitude[0]]
    assert agreement["passed"].all()


def test_a_tolerance_that_is_not_met_refuses_the_run_and_shows_why(analyse):
    analyse("crab-1d-published", ("published",))
    overrides = {"reference_check": {"n_sigma": 0.1}}
    result = gammaops.run(CONFIGS / "crab-1d-published.yaml", analyse.store, overrides=overrides, label="strict")
    assert not result.verdict.ok
    assert "reference check: 2 of 3 numbers do not agree with the reference: crab.index +0.3" in result.verdict.line
    analysis = Analysis(analyse.store, result)
    assert analysis.files["agreement"].exists()
    assert "do not release it" in analysis.page.read_text(encoding="utf-8")


def test_position_of_the_crab_on_maps(analyse):
    analysis = analyse("crab-3d", ("published",))
    assert analysis.verdict.ok, analysis.verdict.line
    assert analysis.states == {"done": 4}
    model = read_fitted_models(analysis.files["fit"])["crab"]
    # gammapy-benchmarks, validation of hess-dl3-dr1, Crab 3D.
    assert model.spatial_model.position.separation(SkyCoord("83.6165d", "22.0213d")).deg < 0.01


# gammapy-data estimators/pks2155_hess_lc: norm times ref_flux, in 1e-10 cm-2 s-1, 0.59 to 6.18 TeV, from 20:30 UTC on.
FLARE = """
1.31 1.52 2.16 2.17 2.96 2.33 3.46 3.35 2.90 2.78 1.98 1.66 1.74 1.81 1.48 1.85 1.24 0.779 0.603 0.709 0.831 1.48 0.869
0.679 0.820 0.525 0.787 1.05 0.860 0.997 1.00 0.666 0.545 0.750
"""


def test_flare_of_pks2155_bin_by_bin(analyse):
    analysis = analyse("pks2155-flare-lc")
    assert analysis.verdict.ok, analysis.verdict.line
    # 12 of the night's 15 observations start before 02:10; they are cut into 44 pieces, and have one row each.
    assert analysis.states == {"done": 12}
    assert len(json.loads(analysis.files["datasets"].read_text(encoding="utf-8"))["members"]) == 44
    curve = read_flux_points(analysis.files["light_curve"])
    axis = curve.geom.axes["time"]
    start = Time("2006-07-29T20:30:00", scale="utc") + np.arange(34) * 600 / 86400
    assert np.abs((axis.time_min - start).to_value("s")).max() < 1e-3
    flux = curve.flux.quantity[:, 0, 0, 0].to_value("cm-2 s-1")
    np.testing.assert_allclose(flux, np.array(FLARE.split(), dtype=float) * 1e-10, rtol=0.02)
    metrics = analysis.metrics["light_curve"]
    # The same file's fractional variability; its error is that of 34 points of 10 %.
    assert metrics["fvar"] == pytest.approx(0.563, abs=0.01)
    assert metrics["p_value"] < 1e-10
    assert metrics["points_without_flux"] == metrics["datasets_left_out"] == []


def test_off_observations_look_like_no_source(analyse):
    analysis = analyse("off-null-test")
    assert analysis.verdict.ok, analysis.verdict.line
    assert analysis.states == {"done": 45}
    significance = Table.read(analysis.files["off_test"], format="ascii.ecsv")["sqrt_ts"]
    assert len(significance) == 45
    # Three standard errors of 45 unit normal numbers.
    assert abs(significance.mean()) < 0.45
    assert abs(significance.std(ddof=1) - 1) < 0.32


def test_msh_as_spectrum(analyse):
    analysis = analyse("msh-1d", ("spectrum",))
    assert analysis.verdict.ok, analysis.verdict.line
    assert analysis.states == {"done": 20}
    assert_measured(analysis, "msh1552", ("index", "amplitude"))


def test_msh_as_a_disk_on_maps(analyse):
    sample = () if os.environ.get("FULL") == "1" else MSH_SAMPLE
    analysis = analyse("msh-3d-disk", ("model fit",), sample)
    assert analysis.verdict.ok, analysis.verdict.line
    assert analysis.states == {"done": len(sample) or 20}
    assert_measured(analysis, "msh1552", ("index", "amplitude", "lon_0", "lat_0", "r_0"))


def test_rxj1713_loses_one_observation_and_says_why(analyse):
    analysis = analyse("rxj1713-1d", ("spectrum",))
    assert analysis.verdict.ok, analysis.verdict.line
    assert analysis.states == {"done": 14, "quarantined": 1}
    (lost,) = (row for row in analysis.record["ledger"] if row["state"] != "done")
    assert (lost["obs_id"], lost["reason_class"]) == (20900, "no-off-region")
    assert "no OFF region" in lost["reason"]
    assert "20900" in analysis.verdict.line
    assert_measured(analysis, "rxj1713", ("index", "amplitude"))


# What a position and a radius may be from where the fit began, and how well they are known then.
ANGLES = {"lon_0": (0.2, 0.02), "lat_0": (0.2, 0.02), "r_0": (0.2, 0.05)}


def assert_measured(analysis: Analysis, source: str, names: tuple[str, ...]) -> None:
    """Every parameter has moved to a value with an error that means something, angles in degrees."""
    parameters = read_fitted_models(analysis.files["fit"])[source].parameters
    general = load_config(CONFIGS / f"{analysis.record['analysis']}.yaml").document["general"]
    started = read_models(MODELS / general["models_file"])[source].parameters
    for name in names:
        value, error = parameters[name].value, parameters[name].error
        moved = abs(value - started[name].value)
        farthest, largest = ANGLES.get(name, (np.inf, 0.5 * abs(value)))
        assert 0 < moved < farthest, name
        assert 0 < error < largest, name
