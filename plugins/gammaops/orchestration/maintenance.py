"""The DAG that looks after the product store every night.

Each task leaves a file in ``maintenance/`` of the store and returns its path. Garbage is collected only where a rule
says so: a parameter of the run, or ``GAMMAOPS_KEEP_RUNS`` and ``GAMMAOPS_OLDER_THAN`` in the environment.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, Param

from gammaops.errors import ConfigError, Problem
from gammaops.orchestration.policies import retrying

if TYPE_CHECKING:
    from airflow.sdk import Context

    from gammaops.care.runs_kept import Rules
    from gammaops.products import ProductStore

__all__ = ["DAG_ID", "CollectGarbageOperator", "GrowthOperator", "VerifyOperator", "maintenance_dag", "rules_of"]

# A dot, so that no analysis can be called the same.
DAG_ID = "gammaops.maintenance"
NOON = "0 12 * * *"
RETRIES = 2
SAMPLE = 200
GRACE_S = 86400.0
KEEP_RUNS, OLDER_THAN = "GAMMAOPS_KEEP_RUNS", "GAMMAOPS_OLDER_THAN"
DOC = """# Care of the product store

Every day at noon (UTC): how much the store holds and how much it has grown, a sample of its products hashed anew, and
what nothing needs any more. Garbage is deleted only if a parameter, or `GAMMAOPS_KEEP_RUNS` and `GAMMAOPS_OLDER_THAN`
in the environment of the tasks, say by which rule; releases, and whatever a kept run needs, stay in any case. A sample
with a damaged product is red, and then nothing is deleted. Each task writes a file to `maintenance/` in the store.
"""


class GrowthOperator(BaseOperator):
    """Writes down how much the store holds."""

    ui_color = "#e8eef7"

    def execute(self, context: Context) -> str:
        """Returns the path of the file."""
        from gammaops.care.maintenance import report_growth

        uri, words = report_growth(_store(), _label(context))
        self.log.info("%s", words)
        return uri


class VerifyOperator(BaseOperator):
    """Hashes a sample of the products anew, another one each night."""

    ui_color = "#dcebdc"

    def execute(self, context: Context) -> str:
        """Returns the path of the file; fails if any product is damaged."""
        from gammaops.care.maintenance import verify_sample

        uri, words = verify_sample(_store(), _label(context), context["params"]["sample"], GRACE_S)
        self.log.info("%s", words)
        return uri


class CollectGarbageOperator(BaseOperator):
    """Deletes what nothing needs any more, where a rule lets it."""

    ui_color = "#f2ead8"

    def execute(self, context: Context) -> str:
        """Returns the path of the file."""
        from gammaops.care.maintenance import collect_garbage

        uri, words = collect_garbage(_store(), _label(context), rules_of(context["params"]))
        self.log.info("%s", words)
        return uri


def maintenance_dag() -> DAG:
    """The DAG: measured first, and nothing is deleted from a store in which something is damaged."""
    params = {
        "sample": Param(SAMPLE, type="integer", minimum=1, title="Products to verify"),
        "keep_runs": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            title="Versions to keep",
            description=f"Of each run, so many of the newest finished versions. Empty: {KEEP_RUNS}, else all.",
        ),
        "older_than": Param(
            None,
            type=["null", "string"],
            maxLength=20,
            title="Collect what is older",
            description=f"An age such as 90d. Empty: {OLDER_THAN}.",
        ),
    }
    with DAG(
        dag_id=DAG_ID,
        description="Measures the product store, verifies a sample of it, collects garbage by rule.",
        schedule=NOON,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        tags=["gammaops", "maintenance"],
        params=params,
        doc_md=DOC,
        auto_register=False,
    ) as dag:
        common = retrying(RETRIES)
        growth = GrowthOperator(task_id="growth", **common)
        growth >> VerifyOperator(task_id="verify", **common) >> CollectGarbageOperator(task_id="collect", **common)
    return dag


def rules_of(params: Any) -> Rules:
    """What may be collected: by the parameters, else by the environment, else nothing.

    Raises
    ------
    ConfigError
        If a rule cannot be meant.
    """
    from gammaops.care.ages import seconds_of
    from gammaops.care.runs_kept import Rules

    keep, older = params["keep_runs"], params["older_than"]
    keep = os.environ.get(KEEP_RUNS) if keep is None else keep
    older = older or os.environ.get(OLDER_THAN)
    problems = []
    if keep and not str(keep).isdecimal():
        problems.append(Problem("maintenance", 0, 0, "keep_runs", f"{keep!r} is no number", f"a number in {KEEP_RUNS}"))
    try:
        age = seconds_of(older) if older else None
    except ValueError as error:
        problems.append(Problem("maintenance", 0, 0, "older_than", str(error), f"an age in {OLDER_THAN}"))
    if problems:
        raise ConfigError(problems)
    return Rules(None if keep in (None, "") else int(keep), age, GRACE_S)


def _store() -> ProductStore:
    from gammaops.config import store_root
    from gammaops.products import ProductStore

    return ProductStore(store_root())


def _label(context: Context) -> str:
    """Of a run of this DAG: its moment, so that later ones come later in the alphabet."""
    run = context["dag_run"]
    return (run.logical_date or run.run_after).astimezone(UTC).strftime("%Y-%m-%dT%H%M%S")
