"""When an analysis runs: every night of its site, a cron expression, or another analysis' product."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import Asset, CronDataIntervalTimetable
from airflow.timetables.base import DagRunInfo
from airflow.timetables.interval import CronDataIntervalTimetable as CoreCronDataIntervalTimetable

from gammaops.nights import night_interval, nights_starting_in, noon_cron
from gammaops.schema.schedules import NIGHTLY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.timetables.base import DataInterval, TimeRestriction, Timetable
    from airflow.utils.types import DagRunType
    from pendulum import DateTime

    from gammaops.config import AnalysisConfig

__all__ = ["AUTOMATED", "DelayedIntervals", "Nights", "delay_of", "duration_of", "product_asset", "schedule_of"]

AUTOMATED = frozenset({"scheduled", "backfill"})
"""Kinds of run that nobody asked for by name: they have a night."""
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class DelayedIntervals(CoreCronDataIntervalTimetable):
    """Data intervals from a cron expression (UTC), each processed only `delay` after its end; only the run is late."""

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
        return type(other) is type(self) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self._expression, self.delay))

    def serialize(self) -> dict[str, Any]:
        """As JSON types."""
        return {"cron": self._expression, "delay_s": self.delay.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """From what `serialize` made."""
        return cls(data["cron"], timedelta(seconds=data["delay_s"]))


class Nights(DelayedIntervals):
    """Every night at this longitude (degrees, east positive); scheduled runs have its name, not the next day's."""

    def __init__(self, longitude_deg: float, delay: timedelta = timedelta(0)) -> None:
        super().__init__(noon_cron(longitude_deg), delay)
        self.longitude_deg = longitude_deg
        self.description = "Each night, from mean solar noon to noon at the site"

    @property
    def summary(self) -> str:
        """When the run of a night is due, as the UI shows it; the date does not matter, as noon is the same in UTC."""
        noon = night_interval(date(2000, 1, 1).isoformat(), self.longitude_deg)[0]
        return f"nightly, {noon + self.delay:%H:%M} UTC"

    def generate_run_id(
        self, *, run_type: DagRunType, run_after: DateTime, data_interval: DataInterval | None, **extra: Any
    ) -> str:
        """``scheduled__`` and the night. Airflow 3.3 names a backfill's runs without asking, by when they are due."""
        if run_type.value in AUTOMATED and data_interval is not None:
            nights = nights_starting_in(data_interval.start, data_interval.end, self.longitude_deg)
            if nights:
                return str(run_type.generate_run_id(suffix=nights[0]))
        return str(
            super().generate_run_id(run_type=run_type, run_after=run_after, data_interval=data_interval, **extra)
        )

    def serialize(self) -> dict[str, Any]:
        """As JSON types."""
        return {"longitude_deg": self.longitude_deg, "delay_s": self.delay.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """From what `serialize` made."""
        return cls(data["longitude_deg"], timedelta(seconds=data["delay_s"]))


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


def schedule_of(config: AnalysisConfig) -> CronDataIntervalTimetable | DelayedIntervals | list[Asset] | None:
    """Schedule of an analysis, as `airflow.sdk.DAG` takes it."""
    schedule: str | Mapping[str, str] | None = (config.dag or {}).get("schedule")
    if not schedule:
        return None
    if not isinstance(schedule, str):
        analysis, _, product = schedule["product"].partition("/")
        return [product_asset(analysis, product)]
    if schedule == NIGHTLY:
        return _nights(float(config.site["lon_deg"]), delay_of(config))  # type: ignore[index]
    return _intervals(schedule, delay_of(config))


# One for all DAGs that share it: it never changes, and spelling a cron expression in words takes a millisecond.
_nights = cache(Nights)


@cache
def _intervals(cron: str, delay: timedelta) -> CronDataIntervalTimetable | DelayedIntervals:
    return DelayedIntervals(cron, delay) if delay else CronDataIntervalTimetable(cron, timezone="UTC")
