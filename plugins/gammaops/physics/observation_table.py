"""Which observations a run expects, and what is known of each before it is reduced."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time

from gammaops.errors import ConfigError, Problem
from gammaops.nights import night_of
from gammaops.physics.archive import Archive, as_text
from gammaops.physics.duplicates import Chosen, chosen
from gammaops.physics.geometry import sky_coord
from gammaops.physics.listed_files import ListedFiles
from gammaops.physics.obs_lists import read_obs_ids
from gammaops.physics.overrides import read_overrides, unknown_decisions
from gammaops.physics.quality import quality_cuts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.steps.base import Scope

__all__ = ["observation_table"]

log = logging.getLogger(__name__)

ALWAYS_NEEDED = frozenset({"events", "gti"})
FULL_ENCLOSURE = frozenset({"psf", "bkg"})
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
    "override": str,
}
BY_HAND, ACCEPTED, NOT_JUDGED = "by-hand", "accepted-by-hand", "not-judged"


@dataclass(frozen=True)
class _State:
    """What becomes of a row: its status, with a class and a reason if it is not selected."""

    status: str = "selected"
    reason_class: str = ""
    reason: str = ""
    override: str = ""


def observation_table(archive: Archive, selection: Mapping[str, Any], scope: Scope, needed: Mapping[str, str]) -> Table:
    """One row per expected observation, in order of obs_id.

    Parameters
    ----------
    archive : Archive
        The archive's index.
    selection : mapping
        The config's block ``observations``.
    scope : Scope
        What the run takes. Observations that it names are expected whatever the config selects, but of those only the
        ones of its nights and times where it gives such too.
    needed : mapping of str to str
        Types of HDU that the reduction uses, beside those that ``required_irf`` asks for, each with the setting that
        asks for it.

    Returns
    -------
    `astropy.table.Table`
        The compulsory columns of a table of rows, ``obs_id``, ``night``, ``tstart`` (ISO, UTC), and as JSON text the
        rows of the observation index (``index``) and of the HDU index (``hdus``), and a decision of people that made a
        difference (``override``). Files are relative to the archive. ``notes`` of its meta are for the report.

    Raises
    ------
    ConfigError
        If the config's list of observations is empty or has something else in it, or nights lack a site.
    """
    expected, unknown = _expected(archive, selection, scope)
    listed: dict[int, list[int]] = {}
    for index in expected:
        listed.setdefault(int(archive.obs_ids[index]), []).append(index)
    nights = dict(zip(expected, _nights(archive, expected, scope), strict=True))
    asked = dict.fromkeys(selection["required_irf"] or (), "observations.required_irf")
    required = {**dict.fromkeys(ALWAYS_NEEDED, ""), **needed, **asked}
    files = ListedFiles(archive.folder)
    quality = _Quality(archive, selection["quality"])
    rows = {obs_id: _unknown_row(obs_id, archive.folder) for obs_id in unknown}
    for obs_id, indices in listed.items():
        # Whether copies are alike is found out by reading them, so nothing outside the archive may be among them.
        outside = _outside(archive.hdu_rows.get(obs_id, []), files)
        one = Chosen(indices[0], ()) if outside else chosen(archive, obs_id, indices, selection["duplicates"])
        state = (
            outside
            or (_State("quarantined", "duplicate-id", one.refusal) if one.refusal else None)
            or quality.rejection(obs_id, one.index)
            or _lacking(one.hdus, required)
            or _absent(one.hdus, files)
            or _noted(quality.acceptance(obs_id, one.index), one)
        )
        rows[obs_id] = _row(archive, one.index, nights[one.index], one.hdus, state)
    unsure = [str(obs_id) for obs_id in sorted(rows) if rows[obs_id]["reason_class"] == NOT_JUDGED]
    if unsure:
        log.warning("not judged by every quality cut, for want of observations before: %s", ", ".join(unsure))
    notes = [*_passed_over(archive, scope, rows), *quality.notes]
    columns = {name: [rows[obs_id][name] for obs_id in sorted(rows)] for name in COLUMNS}
    return Table(columns, dtype=list(COLUMNS.values()), meta={"notes": notes})


def _passed_over(archive: Archive, scope: Scope, rows: Mapping[int, Any]) -> list[str]:
    """That observations which the run names are not in its nights, times or targets."""
    other = sorted(set(scope.obs_ids) - rows.keys())
    if not other:
        return []
    ids = ", ".join(map(str, other))
    return [f"{ids}: named by obs_ids, but not in the nights, times and targets of the run, in {archive.folder.name}"]


def _expected(archive: Archive, selection: Mapping[str, Any], scope: Scope) -> tuple[list[int], set[int]]:
    """Positions in the index of the observations expected, and ids that are asked for but not in there."""
    ids = archive.obs_ids
    if scope.obs_ids:
        named = np.isin(ids, scope.obs_ids)
        return np.flatnonzero(named & _in_scope(archive, scope)).tolist(), set(scope.obs_ids) - set(ids[named].tolist())
    mask = (
        _in_scope(archive, scope) & _in_cone(archive, selection["obs_cone"]) & _in_time(archive, selection["obs_time"])
    )
    unknown: set[int] = set()
    wanted = _configured_ids(selection)
    if wanted is not None:
        mask &= np.isin(ids, wanted)
        # An id that the archive does not have belongs to no night, so only a run without one can miss it.
        if not (scope.nights or scope.start or scope.stop):
            unknown = set(wanted) - set(ids.tolist())
    return np.flatnonzero(mask).tolist(), unknown


def _configured_ids(selection: Mapping[str, Any]) -> list[int] | None:
    """Observations that the config lists; None if it has no list."""
    if selection["obs_ids"] is not None:
        key, source, ids = "observations.obs_ids", "config", [int(obs_id) for obs_id in selection["obs_ids"]]
    elif selection["obs_file"]:
        key, source = "observations.obs_file", selection["obs_file"]
        ids = read_obs_ids(Path(source), key)
    else:
        return None
    if not ids:
        raise ConfigError([Problem(source, 0, 0, key, "lists no observation", "at least one obs_id")])
    return ids


def _in_scope(archive: Archive, scope: Scope) -> np.ndarray:
    mask = _in_time(archive, {"start": scope.start, "stop": scope.stop})
    if scope.targets:
        mask &= _of_targets(archive, scope.targets)
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


def _of_targets(archive: Archive, targets: Sequence[str]) -> np.ndarray:
    """Observations of these targets, as the index calls them."""
    if "OBJECT" not in archive.observations.colnames:
        message = f"the index of {archive.folder} has no column OBJECT"
        raise ConfigError([Problem("params", 0, 0, "targets", message, "obs_ids, or observations.obs_cone")])
    names = np.asarray([str(name).strip() for name in archive.observations["OBJECT"]])
    unknown = sorted(set(targets) - set(names))
    if unknown:
        expected = f"some of: {', '.join(sorted(set(names)))}"
        raise ConfigError(
            [Problem("params", 0, 0, "targets", f"{name!r} is none of {archive.folder}", expected) for name in unknown]
        )
    return np.isin(names, targets)


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


def _noted(state: _State, one: Chosen) -> _State:
    """The state of a row that is selected, with what was chosen among several entries."""
    reason = "; ".join(filter(None, (one.note, state.reason)))
    return replace(state, reason_class=state.reason_class or one.note_class, reason=reason)


def _lacking(hdus: Sequence[Mapping[str, Any]], required: Mapping[str, str]) -> _State | None:
    """The state of an observation that the index lists too little of; with what asks for it, if a setting does."""
    listed = {hdu["type"] for hdu in hdus}
    absent = sorted(required.keys() - listed)
    if not absent:
        return None
    asking = " and ".join(dict.fromkeys(filter(None, (required[name] for name in absent))))
    reason = f"the HDU index lists no {', '.join(absent)}" + (f" (asked for by {asking})" if asking else "")
    if "psf" in absent and "rad_max" in listed and set(absent) <= FULL_ENCLOSURE:
        # Point-like IRFs are whole without: the data manager has nothing to bring.
        return _State("quarantined", "wrong-enclosure", f"{reason}, and rad_max: its IRFs are point-like")
    return _State("quarantined", "missing-irf", reason)


def _outside(hdus: Sequence[Mapping[str, Any]], files: ListedFiles) -> _State | None:
    outside = sorted({hdu["file"] for hdu in hdus if files.state(hdu["file"]) == "outside"})
    if outside:
        reason = f"the HDU index names {', '.join(outside)}, which is not in the archive's folder; it is never opened"
        return _State("quarantined", "path-outside-archive", reason)
    return None


def _absent(hdus: Sequence[Mapping[str, Any]], files: ListedFiles) -> _State | None:
    absent = sorted({hdu["file"] for hdu in hdus if files.state(hdu["file"]) == "absent"})
    if absent:
        return _State("missing", "absent", f"{', '.join(absent)} is in the index but not in the archive")
    return None


class _Quality:
    """The cuts of the config, and what people have decided whatever they say."""

    def __init__(self, archive: Archive, block: Mapping[str, Any]) -> None:
        self._cuts = quality_cuts(archive, block)
        self._overrides = read_overrides(Path(block["overrides"])) if block.get("overrides") else {}
        self.notes = unknown_decisions(self._overrides, archive)

    def rejection(self, obs_id: int, index: int) -> _State | None:
        """Why the observation is not used: somebody rejects it, or it fails a cut and nobody accepts it."""
        decision = self._overrides.get(obs_id)
        if decision and decision.verdict == "reject":
            return _State("rejected", BY_HAND, str(decision), as_text(vars(decision)))
        name, reason = self._failure(index)
        return _State("rejected", name, reason) if name and not decision else None

    def acceptance(self, obs_id: int, index: int) -> _State:
        """That the observation is used, and who wants so although it fails a cut, or which cuts could not judge it."""
        decision = self._overrides.get(obs_id)
        name, reason = self._failure(index) if decision else ("", "")
        if not decision or not name:
            doubts = [doubt for cut in self._cuts if (doubt := cut.doubt(index))]
            return _State("selected", NOT_JUDGED, "; ".join(doubts)) if doubts else _State()
        return _State("selected", ACCEPTED, f"{reason}; {decision}", as_text(vars(decision)))

    def _failure(self, index: int) -> tuple[str, str]:
        """The first cut that the observation fails, and why."""
        found = ((cut.name, cut.failure(index)) for cut in self._cuts)
        return next(((name, reason) for name, reason in found if reason), ("", ""))
