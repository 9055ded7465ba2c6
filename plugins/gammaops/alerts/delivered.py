"""Who has been told what of a run: a file for each alert and connection, in the run's folder.

It is written after the message was taken, so that a process that is killed in between tells it twice rather than never.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammaops.alerts.rules import Alert
    from gammaops.products import RunFolder

__all__ = ["mark_told", "untold"]

FOLDER = "alerts"


def untold(folder: RunFolder, alerts: Sequence[Alert]) -> list[tuple[Alert, str]]:
    """Alerts that are still to be told, each with one connection.

    Versions of the same execution, which differ because tasks were cleared after its end, count together: what is the
    same in both is told once.
    """
    told = {name for version in folder.same_execution() for name in version.names(FOLDER)}
    pairs = [(alert, connection) for alert in alerts for connection in alert.tell]
    return [pair for pair in pairs if _marker(*pair) not in told]


def mark_told(folder: RunFolder, alert: Alert, connection: str) -> None:
    """Remember that an alert was taken by the receiver behind a connection."""
    told = {"alert": alert.as_dict(), "connection": connection, "told": datetime.now(UTC).isoformat(timespec="seconds")}
    with suppress(FileExistsError):
        folder.create_json(_marker(alert, connection), told)


def _marker(alert: Alert, connection: str) -> str:
    return f"{FOLDER}/{alert.digest}.{connection}.json"
