"""Parameters in the units of the field: TeV, cm⁻² s⁻¹ TeV⁻¹, deg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["field_unit", "in_field_units"]

FIELD = tuple(map(u.Unit, ("cm-2 s-1 TeV-1", "cm-2 s-1", "TeV cm-2 s-1", "cm-2 s-1 TeV-1 sr-1", "TeV", "TeV-1", "deg")))
VALUES = ("value", "error", "min", "max")


def field_unit(unit: u.Unit | str) -> u.Unit:
    """The unit that the field uses for this quantity; the unit itself where it has none, as for pure numbers."""
    given = u.Unit(unit)
    return next((wanted for wanted in FIELD if given.is_equivalent(wanted)), given)


def in_field_units(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter as a mapping (``value``, ``error``, ``min``, ``max``, ``unit``, …) in the field's unit."""
    unit = field_unit(parameter["unit"])
    factor = u.Unit(parameter["unit"]).to(unit)
    if factor == 1:
        return dict(parameter)
    scaled = {name: parameter[name] * factor for name in VALUES if parameter.get(name) is not None}
    return {**parameter, **scaled, "unit": str(unit)}
