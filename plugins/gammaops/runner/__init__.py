"""Runs the steps of a plan: the same code for Airflow's tasks, the command line and Python."""

from __future__ import annotations

from gammaops.runner.dry import finish_dry
from gammaops.runner.ending import ended_folder, finish, judged_so_far, verdict
from gammaops.runner.forecast import StepForecast, forecast
from gammaops.runner.late import late_nights, night_of_row
from gammaops.runner.local import LocalRun, run_plan
from gammaops.runner.run import Provenance, Run, begin
from gammaops.runner.scope import local_name, manual_scope, scheduled_scope
from gammaops.runner.tasks import Outcome, collect, run_part, run_task, split

__all__ = [
    "LocalRun",
    "Outcome",
    "Provenance",
    "Run",
    "StepForecast",
    "begin",
    "collect",
    "ended_folder",
    "finish",
    "finish_dry",
    "forecast",
    "judged_so_far",
    "late_nights",
    "local_name",
    "manual_scope",
    "night_of_row",
    "run_part",
    "run_plan",
    "run_task",
    "scheduled_scope",
    "split",
    "verdict",
]
