"""Quantities, times and paths as text: whether they are right, and their one canonical spelling."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache

import astropy.units as u

from gammaops.schema.relations import Finding, near

__all__ = ["DATA_VARIABLES", "canonical_date", "canonical_quantity", "canonical_time", "path_finding", "size_in"]

COMMON_UNITS = ("deg", "arcmin", "arcsec", "rad", "TeV", "GeV", "MeV", "s", "min", "h", "d", "m", "km", "%")
# Folders of data, in the order in which a relative path is looked for.
DATA_VARIABLES = ("GAMMAOPS_DATA", "GAMMAPY_DATA")
_QUANTITY = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)\s*((?:[A-Za-z%].{0,40}?)?)\s*")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]*)\}?(/?)")


@lru_cache(maxsize=4096)
def canonical_quantity(text: str, unit: str) -> str | Finding:
    """A quantity as ``"<value> <unit>"`` with 12 digits, or what is wrong with it."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return Finding((), f"{text!r} is not a number with a unit", example(unit))
    number, unit_text = match.groups()
    if not unit_text:
        return Finding((), f"{text!r} has no unit", example(unit), f"{text.strip()} {unit}")
    factor = _factor(unit_text, unit)
    if isinstance(factor, Finding):
        return factor
    value = float(number) * factor
    if value in (float("inf"), float("-inf")):
        return Finding((), f"{text!r} is not finite", example(unit))
    return f"{value + 0.0:.12g} {unit}"


def size_in(canonical: str) -> float:
    """The number of a canonical quantity."""
    return float(canonical.split(" ", 1)[0])


def example(unit: str) -> str:
    """What kind of quantity is meant, for an error message."""
    kinds = {"deg": "an angle", "rad": "an angle", "TeV": "an energy", "m": "a length", "%": "a percentage"}
    kind = kinds.get(unit, "a time" if unit in ("s", "min", "h", "d") else "a quantity")
    return f"{kind} such as 1 {unit}"


@lru_cache(maxsize=1024)
def _factor(unit_text: str, unit: str) -> float | Finding:
    try:
        given = u.Unit(unit_text)
        return float(given.to(u.Unit(unit)))
    except u.UnitConversionError:
        kind = str(given.physical_type).partition("/")[0]
        return Finding((), f"{unit_text!r} is a unit of {kind}", example(unit))
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        return Finding((), f"{unit_text!r} is not a unit", example(unit), near(unit_text, COMMON_UNITS))


def canonical_time(text: str) -> str | Finding:
    """A moment as ISO 8601 without offset, in UTC, or what is wrong with it."""
    if not _TIME.fullmatch(text):
        return Finding((), f"{text!r} is not a time", "a UTC time such as 2006-07-29T20:30:00")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        return Finding((), f"{text!r} is not a time: {error}", "a UTC time such as 2006-07-29T20:30:00")
    return moment.isoformat()


def canonical_date(text: str) -> str | Finding:
    """A calendar date as ``YYYY-MM-DD``, or what is wrong with it."""
    try:
        if len(text) == len("2006-07-29"):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    return Finding((), f"{text!r} is not a date", "a date such as 2006-07-29")


def path_finding(text: str) -> Finding | None:
    """What is wrong with the spelling of a path; whether it exists is not asked."""
    allowed = "a path relative to the data folders, or one that starts with $GAMMAPY_DATA/ or $GAMMAOPS_DATA/"
    if "\0" in text or "\n" in text or not text.strip():
        return Finding((), f"{text!r} is not a path", allowed)
    if "://" in text:
        return Finding((), f"{text!r} is a URL", allowed)
    if text.startswith("~"):
        return Finding((), f"{text!r} depends on who runs it", allowed)
    if ".." in text.split("/"):
        return Finding((), f"{text!r} leads out of its folder", allowed)
    rest = text
    match = _VARIABLE.match(text)
    if match:
        if (
            match.group(1) not in DATA_VARIABLES
            or "{" in match.group()
            or not (match.group(2) or match.end() == len(text))
        ):
            return Finding((), f"the variable in {text!r} is not expanded", allowed)
        rest = text[match.end() :]
    return Finding((), f"only the start of {text!r} may be a variable", allowed) if "$" in rest else None
