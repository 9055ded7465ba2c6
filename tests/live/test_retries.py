"""What the scheduler makes of killed tasks, of pools, and of runs that have little or nothing to reduce."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow]

KILLED = 3
TASK = "dag_id = ? and run_id = ? and task_id = 'reduce.reduce'"


def record(live, dag_id: str, run_id: str) -> Mapping[str, object]:
    return json.loads(live.path_of(dag_id, run_id).with_name("run.json").read_text(encoding="utf-8"))


def wait_until(ask: Callable[[], object], timeout_s: float = 180) -> None:
    deadline = time.monotonic() + timeout_s
    while not ask():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def kill_at_work(live, run_id: str, number: int) -> None:
    """Kill the `number`-th try of a task while its marker names the observation."""
    pattern = f"runs/heavy/*/v001/attempt.reduce.parts.*.{number}.json"

    def at_work() -> bool:
        return any(f'"{KILLED}"' in path.read_text(encoding="utf-8") for path in live.store.glob(pattern))

    wait_until(at_work)
    ((pid,),) = live.client.query(
        f"select pid from task_instance where {TASK} and try_number = ? and state = 'running'",  # noqa: S608
        ("heavy", run_id, number),
    )
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def heavy(live) -> str:
    """A run in whose pool one task goes at a time, and of which one observation is killed twice."""
    text = live.analysis.replace("schedule: nightly", "schedule: null")
    text = text.replace("tag: data-reduction", "tag: data-reduction, pool: one-at-a-time, max_active_tasks: 1")
    text = text.replace("nbins: 18", "nbins: 48").replace("nbins: 36", "nbins: 96")
    live.add("heavy", text)
    live.client.unpause("heavy")
    run_id = live.client.trigger("heavy", {"obs_ids": [1, KILLED, 4, 5], "steps": ["reduce"]})
    for number in (1, 2):
        kill_at_work(live, run_id, number)
    assert live.client.wait_run("heavy", run_id) == "success"
    return run_id


@pytest.mark.requirement("R13", "R15")
def test_an_observation_that_kills_two_tries_is_set_aside_and_the_others_go_on(live, heavy):
    rows = live.client.query(
        f"select rendered_map_index, state, try_number from task_instance where {TASK} order by map_index",  # noqa: S608
        ("heavy", heavy),
    )
    assert rows == [("1", "success", 1), ("3 quarantined: OOM", "success", 3), ("4", "success", 1), ("5", "success", 1)]
    found = record(live, "heavy", heavy)
    states = {row["obs_id"]: row["state"] for row in found["ledger"]}
    assert states == {1: "done", 3: "quarantined", 4: "done", 5: "done"}
    assert "PARTIAL: 4 expected: 3 done, 1 quarantined (3: OOM)" in found["verdict"]["line"]
    assert not list(live.store.glob("runs/heavy/*/v001/attempt.*.3.json")), "the last try has ended by itself"


def test_the_log_of_the_next_try_says_what_became_of_the_one_before(live, heavy):
    logs = (live.airflow.home / "logs").rglob("dag_id=heavy/**/task_id=reduce.reduce/map_index=1/attempt=2.log")
    (text,) = [log.read_text(encoding="utf-8") for log in logs]
    assert "an earlier try was killed while it worked on 3, most likely for want of memory" in text


@pytest.mark.requirement("R10")
def test_tasks_of_a_step_take_slots_of_its_pool_and_never_more_at_a_time(live, heavy):
    pools = {pool["name"]: pool["slots"] for pool in live.client.get("/pools")["pools"]}
    assert pools["one-at-a-time"] == 1
    rows = live.client.query(
        f"select pool, start_date, end_date from task_instance where {TASK} order by start_date",  # noqa: S608
        ("heavy", heavy),
    )
    assert {pool for pool, *_ in rows} == {"one-at-a-time"}
    assert all(end <= start for (*_, end), (_, start, _) in pairwise(rows))


@pytest.fixture(scope="module")
def judged(live) -> Callable[[Mapping[str, object]], tuple[str, str]]:
    """State and verdict of a run with these parameters."""
    live.add("judged", live.analysis.replace("schedule: nightly", "schedule: null").replace("60 %", "20 %"))
    live.client.unpause("judged")

    def judge(params: Mapping[str, object]) -> tuple[str, str]:
        run_id = live.client.trigger("judged", {**params, "steps": ["reduce"]})
        return live.client.wait_run("judged", run_id), record(live, "judged", run_id)["verdict"]["line"]

    return judge


@pytest.mark.parametrize(
    ("params", "state", "line"),
    [
        ({"night": "2025-06-01"}, "success", "NO_DATA: no observation was expected"),
        ({"obs_ids": [2]}, "failed", "1 expected, none could be used"),
        ({"obs_ids": [1, 2, 3]}, "failed", "1 of 3 quarantined or missing, more than 20 %"),
        ({"obs_ids": [1, 2, 3, 4, 5]}, "success", ", 1 quarantined (2: truncated)"),
    ],
    ids=["none", "all-bad", "too-many-bad", "few-bad"],
)
@pytest.mark.requirement("R12", "R13")
def test_a_run_is_as_green_as_what_could_be_used(judged, params, state, line):
    found, said = judged(params)
    assert found == state
    assert line in said
