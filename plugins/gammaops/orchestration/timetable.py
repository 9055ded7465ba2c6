"""When an analysis runs: every night of its site, a cron expression, or another analysis' product."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import Asset, CronDataIntervalTimetable
from airflow.timetables.base import DagRunInfo
from airflow.timetables.interval import CronDataIntervalTimetable as CoreCronDataIntervalTimetable

from gammaops.nights import noon_cron
from gammaops.schema.schedules import NIGHTLY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.timetables.base import DataInterval, TimeRestriction, Timetable
    from pendulum import DateTime

    from gammaops.config import AnalysisConfig

__all__ = ["DelayedNights", "delay_of", "duration_of", "product_asset", "schedule_of"]

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class DelayedNights(CoreCronDataIntervalTimetable):
    """Data intervals from a cron expression (UTC), each processed only `delay` after its end.

    The interval, and with it the name of the night, stays as it is; only the run comes later.
    """

    def __init__(self, cron: str, delay: timedelta) -> None:
        super().__init__(cron, "UTC")
        self.delay = delay

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next interval, and when its run is due."""
        found = super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
        if found is None or found.data_interval is None:
            return found
        return DagRunInfo(run_after=found.run_after + self.delay, data_interval=found.data_interval)

    def _skip_to_latest(self, earliest: DateTime | None) -> DateTime:
        """Start of the latest interval that is due, taking the delay as part of it."""
        latest = super()._skip_to_latest(None)
        while self._get_next(latest) + self.delay > pendulum.now("UTC"):
            latest = self._get_prev(latest)
        return latest if earliest is None else max(latest, self._align_to_next(earliest))

    # Airflow compares timetables while a DAG is being made, and its own way of doing so imports half of its server.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, DelayedNights) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self._expression, self.delay))

    def serialize(self) -> dict[str, Any]:
        """As JSON types."""
        return {"cron": self._expression, "delay_s": self.delay.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """From what `serialize` made."""
        return cls(data["cron"], timedelta(seconds=data["delay_s"]))


def delay_of(config: AnalysisConfig) -> timedelta:
    """How long after the end of its interval a run waits for late files."""
    text = (config.dag or {}).get("delay")
    return duration_of(text) if text else timedelta(0)


def duration_of(text: str) -> timedelta:
    """A duration of a normalised config."""
    number, unit = text.split()
    return timedelta(seconds=float(number) * UNITS[unit])


def product_asset(analysis: str, product: str) -> Asset:
    """The asset that stands for the newest product of this name."""
    return Asset(name=f"{analysis}/{product}", uri=f"gammaops://{analysis}/{product}")


def schedule_of(config: AnalysisConfig) -> CronDataIntervalTimetable | DelayedNights | list[Asset] | None:
    """Schedule of an analysis, as `airflow.sdk.DAG` takes it."""
    schedule: str | Mapping[str, str] | None = (config.dag or {}).get("schedule")
    if not schedule:
        return None
    if not isinstance(schedule, str):
        analysis, _, product = schedule["product"].partition("/")
        return [product_asset(analysis, product)]
    cron = noon_cron(float(config.site["lon_deg"])) if schedule == NIGHTLY else schedule  # type: ignore[index]
    return _intervals(cron, delay_of(config))


@cache
def _intervals(cron: str, delay: timedelta) -> CronDataIntervalTimetable | DelayedNights:
    """One for all DAGs that share it: it never changes, and spelling a cron expression in words takes a millisecond."""
    return DelayedNights(cron, delay) if delay else CronDataIntervalTimetable(cron, timezone="UTC")
