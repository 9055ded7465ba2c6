"""The arguments that specs write out are gammapy's: same names, same defaults, same choices, and none forgotten."""

from __future__ import annotations

import inspect
from typing import Any

import astropy.units as u
import pytest
from gammapy.analysis.config import AnalysisConfig as GammapyConfig
from gammapy.estimators import (
    ExcessMapEstimator,
    FluxPointsEstimator,
    LightCurveEstimator,
    SensitivityEstimator,
    TSMapEstimator,
)
from gammapy.estimators.flux import FluxEstimator
from gammapy.makers import (
    AdaptiveRingBackgroundMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    PhaseBackgroundMaker,
    ReflectedRegionsFinder,
    RingBackgroundMaker,
    SafeMaskMaker,
    WobbleRegionsFinder,
)

from gammaops.config import parse_config
from gammaops.config.blocks import block_levels
from gammaops.plan import make_plan
from gammaops.schema import arguments

# Set by gammaops, or Python objects.
OURS = {"self", "kwargs", "n_jobs", "parallel_backend", "energy_edges", "exclusion_mask", "fit", "norm", "source"}
CASES = [
    (arguments.SAFE_MASK, [SafeMaskMaker], {"methods", "position"}),
    (arguments.REFLECTED, [ReflectedRegionsFinder], set()),
    (arguments.WOBBLE, [WobbleRegionsFinder], set()),
    (arguments.PHASE, [PhaseBackgroundMaker], set()),
    (arguments.RING, [RingBackgroundMaker], set()),
    (arguments.ADAPTIVE_RING, [AdaptiveRingBackgroundMaker], set()),
    (arguments.FOV, [FoVBackgroundMaker], {"spatial_model"}),
    (arguments.FLUX_POINTS, [FluxPointsEstimator, FluxEstimator], set()),
    (arguments.LIGHT_CURVE, [LightCurveEstimator, FluxPointsEstimator, FluxEstimator], {"time_intervals"}),
    (arguments.EXCESS_MAP, [ExcessMapEstimator], {"correlation_radius", "spectral_model"}),
    (arguments.SENSITIVITY, [SensitivityEstimator], {"spectral_model"}),
    (arguments.FLUX_PROFILE, [FluxPointsEstimator, FluxEstimator], {"reoptimize", "allow_multiple_telescopes"}),
    # A downsampled map could not be joined from tiles.
    (arguments.TS_MAP, [TSMapEstimator], {"kernel_model", "kernel_width", "downsampling_factor"}),
]
# Upper limits are what a point without significance is shown by; gammapy computes them when asked.
OTHER_DEFAULTS = {"selection_optional"}


def signature(classes: list[type]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in reversed(classes):
        for name, parameter in inspect.signature(one.__init__).parameters.items():
            found[name] = parameter.default
    return found


@pytest.mark.parametrize(("written", "classes", "left_out"), CASES, ids=[case[1][0].__name__ for case in CASES])
@pytest.mark.requirement("A4.14", "A4.15")
def test_names_and_defaults(written: dict[str, Any], classes: list[type], left_out: set[str]):
    theirs = signature(classes)
    assert set(written) == set(theirs) - OURS - left_out
    for name, rules in written.items():
        if rules.get("required"):
            assert theirs[name] is inspect.Parameter.empty
        elif name not in OTHER_DEFAULTS:
            assert same(rules, theirs[name]), name


def same(rules: dict[str, Any], default: Any) -> bool:
    if "quantity" in rules and default is not None:
        return bool(u.isclose(u.Quantity(rules["default"]), u.Quantity(default)))
    return bool(rules["default"] == default)


def test_choices():
    assert set(arguments.SAFE_MASK_METHODS) == set(SafeMaskMaker.available_methods)
    assert set(arguments.FOV["method"]["allowed"]) == set(FoVBackgroundMaker.available_methods)
    flux = arguments.FLUX_POINTS["selection_optional"]["choices"]
    assert set(flux) == set(FluxPointsEstimator._available_selection_optional)
    maps = arguments.EXCESS_MAP["selection_optional"]["choices"]
    assert set(maps) == set(ExcessMapEstimator._available_selection_optional)
    # A profile of the statistic for every pixel is more than a map can hold.
    ts_maps = arguments.TS_MAP["selection_optional"]["choices"]
    assert set(ts_maps) == set(TSMapEstimator._available_selection_optional) - {"stat_scan"}
    selection = block_levels()["datasets"].keys["map_selection"]["choices"]
    assert set(selection) == set(MapDatasetMaker.available_selection)


@pytest.mark.parametrize("kind", ["1d", "3d"])
def test_config_that_gammapy_writes_is_accepted(kind: str):
    theirs = GammapyConfig()
    theirs.general.models_file = "models.yaml"
    theirs.observations.obs_time.start = "2004-01-01"
    theirs.datasets.type = kind
    theirs.datasets.stack = False
    place = {"frame": "icrs", "lon": "83.63 deg", "lat": "22.01 deg"}
    theirs.datasets.geom.wcs.skydir = place
    theirs.datasets.on_region = {**place, "radius": "0.1 deg"}
    theirs.datasets.background.method = "reflected" if kind == "1d" else "fov_background"
    theirs.flux_points.energy = {"min": "1 TeV", "max": "10 TeV", "nbins": 4}
    config = parse_config(theirs.to_yaml(), "pasted", "pasted.yaml")
    maps = ["excess map"] if kind == "3d" else []
    assert [step.name for step in make_plan(config).steps] == ["reduce", *maps, "spectrum", "points"]


@pytest.mark.requirement("A4.1", "A4.12", "A4.13", "A4.18")
def test_blocks_have_all_keys_of_gammapys_config():
    theirs = GammapyConfig().model_dump(mode="json")
    for block, values in theirs.items():
        assert missing(block_levels()[block].keys, values, block) == []


def missing(keys: dict[str, Any], values: dict[str, Any], path: str) -> list[str]:
    found = [f"{path}.{key}" for key in values if key not in keys]
    for key, value in values.items():
        if isinstance(value, dict) and key in keys and "schema" in keys[key]:
            found += missing(keys[key]["schema"], value, f"{path}.{key}")
    return found
