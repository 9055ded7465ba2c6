"""Alerts of a live Airflow at a receiver on loopback: each once, whatever is cleared, and none that decides a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import astropy.units as u
import pytest

from gammaops.simulation.sources import truth_models

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requirement("R26", "R32")]

CURVE = "  - {name: curve, tag: light-curve, required_products: [datasets, fit], products: light_curve}\n"
BAND = "light_curve: {energy_edges: {min: 1 TeV, max: 10 TeV, nbins: 1}, source: crab}\n"


@pytest.fixture
def alerting(live, web):
    """Adds an analysis with a light curve and these alerts, told over a connection to the receiver."""
    made: list[str] = []

    def add(name: str, alerts: str, analysis: str = live.analysis) -> None:
        made.append(f"to-{name}")
        live.client.post("/connections", {"connection_id": made[-1], "conn_type": "http", "host": f"{web.url}/hook"})
        live.add(name, f"{BAND}{analysis}{CURVE}alerts:\n{alerts}".replace("WHOM", made[-1]))

    return add


def told(web, rule: str) -> list[dict[str, Any]]:
    messages = [json.loads(body) for _, _, body in web.posts]
    return [message for message in messages if message["rule"] == rule]


def clear(live, dag_id: str, run_id: str, *tasks: str) -> str:
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": list(tasks), "only_failed": False}
    live.client.post(f"/dags/{dag_id}/clearTaskInstances", {**body, "include_downstream": True})
    live.wait(lambda: live.client.run_state(dag_id, run_id) in ("queued", "running"))
    return live.client.wait_run(dag_id, run_id)


def test_a_flux_and_a_quarantine_are_told_once_each(live, alerting, web, nights):
    alerting(
        "alerting",
        "  flare: {flux_above: 1e-12 cm-2 s-1, tell: WHOM}\n"
        "  outburst: {flux_above: 1e-8 cm-2 s-1, tell: WHOM}\n"
        "  lost: {quarantined_above: 20 %, tell: WHOM}\n"
        "  red: {failed: true, tell: WHOM}\n",
    )
    first, second = list(live.backfill("alerting", nights[:2]))
    record = live.record("alerting", first)
    live.check(record, "success")
    assert [alert["rule"] for alert in record["alerts"]] == ["flare", "lost"]
    assert [alert["rule"] for alert in live.record("alerting", second)["alerts"]] == ["flare"]
    flares, (lost,) = told(web, "flare"), told(web, "lost")
    assert sorted(message["nights"] for message in flares) == [[nights[0]], [nights[1]]]
    assert len(web.posts) == 3
    assert lost["value"] == 50.0
    assert lost["what"] == "1 of 2 observations are quarantined or missing (50 %), more than 20 %"
    flare = next(message for message in flares if message["nights"] == [nights[0]])
    # One observation of 20 minutes: the flux that was simulated, within its error bar.
    truth = truth_models()["crab"].spectral_model.integral(1 * u.TeV, 10 * u.TeV).to_value("cm-2 s-1")
    assert flare["value"] == pytest.approx(truth, abs=3 * flare["error"])
    assert flare["error"] < 0.2 * truth
    assert flare["unit"] == "cm-2 s-1"
    assert flare["threshold"] == "1e-12 cm-2 s-1"
    assert flare["link"] == (
        f"{live.client.url.replace('127.0.0.1', 'localhost')}/dags/alerting/runs/{quote(first, safe='')}"
        "/plugin/gammaops-products"
    )
    assert live.client.tasks("alerting", first)["alerts", -1] == "success"
    for cleared in ("verdict", "alerts", "report"):
        assert clear(live, "alerting", first, cleared) == "success"
    assert len(web.posts) == 3, "what has been told is not told again"


def test_nobody_to_tell_leaves_a_green_run_green_and_says_so(live, nights):
    text = f"{live.analysis}alerts: {{lost: {{quarantined_above: 20 %, tell: nobody}}}}\n"
    live.add("untold", text)
    (run_id,) = live.backfill("untold", nights[:1])
    live.check(live.record("untold", run_id), "success")
    states = live.client.tasks("untold", run_id)
    assert (states["alerts", -1], states["verdict", -1]) == ("failed", "success")
    assert log_of(live, "untold", "alerts").count("connection nobody: is not there") >= 1
    assert "not everybody could be told of this run; see the log of alerts" in log_of(live, "untold", "verdict")


def log_of(live, dag_id: str, task_id: str) -> str:
    logs = (live.airflow.home / "logs").rglob(f"dag_id={dag_id}/**/task_id={task_id}/attempt=*.log")
    return "".join(Path(log).read_text(encoding="utf-8") for log in logs)


def test_a_run_that_misses_its_deadline_is_told_while_it_runs(live, alerting, web):
    """A second is over before the first task has ended."""
    start = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    analysis = live.analysis.replace("start: 2025-11-01", f"start: {start}")
    alerting("late-report", "  late: {deadline: 1 s, tell: WHOM}\n", analysis)
    versions = len(live.client.get("/dags/late-report/dagVersions")["dag_versions"])
    live.client.unpause("late-report")
    try:
        live.wait(lambda: live.client.runs("late-report"))
        (run, *_) = live.client.runs("late-report")
        live.wait(lambda: told(web, "late"))
        assert live.client.wait_run("late-report", run["dag_run_id"]) == "success"
    finally:
        live.client.patch("/dags/late-report", {"is_paused": True})
    (message,) = told(web, "late")
    assert message["kind"] == "deadline"
    assert message["run"] == run["dag_run_id"]
    assert message["what"].startswith("no report yet: the run should have ended by ")
    assert len(live.client.get("/dags/late-report/dagVersions")["dag_versions"]) == versions == 1
