"""``gammaops lint`` looks into the models file where it is at hand, and asks for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert main(["lint", str(wrong)]) == 0, "the models file is not there, which is not asked here"
    (project / "include" / "models" / "crab.yaml").write_bytes(MODELS.read_bytes())
    capsys.readouterr()
    assert main(["lint", str(wrong)]) == 1
    assert capsys.readouterr().out == (
        f"{wrong}:28:62: flux_points.source: the fit has no source 'carb'; expected one of: crab; did you mean crab?\n"
    )
