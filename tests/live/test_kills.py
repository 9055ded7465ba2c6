"""Nights under fire: tasks, the scheduler and the dag-processor are killed at random moments, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import gammaops
from gammaops.nights import night_interval
from gammaops.simulation import ArchivePlan

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requirement("R15", "R32")]

FULL = bool(os.environ.get("FULL"))
KILLS = 20 if FULL else 6
PLAN = ArchivePlan(
    nights=12 if FULL else 5,
    observations=2,
    first_night=date(2025, 11, 17),
    seed=8,
    duration_min=20,
    size="small",
    bad={2: "truncated"},
)
SEED = 20061129
ENDED = {"success", "failed"}
VICTIMS = ("task", "scheduler", "dag-processor")
# A killed scheduler is taken for dead after seconds instead of minutes, and so are the tasks that died with it.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
}


@pytest.fixture(scope="module")
def under_fire(start_live, tmp_path_factory) -> Iterator[object]:
    """An Airflow that recovers within seconds."""
    with start_live(tmp_path_factory.mktemp("fire"), PLAN, IMPATIENT) as found:
        yield found


def calm_products(live, nights: list[str], folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Products of each night as the command line makes them, undisturbed."""
    found = {}
    for night in nights:
        local = gammaops.run(live.configs / "fire.yaml", folder, nights=[night], label=night)
        record = Path(unquote(urlsplit(local.report).path)).with_name("run.json")
        found[night] = live.named_products(json.loads(record.read_bytes()))
    return found


def kill_a_task(live, spared: set[tuple[object, ...]]) -> bool:
    """Kill the process of a running task; none twice, because what kills a task twice is taken for its data's fault."""
    where = "state = 'running' and pid > 0"
    rows = live.client.query(f"select pid, run_id, task_id, map_index from task_instance where {where}")  # noqa: S608
    for pid, *which in random.sample(rows, len(rows)):
        if tuple(which) not in spared:
            spared.add(tuple(which))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
    return False


def check_ended(live, dag_id: str) -> dict[str, str]:
    """Check every run that has ended so far; run_id of the green ones, by night."""
    green = {}
    for run in live.client.runs(dag_id):
        if run["state"] in ENDED:
            record = live.record(dag_id, run["dag_run_id"])
            live.check(record, run["state"])
            if run["state"] == "success":
                green[record["nights"][0]] = run["dag_run_id"]
    return green


def test_nothing_is_lost_when_anything_is_killed_at_any_moment(under_fire, tmp_path, monkeypatch):
    live = under_fire
    nights = live.nights
    live.add("fire", live.analysis.replace("retries: 2", f"retries: 8, end: {nights[-1]}"))
    noons = [night_interval(night, live.plan.site.lon_deg)[0].isoformat() for night in (nights[0], nights[-1])]
    live.airflow.begin_backfill("fire", *noons)
    dice = random.Random(SEED)  # noqa: S311 - a choice, no secret
    spared: set[tuple[object, ...]] = set()
    for victim in dice.sample(VICTIMS * KILLS, KILLS):
        time.sleep(dice.uniform(1, 6))
        if victim == "task":
            live.wait(lambda: kill_a_task(live, spared))
        else:
            live.airflow.restart(victim)
        check_ended(live, "fire")
    for run in live.client.runs("fire"):
        live.client.wait_run("fire", run["dag_run_id"], 900)
    green = check_ended(live, "fire")
    monkeypatch.setenv("GAMMAOPS_DATA", str(live.data))
    calm = calm_products(live, nights, tmp_path)
    assert sorted(green) == nights
    assert {night: live.named_products(live.record("fire", run_id)) for night, run_id in green.items()} == calm
