"""What a config becomes: tasks, their order, and what each of them may see."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from airflow.sdk import DAG, TaskGroup
from airflow.serialization.serialized_objects import DagSerialization

from gammaops.config import load_config, parse_config
from gammaops.orchestration.factory import build_dag

SNAPSHOTS = Path(__file__).parent / "snapshots"
ROOT = Path(__file__).resolve().parents[2]


def described(dag: DAG) -> list[dict[str, object]]:
    """What matters of each task, in order of its id."""
    return [
        {
            "task_id": task.task_id,
            "operator": task.task_type,
            "upstream": sorted(task.upstream_task_ids),
            "trigger_rule": str(task.trigger_rule),
            "mapped": task.is_mapped,
            "retries": task.retries,
            "outlets": [asset.name for asset in task.outlets or ()],
        }
        for task in sorted(dag.tasks, key=lambda task: task.task_id)
    ]


def test_structure_is_the_recorded_one(example):
    """Set GAMMAOPS_UPDATE_SNAPSHOTS=1 to record an intended change."""
    path = SNAPSHOTS / f"{example.dag_id}.json"
    text = json.dumps(described(example), indent=1) + "\n"
    if os.environ.get("GAMMAOPS_UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_verdict_is_the_only_leaf(example):
    assert [task.task_id for task in example.tasks if not task.downstream_task_ids] == ["verdict"]


def test_start_is_the_only_root(example):
    assert [task.task_id for task in example.tasks if not task.upstream_task_ids] == ["start"]


@pytest.mark.requirement("A1.5", "R10")
def test_a_step_with_fan_out_is_a_group_of_three(example):
    groups = [child for child in example.task_group.children.values() if isinstance(child, TaskGroup)]
    assert groups
    for group in groups:
        names = {name.removeprefix(f"{group.group_id}.") for name in group.children}
        assert names in ({"select", "reduce", "collect"}, {"split", "run", "collect"})


@pytest.mark.requirement("A2.1", "R5")
def test_template_fields_hold_references_to_tasks_and_nothing_else(example):
    def leaves(value: object) -> list[object]:
        if isinstance(value, dict):
            return [leaf for each in value.values() for leaf in leaves(each)]
        if isinstance(value, list | tuple):
            return [leaf for each in value for leaf in leaves(each)]
        return [value]

    for task in example.tasks:
        if task.is_mapped:
            assert tuple(task.template_fields) == ()
        else:
            assert tuple(task.template_fields) in ((), ("inputs",))
        for field in task.template_fields:
            assert {type(leaf).__name__ for leaf in leaves(getattr(task, field))} <= {"PlainXComArg"}


def test_every_task_retries_by_who_must_act(example):
    for task in example.tasks:
        arguments = task.partial_kwargs if task.is_mapped else vars(task)
        assert len(arguments["retry_policy"].rules) == 7


def test_strings_of_the_config_are_not_rendered(make_dag):
    dag = make_dag(more='tags: ["{{ 7 * 7 }}"]')
    assert "{{ 7 * 7 }}" in dag.tags
    assert dag.render_template_as_native_obj is False


def test_making_a_dag_twice_gives_the_same_bytes():
    path = Path(__file__).parents[1] / "data" / "crab.yaml"
    first, second = (DagSerialization.to_dict(build_dag(load_config(path))) for _ in range(2))
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def test_a_dag_survives_serialization(example):
    written = json.loads(json.dumps(DagSerialization.to_dict(example)))
    read = DagSerialization.from_dict(written)
    assert sorted(read.task_dict) == sorted(task.task_id for task in example.tasks)
    assert read.doc_md == example.doc_md
    assert {name: set(read.task_dict[name].upstream_task_ids) for name in read.task_dict} == {
        task.task_id: set(task.upstream_task_ids) for task in example.tasks
    }
    assert dict(read.params.items()).keys() == dict(example.params.items()).keys()


def test_an_edit_makes_another_version_of_the_dag(make_dag):
    first, second = make_dag(more="lookback: 3"), make_dag(more="lookback: 4")
    assert first.doc_md != second.doc_md


def test_a_manual_analysis_looks_for_no_late_nights(make_dag):
    tasks = {task.task_id for task in make_dag(schedule="null").tasks}
    assert not tasks & {"late", "late_run"}


def test_the_docs_of_a_manual_analysis_say_how_to_choose_nights(make_dag):
    assert "cannot be backfilled" in make_dag(schedule="null").doc_md
    assert "cannot be backfilled" not in make_dag().doc_md


@pytest.mark.parametrize(
    ("rule", "waits_for"), [("", "none_failed"), ("strict", "none_failed"), ("lenient", "all_done")]
)
@pytest.mark.requirement("A3.14", "R12")
def test_a_lenient_step_runs_whatever_failed_before_it(rule: str, waits_for: str):
    text = (ROOT / "tests" / "data" / "original.yaml").read_text(encoding="utf-8")
    text += f"    rule: {rule}\n"
    tasks = build_dag(parse_config(text, "original", "original.yaml")).task_dict
    assert tasks["hess_excess_map"].trigger_rule == waits_for
    assert {tasks[f"{name}_data_reduction.select"].trigger_rule for name in ("hess1", "hess1u")} == {"none_failed"}


@pytest.mark.requirement("A3.4")
def test_a_step_whose_inputs_are_given_waits_for_the_start_alone():
    path = f"products/datasets/ab/ab{'0' * 30}.{'1' * 16}.json"
    text = f"general: {{models_file: m.yaml}}\nsteps: [{{name: fit, tag: fit, inputs: {path}}}]\n"
    dag = build_dag(parse_config(text, "given", "given.yaml"))
    assert dag.task_dict["fit"].upstream_task_ids == {"start"}


def test_the_docs_say_in_words_when_it_runs_and_what_each_step_makes(make_dag):
    words = make_dag(more="delay: 3 h, end: 2004-12-31").doc_md
    assert (
        "Runs for every night at `hess` (from 10:54 UTC to the same time next day), from 2004-12-01 to 2004-12-31,"
        " 3 h after its end. It takes the observations of its night."
    ) in words
    assert "1. `reduce` (`data-reduction`): data → `datasets`. Reduces DL3 observations" in words
    assert "3. `spectrum` (`fit`): `stacked` → `fit`." in words


def test_the_docs_of_an_analysis_that_a_product_starts_name_it(make_dag):
    words = make_dag(schedule="{product: crab/datasets}").doc_md
    assert "Runs when `crab/datasets` updates, for its nights (it cannot be backfilled)." in words


def test_the_docs_say_who_is_told_what():
    path = ROOT / "tests" / "data" / "crab.yaml"
    told = "alerts: {red: {failed: true, tell: [a, b]}, lost: {quarantined_above: 20 %, tell: a}}\n"
    words = build_dag(parse_config(path.read_text(encoding="utf-8") + told, "crab", "crab.yaml")).doc_md
    assert "Alert `red`: a red run is told to `a`, `b`. Alert `lost`: more than 20 % quarantined or missing is" in words


def test_tags_name_site_type_of_data_and_sources(make_dag):
    assert make_dag(more="tags: [survey]").tags == {"gammaops", "kind:1d", "site:hess", "survey"}
    dag = build_dag(load_config(ROOT / "include" / "configs" / "crab-1d.yaml"))
    assert dag.tags >= {"target:crab", "kind:1d", "site:hess"}


def test_the_owner_is_named_and_linked(make_dag):
    dag = make_dag(more='owner: night shift, owner_link: "mailto:shift@example.org"')
    assert dag.owner_links == {"night shift": "mailto:shift@example.org"}
    assert {task.owner for task in dag.tasks} == {"night shift"}
    assert make_dag().owner == "gammaops"


def test_nights_are_scheduled_from_the_first_to_the_last_one(make_dag):
    dag = make_dag(more="end: 2004-12-03, catchup: true")
    assert dag.start_date.isoformat() == "2004-12-01T10:54:00+00:00"
    assert dag.end_date.isoformat() == "2004-12-03T10:54:00+00:00"
    hourly = make_dag(schedule='"0 12 * * *"', more="end: 2004-12-03")
    assert hourly.end_date.isoformat() == "2004-12-03T23:59:59.999999+00:00"


def test_the_verdict_knows_an_edit_that_changes_the_tasks_from_one_of_values():
    text = (ROOT / "tests" / "data" / "crab.yaml").read_text(encoding="utf-8")
    without = text[: text.rindex("  - {name:")]

    def shape(text: str) -> str:
        return build_dag(parse_config(text, "crab", "crab.yaml")).task_dict["verdict"].shape

    assert shape(text.replace("0.11 deg", "0.12 deg")) == shape(text)
    assert shape(without) != shape(text)


@pytest.mark.requirement("R10")
def test_a_step_takes_its_pool_queue_and_limit_to_its_tasks_alone():
    text = (ROOT / "tests" / "data" / "crab.yaml").read_text(encoding="utf-8")
    running = "pool: one-at-a-time, queue: large, max_active_tasks: 3"
    text = text.replace("tag: data-reduction", f"tag: data-reduction, {running}")
    tasks = build_dag(parse_config(text, "crab", "crab.yaml")).task_dict
    ours = {name: task for name, task in tasks.items() if name.startswith("reduce.")}
    assert len(ours) == 3
    for name, task in tasks.items():
        assert (task.pool, task.queue) == (("one-at-a-time", "large") if name in ours else ("default_pool", "default"))
    assert tasks["reduce.reduce"].partial_kwargs["max_active_tis_per_dagrun"] == 3
