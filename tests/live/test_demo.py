"""`make demo`, twice: what it promises about nights, late files, reuse and XCom."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from gammaops.orchestration.local.demo import run_demo

pytestmark = [pytest.mark.live, pytest.mark.slow]

AIRFLOWS_OWN = re.compile(r"_link_.+|trigger_run_id")


@dataclass(frozen=True)
class Demo:
    """A demonstration: where, what it told, its newest record of each run by name, and Airflow's table of XComs."""

    root: Path
    told: str
    records: Mapping[str, dict]
    xcoms: list[tuple[str, str, str]]


def run_it(root: Path) -> Demo:
    lines: list[str] = []
    assert run_demo(root / "airflow", lines.append, root / "data"), lines
    found = {}
    for latest in sorted((root / "store" / "runs" / "demo").glob("*/latest")):
        record = json.loads((latest.with_name(latest.read_text().strip()) / "run.json").read_text(encoding="utf-8"))
        found[record["name"]] = record
    with sqlite3.connect(root / "airflow" / "airflow.db") as database:
        xcoms = database.execute("select task_id, key, value from xcom").fetchall()
    return Demo(root, "\n".join(lines), found, xcoms)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    root = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_STORE", str(root / "store"))
        yield run_it(root)


def states(record: dict) -> dict[int, str]:
    return {row["obs_id"]: row["state"] for row in record["ledger"]}


def product_files(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (root / "store" / "products").rglob("*") if path.is_file()}


@pytest.mark.requirement("R18")
def test_every_row_is_told_and_the_late_file_heals_its_night(demo: Demo) -> None:
    assert [states(record) for name, record in demo.records.items() if name.startswith("backfill")] == [
        {1: "done", 2: "quarantined", 3: "done"},
        {4: "done", 5: "missing", 6: "done"},
        {7: "done", 8: "done", 9: "done"},
        {10: "done", 11: "done", 12: "done"},
    ]
    late = {name: states(record) for name, record in demo.records.items() if name.startswith("late")}
    assert late == {"late__2025-11-18__1": {4: "reused", 5: "done", 6: "reused"}}
    assert "PARTIAL: 3 expected: 2 done, 1 quarantined (2: truncated)" in demo.told
    assert demo.told.count("report.html") == 5


def test_reports_show_map_spectrum_and_light_curve(demo: Demo) -> None:
    for record in demo.records.values():
        if record["ledger"]:
            page = (demo.root / "store" / record["run"] / "report.html").read_text(encoding="utf-8")
            assert page.count("data:image/png;base64,") >= 6
            assert all(title in page for title in ("Sky maps", "Spectrum", "Light curve"))


@pytest.mark.requirement("A2.1", "R5")
def test_xcom_holds_product_paths_and_nothing_else(demo: Demo) -> None:
    assert len(demo.xcoms) > 100
    for task, key, value in demo.xcoms:
        if key != "return_value":
            assert AIRFLOWS_OWN.fullmatch(key), (task, key)
            continue
        returned = json.loads(value)
        for path in returned if isinstance(returned, list) else [returned]:
            assert len(path.encode()) <= 256
            assert Path(unquote(urlsplit(path).path)).is_relative_to(demo.root / "store"), (task, path)


def test_second_demonstration_computes_nothing(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMMAOPS_STORE", str(demo.root / "store"))
    before = product_files(demo.root)
    again = run_it(demo.root)
    assert product_files(demo.root) == before
    for name, record in demo.records.items():
        if name.startswith("backfill"):
            assert again.records[name]["version"] == "v002"
            new = states(again.records[name])
            assert {new[obs_id] for obs_id, state in states(record).items() if state == "done"} == {"reused"}
