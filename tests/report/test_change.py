from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from gammaops.physics.change import change_table, pull
from gammaops.products import ProductStore, RunFolder
from gammaops.runner.previous import with_previous

INDEX = {"value": 2.6, "error": 0.3, "unit": "", "frozen": False}


def test_pull_is_the_change_over_both_errors():
    assert pull(INDEX, {**INDEX, "value": 3.1, "error": 0.4}) == pytest.approx(-1.0)


def test_table_of_changes_has_free_parameters_that_both_runs_have():
    now = {"index": INDEX, "new": INDEX, "reference": {**INDEX, "frozen": True}}
    table = change_table(now, {"index": {**INDEX, "value": 3.1, "error": 0.4}, "reference": INDEX}, "2026-11-02")
    assert table.rows == [("index", "2.60 ± 0.30", "3.10 ± 0.40", "", "-1.0")]
    assert table.caption.startswith("Change since 2026-11-02.")


def record(run, nights, digest, value=2.6):
    product = {
        "name": "fit",
        "kind": "fit",
        "digest": digest,
        "metrics": {"parameters": {"index": {**INDEX, "value": value}}},
    }
    step = {"name": "spectrum", "reason": "", "products": [product]}
    return {"run": run, "nights": nights, "scope": {"nights": nights}, "steps": [step]}


@pytest.fixture
def run(tmp_path):
    store = ProductStore(tmp_path)
    for name, nights, digest, value in (
        ("a", ["2026-11-01"], "1", 2.1),
        ("b", ["2026-11-02"], "2", 2.2),
        ("d", ["2026-11-09"], "9", 2.9),
    ):
        folder = RunFolder.new(store, "crab", name, {})
        folder.create("run.json", json.dumps(record(folder.relative, nights, digest, value)).encode())
    return SimpleNamespace(store=store, config=SimpleNamespace(name="crab"))


def previous(run, nights, digest):
    ours = RunFolder.new(run.store, "crab", "c", {"begun": "2026-11-27T08:00:00.000000+00:00"})
    (step,) = with_previous(run, record(ours.relative, nights, digest))
    return step["products"][0].get("previous")


def test_the_run_before_is_that_of_the_last_night_before(run):
    found = previous(run, ["2026-11-03"], "3")
    assert found["run"] == "2026-11-02"
    assert found["parameters"]["index"]["value"] == 2.2


def test_of_two_runs_of_a_night_the_one_before_is_the_one_that_began_before(run):
    for name, hour, value in (("y", 6, 2.5), ("x", 7, 2.4), ("z", 9, 2.7)):
        folder = RunFolder.new(run.store, "crab", name, {"begun": f"2026-11-27T0{hour}:00:00.000000+00:00"})
        made = record(folder.relative, ["2026-11-03"], name, value)
        folder.create("run.json", json.dumps(made).encode())
    assert previous(run, ["2026-11-03"], "3")["parameters"]["index"]["value"] == 2.4


def test_the_very_same_fit_tells_nothing(run):
    assert previous(run, ["2026-11-03"], "2")["run"] == "2026-11-01"


def test_the_first_run_has_none_before(run):
    assert previous(run, ["2026-10-01"], "0") is None
