"""gammapy's own configs become ours, are accepted, and run; what could not be carried over is told."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from pathlib import Path

import gammapy
import pytest
import yaml
from gammapy.analysis import AnalysisConfig
from gammapy.workflow import WorkflowConfig

from gammaops.cli import main
from gammaops.config import load_config, parse_config
from gammaops.conversion import convert
from gammaops.errors import ConfigError
from gammaops.plan import make_plan
from gammaops.simulation import ArchivePlan, simulate_archive

GAMMAPY = Path(gammapy.__file__).parent
CONFIGS = sorted(path for path in GAMMAPY.glob("*/config/*.yaml") if not path.name.startswith("model"))
RUNS = [("example-1d", ""), ("example-3d", "")] + [("docs", "excess map")] * (os.environ.get("FULL") == "1")
IDS = [f"{path.parts[-3]}-{path.stem}" for path in CONFIGS]


def tags(text: str) -> list[str]:
    """Accepts the text, and lists its steps."""
    return [step.spec.tag for step in make_plan(parse_config(text, "converted", "converted.yaml")).steps]


def test_gammapy_brings_configs():
    assert [
        f"{folder}-{name}" for folder in ("analysis", "workflow") for name in ("docs", "example-1d", "example-3d")
    ] == IDS


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
@pytest.mark.requirement("R30")
def test_configs_of_gammapy_convert_and_are_accepted(path: Path):
    result = convert(path.read_text(encoding="utf-8"), path.name, models_file="crab-1d.yaml")
    assert result.problems == ()
    assert (
        tags(result.text)
        == {
            "docs": ["data-reduction", "excess-map", "fit", "flux-points"],
            "example-1d": ["data-reduction", "fit", "flux-points"],
            "example-3d": ["data-reduction", "stack", "excess-map", "fit", "flux-points"],
        }[path.stem]
    )
    widened = "datasets.geom.axes.energy_true is 0.01-100 TeV in 40 bins instead of 0.5-20 TeV in 16"
    joint = (
        "fit.datasets is joint, as gammapy fits datasets that are not stacked; auto stacks those with few OFF counts"
    )
    expected = {
        "docs": ["observations.obs_time is observations.time_intervals"],
        "example-1d": [widened, f"{joint} before the fit, of which a joint fit is biased"],
        "example-3d": [],
    }
    assert [note.partition(":")[0] for note in result.notes] == expected[path.stem]
    fit = parse_config(result.text, "converted", "converted.yaml").document["fit"]
    assert fit["datasets"] == ("joint" if path.stem == "example-1d" else "auto")


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_without_models_what_needs_them_is_left_out_and_told(path: Path):
    result = convert(path.read_text(encoding="utf-8"), path.name)
    assert result.problems == ()
    assert set(tags(result.text)) <= {"data-reduction", "stack", "excess-map"}
    assert any(note.startswith("the steps spectrum, points are left out: there are no models") for note in result.notes)
    assert all(f"# - {note}" in result.text for note in result.notes)


@pytest.mark.parametrize("config", [AnalysisConfig, WorkflowConfig])
def test_what_gammapy_writes_is_accepted(config: type, monkeypatch: pytest.MonkeyPatch):
    # Where it is set, gammapy writes the folder that it names.
    monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    written = config(
        observations={"obs_time": {"start": "2004-12-04", "stop": "2004-12-09"}},
        datasets={
            "on_region": {"frame": "icrs", "lon": "83.63 deg", "lat": "22.01 deg", "radius": "0.1 deg"},
            "background": {"method": "reflected"},
        },
    )
    result = convert(written.to_yaml(), "written.yaml", models_file="crab-1d.yaml")
    assert result.problems == ()
    effective = parse_config(result.text, "converted", "c.yaml").document["observations"]
    assert effective["datastore"] == "$GAMMAPY_DATA/hess-dl3-dr1"
    # gammapy cuts observations to these times, which obs_time does not.
    assert effective["obs_time"] == {"start": None, "stop": None}
    intervals = effective["time_intervals"]
    assert (intervals["start"], intervals["stop"]) == (["2004-12-04T00:00:00"], ["2004-12-09T00:00:00"])
    assert any(note.startswith("observations.obs_time is observations.time_intervals") for note in result.notes)


SMALL = """
general: {steps: [data-selection, fit], overwrite: [true, true], datasets_file: d.yaml, models_file: m.yaml}
observations: {obs_ids: [1], spam: 3}
datasets:
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.1 deg}
  safe_mask: {methods: [aeff-max], parameters: {aeff_percnt: 5}}
