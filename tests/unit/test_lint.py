"""``gammaops lint`` looks at the files that a config names: models, masks and decisions, but not at archives."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits
from astropy.table import Table

from gammaops.cli import main

ROOT = Path(__file__).resolve().parents[2]
CRAB = ROOT / "tests" / "data" / "crab.yaml"
MODELS = ROOT / "include" / "models" / "crab-1d.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the sites and no models yet."""
    (tmp_path / "include" / "models").mkdir(parents=True)
    (tmp_path / "include" / "sites").symlink_to(ROOT / "include" / "sites")
    monkeypatch.setenv("GAMMAOPS_PROJECT", str(tmp_path))
    return tmp_path


@pytest.mark.requirement("A1.4", "R3")
def test_a_source_that_the_models_do_not_have_is_told_with_its_place(project: Path, capsys: pytest.CaptureFixture[str]):
    wrong = project / "crab.yaml"
    wrong.write_text(CRAB.read_text(encoding="utf-8").replace("source: crab}", "source: carb}"), encoding="utf-8")
    (project / "include" / "models" / "crab.yaml").write_bytes(MODELS.read_bytes())
    assert main(["lint", str(wrong)]) == 1
    assert capsys.readouterr().out == (
        f"{wrong}:28:62: flux_points.source: the fit has no source 'carb'; expected one of: crab; did you mean crab?\n"
    )


def problems(project: Path, capsys: pytest.CaptureFixture[str], right: str, wrong: str) -> list[str]:
    """What is said of crab.yaml with one thing replaced, line by line, without the name of the file."""
    text = CRAB.read_text(encoding="utf-8")
    assert right in text
    path = project / "crab.yaml"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    assert main(["lint", str(path)]) == 1
    return [line.removeprefix(f"{path}:") for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def with_models(project: Path) -> Path:
    (project / "include" / "models" / "crab.yaml").write_bytes(MODELS.read_bytes())
    return project


def test_a_models_file_that_is_not_there_is_told(with_models, capsys):
    (line,) = problems(with_models, capsys, "models_file: crab.yaml", "models_file: crap.yaml")
    assert line.startswith("16:31: general.models_file: 'crap.yaml' does not exist; expected one of: ")


def test_a_models_file_of_one_step_is_told_at_that_step(with_models, capsys):
    named = "products: fit, config: {general: {models_file: crap.yaml}}"
    (line,) = problems(with_models, capsys, "products: fit", named)
    assert line.startswith("31:97: general.models_file: 'crap.yaml' does not exist")


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ("models_file: crab.yaml", "models_file: /etc/hostname", "16:31: general.models_file: '/etc/hostname'"),
        ("$GAMMAPY_DATA/hess-dl3-dr1", "/nowhere/hess", "18:3: observations.datastore: '/nowhere/hess'"),
        (
            "method: reflected",
            "method: reflected, exclusion: /etc/mask.fits",
            "26:35: datasets.background.exclusion: '/etc/mask.fits'",
        ),
    ],
)
def test_a_path_outside_the_allowed_folders_is_told_whether_it_is_there_or_not(
    with_models, capsys, right, wrong, place
):
    (line,) = problems(with_models, capsys, right, wrong)
    assert line == f"{place} is outside the allowed folders; expected a path in the data folders or in GAMMAOPS_ROOTS"


def test_a_models_file_that_is_no_yaml_is_told_with_its_own_line(with_models, capsys):
    models = with_models / "include" / "models" / "crab.yaml"
    models.write_text("components:\n- name: crab\n  type: [SkyModel\n  spectral: {}\n", encoding="utf-8")
    (line,) = problems(with_models, capsys, "n_jobs: 1", "n_jobs: 2")
    assert line.startswith(f"{models}:4:11: not YAML: while parsing a flow sequence")
    models.write_text("models: []\n", encoding="utf-8")
    (line,) = problems(with_models, capsys, "n_jobs: 1", "n_jobs: 2")
    assert line == f"{models}: has no components; expected a models file of gammapy: components, a list of models"


def test_a_file_that_models_name_and_that_is_not_there_is_told(with_models, capsys):
    models = with_models / "include" / "models" / "crab.yaml"
    models.write_text("components: [{name: crab, type: SkyModel, spatial: {filename: sky.fits}}]", encoding="utf-8")
    (line,) = problems(with_models, capsys, "n_jobs: 1", "n_jobs: 2")
    assert line.startswith("16:31: general.models_file: 'sky.fits' does not exist")


def test_a_mask_that_holds_none_is_told(with_models, capsys, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_DATA", str(with_models))
    (with_models / "folder").mkdir()
    (with_models / "text.fits").write_text("no FITS", encoding="utf-8")
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table({"a": [1]}), name="OBS_INDEX")]).writeto(
        with_models / "index.fits"
    )
    (with_models / "circle.reg").write_text("icrs;circle(83.63,22.01)\n", encoding="utf-8")
    for name in ("folder", "text.fits", "index.fits", "circle.reg"):
        (line,) = problems(with_models, capsys, "method: reflected", f"method: reflected, exclusion: {name}")
        assert line.startswith("26:35: datasets.background.exclusion: "), name
        assert "cannot be read" in line, name


def test_a_region_in_a_list_that_is_none_is_told(with_models, capsys):
    given = 'exclusion: ["icrs;circle(83.63,22.01)"]'
    (line,) = problems(with_models, capsys, "method: reflected", f"method: reflected, {given}")
    assert line.startswith("26:35: datasets.background.exclusion: 'icrs;circle(83.63,22.01)' cannot be read: ")


def test_a_list_of_observations_is_read(with_models, capsys, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_DATA", str(with_models))
    datastore = "datastore: $GAMMAPY_DATA/hess-dl3-dr1"
    (line,) = problems(with_models, capsys, datastore, f"{datastore}\n  obs_file: ids.txt")
    assert line.startswith("19:3: observations.obs_file: 'ids.txt' does not exist")
    (with_models / "ids.txt").write_text("23523\nx\n", encoding="utf-8")
    (line,) = problems(with_models, capsys, datastore, f"{datastore}\n  obs_file: ids.txt")
    assert line == (
        f"{with_models / 'ids.txt'}:2:1: observations.obs_file: 'x' is not an observation; expected one obs_id per line"
    )


def test_decisions_are_read_and_everything_wrong_in_them_is_told(with_models, capsys):
    decisions = with_models / "include" / "overrides" / "crab.yaml"
    decisions.parent.mkdir()
    decisions.write_text(
        "- {observation: 1, verdict: maybe, author: a}\n- {observation: 1, verdict: reject, author: a, comment: b}\n",
        encoding="utf-8",
    )
    found = problems(with_models, capsys, "n_tels: {min: 3}", "n_tels: {min: 3}, overrides: crab.yaml")
    key = f"{decisions}:1:3: observations.quality.overrides: "
    assert found == [
        f"{key}a decision without comment; expected once each: observation, verdict, author, comment",
        f"{key}verdict is 'maybe'; expected accept or reject",
    ]


def test_folders_of_data_that_are_not_here_are_left_to_the_run(with_models, monkeypatch):
    monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    assert main(["lint", str(CRAB)]) == 0
    monkeypatch.setenv("GAMMAPY_DATA", str(with_models))
    assert main(["lint", str(CRAB)]) == 0
