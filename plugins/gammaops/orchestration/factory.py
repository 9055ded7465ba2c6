"""From a config to an Airflow DAG.

    start ─┬─ <step>.select ─ <step>.reduce [mapped] ─ <step>.collect ─┬─ … ─ report ─ late… ─ alerts ─ verdict
           └─ …                                                        └─ …

`late` lists nights and `late_run` starts a run for each, where the analysis looks back; `alerts` tells people, where it
names any. Nothing is decided here that the plan does not say, and no string from a config gets where Airflow would
render it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, TaskGroup

from gammaops.nights import night_interval
from gammaops.orchestration.alerting import RETRIES, AlertsOperator, deadlines_of
from gammaops.orchestration.describing import documentation, owner_links, tags_of, tombstone_documentation
from gammaops.orchestration.end import ReportOperator, VerdictOperator
from gammaops.orchestration.late import LateNightsOperator, LateRunOperator
from gammaops.orchestration.operators import ConfigErrorOperator, StartOperator, operator_class
from gammaops.orchestration.parameters import run_params
from gammaops.orchestration.policies import retrying
from gammaops.orchestration.tasks import START, StepTasks
from gammaops.orchestration.timetable import product_asset, schedule_of
from gammaops.plan import make_plan
from gammaops.schema.schedules import NIGHTLY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from airflow.sdk import BaseOperator

    from gammaops.config import AnalysisConfig
    from gammaops.errors import ConfigError
    from gammaops.plan import Plan, PlannedStep

    Sources: TypeAlias = Mapping[str, Sequence[tuple[StepTasks, BaseOperator]]]

__all__ = ["build_dag", "build_tombstone"]

MAX_ACTIVE_RUNS = 4
OWNER = "gammaops"
LAST_MOMENT = timedelta(days=1, microseconds=-1)
REDUCTION_ROLES = ("select", "reduce")
OTHER_ROLES = ("split", "run")
LATE_TASKS = ("late", "late_run")
ALERTS_TASK = "alerts"
# What Airflow calls the keys of a step that say how its tasks are run.
AIRFLOWS = {"pool": "pool", "queue": "queue", "max_active_tasks": "max_active_tis_per_dagrun"}


class AnalysisDag(DAG):
    """A DAG that is equal to itself alone.

    Airflow would compare and hash it by all its attributes for every edge between two tasks, a fifth of the time of
    making it.
    """

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def build_dag(config: AnalysisConfig) -> DAG:
    """The DAG of an analysis.

    Raises
    ------
    ConfigError
        If its steps cannot be wired; everything else was checked when the config was read.
    """
    plan = make_plan(config)
    settings = config.dag or {}
    with AnalysisDag(
        dag_id=config.name,
        description=config.document.get("description") or "",
        schedule=schedule_of(config),
        start_date=_start_of(config, "start"),
        end_date=_start_of(config, "end"),
        catchup=bool(settings.get("catchup")),
        max_active_runs=MAX_ACTIVE_RUNS,
        max_active_tasks=int(settings.get("max_active_tasks") or 16),
        tags=tags_of(config, plan),
        owner_links=owner_links(config),
        doc_md=documentation(config, plan),
        deadline=deadlines_of(config),
        auto_register=False,
    ) as dag:
        common = {**retrying(int(settings.get("retries") or 0)), "owner": settings.get("owner") or OWNER}
        start = StartOperator(task_id=START, analysis=config, **common)
        tasks = _add_steps(config, plan, start, common)
        _add_end(config, plan, start, tasks, common)
    # Last, because Airflow copies the parameters of a DAG into each task that it gets afterwards, and checks those
    # that it is made with against their schemas: together more than half of the time of making a DAG. A test checks
    # the defaults.
    dag.params.update(run_params([step.name for step in plan.steps]))
    return dag


def build_tombstone(name: str, error: ConfigError) -> DAG:
    """The DAG of a broken config: unscheduled, with the errors in its docs, failing with them when it is triggered."""
    problems = str(error)
    with AnalysisDag(
        dag_id=name,
        description="The config is broken: see the docs of this DAG.",
        schedule=None,
        tags=["config-error", "gammaops"],
        doc_md=tombstone_documentation(problems),
        auto_register=False,
    ) as dag:
        ConfigErrorOperator(task_id="config_error", problems=problems, retries=0)
    return dag


def _start_of(config: AnalysisConfig, key: str) -> datetime | None:
    """When the night that a key of ``dag`` names starts; midnight UTC of its date where no night is meant."""
    settings = config.dag or {}
    day = settings.get(key)
    if not day:
        return None
    if settings["schedule"] == NIGHTLY:
        return night_interval(day, float(config.site["lon_deg"]))[0]  # type: ignore[index]
    return datetime.fromisoformat(f"{day}T00:00:00+00:00") + (key == "end") * LAST_MOMENT


def _add_steps(
    config: AnalysisConfig, plan: Plan, start: BaseOperator, common: Mapping[str, Any]
) -> dict[str, tuple[StepTasks, BaseOperator]]:
    """Tasks of all steps: ids, and the operator that publishes the product, by step name."""
    made: dict[str, tuple[StepTasks, BaseOperator]] = {}
    for step in plan.steps:
        sources = {role: [made[source.step] for source in found] for role, found in step.inputs.items()}
        publishing = {
            "outlets": [product_asset(config.name, product) for product in step.products.values()],
            "behind": [made[name][0] for name in _data_behind(plan, step.name) if name in made],
        }
        running = config.step(step.name).running
        arguments = {**common, "doc_md": step.spec.doc, **{AIRFLOWS[key]: value for key, value in running.items()}}
        build = _add_fan_out if step.spec.fan_out else _add_task
        made[step.name] = build(step, start, sources, publishing, arguments)
    return made


def _data_behind(plan: Plan, name: str) -> list[str]:
    """Steps that start from data and that a step reads from, whatever lies between."""
    behind = plan.upstream_closure([name])
    return [step.name for step in plan.steps if step.name in behind and step.starts_from_data]


def _add_task(
    step: PlannedStep,
    start: BaseOperator,
    sources: Sources,
    publishing: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> tuple[StepTasks, BaseOperator]:
    task = operator_class(step.spec.tag)(
        task_id=step.group_id,
        role="task",
        step=step.name,
        inputs=_inputs(sources),
        trigger_rule=_waits_for(step),
        **publishing,
        **arguments,
    )
    if not any(sources.values()):
        start >> task
    return StepTasks(step.name, task.task_id), task


def _add_fan_out(
    step: PlannedStep,
    start: BaseOperator,
    sources: Sources,
    publishing: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> tuple[StepTasks, BaseOperator]:
    split_id, parts_id = REDUCTION_ROLES if step.spec.observations else OTHER_ROLES
    operator = partial(operator_class(step.spec.tag), step=step.name, **arguments)
    ids_by_role = {role: [ids.product for ids, _ in found] for role, found in sources.items()}
    with TaskGroup(step.group_id, tooltip=step.spec.doc):
        split = operator(task_id=split_id, role="split", inputs=_inputs(sources), trigger_rule=_waits_for(step))
        mapped = operator_class(step.spec.tag, mapped=True).partial(
            task_id=parts_id,
            role="run",
            step=step.name,
            sources=ids_by_role,
            map_index_template="{{ outcome }}",
            **arguments,
        )
        parts = mapped.expand(fragment=split.output)
        collect = operator(
            task_id="collect",
            role="collect",
            sources=ids_by_role,
            split=split.task_id,
            mapped=parts.task_id,
            inputs={"fragments": split.output, "parts": parts.output},
            trigger_rule="all_done",
            **publishing,
        )
    if not any(sources.values()):
        start >> split
    return StepTasks(step.name, collect.task_id, split.task_id, parts.task_id), collect


def _waits_for(step: PlannedStep) -> str:
    """A step that failed blocks those that read from it, unless they are lenient."""
    return "all_done" if step.lenient else "none_failed"


def _inputs(sources: Sources) -> dict[str, Any]:
    """References to the products that a step reads."""
    return {"consumed": {role: [task.output for _, task in found] for role, found in sources.items()}}


def _add_end(
    config: AnalysisConfig,
    plan: Plan,
    start: BaseOperator,
    made: Mapping[str, tuple[StepTasks, BaseOperator]],
    common: Mapping[str, Any],
) -> None:
    """Report, late nights, alerts and verdict."""
    tasks = [ids for ids, _ in made.values()]
    dag = config.dag or {}
    looks_back = bool(dag.get("lookback") and dag.get("schedule")) and config.site is not None
    report = ReportOperator(
        task_id="report",
        tasks=tasks,
        inputs={"products": [task.output for _, task in made.values()]},
        trigger_rule="all_done",
        **common,
    )
    judging = {
        "tasks": tasks,
        "shape": plan.shape,
        "others": LATE_TASKS if looks_back else (),
        "inputs": {"report": report.output},
        "trigger_rule": "all_done",
    }
    telling = (ALERTS_TASK,) if any(not rule["deadline"] for rule in config.alerts.values()) else ()
    verdict = VerdictOperator(task_id="verdict", telling=telling, **judging, **common)
    last: list[BaseOperator] = [verdict]
    if telling:
        alerts = AlertsOperator(task_id=ALERTS_TASK, analysis=config, **judging, **{**common, **retrying(RETRIES)})
        alerts >> verdict
        last.append(alerts)
    if not made:
        start >> report
    if looks_back:
        _add_late(config, report, last, common)


def _add_late(
    config: AnalysisConfig, report: BaseOperator, after: Sequence[BaseOperator], common: Mapping[str, Any]
) -> None:
    """The search for late nights, and one task for each that starts its run."""
    place = {"longitude_deg": float(config.site["lon_deg"])}  # type: ignore[index]
    search, start = LATE_TASKS
    late = LateNightsOperator(task_id=search, limit=MAX_ACTIVE_RUNS, trigger_rule="all_done", **place, **common)
    runs = LateRunOperator.partial(task_id=start, map_index_template="{{ outcome }}", **place, **common).expand(
        row=late.output
    )
    report >> late
    runs >> list(after)
