"""Cuts on the quality of observations, each with the sentence that says why an observation fails it.

They look at the index of the archive alone, so that what happens to an observation does not depend on which run asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

import astropy.units as u
import numpy as np

from gammaops.errors import ConfigError, Problem
from gammaops.physics.moon import moon_altitudes, moon_separations
from gammaops.physics.outliers import FEWEST, Neighbours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gammaops.physics.archive import Archive

__all__ = ["Cut", "quality_cuts"]


class Cut(Protocol):
    """One cut."""

    @property
    def name(self) -> str:
        """What the ledger calls it: the class of the reason."""

    def failure(self, index: int) -> str:
        """Why the observation in this row of the index fails; empty if it does not."""

    def doubt(self, index: int) -> str:
        """Why the cut cannot judge the observation, which passes then; empty if it can."""


class _Certain:
    """A cut that needs the observation alone, so that it can always judge it."""

    def doubt(self, index: int) -> str:  # noqa: ARG002 - as that of the others
        return ""


@dataclass(frozen=True)
class _Bounds(_Certain):
    """What was measured must lie within bounds; `values` in the unit of the bounds, NaN where it is not known.

    `needed` names the columns that it is from, should its own name not tell.
    """

    name: str
    what: str
    values: u.Quantity
    low: u.Quantity | None = None
    high: u.Quantity | None = None
    needed: str = ""

    def failure(self, index: int) -> str:
        value = self.values[index]
        if not np.isfinite(value):
            needed = f" ({self.needed} needed)" if self.needed else ""
            return f"{self.what} is not in the index{needed}, so the cut {self.name} cannot be applied"
        if self.low is not None and value < self.low:
            return f"{self.what} is {value.to(self.low.unit):.4g}, less than {self.low:.4g}"
        if self.high is not None and value > self.high:
            return f"{self.what} is {value.to(self.high.unit):.4g}, more than {self.high:.4g}"
        return ""


@dataclass(frozen=True)
class _Equal(_Certain):
    """What the index says must be one value."""

    name: str
    what: str
    values: list[Any]
    wanted: Any

    def failure(self, index: int) -> str:
        value = self.values[index]
        if value is None:
            return f"{self.what} is not in the index, so the cut {self.name} cannot be applied"
        same = value == self.wanted if isinstance(value, str) == isinstance(self.wanted, str) else False
        return "" if same else f"{self.what} is {value}, not {self.wanted}"


@dataclass(frozen=True)
class _Like:
    """What was measured must be like that of the observations before."""

    name: str
    what: str
    neighbours: Neighbours
    most: float
    unit: str = field(default="")

    def failure(self, index: int) -> str:
        found = self.neighbours.of(index)
        if found is None:
            return f"{self.what} is not in the index, so the cut {self.name} cannot be applied"
        if abs(found.deviation) <= self.most:
            return ""
        side = "above" if found.deviation > 0 else "below"
        return (
            f"{self.what} is {found.value:.4g}{self.unit}, {abs(found.deviation):.1f} robust standard deviations "
            f"{side} {found.median:.4g}{self.unit}, the median of the {found.count} observations before"
        )

    def doubt(self, index: int) -> str:
        found = self.neighbours.of(index)
        if found is None or found.judged:
            return ""
        return f"{self.name} did not judge it: {found.count} observations like it before, {FEWEST} are needed"


def quality_cuts(archive: Archive, block: Mapping[str, Any]) -> list[Cut]:
    """The cuts that the config's block ``observations.quality`` asks for, in the order in which they are applied.

    Raises
    ------
    ConfigError
        If they name a column that the index does not have.
    """
    _check_columns(archive, block)
    makers: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Cut]]] = {
        "livetime": lambda limits: _column(archive, "livetime", "LIVETIME", limits, "s"),
        "livetime_fraction": lambda limits: _fraction(archive, limits),
        "zenith": lambda limits: _column(archive, "zenith", "ZEN_PNT", limits, "deg"),
        "n_tels": lambda limits: _column(archive, "n_tels", "N_TELS", limits, ""),
        "moon": lambda limits: _moon(archive, limits),
        "columns": lambda columns: _columns(archive, columns),
        "event_rate": lambda limits: _event_rate(archive, limits),
        "outliers": lambda columns: _outliers(archive, columns),
    }
    return [cut for name, make in makers.items() for cut in make(block.get(name) or {})]


def _column(archive: Archive, name: str, column: str, limits: Mapping[str, Any], unit: str) -> Iterator[_Bounds]:
    """A cut on a column whose unit is known, should the index not tell."""
    if any(limits.get(bound) is not None for bound in ("min", "max")):
        yield _bounds(name, column, archive.quantity(column, unit), limits)


def _bounds(name: str, what: str, values: u.Quantity, limits: Mapping[str, Any]) -> _Bounds:
    low, high = (None if limits.get(key) is None else u.Quantity(limits[key]) for key in ("min", "max"))
    return _Bounds(name, what, values, low, high)


def _fraction(archive: Archive, limits: Mapping[str, Any]) -> Iterator[_Bounds]:
    if limits.get("min") is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = (archive.quantity("LIVETIME", "s") / archive.quantity("ONTIME", "s")).to("")
        yield _bounds("livetime_fraction", "LIVETIME over ONTIME", values, limits)


def _moon(archive: Archive, limits: Mapping[str, Any]) -> Iterator[_Bounds]:
    if limits.get("max_altitude") is not None:
        values = moon_altitudes(archive)
        bounds = _bounds("moon", "altitude of the moon", values, {"max": limits["max_altitude"]})
        yield replace(bounds, needed="GEOLON, GEOLAT, and TSTOP or ONTIME")
    if limits.get("min_separation") is not None:
        values = moon_separations(archive)
        bounds = _bounds("moon", "distance of the moon", values, {"min": limits["min_separation"]})
        yield replace(bounds, needed="TSTOP or ONTIME")


def _check_columns(archive: Archive, block: Mapping[str, Any]) -> None:
    """Refuse columns that the index does not have: with a misspelt one every observation would be rejected."""
    known = list(archive.observations.colnames)
    message, expected = f"the index of {archive.folder} has no such column", f"one of: {', '.join(known)}"
    problems = [
        Problem("config", 0, 0, f"observations.quality.{cuts}.{column}", message, expected, _nearest(column, known))
        for cuts in ("columns", "outliers")
        for column in block.get(cuts) or {}
        if column not in known
    ]
    if problems:
        raise ConfigError(problems)


def _nearest(word: str, known: Sequence[str]) -> str:
    return next(iter(get_close_matches(word, known, n=1)), "")


def _columns(archive: Archive, columns: Mapping[str, Any]) -> Iterator[Cut]:
    for column, limits in columns.items():
        name = f"columns.{column}"
        if limits["equal"] is not None:
            yield _Equal(name, column, [row.get(column) for row in archive.index_rows], limits["equal"])
        else:
            values = u.Quantity(archive.quantity(column, "").value, "")
            yield _bounds(name, column, values, limits)


def _event_rate(archive: Archive, limits: Mapping[str, Any]) -> Iterator[_Like]:
    if limits.get("max_deviation") is not None:
        livetime, events = archive.quantity("LIVETIME", "s").value, archive.quantity("EVENT_COUNT", "").value
        with np.errstate(divide="ignore", invalid="ignore"):
            rates, errors = events / livetime, np.sqrt(events) / livetime
        neighbours = Neighbours(archive.tstart.mjd, rates, limits["neighbours"], errors, _telescopes(archive))
        yield _Like("event_rate", "event rate", neighbours, limits["max_deviation"], " / s")


def _outliers(archive: Archive, columns: Mapping[str, Any]) -> Iterator[_Like]:
    for column, limits in columns.items():
        if limits["max_deviation"] is not None:
            values = archive.quantity(column, "").value
            neighbours = Neighbours(
                archive.tstart.mjd, values, limits["neighbours"], np.zeros(len(values)), _telescopes(archive)
            )
            yield _Like(f"outliers.{column}", column, neighbours, limits["max_deviation"])


def _telescopes(archive: Archive) -> np.ndarray:
    return np.nan_to_num(archive.quantity("N_TELS", "").value, nan=-1)
