"""Which observations a run expects, and what is known of each before it is reduced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time

from gammaops.errors import ConfigError, Problem
from gammaops.nights import night_of
from gammaops.physics.archive import Archive, as_text
from gammaops.physics.geometry import sky_coord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.steps.base import Scope

__all__ = ["observation_table"]

# Name of the cut: (column of the observation index, its unit where the index gives none, lower or upper bound)
CUTS = {"livetime": ("LIVETIME", "s", "min"), "zenith": ("ZEN_PNT", "deg", "max"), "n_tels": ("N_TELS", "", "min")}
ALWAYS_NEEDED = frozenset({"events", "gti"})
COLUMNS = {
    "label": str,
    "obs_id": int,
    "night": str,
    "tstart": str,
    "status": str,
    "reason_class": str,
    "reason": str,
    "index": str,
    "hdus": str,
}


@dataclass(frozen=True)
class _State:
    """What becomes of a row: its status, with a class and a reason if it is not selected."""

    status: str = "selected"
    reason_class: str = ""
    reason: str = ""


def observation_table(archive: Archive, selection: Mapping[str, Any], scope: Scope, needed: frozenset[str]) -> Table:
    """One row per expected observation, in order of obs_id.

    Parameters
    ----------
    archive : Archive
        The archive's index.
    selection : mapping
        The config's block ``observations``.
    scope : Scope
        What the run takes. Observations that it names are expected whatever the config selects.
    needed : frozenset of str
        Types of HDU that the reduction uses, beside those that ``required_irf`` asks for.

    Returns
    -------
    `astropy.table.Table`
        The compulsory columns of a table of rows, ``obs_id``, ``night``, ``tstart`` (ISO, UTC), and as JSON text the
        rows of the observation index (``index``) and of the HDU index (``hdus``). Files are relative to the archive.
    """
    expected, unknown = _expected(archive, selection, scope)
    first_of: dict[int, int] = {}
    times: dict[int, int] = {}
    for index in expected:
        obs_id = int(archive.obs_ids[index])
        first_of.setdefault(obs_id, index)
        times[obs_id] = times.get(obs_id, 0) + 1
    nights = dict(zip(first_of.values(), _nights(archive, list(first_of.values()), scope), strict=True))
    required = ALWAYS_NEEDED | needed | set(selection["required_irf"] or ())
    known = _FileNames(archive.folder)
    rows = {obs_id: _unknown_row(obs_id, archive.folder) for obs_id in unknown}
    for obs_id, index in first_of.items():
        hdus = archive.hdu_rows.get(obs_id, [])
        state = (
            _duplicate(times[obs_id], hdus)
            or _cut(archive.index_rows[index], selection["quality"], archive.observations)
            or _lacking(hdus, required)
            or _absent(hdus, known)
            or _State()
        )
        rows[obs_id] = _row(archive, index, nights[index], hdus, state)
    columns = {name: [rows[obs_id][name] for obs_id in sorted(rows)] for name in COLUMNS}
    return Table(columns, dtype=list(COLUMNS.values()))


def _expected(archive: Archive, selection: Mapping[str, Any], scope: Scope) -> tuple[list[int], set[int]]:
    """Positions in the index of the observations expected, and ids that are asked for but not in there."""
    ids = archive.obs_ids
    if scope.obs_ids:
        named = np.isin(ids, scope.obs_ids)
        return np.flatnonzero(named).tolist(), set(scope.obs_ids) - set(ids[named].tolist())
    mask = (
        _in_scope(archive, scope) & _in_cone(archive, selection["obs_cone"]) & _in_time(archive, selection["obs_time"])
    )
    unknown: set[int] = set()
    if wanted := _configured_ids(selection):
        mask &= np.isin(ids, wanted)
        # An id that the archive does not have belongs to no night, so only a run without one can miss it.
        if not (scope.nights or scope.start or scope.stop):
            unknown = set(wanted) - set(ids.tolist())
    return np.flatnonzero(mask).tolist(), unknown


def _configured_ids(selection: Mapping[str, Any]) -> list[int]:
    if selection["obs_ids"]:
        return [int(obs_id) for obs_id in selection["obs_ids"]]
    if selection["obs_file"]:
        lines = Path(selection["obs_file"]).read_text(encoding="utf-8").splitlines()
        words = [line.split("#")[0].split() for line in lines]
        return [int(word[0]) for word in words if word and word[0].isdigit()]
    return []


def _in_scope(archive: Archive, scope: Scope) -> np.ndarray:
    mask = _in_time(archive, {"start": scope.start, "stop": scope.stop})
    if scope.nights:
        if scope.longitude_deg is None:
            raise ConfigError([Problem("params", 0, 0, "night", "without dag.site there are no nights", "a site")])
        mask &= np.isin(night_of(archive.tstart.mjd, scope.longitude_deg), scope.nights)
    return mask


def _in_time(archive: Archive, interval: Mapping[str, Any]) -> np.ndarray:
    """TSTART at or after the start and before the stop (ISO, UTC), each of which may be open."""
    mask = np.ones(len(archive.obs_ids), dtype=bool)
    if interval["start"]:
        mask &= archive.tstart >= Time(interval["start"], scale="utc")
    if interval["stop"]:
        mask &= archive.tstart < Time(interval["stop"], scale="utc")
    return mask


def _in_cone(archive: Archive, cone: Mapping[str, Any]) -> np.ndarray:
    if cone["lon"] is None:
        return np.ones(len(archive.obs_ids), dtype=bool)
    inside: np.ndarray = archive.pointings().separation(sky_coord(cone)) < u.Quantity(cone["radius"])
    return inside


def _nights(archive: Archive, indices: Sequence[int], scope: Scope) -> list[str]:
    if scope.longitude_deg is None:
        return [""] * len(indices)
    return night_of(archive.tstart.mjd[indices], scope.longitude_deg) if len(indices) else []


def _row(archive: Archive, index: int, night: str, hdus: Sequence[Mapping[str, Any]], state: _State) -> dict[str, Any]:
    obs_id = int(archive.obs_ids[index])
    return {
        "label": str(obs_id),
        "obs_id": obs_id,
        "night": night,
        "tstart": archive.tstart[index].isot,
        "index": as_text(archive.index_rows[index]),
        "hdus": as_text(hdus),
        **vars(state),
    }


def _unknown_row(obs_id: int, folder: Path) -> dict[str, Any]:
    state = _State("missing", "unknown-id", f"the index of {folder.name} has no observation {obs_id}")
    empty = {"label": str(obs_id), "obs_id": obs_id, "night": "", "tstart": "", "index": "{}", "hdus": "[]"}
    return {**empty, **vars(state)}


def _duplicate(times: int, hdus: Sequence[Mapping[str, Any]]) -> _State | None:
    events = sum(hdu["type"] == "events" for hdu in hdus)
    if times > 1 or events > 1:
        where = (
            f"{times} times in the observation index" if times > 1 else f"with {events} event lists in the HDU index"
        )
        return _State("quarantined", "duplicate-id", f"listed {where}; somebody must say which one is right")
    return None


def _cut(row: Mapping[str, Any], quality: Mapping[str, Any], table: Table) -> _State | None:
    for name, (column, unit, bound) in CUTS.items():
        limit = (quality.get(name) or {}).get(bound)
        if limit is None:
            continue
        value = row.get(column)
        if value is None:
            return _State("rejected", name, f"{column} is not in the index, so the cut {name} cannot be applied")
        measured = u.Quantity(value, table[column].unit or unit)
        threshold = u.Quantity(limit)
        if measured < threshold if bound == "min" else measured > threshold:
            comparison = "less" if bound == "min" else "more"
            shown = measured.to(threshold.unit)
            return _State("rejected", name, f"{column} is {shown:.4g}, {comparison} than {threshold:.4g}")
    return None


def _lacking(hdus: Sequence[Mapping[str, Any]], required: frozenset[str] | set[str]) -> _State | None:
    absent = sorted(required - {hdu["type"] for hdu in hdus})
    if absent:
        return _State("quarantined", "missing-irf", f"the HDU index lists no {', '.join(absent)}")
    return None


def _absent(hdus: Sequence[Mapping[str, Any]], known: _FileNames) -> _State | None:
    absent = sorted({hdu["file"] for hdu in hdus if hdu["file"] not in known})
    if absent:
        return _State("missing", "absent", f"{', '.join(absent)} is in the index but not in the archive")
    return None


class _FileNames:
    """The files of the archive, each folder listed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[Path, frozenset[str]] = {}

    def __contains__(self, name: str) -> bool:
        path = self._root / name
        if path.parent not in self._folders:
            names = (entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else ()
            self._folders[path.parent] = frozenset(names)
        return path.name in self._folders[path.parent]
