"""Observations cut into intervals of time: one row, and later one dataset, per observation and interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table
from astropy.time import Time

from gammaops.errors import NoWorkFound
from gammaops.physics.time_intervals import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.data import Observation

    from gammaops.physics.archive import Archive
    from gammaops.physics.time_intervals import TimeIntervals

__all__ = ["cut", "slice_name", "sliced"]

INTERVAL = ("interval_start_tt", "interval_stop_tt")
UNKNOWN_END = (
    "quarantined",
    "unknown-end",
    "the index has neither TSTOP nor ONTIME of it, so that it cannot be cut into observations.time_intervals",
)
OUTSIDE = ("rejected", "outside-intervals", "it does not overlap with any of observations.time_intervals")


def sliced(table: Table, intervals: TimeIntervals, archive: Archive) -> Table:
    """The table of observations with one row per observation and interval that it overlaps with.

    Rows that are not selected stay as they are, and an observation outside all intervals stays as one row, rejected, so
    that no observation is lost from the ledger.
    """
    # Of an observation that is listed in several versions, the one whose start the row has.
    place = {key: index for index, key in enumerate(zip(archive.obs_ids.tolist(), archive.tstart.isot, strict=True))}
    lengths, rows = archive.lengths, []
    for row in table:
        start_stop = [("", "")]
        if row["status"] == "selected":
            index = place[int(row["obs_id"]), str(row["tstart"])]
            begin, length = archive.tstart[index].tt, lengths[index]
            if not np.isfinite(length):
                rows.append(_left_out(row, UNKNOWN_END))
                continue
            met = intervals.meeting(begin, begin + length)
            start_stop = [(nanoseconds(start), nanoseconds(stop)) for start, stop in met]
        rows += [_row(row, start, stop) for start, stop in start_stop] or [_left_out(row, OUTSIDE)]
    names = [*table.colnames, *INTERVAL]
    types = [int if name == "obs_id" else str for name in names]
    return Table({name: [row[name] for row in rows] for name in names}, dtype=types, meta=table.meta)


def _row(row: Mapping[str, Any], start: str, stop: str) -> dict[str, Any]:
    label = f"{row['label']} {Time(start, scale='tt').utc.strftime('%Y-%m-%d %H:%M:%S')}" if start else row["label"]
    return {**_plain(row), "label": label, "interval_start_tt": start, "interval_stop_tt": stop}


def _left_out(row: Mapping[str, Any], why: tuple[str, str, str]) -> dict[str, Any]:
    status, reason_class, reason = why
    return {**_row(row, "", ""), "status": status, "reason_class": reason_class, "reason": reason}


def _plain(row: Any) -> dict[str, Any]:
    return {name: row[name].item() for name in row.colnames}


def slice_name(obs_id: int, row: Mapping[str, Any]) -> str:
    """Name of the dataset of an observation, or of the interval of it that this row is."""
    start = row.get("interval_start_tt")
    moment = f"-{Time(start, scale='tt').utc.strftime('%Y%m%dT%H%M%S')}" if start else ""
    return f"obs-{obs_id}{moment}"


def cut(observation: Observation, row: Mapping[str, Any]) -> Observation:
    """The part of an observation that lies in the row's interval; all of it if the row names none.

    Raises
    ------
    NoWorkFound
        If none of its good time lies in there.
    """
    start, stop = row.get("interval_start_tt"), row.get("interval_stop_tt")
    if not start:
        return observation
    part = observation.select_time(Time([start, stop], scale="tt", format="isot"))
    if not len(part.gti.table) or part.gti.time_sum <= 0:
        raise NoWorkFound(f"no good time between {start} and {stop} (TT)")
    return part
