"""A config that is edited during a run: values leave the run alone, other steps or a broken file end it red."""

from __future__ import annotations

from urllib.parse import quote

import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requirement("R32")]

BINS = {"test_an_edit_of_values": 14, "test_an_edit_of_the_steps": 15, "test_a_file_that_breaks": 17}
POINTS = "  - {name: points, tag: flux-points, required_products: [datasets, fit], products: flux_points}\n"


def begun(live, dag_id: str, text: str) -> str:
    """A run of one night of which the config is frozen; nothing further of it is started until it is edited."""
    live.add(dag_id, text)
    live.client.unpause(dag_id)
    run_id = live.client.trigger(dag_id, {"night": live.nights[0]})
    where = f"dag_id = '{dag_id}' and run_id = '{run_id}' and task_id = 'start' and state = 'success'"
    live.wait(lambda: live.client.query(f"select 1 from task_instance where {where}"))  # noqa: S608
    live.client.patch(f"/dags/{dag_id}", {"is_paused": True})
    return run_id


def edit(live, dag_id: str, text: str) -> None:
    """Write another config, and wait until Airflow has a DAG of it."""
    before = live.client.get(f"/dags/{dag_id}/details")["doc_md"]
    (live.configs / f"{dag_id}.yaml").write_text(text, encoding="utf-8")
    live.wait(lambda: live.client.get(f"/dags/{dag_id}/details")["doc_md"] != before)
    live.client.unpause(dag_id)


def clear(live, dag_id: str, run_id: str) -> str:
    live.client.post(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/clear", {"dry_run": False})
    live.wait(lambda: live.client.run_state(dag_id, run_id) not in ("success", "failed"))
    return live.client.wait_run(dag_id, run_id)


def log_of(live, dag_id: str, run_id: str, task: str) -> str:
    logs = sorted((live.airflow.home / "logs").rglob(f"dag_id={dag_id}/run_id={run_id}/task_id={task}/attempt=*.log"))
    return logs[-1].read_text(encoding="utf-8")


@pytest.fixture
def other(live, request) -> str:
    """The analysis with products that no other test has, so that a run of it takes its time."""
    (nbins,) = (number for name, number in BINS.items() if request.node.name.startswith(name))
    return live.analysis.replace("nbins: 18", f"nbins: {nbins}")


def test_an_edit_of_values_does_not_touch_a_run_that_has_begun(live, other):
    run_id = begun(live, "edit-values", other)
    edit(live, "edit-values", other.replace("radius: 0.2 deg", "radius: 0.3 deg"))
    assert live.client.wait_run("edit-values", run_id) == "success"
    report = live.path_of("edit-values", run_id)
    assert "radius: 0.2 deg" in report.with_name("config.yaml").read_text(encoding="utf-8")
    live.check(live.record("edit-values", run_id), "success")


def test_an_edit_of_the_steps_ends_the_run_red_and_a_clear_finishes_it(live, other):
    run_id = begun(live, "edit-steps", other)
    edit(live, "edit-steps", other.replace(POINTS, POINTS.replace("name: points", "name: flux")))
    assert live.client.wait_run("edit-steps", run_id) == "failed"
    assert "the config was changed during the run and has other steps now" in log_of(
        live, "edit-steps", run_id, "verdict"
    )
    assert clear(live, "edit-steps", run_id) == "success"
    record = live.record("edit-steps", run_id)
    live.check(record, "success")
    assert [step["name"] for step in record["steps"]] == ["reduce", "spectrum", "flux"]


def test_a_file_that_breaks_ends_the_run_red_and_a_clear_finishes_it(live, other):
    run_id = begun(live, "edit-broken", other)
    edit(live, "edit-broken", other.replace("site: hess", "site: mars"))
    assert live.client.wait_run("edit-broken", run_id) == "failed"
    assert "mars" in log_of(live, "edit-broken", run_id, "config_error")
    edit(live, "edit-broken", other)
    assert clear(live, "edit-broken", run_id) == "success"
    live.check(live.record("edit-broken", run_id), "success")
