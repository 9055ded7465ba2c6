"""Paths of a config stay inside the folders they may lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from gammaops.config import project_root, resolve_data_path, store_root
from gammaops.config.blocks import home_of
from gammaops.errors import ConfigError


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of data: ours and gammapy's, each with a file of its own and one that both have."""
    for name in ("ours", "gammapy", "elsewhere", "project/include/models"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "both.txt").write_text(name)
        (tmp_path / name / f"{Path(name).name}.txt").write_text(name)
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path / "ours"))
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path / "gammapy"))
    monkeypatch.setenv("GAMMAOPS_PROJECT", str(tmp_path / "project"))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("both.txt", "observations.datastore", "ours/both.txt"),
        ("gammapy.txt", "observations.datastore", "gammapy/gammapy.txt"),
        ("$GAMMAPY_DATA/both.txt", "observations.datastore", "gammapy/both.txt"),
        ("$GAMMAOPS_DATA", "observations.datastore", "ours"),
        ("both.txt", "general.models_file", "project/include/models/both.txt"),
        ("gammapy.txt", "general.models_file", "gammapy/gammapy.txt"),
    ],
)
def test_where_paths_lead(data: Path, text: str, key: str, found: str):
    assert resolve_data_path(text, key) == data / found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("../elsewhere/both.txt", "outside the allowed folders"),
        (
            "nothing.txt",
            "observations.datastore: 'nothing.txt' does not exist; expected one of: .*ours/nothing.txt, .*gammapy",
        ),
        ("$HOME/x", r"the variable \$HOME is not expanded"),
        ("models.txt", "does not exist"),
    ],
)
@pytest.mark.usefixtures("data")
def test_paths_that_are_refused(text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        resolve_data_path(text, "observations.datastore")


def test_absolute_paths_only_inside_the_roots(data: Path, monkeypatch: pytest.MonkeyPatch):
    path = data / "elsewhere" / "both.txt"
    with pytest.raises(ConfigError, match="outside the allowed folders"):
        resolve_data_path(str(path), "observations.datastore")
    monkeypatch.setenv("GAMMAOPS_ROOTS", f"/nowhere:{data / 'elsewhere'}")
    assert resolve_data_path(str(path), "observations.datastore") == path


def test_a_link_does_not_lead_out(data: Path):
    (data / "ours" / "link.txt").symlink_to(data / "elsewhere" / "both.txt")
    with pytest.raises(ConfigError, match="outside the allowed folders"):
        resolve_data_path("link.txt", "observations.datastore")


def test_an_unset_variable_is_the_config_authors_matter(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GAMMAPY_DATA")
    with pytest.raises(ConfigError, match="GAMMAPY_DATA is not set"):
        resolve_data_path("$GAMMAPY_DATA/x", "observations.datastore")


def test_an_absent_data_folder_is_a_fault_of_infrastructure(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GAMMAPY_DATA", str(data / "unmounted"))
    with pytest.raises(FileNotFoundError, match="unmounted is not there"):
        resolve_data_path("$GAMMAPY_DATA/hess", "observations.datastore")


def test_store_is_in_the_project_wherever_we_are(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GAMMAOPS_STORE")
    monkeypatch.chdir(data)
    assert store_root() == str(data / "project" / "store")
    assert project_root() == data / "project"
    monkeypatch.delenv("GAMMAOPS_PROJECT")
    assert (project_root() / "plugins" / "gammaops").is_dir()


@pytest.mark.parametrize(
    ("key", "home"),
    [
        ("general.models_file", "models"),
        ("observations.quality.overrides", "overrides"),
        ("reference_check.file", "references"),
        ("observations.datastore", ""),
        ("datasets.background.exclusion", ""),
        ("nowhere.at_all", ""),
    ],
)
def test_a_key_says_where_its_files_are_looked_for_first(key: str, home: str):
    assert home_of(key) == home