flux_points: {energy: {min: 1 TeV, max: 10 TeV, nbins: 2}}
"""


@pytest.mark.requirement("R30")
def test_what_cannot_be_carried_over_is_told():
    result = convert(SMALL, "small.yaml")
    assert result.problems == ()
    assert tags(result.text) == ["data-reduction", "stack", "fit"]
    told = "\n".join(result.notes)
    for words in (
        "general.overwrite is left out",
        "general.datasets_file (d.yaml) is left out",
        "general.models_file: m.yaml must be below include/models/",
        "observations.datastore is $GAMMAPY_DATA/hess-dl3-dr1, gammapy's default",
        "observations.spam is left out: gammaops does not know it",
        "datasets.safe_mask.parameters.aeff_percnt is left out: gammaops does not know it; did you mean aeff_percent?",
        "no step reads flux_points",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("written", "methods"),
    [("methods: []", ["none"]), ("methods: null", ["aeff-default"]), ("methods: [aeff-max]", ["aeff-max"])],
)
def test_a_safe_mask_that_is_none_stays_none(written: str, methods: list[str]):
    text = SMALL.replace("methods: [aeff-max], parameters: {aeff_percnt: 5}", written)
    result = convert(text, "small.yaml")
    assert result.problems == ()
    document = parse_config(result.text, "converted", "converted.yaml").document
    assert document["datasets"]["safe_mask"]["methods"] == methods


@pytest.mark.parametrize(("text", "key"), [("general: 3", "general"), ("datasets: [1]", "datasets"), ("fit: x", "fit")])
def test_a_block_that_is_none_is_refused_in_words(text: str, key: str):
    with pytest.raises(ConfigError, match=f"small.yaml: {key}: not keys and values but .*; expected a block"):
        convert(text, "small.yaml")


def test_datasets_of_a_file_take_the_place_of_a_reduction():
    text = SMALL.replace("[data-selection, fit]", "[fit, flux-points]")
    result = convert(text, "small.yaml")
    assert result.problems == ()
    assert tags(result.text) == ["datasets-file", "stack", "fit", "flux-points"]
    assert "general.datasets_file: the step 'given datasets' takes over those of d.yaml" in result.notes


def test_steps_that_nobody_knows_are_told():
    result = convert(SMALL.replace("[data-selection, fit]", "[datasets, spam]"), "small.yaml")
    assert any(note.startswith("general.steps: 'spam' is unknown") for note in result.notes)
    assert tags(result.text) == ["data-reduction"]


def test_what_is_wrong_stays_a_problem():
    result = convert(SMALL.replace("radius: 0.1 deg", "radius: 0.1 TeV"), "small.yaml")
    assert [problem.key for problem in result.problems] == ["datasets.on_region.radius"]


@pytest.mark.parametrize("text", ["", "- a list", "a: [", "just text"])
def test_what_is_no_config_is_refused(text: str):
    with pytest.raises(ConfigError, match=r"^small\.yaml: "):
        convert(text, "small.yaml")


def test_the_command_writes_the_file_and_tells_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    small = SMALL.replace("m.yaml", "crab-1d.yaml")
    (tmp_path / "small.yaml").write_text(small, encoding="utf-8")
    out = tmp_path / "mine.yaml"
    assert main(["convert", str(tmp_path / "small.yaml"), "--out", str(out)]) == 0
    assert "note: observations.spam is left out" in capsys.readouterr().err
    assert make_plan(load_config(out)).steps
    assert main(["convert", str(tmp_path / "small.yaml"), "--out", str(out)]) == 1
    assert main(["convert", str(tmp_path / "small.yaml")]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == yaml.safe_load(out.read_text(encoding="utf-8"))
    (tmp_path / "bad.yaml").write_text(SMALL.replace("0.1 deg", "0.1 TeV"), encoding="utf-8")
    assert main(["convert", str(tmp_path / "bad.yaml")]) == 1
    assert "to be mended: bad.yaml:" in capsys.readouterr().err


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with gammapy's models, and archives with the observations that its configs name."""
    folder = tmp_path_factory.mktemp("project")
    models = folder / "include" / "models"
    models.mkdir(parents=True)
    for name in ("model", "model-1d"):
        shutil.copy(GAMMAPY / "analysis" / "config" / f"{name}.yaml", models)
    few = {"nights": 1, "size": "small", "duration_min": 5}
    examples = ArchivePlan(**few, observations=34, first_obs_id=23559)
    simulate_archive(folder / "examples" / "hess-dl3-dr1", examples)
    docs = ArchivePlan(**few, observations=4, first_obs_id=23523, first_night=date(2019, 12, 5))
    simulate_archive(folder / "docs" / "hess-dl3-dr1", docs)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("name", "step"), RUNS, ids=[name for name, _ in RUNS])
