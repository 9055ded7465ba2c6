"""Earlier runs come in the order in which they began, and no more of them are read than somebody looks at."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import pytest

from gammaops.products import ProductStore, RunFolder
from gammaops.runner.history import age_of, latest_runs

MOMENT = "2026-11-{:02d}T08:00:00.000000+00:00"


def ended(store: ProductStore, name: str, day: int) -> RunFolder:
    folder = RunFolder.new(store, "crab", name, {"begun": MOMENT.format(day), "params": {}, "reuse": "use"})
    folder.create_json("run.json", {"name": name})
    return folder


@pytest.fixture
def five(tmp_path: Path) -> ProductStore:
    """Five runs of which the names say nothing of their order, and one that has not ended."""
    store = ProductStore(tmp_path / "store")
    for name, day in {"c": 1, "a": 4, "e": 2, "b": 5, "d": 3}.items():
        ended(store, name, day)
    RunFolder.new(store, "crab", "f", {"begun": MOMENT.format(9)})
    return store


def names(store: ProductStore) -> list[str]:
    return [one.record["name"] for one in latest_runs(store, "crab")]


def test_the_last_that_began_comes_first(five):
    assert names(five) == ["b", "a", "d", "e", "c"]


def test_a_later_version_of_a_run_comes_before_the_earlier_one(five):
    (first,) = (folder for folder in RunFolder.all(five, "crab") if folder.label.startswith("d-"))
    again = first.successor()
    again.create_json("run.json", {"name": "d again"})
    assert names(five) == ["b", "a", "d again", "d", "e", "c"]
    assert age_of(again) > age_of(first)


def test_only_what_is_asked_for_is_read(five, monkeypatch):
    read: list[str] = []
    original = type(five.files).read
    monkeypatch.setattr(type(five.files), "read", lambda self, name: read.append(name) or original(self, name))
    assert [one.record["name"] for one in islice(latest_runs(five, "crab"), 2)] == ["b", "a"]
    assert [Path(name).name for name in read] == ["request.json", "run.json"] * 2


def test_a_store_that_was_copied_or_is_older_keeps_the_order(five, tmp_path):
    shutil.copytree(five.root, tmp_path / "copy", copy_function=shutil.copyfile)
    copy = ProductStore(tmp_path / "copy")
    assert names(copy) == ["b", "a", "d", "e", "c"]
    for marker in (tmp_path / "copy").rglob("begun.*"):
        marker.unlink()
    assert names(copy) == ["b", "a", "d", "e", "c"]


def test_one_that_cannot_be_read_is_passed_over_and_told(five, caplog):
    (bad,) = (folder for folder in RunFolder.all(five, "crab") if folder.label.startswith("a-"))
    bad.replace("run.json", b"{")
    assert names(five) == ["b", "d", "e", "c"]
    assert f"passed over: {bad.uri_of('run.json')} is not JSON" in caplog.text
