"""Analyses in a live Airflow: the same products as on the command line, also when tasks are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

import gammaops
from gammaops.runner import LocalRun

pytestmark = [pytest.mark.live, pytest.mark.slow]

HESS_LON_DEG = 16.5
PATH = re.compile(r"file:///[^\s]+")
AIRFLOWS_OWN = re.compile(r"_link_.+|trigger_run_id")


def products(record_path: Path) -> dict[str, str]:
    """Key and digest of each product of a run, by name."""
    record = json.loads(record_path.read_text(encoding="utf-8"))
    return {p["name"]: Path(p["path"]).name for step in record["steps"] for p in step["products"]}


def record_of(local: LocalRun) -> Path:
    return path_of(local.report).with_name("run.json")


def path_of(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


@pytest.fixture(scope="module")
def runs(live, nights) -> Mapping[str, str]:
    """The three nights, backfilled by the scheduler."""
    live.add("nightly")
    return live.backfill("nightly", nights)


@pytest.fixture
def with_live_data(live, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_DATA", str(live.data))


def test_a_bad_observation_is_quarantined_and_labelled(live, runs):
    first = next(iter(runs))
    rows = live.client.query(
        "select map_index, rendered_map_index, state from task_instance"
        " where dag_id = 'nightly' and run_id = ? and task_id = 'reduce.reduce' order by map_index",
        (first,),
    )
    assert rows == [(0, "1", "success"), (1, "2 quarantined: truncated", "success")]


def test_a_second_backfill_reuses_every_observation(live, runs, nights):
    files = sorted(path for path in (live.store / "products").rglob("*") if path.is_file())
    again = live.backfill("nightly", nights, reprocess="completed")
    assert dict(again) == dict(runs)
    for run_id in again:
        record = json.loads(live.path_of("nightly", run_id).with_name("run.json").read_text(encoding="utf-8"))
        assert record["version"] == "v002"
        assert {row["state"] for row in record["ledger"]} <= {"reused", "quarantined"}
    assert sorted(path for path in (live.store / "products").rglob("*") if path.is_file()) == files


def test_xcom_holds_product_paths_and_nothing_else(live, runs):
    rows = live.client.xcoms("%")
    assert rows
    for _, task, _, key, value in rows:
        if key != "return_value":
            assert AIRFLOWS_OWN.fullmatch(key), (task, key)
            continue
        for path in value if isinstance(value, list) else [value]:
            assert PATH.fullmatch(path), (task, path)
            assert len(path.encode()) <= 256


def test_no_task_imports_what_the_scheduler_has_loaded(live, runs):
    logs = list((live.airflow.home / "logs").rglob("dag_id=nightly/**/attempt=*.log"))
    texts = [log.read_text(encoding="utf-8").splitlines() for log in logs]
    lines = [line for text in texts for line in text if "imported in this task" in line]
    # reduce: three tasks of a night and two mapped ones; points the same; fit and report
    assert len(lines) >= 3 * 9
    assert [line for line in lines if "imported in this task: nothing scientific" not in line] == []


def page(live, run_id: str, *, token: str = "") -> tuple[int, Mapping[str, str], str]:
    """What a browser gets for the Products tab of a run."""
    url = f"{live.client.url}/gammaops/report/nightly/{quote(run_id, safe='')}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@pytest.mark.requirement("R35")
def test_the_products_tab_shows_the_report_to_those_who_may_see_the_run(live, runs):
    run_id = next(iter(runs))
    assert page(live, run_id)[0] == 401
    status, headers, text = page(live, run_id, token=live.client.token())
    assert status == 200
    assert text == live.path_of("nightly", run_id).read_text(encoding="utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_run_without_a_report_says_so(live, runs):
    status, _, text = page(live, "<b>none", token=live.client.token())
    assert status == 404
    assert "&lt;b&gt;none has not written its report yet" in text


def test_an_unknown_parameter_is_refused(live, runs):
    run_id = live.client.trigger("nightly", {"nihgt": "2025-11-17"})
    assert live.client.wait_run("nightly", run_id) == "failed"
    states = live.client.tasks("nightly", run_id)
    assert states["start", -1] == "failed"
    assert states["verdict", -1] == "failed"
    (log,) = (live.airflow.home / "logs").rglob(f"dag_id=nightly/run_id={run_id}/task_id=start/attempt=*.log")
    assert "params: nihgt: is not a parameter of a run" in log.read_text(encoding="utf-8")


@pytest.mark.requirement("A3.8", "R17")
def test_chosen_observations_and_steps_run_alone(live, runs):
    run_id = live.client.trigger("nightly", {"obs_ids": [4], "steps": ["reduce"], "label": "one"})
    assert live.client.wait_run("nightly", run_id) == "success"
    states = live.client.tasks("nightly", run_id)
    assert {task: state for (task, _), state in states.items() if task.startswith(("spectrum", "points"))} == {
        "spectrum": "skipped",
        "points.split": "skipped",
        "points.run": "skipped",
        "points.collect": "skipped",
    }
    record = json.loads(live.path_of("nightly", run_id).with_name("run.json").read_text(encoding="utf-8"))
    assert [row["obs_id"] for row in record["ledger"]] == [4]


@pytest.mark.requirement("R15", "R32")
def test_a_killed_reduction_is_tried_again_and_gives_the_same_digests(live, runs, tmp_path, with_live_data):
    text = live.analysis.replace("retries: 2", "retries: 2, observations_per_task: 100")
    text = text.replace("schedule: nightly", "schedule: null")
    text = text.replace("nbins: 18", "nbins: 20")  # no other analysis has made these products
    live.add("killed", text)
    live.client.unpause("killed")
    parts = live.store / "products" / "dataset"
    before = set(parts.rglob("*.json"))
    run_id = live.client.trigger("killed", {"start": "2025-11-01", "steps": ["reduce"]})
    wait_until(lambda: set(parts.rglob("*.json")) - before)
    where = "dag_id = 'killed' and run_id = ? and task_id = 'reduce.reduce'"
    ((pid, state),) = live.client.query(f"select pid, state from task_instance where {where}", (run_id,))  # noqa: S608
    assert state == "running"
    os.kill(pid, signal.SIGKILL)
    assert live.client.wait_run("killed", run_id) == "success"
    assert live.client.query(f"select try_number from task_instance where {where}", (run_id,)) == [(2,)]  # noqa: S608
    calm = gammaops.run(live.configs / "killed.yaml", tmp_path, start="2025-11-01", steps=["reduce"], label="calm")
    assert products(live.path_of("killed", run_id).with_name("run.json")) == products(record_of(calm))


def wait_until(ask: Callable[[], object], timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not ask():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
