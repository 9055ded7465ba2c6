"""What operators have in common: where their inputs come from, and how Airflow hears of an outcome."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from gammaops.config.blocks import GENERAL, block_levels
from gammaops.errors import NoWorkFound
from gammaops.schema import value_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from gammaops.config import AnalysisConfig
    from gammaops.runner import Provenance, Run

__all__ = [
    "START",
    "StepTasks",
    "failed_tasks",
    "gathered",
    "log_at_level",
    "log_late_imports",
    "one_path",
    "opened_run",
    "paths",
    "pulled",
    "pulled_by_role",
    "skipping",
    "successes",
    "warn_of_no_effect",
    "who_asks",
]

START = "start"
# Keys of `general` that only the command line follows.
COMMAND_LINE_ONLY = (
    "outdir",
    "n_jobs",
    "parallel_backend",
    "log.filename",
    "log.filemode",
    "log.format",
    "log.datefmt",
)


@dataclass(frozen=True)
class StepTasks:
    """The tasks of one step: ids of what splits it, of what runs its rows, and of what publishes its product.

    The first two are empty for a step without fan-out.
    """

    step: str
    product: str
    split: str = ""
    parts: str = ""


def paths(value: Any) -> list[str]:
    """Product paths out of an XCom value: one, several, the lazy sequence of a mapped task, or nothing.

    The slice asks for a lazy sequence in one request; iterating it would take one for each item.
    """
    if value is None:
        return []
    found = [value] if isinstance(value, str) else value[:]
    return [path for path in found if path]


def pulled(context: Context, task_id: str) -> list[str]:
    """Product paths that a task of this run has returned."""
    return paths(context["ti"].xcom_pull(task_ids=task_id)) if task_id else []


def pulled_by_role(context: Context, sources: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The product path that each of these tasks of this run has returned, by role; empty where it has none."""
    return {role: [one_path(pulled(context, task)) for task in tasks] for role, tasks in sources.items()}


def one_path(found: Sequence[str]) -> str:
    """The path of a task that returns one, or the empty one."""
    return found[0] if found else ""


def log_late_imports(log: Logger) -> None:
    """Say what this task had to import although it should have been there when the task was forked."""
    from gammaops.orchestration.preload import late_imports

    late = late_imports()
    if late is not None:
        log.info("imported in this task: %s", ", ".join(late) or "nothing scientific")


def warn_of_no_effect(config: AnalysisConfig, log: Logger) -> None:
    """Say which keys of this config a DAG does not follow."""
    general, defaults = config.document[GENERAL], block_levels()[GENERAL].normalised({})
    ignored = [key for key in COMMAND_LINE_ONLY if value_at(general, key) != value_at(defaults, key)]
    if ignored:
        names = ", ".join(f"general.{key}" for key in ignored)
        log.warning("%s: without effect in a DAG, whose tasks, logs and store Airflow and GAMMAOPS_STORE decide", names)


def log_at_level(run: Run) -> None:
    """Log from ``general.log.level`` on, in this task's process."""
    level = run.config.document["general"]["log"]["level"]
    if level:
        for name in ("gammaops", "gammapy"):
            logging.getLogger(name).setLevel(level.upper())


def opened_run(context: Context) -> Run:
    """The run that the first task has frozen.

    Raises
    ------
    AirflowSkipException
        If there is none, because the first task failed; that is its fault, and the verdict says so.
    """
    from gammaops.runner import Run

    uris = pulled(context, START)
    if not uris:
        raise AirflowSkipException("the run did not start; see the log of the task 'start'")
    return Run.open(uris[0])


def gathered(context: Context, tasks: Sequence[StepTasks]) -> Mapping[str, Mapping[str, Any]]:
    """What every task of every step has left, as the runner wants it."""
    ids = [task_id for each in tasks for task_id in (each.split, each.parts, each.product) if task_id]
    count = successes(context, ids)

    def left(task_id: str) -> list[str]:
        return pulled(context, task_id)[: count[task_id]] if count[task_id] else []

    return {
        each.step: {
            "fragments": pulled(context, each.split) if count[each.split] else [],
            "parts": left(each.parts),
            "product": next(iter(left(each.product)), None),
        }
        for each in tasks
    }


def successes(context: Context, task_ids: Sequence[str]) -> Counter[str]:
    """How many instances of each of these tasks have succeeded in this run.

    A task that did not start again after a run was cleared keeps what it had returned before; so do instances beyond
    the end of a list that has become shorter, and theirs come last. As many values as there are successes are this
    run's.
    """
    return Counter(
        name if name in task_ids else name.rpartition("_")[0]
        for name, state in _states(context, task_ids).items()
        if state == "success"
    )


def failed_tasks(context: Context, task_ids: Sequence[str]) -> list[str]:
    """Which of these tasks of this run have failed; of a mapped one, each instance."""
    return sorted(name for name, state in _states(context, task_ids).items() if state == "failed")


def _states(context: Context, task_ids: Sequence[str]) -> Mapping[str, str | None]:
    """States of these tasks in this run, with ``_<map_index>`` after the id of a mapped one."""
    if not task_ids:
        return {}
    ti = context["ti"]
    runs = ti.get_task_states(ti.dag_id, task_ids=list(task_ids), run_ids=[ti.run_id])
    states: Mapping[str, str | None] = runs.get(ti.run_id, {})
    return states


def who_asks(context: Context) -> Provenance:
    """Which task of which run a product is made by."""
    from gammaops.runner import Provenance

    ti = context["ti"]
    index = -1 if ti.map_index is None else ti.map_index
    first = ti.max_tries - (ti.task.retries or 0) + 1
    return Provenance(ti.dag_id, ti.run_id, ti.task_id, index, ti.try_number, max(1, first))


@contextmanager
def skipping() -> Iterator[None]:
    """Have Airflow call it skipped when there is nothing to do, which is a good outcome."""
    try:
        yield
    except NoWorkFound as reason:
        raise AirflowSkipException(str(reason)) from reason
