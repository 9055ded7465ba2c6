"""Writes a simulated archive, and delivers its late observations."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from gammaops.errors import ConfigError, Problem

from . import indexes
from .damage import damage_bytes, damage_hdus
from .dl3 import compress, observation_hdus
from .events import random_state, sample_events
from .indexes import HDU_INDEX, OBS_INDEX
from .plan import ArchivePlan
from .schedule import Visit, plan_visits
from .sources import flux_factor, truth_document, truth_models

__all__ = ["Archive", "deliver", "simulate_archive"]

log = logging.getLogger(__name__)

DATA = "data"
INCOMING = "incoming"
TRUTH = "truth.yaml"
STEM = "sim_obs_"


@dataclass(frozen=True)
class Archive:
    """A simulated archive as written.

    Parameters
    ----------
    root : Path
        Folder with the indexes, ``data/``, ``incoming/`` and ``truth.yaml``.
    visits : tuple of Visit
        Its observations in order of time.
    """

    root: Path
    visits: tuple[Visit, ...]

    @property
    def nights(self) -> dict[date, list[int]]:
        """Observation numbers by night."""
        nights: dict[date, list[int]] = {}
        for visit in self.visits:
            nights.setdefault(visit.night, []).append(visit.obs_id)
        return nights


@dataclass
class _Rows:
    """Rows of the two indexes."""

    observations: list[dict[str, Any]]
    hdus: list[dict[str, Any]]


def simulate_archive(out: Path, plan: ArchivePlan, progress: Callable[[Visit], object] = lambda _: None) -> Archive:
    """Simulate an archive.

    Parameters
    ----------
    out : Path
        A folder without an archive; made if it does not exist. What an interrupted simulation left there is replaced.
    plan : ArchivePlan
        What to simulate.
    progress : callable
        Told each observation once its files are written.

    Returns
    -------
    archive : Archive
        What was written. The same plan gives the same bytes.

    Raises
    ------
    ConfigError
        If the folder holds an archive already, or the plan fits into no nights.
    """
    if (out / OBS_INDEX).exists():
        message, expected = f"{out} holds an archive already", "an empty folder or a new one"
        raise ConfigError([Problem("simulate", 0, 0, "out", message, expected)])
    visits = plan_visits(plan)
    archive = Archive(out, visits)
    for folder in (DATA, INCOMING):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for leftover in [*out.glob(f"*/{STEM}*"), *out.glob(f"*/.{STEM}*"), *(out / INCOMING).glob("*-index.fits.gz*")]:
        leftover.unlink()
    listed = _Rows([], [])
    for visit in visits:
        rows = _write_observation(visit, plan, out)
        if visit.obs_id in plan.unlisted:
            _write_indexes(out / INCOMING, rows, plan, prefix=f"{visit.obs_id:06d}-")
        else:
            listed.observations += rows.observations
            listed.hdus += rows.hdus
        progress(visit)
    truth = yaml.safe_dump(truth_document(plan, archive.nights), sort_keys=False)
    _replace(out / TRUTH, truth.encode())
    # Last, and of the two the observation index: an archive that has one is whole.
    _write_indexes(out, listed, plan)
    log.info("simulated %d observations of %d nights in %s", len(visits), len(archive.nights), out)
    return archive


def deliver(root: Path, obs_id: int) -> list[Path]:
    """Put a late observation in its place, file first, and list it if it was not listed.

    Each file appears whole under its final name or not at all; an interrupted delivery is finished by the next.

    Returns
    -------
    paths : list of Path
        The files as they now stand in the archive.

    Raises
    ------
    ConfigError
        If this observation is not waiting.
    """
    incoming = root / INCOMING
    waiting = sorted(incoming.glob(f"{_stem(obs_id)}*.fits.gz"))
    row_files = {name: incoming / f"{obs_id:06d}-{name}" for name in (HDU_INDEX, OBS_INDEX)}
    if not waiting and not any(path.exists() for path in row_files.values()):
        others = sorted(path.name for path in incoming.glob(f"{STEM}*.fits.gz"))
        expected = "one of " + ", ".join(others) if others else "a late one, and none is waiting"
        raise ConfigError([Problem("deliver", 0, 0, "", f"observation {obs_id} is not in {incoming}", expected)])
    delivered = []
    for path in waiting:
        target = root / DATA / path.name
        _replace(target, path.read_bytes())
        shutil.copystat(path, target)
        path.unlink()
        delivered.append(target)
    # The HDU index first: whoever sees the observation must find its HDUs.
    for name, path in row_files.items():
        if path.exists():
            _replace(root / name, indexes.merged(root / name, path))
            path.unlink()
    return delivered


def _write_observation(visit: Visit, plan: ArchivePlan, out: Path) -> _Rows:
    kind = plan.bad.get(visit.obs_id, "")
    late = visit.obs_id in plan.late | plan.unlisted
    rows = _Rows([], [])
    models = _models(flux_factor(visit.number))
    for suffix, version in _versions(kind):
        events = sample_events(visit, models, plan.size, random_state(plan.seed, visit.obs_id, version))
        intact = observation_hdus(visit, plan, events)
        damaged = damage_hdus(kind, intact)
        name = f"{_stem(visit.obs_id)}{suffix}.fits.gz"
        path = out / (INCOMING if late else DATA) / name
        _replace(path, damage_bytes(kind, compress(damaged.values())))
        # Written when the observation ended: a damaged file is not one that is still being copied.
        os.utime(path, times=(visit.stop.timestamp(), visit.stop.timestamp()))
        row = indexes.observation_row(visit, len(events))
        rows.observations.append({**row, **_DAMAGED_COLUMNS.get(kind, {})})
        rows.hdus += indexes.hdu_rows(visit.obs_id, name, intact if kind == "missing-hdu" else damaged)
    return rows


# Making a model with a position costs as much as drawing its events.
_models = lru_cache(truth_models)

_DAMAGED_COLUMNS: dict[str, dict[str, Any]] = {"two-telescopes": {"N_TELS": 2, "TELLIST": "1,2"}}


def _versions(kind: str) -> tuple[tuple[str, int], ...]:
    """Suffix and random stream of each file of an observation."""
    second = {"duplicate-id": (("_b", 1),), "duplicate-copy": (("_b", 0),)}.get(kind, ())
    return (("", 0), *second)


def _stem(obs_id: int) -> str:
    return f"{STEM}{obs_id:06d}"


def _write_indexes(folder: Path, rows: _Rows, plan: ArchivePlan, prefix: str = "") -> None:
    for name, table in (
        (HDU_INDEX, indexes.index_table(rows.hdus)),
        (OBS_INDEX, indexes.index_table(rows.observations)),
    ):
        _replace(folder / f"{prefix}{name}", indexes.index_bytes(table, indexes.index_header(name, plan.site)))


def _replace(target: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, also after a power cut."""
    temp = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with temp.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temp.replace(target)
    finally:
        temp.unlink(missing_ok=True)
