"""Nights that were not finished when their run was: found by a later scheduled run, which starts a run for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from gammaops.nights import night_interval
from gammaops.orchestration.parameters import AUTOMATED
from gammaops.orchestration.tasks import opened_run, who_asks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

__all__ = ["LateNightsOperator", "LateRunOperator"]

BUSY = ["queued", "running"]


class LateNightsOperator(BaseOperator):
    """Lists earlier nights with unsettled observations, oldest first; only scheduled and backfilled runs do."""

    ui_color = "#f2ead8"

    def __init__(self, *, longitude_deg: float, limit: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longitude_deg = longitude_deg
        self.limit = limit

    def execute(self, context: Context) -> list[str]:
        """Returns one product path per night: a row of a table of nights."""
        from gammaops.runner import late_nights

        if context["dag_run"].run_type not in AUTOMATED:
            raise AirflowSkipException("only scheduled and backfilled runs look for late nights")
        ti = context["ti"]
        return late_nights(opened_run(context), lambda night: self._busy(ti, night), self.limit, who_asks(context))

    def _busy(self, ti: RuntimeTaskInstanceProtocol, night: str) -> bool:
        """Whether a run of that night is under way or waiting: the night's own, or one started for late files."""
        start, _ = night_interval(night, self.longitude_deg)
        if ti.get_dr_count(ti.dag_id, logical_dates=[start], states=BUSY):
            return True
        started = [late_run_id(night, number) for number in range(1, free_number(ti, night, 1))]
        return bool(started) and bool(ti.get_dr_count(ti.dag_id, run_ids=started, states=BUSY))


class LateRunLink(BaseOperatorLink):
    """From the task to the run that it has started."""

    name = "Late run"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """URL of the run below that of the UI."""
        from airflow.sdk.execution_time.xcom import XCom

        run_id = XCom.get_value(ti_key=ti_key, key="trigger_run_id")
        return f"/dags/{quote(ti_key.dag_id, safe='')}/runs/{quote(str(run_id), safe='')}" if run_id else ""


class LateRunOperator(BaseOperator):
    """Starts a run of the same DAG for one late night.

    It raises what `TriggerDagRunOperator` raises; the operator itself would add a second to the parsing of every DAG
    file.
    """

    template_fields: Sequence[str] = ()
    operator_extra_links = (LateRunLink(),)
    ui_color = "#f2ead8"

    def __init__(self, *, row: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.row = row

    def execute(self, context: Context) -> None:
        """Start the run and end."""
        from gammaops.runner import night_of_row

        ti = context["ti"]
        night, number = night_of_row(opened_run(context).store, self.row)
        context["outcome"] = night  # type: ignore[typeddict-unknown-key]
        raise DagRunTriggerException(
            trigger_dag_id=ti.dag_id,
            dag_run_id=late_run_id(night, free_number(ti, night, number)),
            conf={"night": night},
            logical_date=None,
            reset_dag_run=False,
            skip_when_already_exists=True,
            wait_for_completion=False,
            allowed_states=[],
            failed_states=[],
            poke_interval=0,
            deferrable=False,
        )


def late_run_id(night: str, number: int) -> str:
    """The run_id of the `number`-th late run of a night."""
    return f"late__{night}__{number}"


def free_number(ti: RuntimeTaskInstanceProtocol, night: str, number: int) -> int:
    """The first number from `number` on that no late run of this night has; one may have ended without a trace."""
    while ti.get_dr_count(ti.dag_id, run_ids=[late_run_id(night, number)]):
        number += 1
    return number