@pytest.mark.requirement("R30")
def test_configs_of_gammapy_run(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, step: str):
    """All steps of the examples; of the documentation's config the maps: ten minutes do not pin down its model."""
    monkeypatch.setenv("GAMMAOPS_PROJECT", str(project))
    monkeypatch.setenv("GAMMAPY_DATA", str(project / name.split("-", maxsplit=1)[0].replace("example", "examples")))
    config = tmp_path / f"{name}.yaml"
    models = "model-1d.yaml" if name == "example-1d" else "model.yaml"
    source = GAMMAPY / "workflow" / "config" / f"{name}.yaml"
    assert main(["convert", str(source), "--models", models, "--out", str(config)]) == 0
    chosen = ["--step", step] if step else []
    assert main(["run", "--filename", str(config), "--out", str(tmp_path / "out"), *chosen]) == 0
    (path,) = (tmp_path / "out").glob("runs/*/*/v001/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert {step["status"] for step in record["steps"]} == {"ok"}
    assert len(record["ledger"]) == 2
    assert {row["state"] for row in record["ledger"]} == {"done"}


@pytest.mark.parametrize("written", [False, True], ids=["printed", "written"])
def test_what_lint_will_say_is_said_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], written: bool
):
    monkeypatch.setenv("GAMMAOPS_PROJECT", str(tmp_path))
    models = tmp_path / "include" / "models" / "crab.yaml"
    models.parent.mkdir(parents=True)
    models.write_text("components: [{name: crab, type: SkyModel}]", encoding="utf-8")
    theirs, ours = tmp_path / "theirs.yaml", tmp_path / "ours.yaml"
    theirs.write_text(
        SMALL.replace("[data-selection, fit]", "[datasets, fit, flux-points]").replace(
            "flux_points: {", "flux_points: {source: carb, "
        ),
        encoding="utf-8",
    )
    asked = ["convert", str(theirs), "--models", "crab.yaml", *(["--out", str(ours)] if written else [])]
    assert main(asked) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("to be mended: ")]
    said = "flux_points.source: the fit has no source 'carb'; expected one of: crab; did you mean crab?"
    assert len(told) == 1
    assert told[0].endswith(said)
    if written:
        assert main(["lint", str(ours)]) == 1
        assert told == [f"to be mended: {capsys.readouterr().out.strip()}"]
        ours.unlink()
    theirs.write_text(theirs.read_text(encoding="utf-8").replace("carb", "crab"), encoding="utf-8")
    assert main(asked) == 0
