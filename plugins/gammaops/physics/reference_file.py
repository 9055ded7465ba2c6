"""Published numbers in files.

A reference file is YAML with ``source`` (where the numbers were published) and one of::

    fit:                                   # by source and parameter
      crab:
        index: {value: 2.63, error: 0.07}
        amplitude: {value: 1.63e-11, error: 9.0e-13, unit: TeV-1 s-1 cm-2}
        reference: {value: 1.45, unit: TeV}            # without error: must be the same

    light_curve:                           # bins of one width from one start (UTC)
      energy_min: 0.59 TeV
      energy_max: 6.18 TeV
      start: 2006-07-29 20:30
      bin_width: 10 min
      unit: cm-2 s-1
      flux: [1.31e-10, 1.52e-10]
      error: [1.0e-11, 1.0e-11]                        # may be absent
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import astropy.units as u
import yaml
from astropy.time import Time

from gammaops.errors import AlgorithmError, ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["read_reference"]

KINDS = ("fit", "light_curve")
Complaint = tuple[str, str, str]
"""Key, what is wrong, and what was expected."""


def read_reference(path: Path) -> dict[str, Any]:
    """A reference file.

    Raises
    ------
    AlgorithmError
        If it is not one.
    ConfigError
        If something in it is not what it should be; with everything that is wrong.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        kinds = [kind for kind in KINDS if kind in document]
        known = len(kinds) == 1 and bool(document.get("source"))
    except (TypeError, AttributeError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AlgorithmError(f"{path.name} is no reference file: {error}") from error
    if not known:
        raise AlgorithmError(f"{path.name} is no reference file: it needs `source` and one of {', '.join(KINDS)}")
    (kind,) = kinds
    complaints = {"fit": _of_fit, "light_curve": _of_light_curve}[kind](document[kind])
    problems = [Problem(path.name, 0, 0, *complaint) for complaint in complaints]
    if problems:
        raise ConfigError(problems)
    return document


def _of_fit(sources: Any) -> Iterator[Complaint]:
    if not isinstance(sources, dict) or not sources:
        yield "fit", "no sources", "parameters by source, such as {crab: {index: {value: 2.63, error: 0.07}}}"
        return
    for source, parameters in sources.items():
        if not isinstance(parameters, dict) or not parameters:
            yield f"fit.{source}", "no parameters", "such as {index: {value: 2.63, error: 0.07}}"
            continue
        for name, number in parameters.items():
            yield from _of_number(f"fit.{source}.{name}", number)


def _of_number(key: str, number: Any) -> Iterator[Complaint]:
    """A value, with error and unit where it has them."""
    if not isinstance(number, dict):
        yield key, f"{number!r} is no mapping", "{value: …, error: …, unit: …}"
        return
    for unknown in sorted(map(str, number.keys() - {"value", "error", "unit"})):
        yield f"{key}.{unknown}", "unknown key", "value, error, unit"
    if not _is_number(number.get("value")):
        yield f"{key}.value", _told(number, "value"), "a number"
    elif number.get("error") is None and float(number["value"]) == 0:
        yield f"{key}.error", "not given, and nothing is a percentage of 0", "an error"
    if number.get("error") is not None and not _is_positive(number["error"]):
        yield f"{key}.error", _told(number, "error"), "a number above 0, or none"
    if number.get("unit") is not None and not _succeeds(u.Unit, number["unit"]):
        yield f"{key}.unit", _told(number, "unit"), "a unit of astropy"


def _of_light_curve(curve: Any) -> Iterator[Complaint]:
    if not isinstance(curve, dict):
        yield "light_curve", f"{curve!r} is no mapping", "energy_min, energy_max, start, bin_width, unit, flux"
        return
    parsers: dict[str, tuple[Callable[[Any], object], str]] = {
        "energy_min": (_quantity("TeV"), "an energy, such as 0.59 TeV"),
        "energy_max": (_quantity("TeV"), "an energy, such as 6.18 TeV"),
        "start": (lambda value: Time(str(value), scale="utc"), "a time (UTC), such as 2006-07-29 20:30"),
        "bin_width": (_quantity("s"), "a time, such as 10 min"),
        "unit": (lambda value: u.Unit(str(value)).to("cm-2 s-1"), "a unit of flux, such as cm-2 s-1"),
    }
    for name, (parse, expected) in parsers.items():
        if curve.get(name) is None or not _succeeds(parse, curve[name]):
            yield f"light_curve.{name}", _told(curve, name), expected
    fluxes, errors = curve.get("flux"), curve.get("error")
    if not isinstance(fluxes, list) or not fluxes or not all(map(_is_number, fluxes)):
        yield "light_curve.flux", _told(curve, "flux"), "a list of numbers, one for each bin"
        return
    if errors is None and any(float(flux) == 0 for flux in fluxes):
        yield "light_curve.error", "not given, and nothing is a percentage of a flux of 0", "an error for each flux"
    if errors is not None and not (isinstance(errors, list) and all(map(_is_positive, errors))):
        yield "light_curve.error", _told(curve, "error"), "a list of numbers above 0, or none"
    elif errors is not None and len(errors) != len(fluxes):
        yield "light_curve.error", f"{len(errors)} values for {len(fluxes)} fluxes", "one for each"


def _quantity(unit: str) -> Callable[[Any], object]:
    return lambda value: u.Quantity(value).to(unit)


def _succeeds(parse: Callable[[Any], object], value: Any) -> bool:
    try:
        parse(value)
    except (ValueError, TypeError, u.UnitConversionError):
        return False
    return True


def _is_number(value: Any) -> bool:
    """YAML reads ``1e-11`` as text, which is a number all the same."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    return _succeeds(float, value) and math.isfinite(float(value))


def _is_positive(value: Any) -> bool:
    return _is_number(value) and float(value) > 0


def _told(mapping: Mapping[str, Any], name: str) -> str:
    return "not given" if mapping.get(name) is None else f"{str(mapping[name])[:60]!r} does not fit"
