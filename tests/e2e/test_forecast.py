"""What ``gammaops plan`` says would run is what runs, and it says why."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from gammapy.datasets import Datasets

import gammaops
from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.physics.datasets_io import read_dataset
from gammaops.products import ProductStore
from gammaops.runner import StepForecast, forecast, manual_scope
from gammaops.simulation import ArchivePlan, simulate_archive

pytestmark = pytest.mark.requirement("R7", "R27")

CONFIG = """
dag: {site: hess}
general: {models_file: models.yaml}
observations: {datastore: archive, required_irf: [aeff, edisp]}
datasets:
  type: 1d
  stack: false
  geom: {axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 8}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 16}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
  safe_mask: {methods: [aeff-max], parameters: {aeff_percent: 10}}
light_curve: {energy_edges: {min: 1 TeV, max: 10 TeV, nbins: 1}}
steps:
  - {name: reduce, tag: data-reduction}
  - {name: steady, tag: fit}
  - {name: curve, tag: light-curve}
"""
MODELS = """
components:
- name: crab
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.6}
    - {name: amplitude, value: 3.8e-11, unit: TeV-1 s-1 cm-2}
    - {name: reference, value: 1.0, unit: TeV, frozen: true}
"""
AREA = "config datasets.safe_mask.parameters.aeff_percent: 10.0 → 20.0"
NIGHTS = ("2026-11-02", "2026-11-03")


def config_of(text: str):
    return parse_config(text, name="crab", source="crab.yaml")


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights of two observations, of which the first was processed; ``store`` beside ``data``."""
    folder = tmp_path_factory.mktemp("processed")
    simulate_archive(folder / "data" / "archive", ArchivePlan(nights=2, observations=2, duration_min=5, size="small"))
    (folder / "data" / "models.yaml").write_text(MODELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_DATA", str(folder / "data"))
        assert gammaops.run(config_of(CONFIG), folder / "store", nights=NIGHTS[:1]).verdict.ok
    return folder


@pytest.fixture
def folder(processed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may change."""
    shutil.copytree(processed, tmp_path / "copy")
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path / "copy" / "data"))
    return tmp_path / "copy"


def told(folder: Path, text: str = CONFIG, nights: tuple[str, ...] = NIGHTS[:1], **more: str) -> list[StepForecast]:
    config = config_of(text)
    return forecast(config, ProductStore(folder / "store"), manual_scope(config, nights=nights), **more)


def states(found: list[StepForecast]) -> dict[str, list[tuple[str, str]]]:
    return {step.step: [(task.name, task.state) for task in step.tasks] for step in found}


def reasons(found: list[StepForecast], step: str) -> set[tuple[str, ...]]:
    return {task.reasons for one in found if one.step == step for task in one.tasks if task.state == "runs"}


def files(folder: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts
    }


def test_what_was_made_is_reused_and_nothing_is_written(folder: Path) -> None:
    before = files(folder / "store")
    found = told(folder)
    assert {state for tasks in states(found).values() for _, state in tasks} == {"reused"}
    assert [len(step.tasks) for step in found] == [3, 1, 3]
    assert files(folder / "store") == before


def test_another_night_runs_and_what_reads_it_waits(folder: Path) -> None:
    found = told(folder, nights=NIGHTS)
    assert states(found)["reduce"] == [
        ("1", "reused"), ("2", "reused"), ("3", "runs"), ("4", "runs"), ("collect", "waits"),
    ]  # fmt: skip
    assert reasons(found, "reduce") == {("nothing like it was made before",)}
    assert {task.state for step in found[1:] for task in step.tasks} == {"waits"}
    assert found[1].tasks[0].reasons == ("reads what will be made anew: reduce",)
    # Two more as the two before: the median of their seconds and bytes, and once what lists them.
    sidecars = [
        ProductStore(folder / "store").sidecar(name) for name in ProductStore(folder / "store").sidecars("dataset")
    ]
    sizes = sorted(one["payload"]["size"] for one in sidecars)
    assert found[0].expected is not None
    assert found[0].expected.megabytes == pytest.approx(sum(sizes) / 1e6, rel=0.05)
    assert found[0].expected.peak_memory_mb >= max(one["peak_memory_mb"] for one in sidecars)


@pytest.mark.parametrize(
    ("before", "after", "step", "reason"),
    [
        ("radius: 0.11 deg", "radius: 0.12 deg", "reduce", "config datasets.on_region.radius: 0.11 deg → 0.12 deg"),
        ("aeff_percent: 10", "aeff_percent: 20", "reduce", AREA),
        ("nbins: 1}}", "nbins: 2}}", "curve", "config light_curve.energy_edges.nbins: 1 → 2"),
    ],
)  # fmt: skip
def test_changed_value_is_named(folder: Path, before: str, after: str, step: str, reason: str) -> None:
    assert CONFIG.count(before) == 1
    found = told(folder, CONFIG.replace(before, after))
    assert {reason} == {words for task in reasons(found, step) for words in task}
    upstream = [one for one in found if one.step != step and one.step in ("reduce", "steady") and step == "curve"]
    assert all(task.state == "reused" for one in upstream for task in one.tasks), "what it does not concern stays"


def test_order_and_comments_change_nothing(folder: Path) -> None:
    turned = CONFIG.replace("type: 1d\n  stack: false", "stack: false  # one by one\n  type: 1d")
    assert turned != CONFIG
    assert {task.state for step in told(folder, turned) for task in step.tasks} == {"reused"}


def test_changed_file_of_the_archive_concerns_its_observation_alone(folder: Path) -> None:
    path = folder / "data" / "archive" / "data" / "sim_obs_000002.fits.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    found = told(folder)
    assert states(found)["reduce"] == [("1", "reused"), ("2", "runs"), ("collect", "waits")]
    assert reasons(found, "reduce") == {("sim_obs_000002.fits.gz is another file",)}


def test_changed_models_concern_the_fit_alone(folder: Path) -> None:
    (folder / "data" / "models.yaml").write_text(MODELS.replace("2.6", "2.5"))
    found = told(folder)
    assert states(found)["steady"] == [("", "runs")]
    assert reasons(found, "steady") == {("the file of general.models_file has changed",)}
    assert {task.state for task in found[0].tasks} == {"reused"}


def test_changed_version_of_a_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = gammaops.products.science_versions
    monkeypatch.setattr("gammaops.runner.task.science_versions", lambda more: {**versions(more), "gammapy": "2.2"})
    found = told(folder)
    (reason,) = reasons(found, "reduce")
    assert reason == (f"gammapy {gammaops.products.science_versions()['gammapy']} → 2.2",)


@pytest.fixture
def newer_earth_orientation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Another version of the tables is installed, as far as the metadata of packages say."""
    about = tmp_path / "site" / "astropy_iers_data-9.9.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text("Metadata-Version: 2.1\nName: astropy-iers-data\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(about.parents[1])
    gammaops.products.science_versions.cache_clear()
    yield "9.9"
    gammaops.products.science_versions.cache_clear()


def test_other_earth_orientation_concerns_reductions_and_what_reads_them(
    folder: Path, newer_earth_orientation: str
) -> None:
    store = ProductStore(folder / "store")
    (before,) = {store.sidecar(name)["packages"]["astropy-iers-data"] for name in store.sidecars("dataset")}
    tables = f"astropy-iers-data {before} → {newer_earth_orientation}"
    found = told(folder)
    assert states(found)["reduce"] == [("1", "runs"), ("2", "runs"), ("collect", "waits")]
    assert reasons(found, "reduce") == {(tables,)}
    assert {task.state for step in found[1:] for task in step.tasks} == {"waits"}


def test_other_earth_orientation_changes_no_key_of_what_reads_no_archive(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    store = ProductStore(folder / "store")
    datasets = [read_dataset(store.open(store.uri_of(name)).path) for name in sorted(store.sidecars("dataset"))]
    Datasets(datasets).write(folder / "data" / "given.yaml")
    text = "general: {models_file: models.yaml}\ndatasets_file: {path: given.yaml}\nfit: {datasets: joint}\n"
    config = config_of(f"{text}steps:\n  - {{name: given, tag: datasets-file}}\n  - {{name: steady, tag: fit}}\n")
    assert gammaops.run(config, folder / "store", label="given").verdict.ok
    before = set(store.sidecars())
    request.getfixturevalue("newer_earth_orientation")
    assert gammaops.run(config, folder / "store", label="given again").verdict.ok
    assert set(store.sidecars()) == before
    assert gammaops.run(config_of(CONFIG), folder / "store", nights=NIGHTS[:1], label="reduced again").verdict.ok
    made = [store.sidecar(name) for name in set(store.sidecars()) - before]
    assert {one["step"]["tag"] for one in made} == {"data-reduction", "fit", "light-curve"}
    further = {one["step"]["tag"]: one["packages"].get("astropy-iers-data") for one in made}
    assert further == {"data-reduction": "9.9", "fit": None, "light-curve": None}


def test_rebuild_runs_everything(folder: Path) -> None:
    found = told(folder, reuse="rebuild")
    assert reasons(found, "reduce") == {("reuse: rebuild",)}
    assert [step.to_do for step in found] == [3, 1, 3]


def test_plan_is_what_then_runs(folder: Path) -> None:
    found = told(folder, nights=NIGHTS)
    to_do = {step.step: step.to_do for step in found}
    store = ProductStore(folder / "store")
    before = set(store.sidecars())
    gammaops.run(config_of(CONFIG), folder / "store", nights=NIGHTS, label="later")
    made = [store.sidecar(name) for name in set(store.sidecars()) - before]
    steps = [one["step"]["name"] for one in made if one["kind"] not in ("observations", "time_intervals")]
    assert {name: steps.count(name) for name in to_do} == {"reduce": 3, "steady": 1, "curve": 5}
    # Of the curve nobody knew the number of intervals: as many as last time were expected.
    assert to_do == {"reduce": 3, "steady": 1, "curve": 3}
    assert {task.state for step in told(folder, nights=NIGHTS) for task in step.tasks} == {"reused"}


def test_impossible_request_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="'2026-13-01' is no date"):
        told(folder, nights=("2026-13-01",))


def test_command_line_tells_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "crab.yaml").write_text(CONFIG)
    command = ["plan", "--filename", str(folder / "crab.yaml"), "--out", str(folder / "store"), "--night", NIGHTS[1]]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "  3, 4: nothing like it was made before" in printed
    assert "0 of 7 tasks are reused; 7 run or may have to, about " in printed
    assert main([*command, "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)
    assert [step["step"] for step in steps] == ["reduce", "steady", "curve"]
    assert steps[0]["tasks"][0] == {"name": "3", "state": "runs", "reasons": ["nothing like it was made before"]}


def test_a_step_that_is_sure_to_fail_makes_the_command_exit_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "crab.yaml").write_text(CONFIG)
    (folder / "data" / "models.yaml").write_text("components: [")
    command = ["plan", "--filename", str(folder / "crab.yaml"), "--out", str(folder / "store"), "--night", NIGHTS[0]]
    assert main(command) == 1
    assert "steady: 1 fails" in capsys.readouterr().out


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_command_line_writes_nothing_into_a_store_and_makes_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "crab.yaml").write_text(CONFIG)
    shutil.rmtree(folder / "store" / "cache", ignore_errors=True)
    damaged = next((folder / "store" / "products" / "dataset").rglob("*.fits"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = everything(folder)
    command = ["plan", "--filename", str(folder / "crab.yaml"), "--night", NIGHTS[0], "--out"]
    assert main([*command, str(folder / "store")]) == 0
    assert "1 runs" in capsys.readouterr().out, "the damaged one would be made again"
    assert main([*command, str(folder / "none" / "store")]) == 0
    assert "0 of " in capsys.readouterr().out
    assert everything(folder) == before
    assert not (folder / "none").exists()
    assert not (folder / "store" / "cache").exists()
    assert not (folder / "store" / "damaged").exists()
