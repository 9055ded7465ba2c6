"""The end of every DAG: the report and the verdict; what tells people in between is in `alerting`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from gammaops.orchestration.tasks import (
    failed_tasks,
    gathered,
    log_late_imports,
    opened_run,
    paths,
    successes,
    who_asks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from gammaops.orchestration.tasks import StepTasks
    from gammaops.products import RunFolder
    from gammaops.runner import Run

__all__ = ["EDITED", "JudgingOperator", "ReportOperator", "VerdictOperator"]

REPORT = "report"
EDITED = "the config was changed during the run and has other steps now; clear the run to finish with the new one."


class EndOperator(BaseOperator):
    """A task at the end of a run: it looks at what all steps have left.

    Parameters
    ----------
    tasks : sequence of StepTasks
        The tasks of every step.
    inputs : mapping
        Outputs of other tasks.
    """

    template_fields: Sequence[str] = ("inputs",)
    ui_color = "#f2ead8"

    def __init__(self, *, tasks: Sequence[StepTasks], inputs: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tasks = tuple(tasks)
        self.inputs = inputs


class ReportOperator(EndOperator):
    """Writes the run's ledger and its report, also when parts of the run have failed."""

    def execute(self, context: Context) -> str:
        """Returns the product path of the report."""
        from gammaops.runner import finish, finish_dry

        run = opened_run(context)
        if run.dry:
            return finish_dry(run, who_asks(context))
        report = finish(run, gathered(context, self.tasks), who_asks(context))
        log_late_imports(self.log)
        return report


@dataclass(frozen=True)
class Judged:
    """A run at its end: whether it is green, in words, and where its record is."""

    run: Run
    folder: RunFolder
    ok: bool
    line: str


class JudgingOperator(EndOperator):
    """A task that must know how the run ends.

    Parameters
    ----------
    others : sequence of str
        Ids of tasks that leave no product, and make the run red all the same if they fail.
    shape : str
        `Plan.shape` of the config that these tasks were made from; that of the run's own config is another one if the
        config was edited meanwhile.
    """

    def __init__(self, *, shape: str, others: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = shape
        self.others = tuple(others)

    def judge(self, context: Context) -> Judged:
        """How the run ends.

        Raises
        ------
        RunFailed
            If it has never begun.
        """
        from gammaops.errors import RunFailed
        from gammaops.plan import make_plan
        from gammaops.runner import ended_folder

        try:
            run = opened_run(context)
        except AirflowSkipException as reason:
            raise RunFailed(str(reason)) from reason
        # A report that failed after a clear still has what it returned before.
        written = successes(context, [REPORT])[REPORT]
        report = next(iter(paths(self.inputs["report"])), None) if written else None
        folder = ended_folder(run, gathered(context, self.tasks), report)
        verdict = folder.read_json("run.json")["verdict"]
        line = verdict["line"]
        if make_plan(run.config).shape != self.shape:
            return Judged(run, folder, ok=False, line=f"RED: {EDITED} Before that: {line}")
        failed = failed_tasks(context, self.others)
        if failed:
            why = f"RED: failed: {', '.join(failed)}; see the logs there. Otherwise: {line}"
            return Judged(run, folder, ok=False, line=why)
        return Judged(run, folder, verdict["ok"], line)


class VerdictOperator(JudgingOperator):
    """The only leaf of every DAG: Airflow takes a run's state from it.

    Parameters
    ----------
    telling : sequence of str
        Ids of tasks that tell people; if they fail, the log says so, and the run is what it is.
    """

    def __init__(self, *, telling: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.telling = tuple(telling)

    def execute(self, context: Context) -> None:
        """Log the verdict; ``latest`` then names the run's version.

        Raises
        ------
        RunFailed
            If the run is red.
        """
        from gammaops.errors import RunFailed

        untold = failed_tasks(context, self.telling)
        if untold:
            self.log.warning("not everybody could be told of this run; see the log of %s", ", ".join(untold))
        judged = self.judge(context)
        judged.folder.point_latest()
        if not judged.ok:
            raise RunFailed(judged.line)
        self.log.info("%s", judged.line)
