"""What is wrong in a reference file is told by its key, all of it at once, and never as a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import astropy.units as u
import pytest
import yaml
from gammapy.modeling.models import Models, PowerLawSpectralModel, SkyModel

from gammaops.errors import AlgorithmError, ConfigError
from gammaops.physics.reference_file import read_reference
from gammaops.physics.references import Tolerance, compare_fit

REFERENCES = Path(__file__).parents[2] / "include" / "references"
CURVE = {
    "energy_min": "0.59 TeV",
    "energy_max": "6.18 TeV",
    "start": "2006-07-29 20:30",
    "bin_width": "10 min",
    "unit": "cm-2 s-1",
    "flux": ["1.31e-10", 2],
    "error": ["1e-11", 1],
}


def write(folder: Path, **content) -> Path:
    path = folder / "published.yaml"
    path.write_text(json.dumps({"source": "this test", **content}))
    return path


@pytest.mark.parametrize(
    ("fit", "key"),
    [
        ([], "fit: no sources"),
        ({"crab": None}, "fit.crab: no parameters"),
        ({"crab": {"index": 2.5}}, "fit.crab.index: 2.5 is no mapping; expected {value: …, error: …, unit: …}"),
        ({"crab": {"index": {"error": 1}}}, "fit.crab.index.value: not given; expected a number"),
        ({"crab": {"index": {"value": "many"}}}, "fit.crab.index.value: 'many' does not fit; expected a number"),
        ({"crab": {"index": {"value": True}}}, "fit.crab.index.value: 'True' does not fit"),
        ({"crab": {"index": {"value": 0}}}, "fit.crab.index.error: not given, and nothing is a percentage of 0"),
        ({"crab": {"index": {"value": 2, "error": 0}}}, "fit.crab.index.error: '0' does not fit; expected a number ab"),
        ({"crab": {"index": {"value": 2, "unit": "TeVs"}}}, "fit.crab.index.unit: 'TeVs' does not fit"),
        ({"crab": {"index": {"value": 2, "sigma": 1}}}, "fit.crab.index.sigma: unknown key"),
    ],
)
def test_parameters_that_are_none_are_told_by_key(tmp_path, fit, key):
    with pytest.raises(ConfigError) as caught:
        read_reference(write(tmp_path, fit=fit))
    assert str(caught.value).startswith(f"published.yaml: {key}")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"energy_min": "0.59"}, "light_curve.energy_min: '0.59' does not fit; expected an energy"),
        ({"energy_max": None}, "light_curve.energy_max: not given"),
        ({"start": "yesterday"}, "light_curve.start: 'yesterday' does not fit; expected a time (UTC)"),
        ({"bin_width": "10 TeV"}, "light_curve.bin_width: '10 TeV' does not fit"),
        ({"unit": "cm"}, "light_curve.unit: 'cm' does not fit; expected a unit of flux"),
        ({"flux": 1e-10}, "light_curve.flux: '1e-10' does not fit; expected a list"),
        ({"flux": [], "error": None}, "light_curve.flux: '[]' does not fit"),
        ({"error": [1e-11]}, "light_curve.error: 1 values for 2 fluxes"),
        ({"error": [1, -1]}, "light_curve.error: '[1, -1]' does not fit"),
        ({"error": None, "flux": [0, 1]}, "light_curve.error: not given, and nothing is a percentage"),
    ],
)
def test_light_curves_that_are_none_are_told_by_key(tmp_path, change, key):
    with pytest.raises(ConfigError) as caught:
        read_reference(write(tmp_path, light_curve=CURVE | change))
    assert str(caught.value).startswith(f"published.yaml: {key}")


def test_all_that_is_wrong_comes_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_reference(write(tmp_path, light_curve=dict.fromkeys(CURVE)))
    assert len(caught.value.problems) == 6


@pytest.mark.parametrize("path", sorted(REFERENCES.glob("*.yaml")), ids=lambda path: path.stem)
def test_references_that_come_with_the_project_are_accepted(path):
    assert read_reference(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path):
    assert read_reference(write(tmp_path, light_curve=CURVE))["light_curve"] == CURVE


def test_unit_of_something_else_is_refused_with_both_units():
    models = Models([SkyModel(PowerLawSpectralModel(), name="crab")])
    reference = {"crab": {"amplitude": {"value": 1.0, "unit": "TeV"}}}
    with pytest.raises(AlgorithmError, match=r"reference of crab\.amplitude is in TeV, the result in .*correct its"):
        list(compare_fit(models, reference, Tolerance(1.0, None, None)))


def test_position_of_a_source_without_one_is_refused():
    models = Models([SkyModel(PowerLawSpectralModel(), name="crab")])
    reference = {"crab": {name: {"value": 1.0, "unit": "deg"} for name in ("lon_0", "lat_0")}}
    with pytest.raises(AlgorithmError, match="crab has no parameter 'lon_0'"):
        list(compare_fit(models, reference, Tolerance(1.0, None, 0.1 * u.deg)))
