"""`make demo`, twice: what it promises about nights, late files, reuse and XCom."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from gammaops.orchestration.local.demo import run_demo

pytestmark = [pytest.mark.live, pytest.mark.slow]

AIRFLOWS_OWN = re.compile(r"_link_.+|trigger_run_id")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the demonstration was run, with the lines that it told in ``told.txt``."""
    root = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_STORE", str(root / "store"))
        run_again(root)
        yield root


def run_again(root: Path) -> None:
    lines: list[str] = []
    assert run_demo(root / "airflow", lines.append, root / "data"), lines
    (root / "told.txt").write_text("\n".join(lines), encoding="utf-8")


def query(root: Path, sql: str) -> list[tuple]:
    with sqlite3.connect(root / "airflow" / "airflow.db") as database:
        return database.execute(sql).fetchall()


def records(root: Path) -> dict[str, dict]:
    """The newest record of each run, by the run's name."""
    found = {}
    for latest in sorted((root / "store" / "runs" / "demo").glob("*/latest")):
        record = json.loads((latest.with_name(latest.read_text().strip()) / "run.json").read_text(encoding="utf-8"))
        found[record["name"]] = record
    return found


def states(record: dict) -> dict[int, str]:
    return {row["obs_id"]: row["state"] for row in record["ledger"]}


def test_every_row_is_told_and_the_late_file_heals_its_night(demo: Path) -> None:
    by_night = {
        record["nights"][0]: states(record) for name, record in records(demo).items() if name.startswith("back")
    }
    assert list(by_night.values()) == [
        {1: "done", 2: "quarantined", 3: "done"},
        {4: "done", 5: "missing", 6: "done"},
        {7: "done", 8: "done", 9: "done"},
        {10: "done", 11: "done", 12: "done"},
    ]
    late = {name: record for name, record in records(demo).items() if name.startswith("late__")}
    assert list(late) == ["late__2025-11-18__1"]
    assert states(late["late__2025-11-18__1"]) == {4: "reused", 5: "done", 6: "reused"}
    told = (demo / "told.txt").read_text(encoding="utf-8")
    assert "PARTIAL: 3 expected: 2 done, 1 quarantined (2 truncated)" in told
    assert told.count("report.html") == 5


def test_reports_show_map_spectrum_and_light_curve(demo: Path) -> None:
    for record in records(demo).values():
        if record["ledger"]:
            page = (demo / "store" / record["run"] / "report.html").read_text(encoding="utf-8")
            assert page.count("data:image/png;base64,") >= 6
            assert {"Sky maps", "Spectrum", "Light curve"} <= set(re.findall(r"Sky maps|Spectrum|Light curve", page))


def test_xcom_holds_product_paths_and_nothing_else(demo: Path) -> None:
    rows = query(demo, "select task_id, key, value from xcom")
    assert len(rows) > 100
    for task, key, value in rows:
        if key != "return_value":
            assert AIRFLOWS_OWN.fullmatch(key), (task, key)
            continue
        returned = json.loads(value)
        for path in returned if isinstance(returned, list) else [returned]:
            assert len(path.encode()) <= 256
            assert Path(unquote(urlsplit(path).path)).is_relative_to(demo / "store"), (task, path)


def test_second_demonstration_computes_nothing(demo: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (demo / "store" / "products").rglob("*") if path.is_file()}
    first = records(demo)
    run_again(demo)
    made = {path for path in (demo / "store" / "products").rglob("*") if path.is_file()} - set(before)
    for name, record in records(demo).items():
        was = states(first[name])
        assert {obs_id: state for obs_id, state in states(record).items() if was[obs_id] in ("done", "reused")} == {
            obs_id: "reused" for obs_id, state in was.items() if state in ("done", "reused")
        } or name.startswith("late__")
    # The night whose file came late is whole now: its table and what follows from it were made by the late run already.
    assert made == set()
    assert {path: path.stat().st_mtime_ns for path in before} == before
