"""Parts that several processes of the command line share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import gammaops
from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.products import ProductStore, RunFolder

pytestmark = [
    pytest.mark.usefixtures("toys"),
    pytest.mark.requirement("A4.3", "A6.3"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core: nothing can be shared"),
]


def run(out: Path, words: str, general: str) -> tuple[bool, dict[int, str]]:
    """Whether the run is green, and the states of its observations."""
    text = f"general: {{{general}}}\ntoy: {{words: [{words}]}}\nsteps: [{{name: reduce, tag: toy-reduce}}]"
    result = gammaops.run(parse_config(text, name="toy", source="toy.yaml"), out)
    ledger = RunFolder.of(ProductStore(out), result.report).read_json("run.json")["ledger"]
    return result.verdict.ok, {row["obs_id"]: row["state"] for row in ledger}


def payloads(out: Path) -> set[str]:
    return {path.name for path in (out / "products").rglob("*") if path.is_file()}


def test_several_processes_make_what_one_makes(tmp_path: Path) -> None:
    words = "a, b, truncated, c, d"
    alone = run(tmp_path / "one", words, "n_jobs: 1")
    shared = run(tmp_path / "two", words, "n_jobs: 2")
    assert shared == alone
    assert shared[1] == {0: "done", 1: "done", 2: "quarantined", 3: "done", 4: "done"}
    assert payloads(tmp_path / "two") == payloads(tmp_path / "one")


def test_a_part_that_fails_keeps_no_other_from_being_made(tmp_path: Path) -> None:
    assert run(tmp_path, "a, disk, b", "n_jobs: 2") == (False, {0: "done", 1: "failed", 2: "done"})


def test_a_killed_process_ends_the_run_red_and_a_rerun_goes_on(tmp_path: Path) -> None:
    green, states = run(tmp_path, "a, killed, b", "n_jobs: 2")
    assert not green
    assert states[1] == "failed"
    assert run(tmp_path, "a, b", "n_jobs: 2")[0]


def test_a_backend_that_is_not_installed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"toy\.yaml:1:\d+: general\.parallel_backend: ray is not installed; expected pip"
    ):
        run(tmp_path, "a, b", "n_jobs: 2, parallel_backend: ray")
    assert list(tmp_path.iterdir()) == []
