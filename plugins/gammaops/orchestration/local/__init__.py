"""A whole Airflow on one machine: for the laptop, the demo and the tests. Nothing here imports Airflow itself."""

from __future__ import annotations

from gammaops.orchestration.local.client import AirflowApiError, AirflowClient
from gammaops.orchestration.local.processes import AlreadyRunning, LocalAirflow, running_pid

__all__ = ["AirflowApiError", "AirflowClient", "AlreadyRunning", "LocalAirflow", "running_pid"]
