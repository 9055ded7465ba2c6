"""A file without ``steps:`` gets the obvious ones."""

from __future__ import annotations

import pytest
import yaml

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.plan import make_plan


def chain(crab: str, **changes: object) -> list[str]:
    data = yaml.safe_load(crab.replace("2004-12-01", "'2004-12-01'"))
    data.pop("steps")
    for key, value in changes.items():
        if key in ("stack", "type", "geom", "background"):
            data["datasets"][key] = value
        elif key == "names":
            data["general"]["steps"] = value
        else:
            data[key] = value
    config = parse_config(yaml.safe_dump(data), "crab", "crab.yaml")
    assert parse_config(config.to_yaml(), "crab", "frozen.yaml").digest == config.digest
    return [step.name for step in make_plan(config).steps]


@pytest.mark.requirement("A4.10", "A4.11")
def test_unstacked(crab: str):
    assert chain(crab) == ["reduce", "spectrum", "points"]


@pytest.mark.requirement("A4.11")
def test_stacked(crab: str):
    assert chain(crab, stack=True) == ["reduce", "stack", "spectrum", "points"]


def test_light_curve_reads_the_datasets_by_observation(crab: str):
    data = yaml.safe_load(crab.replace("2004-12-01", "'2004-12-01'"))
    data.pop("steps")
    data["datasets"]["stack"] = True
    data["light_curve"] = {"energy_edges": {"min": "1 TeV", "max": "10 TeV", "nbins": 1}}
    plan = make_plan(parse_config(yaml.safe_dump(data), "crab", "crab.yaml"))
    assert plan["light curve"].inputs["datasets"][0].step == "reduce"
    assert plan["spectrum"].inputs["datasets"][0].step == "stack"


def test_maps(crab: str):
    geom = {"wcs": {"skydir": {"frame": "icrs", "lon": "83.63 deg", "lat": "22.01 deg"}}}
    background = {"method": "fov_background"}
    steps = chain(
        crab,
        type="3d",
        stack=True,
        geom=geom,
        background=background,
        flux_points={},
        excess_map={"correlation_radius": "0.1 deg"},
    )
    assert steps == ["reduce", "stack", "excess map", "spectrum"]


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["data-selection", "fit", "flux-points"], ["reduce", "spectrum", "points"]),
        (["observations", "datasets"], ["reduce"]),
        (["data_reduction", "fit"], ["reduce", "spectrum"]),
    ],
)
def test_steps_as_gammapy_lists_them(crab: str, names: list[str], steps: list[str]):
    assert chain(crab, names=names) == steps


def test_unknown_step_of_gammapy(crab: str):
    with pytest.raises(
        ConfigError, match=r"crab.yaml:.*: general.steps: 'flux-pints' is unknown.* did you mean flux-points"
    ):
        chain(crab, names=["fit", "flux-pints"])
