"""Parameters that cannot be meant: refused with 400, or by the first task before anything is computed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gammaops.orchestration.local import AirflowApiError

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requirement("R17")]

BAD_REQUEST = 400
DAG_ID = "wrong-params"

# What JSON schema can tell: parameters, and what the answer says of them.
REFUSED_AT_ONCE = {
    "no date": ({"night": "yesterday"}, "night"),
    "no such day": ({"night": "2025-02-30"}, "night"),
    "a number for a night": ({"night": 20251117}, "night"),
    "observations as text": ({"obs_ids": "4"}, "obs_ids"),
    "a negative observation": ({"obs_ids": [-1]}, "obs_ids"),
    "half an observation": ({"obs_ids": [1.5]}, "obs_ids"),
    "an observation twice": ({"obs_ids": [4, 4]}, "obs_ids"),
    "a time in words": ({"start": "after midnight"}, "start"),
    "a time as a number": ({"stop": 20251118}, "stop"),
    "a step that is none": ({"steps": ["reduce", "flux"]}, "steps"),
    "a step as text": ({"steps": "reduce"}, "steps"),
    "a step twice": ({"steps": ["reduce", "reduce"]}, "steps"),
    "no way to reuse": ({"reuse": "sometimes"}, "reuse"),
    "a label with blanks": ({"label": "my run"}, "label"),
    "a label that leads out": ({"label": "../../etc"}, "label"),
    "a block that is none": ({"config": {"dataset": {"stack": True}}}, "config"),
    "a schedule for a run": ({"config": {"dag": {"retries": 5}}}, "config"),
    "settings as text": ({"config": "stack: true"}, "config"),
    "a template as a target": ({"targets": ["{{ 7 * 7 }}"]}, "targets"),
    "a target as text": ({"targets": "Crab"}, "targets"),
    "a release that leads out": ({"release": "../prod"}, "release"),
    "a dry run in words": ({"dry_run": "yes"}, "dry_run"),
}

# What only the analysis can tell: parameters, and what the log of the first task says.
REFUSED_BY_THE_FIRST_TASK = {
    "unknown": ({"nihgt": "2025-11-17"}, "nihgt: is not a parameter of a run; expected one of: .*did you mean night"),
    "no such time": ({"start": "2025-02-30T00:00"}, "start: '2025-02-30T00:00' is not a time; expected ISO"),
    "backwards": ({"start": "2025-11-19", "stop": "2025-11-18"}, "stop: 2025-11-18T00:00:00 is before start"),
    "night and observations": ({"night": "2025-11-18", "obs_ids": [1]}, "obs_ids: is given, and so is night"),
    "night and time": ({"night": "2025-11-18", "stop": "2025-11-19"}, "stop: is given, and so is night"),
    "no such release": ({"release": "2025-prod"}, "release: the store .* has no release '2025-prod'; it has: "),
    "no such key": (
        {"config": {"datasets": {"stakc": True}}},
        "datasets.stakc: .*unknown.*did you mean stack",
    ),
    "not the unit": (
        {"config": {"datasets": {"on_region": {"radius": "0.2 TeV"}}}},
        "datasets.on_region.radius: .*TeV.*deg",
    ),
    "out of range": (
        {"config": {"datasets": {"geom": {"axes": {"energy": {"nbins": -3}}}}}},
        "datasets.geom.axes.energy.nbins: .*-3",
    ),
    "no such method": (
        {"config": {"datasets": {"background": {"method": "reflektet"}}}},
        "datasets.background.method: .*reflektet.*did you mean reflected",
    ),
    "no such choice": (
        {"config": {"fit": {"datasets": "jiont"}}},
        "fit.datasets: .*jiont.*did you mean joint",
    ),
    "no such models": (
        {"config": {"general": {"models_file": "crap.yaml"}}},
        "general.models_file: 'crap.yaml' does not exist; expected one of",
    ),
    "a path outside": ({"config": {"general": {"models_file": "/etc/passwd"}}}, "general.models_file: .*outside"),
}


@pytest.fixture(scope="module")
def waiting(live) -> Path:
    """The folder of products, of which nothing may change."""
    text = live.analysis.replace("nbins: 18", "nbins: 11").replace("schedule: nightly", "schedule: null")
    live.add(DAG_ID, text)
    live.client.unpause(DAG_ID)
    return live.store / "products"


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("what", REFUSED_AT_ONCE)
def test_what_the_schema_can_tell_is_refused_with_400(live, waiting, what):
    conf, name = REFUSED_AT_ONCE[what]
    before = len(live.client.runs(DAG_ID))
    with pytest.raises(AirflowApiError, match=name) as refused:
        live.client.trigger(DAG_ID, conf)
    assert refused.value.status == BAD_REQUEST
    assert len(str(refused.value)) > len(name) + 40, "it says more than the name"
    assert len(live.client.runs(DAG_ID)) == before


def test_what_only_the_analysis_can_tell_is_refused_by_the_first_task(live, waiting):
    before = files(waiting), files(live.store / "runs" / DAG_ID)
    runs = {what: live.client.trigger(DAG_ID, conf) for what, (conf, _) in REFUSED_BY_THE_FIRST_TASK.items()}
    for what, run_id in runs.items():
        assert live.client.wait_run(DAG_ID, run_id) == "failed", what
        states = live.client.tasks(DAG_ID, run_id)
        assert {task for (task, _), state in states.items() if state == "failed"} == {"start", "verdict"}, what
        assert "success" not in states.values(), what
        tries = live.client.query(
            "select try_number from task_instance where dag_id = ? and run_id = ? and task_id = 'start'",
            (DAG_ID, run_id),
        )
        assert tries == [(1,)], f"{what}: tried again"
        (log,) = (live.airflow.home / "logs").rglob(f"dag_id={DAG_ID}/run_id={run_id}/task_id=start/attempt=1.log")
        message = " ".join(log.read_text(encoding="utf-8").split())
        assert re.search(REFUSED_BY_THE_FIRST_TASK[what][1], message), (what, message[-2000:])
    assert (files(waiting), files(live.store / "runs" / DAG_ID)) == before


def test_a_dry_run_tells_the_plan_and_computes_nothing(live, waiting):
    before = files(waiting)
    run_id = live.client.trigger(DAG_ID, {"night": live.nights[0], "dry_run": True})
    assert live.client.wait_run(DAG_ID, run_id) == "success"
    record = live.record(DAG_ID, run_id)
    assert "DRY RUN: 0 of " in record["verdict"]["line"]
    first = {task["name"]: task["state"] for task in record["plan"][0]["tasks"]}
    assert first == {str(obs_id): "runs" for obs_id in live.expected(live.nights[0])} | {"collect": "waits"}
    assert "nothing like it was made before" in live.path_of(DAG_ID, run_id).read_text(encoding="utf-8")
    assert files(waiting) == before


def test_targets_choose_by_the_names_of_the_archive(live, waiting):
    night = live.nights[2]
    run_id = live.client.trigger(DAG_ID, {"night": night, "targets": ["Crab"], "steps": ["reduce"]})
    other = live.client.trigger(DAG_ID, {"night": night, "targets": ["Crap"], "steps": ["reduce"]})
    assert live.client.wait_run(DAG_ID, run_id) == "success"
    live.check(live.record(DAG_ID, run_id), "success")
    assert live.client.wait_run(DAG_ID, other) == "failed"
    assert "targets: 'Crap' is none of" in live.record(DAG_ID, other)["verdict"]["line"]
