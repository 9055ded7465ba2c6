"""Nights that were not finished when their run was: found by a later scheduled run, which starts a run for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from gammaops.nights import night_interval
from gammaops.orchestration.tasks import opened_run, who_asks
from gammaops.orchestration.timetable import AUTOMATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from gammaops.runner import Run

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
        run, ti = opened_run(context), context["ti"]
        if run.dry:
            raise AirflowSkipException("a dry run starts no other")

        def busy(night: str) -> bool:
            return is_busy(ti, night, self.longitude_deg, late_folders(run, night) + 1)

        return late_nights(run, busy, self.limit, who_asks(context))


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

    def __init__(self, *, longitude_deg: float, row: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longitude_deg = longitude_deg
        self.row = row

    def execute(self, context: Context) -> None:
        """Start the run and end.

        Raises
        ------
        AirflowSkipException
            If somebody else has started one since the night was listed, or is processing the night itself.
        """
        from gammaops.runner import night_of_row

        run, ti = opened_run(context), context["ti"]
        night, number = night_of_row(run.store, self.row)
        context["outcome"] = night  # type: ignore[typeddict-unknown-key]
        if late_folders(run, night) >= number:
            raise AirflowSkipException(f"a late run of {night} was started after this one had found it to be late")
        if is_busy(ti, night, self.longitude_deg, number):
            raise AirflowSkipException(f"a run of {night} is queued or running")
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


def late_run_id(night: str, number: int | str) -> str:
    """The run_id of the `number`-th late run of a night."""
    return f"late__{night}__{number}"


def late_folders(run: Run, night: str) -> int:
    """How many late runs of a night have begun: one folder each, whatever Airflow still knows of them."""
    from gammaops.products import RunFolder

    labels = {folder.label for folder in RunFolder.all(run.store, run.config.name)}
    return sum(label.startswith(late_run_id(night, "")) for label in labels)


def is_busy(ti: RuntimeTaskInstanceProtocol, night: str, longitude_deg: float, number: int) -> bool:
    """Whether a run of a night is queued or running: the night's own, or a late one; `number` is the next one's."""
    start, _ = night_interval(night, longitude_deg)
    if ti.get_dr_count(ti.dag_id, logical_dates=[start], states=BUSY):
        return True
    started = [late_run_id(night, earlier) for earlier in range(1, free_number(ti, night, number))]
    return bool(started) and bool(ti.get_dr_count(ti.dag_id, run_ids=started, states=BUSY))


def free_number(ti: RuntimeTaskInstanceProtocol, night: str, number: int) -> int:
    """The first number from `number` on that no late run of this night has; one may have ended before it began."""
    while ti.get_dr_count(ti.dag_id, run_ids=[late_run_id(night, number)]):
        number += 1
    return number
