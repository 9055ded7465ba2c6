"""``gammaops simulate``."""

from __future__ import annotations

from pathlib import Path

import pytest

from gammaops.cli import main

SMALL = ["--nights", "2", "--observations", "2", "--size", "small", "--duration", "5"]


def test_an_archive_is_simulated_and_a_late_file_delivered(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = str(tmp_path / "archive")
    chosen = ["--seed", "3", "--first-night", "2026-11-10", "--bad", "1:truncated", "--late", "3"]
    assert main(["simulate", out, *SMALL, *chosen]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["2026-11-10: 1 (truncated), 2", "2026-11-11: 3 (late), 4"]
    late = tmp_path / "archive" / "data" / "sim_obs_000003.fits.gz"
    assert not late.exists()
    assert main(["simulate", out, "--deliver", "3"]) == 0
    assert late.exists()
    assert "observation 3 delivered" in capsys.readouterr().out


def test_a_wrong_choice_ends_with_every_problem_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["simulate", str(tmp_path / "archive"), *SMALL, "--bad", "1:burnt", "--late", "9"]) == 1
    told = capsys.readouterr().err
    assert "unknown damage 'burnt'; expected one of missing-irf" in told
    assert "late: no observations [9]; expected 1 to 4" in told
    assert not (tmp_path / "archive").exists()
