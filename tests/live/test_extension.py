"""The three steps of another package in a live Airflow."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sum-step" / "three-steps.yaml"


@pytest.mark.requirement("A1.5", "A1.8", "A3.12", "R2")
def test_two_sums_run_side_by_side_and_the_third_waits_for_both(live):
    # Long enough that the second starts while the first still sleeps, however slow the machine.
    slow = EXAMPLE.read_text(encoding="utf-8").replace("{sum: {add: 1}}", "{sum: {add: 1, pause: 15 s}}")
    slow = slow.replace("{sum: {add: 2}}", "{sum: {add: 2, pause: 15 s}}")
    live.add("three-steps", slow)
    live.client.unpause("three-steps")
    run_id = live.client.trigger("three-steps")
    assert live.client.wait_run("three-steps", run_id) == "success"
    rows = live.client.query(
        "select task_id, start_date, end_date from task_instance where dag_id = 'three-steps' and run_id = ?", (run_id,)
    )
    times = {task: tuple(datetime.fromisoformat(str(moment)) for moment in moments) for task, *moments in rows}
    first, second, third = times["first"], times["second"], times["third"]
    assert max(first[0], second[0]) < min(first[1], second[1]), "they overlap"
    assert third[0] >= max(first[1], second[1])
    report = live.path_of("three-steps", run_id)
    record = json.loads(report.with_name("run.json").read_text(encoding="utf-8"))
    assert [step["products"][0]["metrics"]["sum"] for step in record["steps"]] == [1, 2, 3]
    assert "0 + 1 + 2 = 3" in report.read_text(encoding="utf-8")
