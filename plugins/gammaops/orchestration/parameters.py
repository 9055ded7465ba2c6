"""Parameters of a run: the form in the UI, and what a run makes of what was typed into it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from gammaops.errors import ConfigError, Problem
from gammaops.nights import last_complete_night, nights_starting_in
from gammaops.orchestration.timetable import delay_of
from gammaops.schema.schedules import NIGHTLY
from gammaops.steps.base import OBS_ID_MAX, REUSE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from gammaops.config import AnalysisConfig
    from gammaops.steps.base import Scope

__all__ = ["KNOWN", "refuse_unknown", "run_params", "run_scope"]

log = logging.getLogger(__name__)

SOURCE = "params"
MANY = 10_000
AUTOMATED = frozenset({"scheduled", "backfill"})
EVENT = "asset_triggered"
TIME_HELP = "UTC unless it says otherwise, e.g. 2004-12-04T18:00:00."
KNOWN = frozenset({"obs_ids", "night", "start", "stop", "steps", "reuse", "config", "label"})


def run_params(step_names: Sequence[str]) -> dict[str, Param]:
    """The parameters of every analysis; `step_names` are those that may be chosen."""
    time: dict[str, Any] = {"type": ["null", "string"], "maxLength": 40, "pattern": r"^[0-9T:.+Z -]*$"}
    return {
        "obs_ids": Param(
            None,
            type=["null", "array"],
            items={"type": "integer", "minimum": 0, "maximum": OBS_ID_MAX},
            maxItems=MANY,
            title="Observations",
            description="OBS_IDs to take, one a line; empty: those that the analysis selects.",
        ),
        "night": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Night",
            description="Date of the evening. Empty: a nightly analysis takes the last complete night.",
        ),
        "start": Param(None, **time, title="From", description=f"Earliest start of an observation. {TIME_HELP}"),
        "stop": Param(None, **time, title="Until", description=f"Observations start before this. {TIME_HELP}"),
        "steps": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "enum": list(step_names)},
            examples=list(step_names),
            title="Steps",
            description="Steps to run, with what they need; the others are skipped. Empty: all.",
        ),
        "reuse": Param(
            "use",
            type="string",
            enum=list(REUSE),
            title="Products that exist",
            description="use them; rebuild them; or use only them and refuse to compute.",
        ),
        "config": Param(
            {},
            type="object",
            title="Other settings",
            description="Deep override of the analysis, for this run: the same keys, as JSON.",
        ),
        "label": Param(
            None,
            type=["null", "string"],
            pattern="^[A-Za-z0-9._-]{1,60}$",
            title="Label",
            description="Name of the run's folder in the store. Empty: the run's id.",
        ),
    }


def refuse_unknown(given: Iterable[str]) -> None:
    """Airflow lets any key pass.

    Raises
    ------
    ConfigError
        Naming every key that is no parameter.
    """
    unknown = sorted(set(given) - KNOWN)
    if unknown:
        expected = f"one of: {', '.join(sorted(KNOWN))}"
        raise ConfigError([Problem(SOURCE, 0, 0, name, "is not a parameter of a run", expected) for name in unknown])


def run_scope(config: AnalysisConfig, context: Context) -> Scope:
    """Which observations the run of this context takes.

    Parameters win; a scheduled or backfilled run takes the nights that start in its data interval, one started by a
    product the nights of that product; a manual run of a nightly analysis the last night that was complete at its
    logical date or `run_after`, any other manual run everything that its analysis selects. The clock is never asked.
    A run that nobody has asked for and that has no night takes nothing, unless its analysis takes all observations.
    """
    from gammaops.runner import manual_scope, scheduled_scope

    params = context["params"]
    night: str | None = params.get("night")
    obs_ids: Sequence[int] = params.get("obs_ids") or ()
    start, stop = _utc("start", params.get("start")), _utc("stop", params.get("stop"))
    if night or obs_ids or start or stop:
        nights = (night,) if night else ()
        return manual_scope(config, nights=nights, obs_ids=tuple(obs_ids), start=start, stop=stop)
    run, dag = context["dag_run"], config.dag or {}
    if run.run_type == EVENT or run.run_type in AUTOMATED:
        found = _nights(config, context)
        if found or dag.get("observations") == "all":
            return scheduled_scope(config, found)
        log.warning("nothing is taken: no night belongs to this run")
        return _nothing(config, run.data_interval_start or run.run_after)
    if config.site is None or dag.get("schedule") != NIGHTLY:
        return manual_scope(config)
    moment = run.logical_date or run.run_after
    return scheduled_scope(config, [last_complete_night(moment, float(config.site["lon_deg"]), delay_of(config))])


def _nights(config: AnalysisConfig, context: Context) -> Sequence[str]:
    """Nights of a run that a product or a schedule has started."""
    run = context["dag_run"]
    if run.run_type == EVENT:
        return _nights_of_events(context)
    if config.site is None or not run.data_interval_start or not run.data_interval_end:
        return ()
    return nights_starting_in(run.data_interval_start, run.data_interval_end, float(config.site["lon_deg"]))


def _nothing(config: AnalysisConfig, moment: datetime) -> Scope:
    """No observation: those of an empty interval."""
    from gammaops.runner import manual_scope

    instant = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return manual_scope(config, start=instant, stop=instant)


def _nights_of_events(context: Context) -> list[str]:
    events: Mapping[Any, Iterable[Any]] = context["triggering_asset_events"]
    return sorted({night for found in events.values() for event in found for night in event.extra.get("nights", ())})


def _utc(name: str, text: str | None) -> str:
    """An ISO time as UTC without offset; empty if none is given."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problem = Problem(SOURCE, 0, 0, name, f"{text!r} is not a time", "ISO, e.g. 2004-12-04T18:00:00")
        raise ConfigError([problem]) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat()
