"""The night of the flare of PKS 2155-304 processed twice: nothing is made again; another store gets the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.requires_data, pytest.mark.requirement("R7")]

CONFIG = Path(__file__).resolve().parents[2] / "include" / "configs" / "pks2155-flare-lc.yaml"


def process(out: Path) -> None:
    """In a process of its own, as another machine would."""
    command = [sys.executable, "-m", "gammaops", "run", "--filename", str(CONFIG), "--out", str(out)]
    subprocess.run([*command, "--night", "2006-07-29"], check=True, capture_output=True)


def files(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (out / "products").rglob("*") if path.is_file()}


def payloads(out: Path) -> dict[str, str]:
    """SHA-256 of every payload by its product's path."""
    sidecars = {path: json.loads(path.read_bytes()) for path in files(out) if path.name.count(".") == 1}
    found = {str(path.relative_to(out)): one.get("payload") for path, one in sidecars.items()}
    return {name: payload["sha256"] for name, payload in found.items() if payload}


def test_second_run_writes_no_product_and_another_store_has_the_same_bytes(tmp_path, test_data, monkeypatch):
    monkeypatch.setenv("GAMMAPY_DATA", str(test_data))
    process(tmp_path / "one")
    first = files(tmp_path / "one")
    process(tmp_path / "one")
    assert files(tmp_path / "one") == first
    records = sorted((tmp_path / "one" / "runs").rglob("run.json"))
    seconds = [sum(step["cpu_seconds"] for step in json.loads(path.read_bytes())["steps"]) for path in records]
    assert len(seconds) == 2
    assert seconds[0] > 0
    assert seconds[1] == 0.0, "a run sums up what it has computed itself"
    process(tmp_path / "two")
    assert payloads(tmp_path / "two") == payloads(tmp_path / "one")
    # 44 datasets of ten minutes and what lists them, a fit, 34 points and their curve, and the tables of both fan-outs.
    assert len(payloads(tmp_path / "one")) >= 44 + 1 + 1 + 34 + 1 + 2
