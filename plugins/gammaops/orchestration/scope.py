"""Which observations a run takes: from its parameters, its data interval, or the product that started it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gammaops.errors import ConfigError, Problem, ProductError
from gammaops.nights import last_complete_night, nights_starting_in
from gammaops.orchestration.parameters import SOURCE
from gammaops.orchestration.timetable import AUTOMATED, delay_of
from gammaops.schema.schedules import NIGHTLY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from gammaops.config import AnalysisConfig
    from gammaops.steps.base import Scope

__all__ = ["run_scope"]

log = logging.getLogger(__name__)

EVENT = "asset_triggered"
# Each of these says by itself which observations are meant.
WAYS = ("night", "obs_ids", "release")


def run_scope(config: AnalysisConfig, context: Context) -> Scope:
    """Which observations the run of this context takes.

    Parameters win; a scheduled or backfilled run takes the nights that start in its data interval, one started by a
    product the nights of that product; a manual run of a nightly analysis the last night that was complete at its
    logical date or `run_after`, any other manual run everything that its analysis selects. The clock is never asked.
    A run that nobody has asked for and that has no night takes nothing, unless its analysis takes all observations.
    """
    from gammaops.runner import manual_scope, scheduled_scope

    asked = _asked(config, context["params"])
    if asked:
        return manual_scope(config, **asked)
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


def _asked(config: AnalysisConfig, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the parameters name; empty if they name no observation.

    Raises
    ------
    ConfigError
        If they contradict each other, or name what does not exist.
    """
    given = [name for name in WAYS if params.get(name)]
    times = {name: _utc(name, params.get(name)) for name in ("start", "stop")}
    given += [name for name, text in times.items() if text and "night" in given]
    if len(given) > 1:
        expected = f"one of {', '.join(given)}; targets goes with each of them"
        raise ConfigError([Problem(SOURCE, 0, 0, given[1], f"is given, and so is {given[0]}", expected)])
    obs_ids = tuple(dict.fromkeys(int(obs_id) for obs_id in params.get("obs_ids") or ()))
    asked = {
        "nights": (params["night"],) if params.get("night") else (),
        "obs_ids": obs_ids or _released(config, params.get("release")),
        "targets": tuple(params.get("targets") or ()),
        **times,
    }
    return asked if any(asked.values()) else {}


def _released(config: AnalysisConfig, name: str | None) -> tuple[int, ...]:
    """Observations that a release has used in this analysis."""
    if not name:
        return ()
    from gammaops.config import store_root
    from gammaops.products import ProductStore
    from gammaops.releases.records import open_release

    try:
        release = open_release(ProductStore(store_root()), name)
    except ProductError as error:
        raise ConfigError([Problem(SOURCE, 0, 0, "release", str(error), "the name of a release")]) from None
    used = release.observations_of(config.name)
    if not used:
        message = f"{name} has no observation of the analysis {config.name}"
        raise ConfigError([Problem(SOURCE, 0, 0, "release", message, "a release of runs of this analysis")])
    return tuple(used)


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
