"""What to simulate: nights, observations, and what is to be wrong with some of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from gammaops.errors import ConfigError, Problem

__all__ = ["BYTE_DAMAGE", "DAMAGE", "HESS", "ArchivePlan", "Site", "parse_bad"]

SIZES = ("full", "small")
IRFS = ("full-enclosure", "point-like")

# What is done to the content of a file or to its rows in the indexes.
CONTENT_DAMAGE: Mapping[str, str] = MappingProxyType(
    {
        "missing-irf": "no effective area, neither in the file nor in the HDU index",
        "missing-hdu": "no effective area in the file, but one in the HDU index",
        "nan-irf": "NaN in some bins of the effective area",
        "empty-gti": "a GTI table without rows",
        "wrong-obs-id": "another OBS_ID in the header of the events",
        "duplicate-id": "listed a second time under the same OBS_ID, with other events in the second file",
        "duplicate-copy": "listed a second time under the same OBS_ID, the second file a copy of the first",
        "two-telescopes": "taken with 2 of 4 telescopes (a case for quality cuts, not a fault)",
    }
)
# What is done to the bytes of a file after the indexes have been filled.
BYTE_DAMAGE: Mapping[str, str] = MappingProxyType(
    {
        "truncated": "the second half of the file is missing",
        "truncated-tail": "the last 200 bytes of the file are missing",
        "empty-file": "a file of 0 bytes",
        "bit-flip": "one bit in the middle of the compressed file is flipped",
    }
)
DAMAGE: Mapping[str, str] = MappingProxyType({**CONTENT_DAMAGE, **BYTE_DAMAGE})


@dataclass(frozen=True)
class Site:
    """Where the telescopes stand: degrees east and north, metres above sea level."""

    lon_deg: float
    lat_deg: float
    height_m: float


HESS = Site(lon_deg=16.5002222, lat_deg=-23.2717778, height_m=1835.0)


@dataclass(frozen=True)
class ArchivePlan:
    """An archive to be.

    Observations are numbered from `first_obs_id` on, in order of time: night k (from 0) of a plan with n observations
    per night has the numbers ``first_obs_id + k * n`` to ``first_obs_id + (k + 1) * n - 1``. Each is drawn from a
    random stream of its own, `seed` and number, so that more nights leave the earlier ones as they are.

    Parameters
    ----------
    nights : int
        Nights with observations. A night in which the target stays low in the dark hours is passed over.
    observations : int
        Observations per night.
    first_night : datetime.date
        Date of the evening of the first night, or of the one from which on an observable one is sought.
    seed : int
        Not negative.
    site : Site
        Where the telescopes stand.
    duration_min : float
        Length of an observation in minutes, rounded to whole seconds.
    size : {"full", "small"}
        ``small`` has coarse IRFs and a tenth of the background: for archives of thousands of observations.
    irfs : {"full-enclosure", "point-like"}
        ``point-like`` ones count the events near a source alone, as near as ``RAD_MAX`` says.
    first_obs_id : int
        Number of the first observation, at least 1.
    bad : mapping of int to str
        Damage (a key of `DAMAGE`) by observation.
    late : frozenset of int
        Observations that the indexes list while their files still wait in ``incoming/``.
    unlisted : frozenset of int
        Late ones that the indexes do not list either until they are delivered.

    Raises
    ------
    ConfigError
        With everything that is wrong with the plan.
    """

    nights: int = 4
    observations: int = 3
    first_night: date = date(2026, 11, 2)
    seed: int = 0
    site: Site = HESS
    duration_min: float = 28.0
    size: str = "full"
    irfs: str = "full-enclosure"
    first_obs_id: int = 1
    bad: Mapping[int, str] = field(default_factory=dict)
    late: frozenset[int] = frozenset()
    unlisted: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        problems = self._number_problems() or self._choice_problems()
        if problems:
            raise ConfigError(problems)

    @property
    def obs_ids(self) -> range:
        """Numbers of all observations."""
        return range(self.first_obs_id, self.first_obs_id + self.nights * self.observations)

    @property
    def duration_s(self) -> int:
        """Length of an observation in s."""
        return round(self.duration_min * 60)

    def _number_problems(self) -> list[Problem]:
        least = {"nights": 1, "observations": 1, "seed": 0, "first_obs_id": 1, "duration_min": 1}
        problems = [
            _problem(key, f"{getattr(self, key)} is too small", f"at least {minimum}")
            for key, minimum in least.items()
            if not getattr(self, key) >= minimum
        ]
        for key, limit in (("lon_deg", 180), ("lat_deg", 90)):
            if not abs(getattr(self.site, key)) <= limit:
                problems.append(_problem(f"site.{key}", f"{getattr(self.site, key)}", f"-{limit} to {limit}"))
        return problems

    def _choice_problems(self) -> list[Problem]:
        problems = []
        if self.size not in SIZES:
            problems.append(_problem("size", f"unknown size {self.size!r}", " or ".join(SIZES)))
        if self.irfs not in IRFS:
            problems.append(_problem("irfs", f"unknown IRFs {self.irfs!r}", " or ".join(IRFS)))
        for obs_id, kind in self.bad.items():
            if kind not in DAMAGE:
                problems.append(_problem(f"bad.{obs_id}", f"unknown damage {kind!r}", "one of " + ", ".join(DAMAGE)))
        known = f"{self.obs_ids.start} to {self.obs_ids.stop - 1}"
        for key in ("bad", "late", "unlisted"):
            strangers = sorted(obs_id for obs_id in getattr(self, key) if obs_id not in self.obs_ids)
            if strangers:
                problems.append(_problem(key, f"no observations {strangers}", known))
        if set(self.obs_ids) <= set(self.unlisted):
            problems.append(_problem("unlisted", "no observation is left for the indexes", "at least one listed"))
        return problems


def parse_bad(entries: Iterable[str]) -> dict[int, str]:
    """Read ``OBS_ID:KIND`` entries.

    Raises
    ------
    ConfigError
        With every entry that is none; the kinds themselves `ArchivePlan` checks.
    """
    bad, problems = {}, []
    for entry in entries:
        number, _, kind = entry.partition(":")
        if number.isdecimal() and kind:
            bad[int(number)] = kind
        else:
            problems.append(_problem("bad", f"{entry!r} names no observation and kind", "such as 12:truncated"))
    if problems:
        raise ConfigError(problems)
    return bad


def _problem(key: str, message: str, expected: str) -> Problem:
    return Problem("simulate", 0, 0, key, message, expected)
