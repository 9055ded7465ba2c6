"""Axes of true energy that do not cover the reconstructed energy, which gammapy accepts and gammaops does not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import astropy.units as u

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["cover_energies"]

# Those of gammapy.
DEFAULTS = {
    "energy": {"min": "1 TeV", "max": "10 TeV", "nbins": 5},
    "energy_true": {"min": "0.5 TeV", "max": "20 TeV", "nbins": 16},
}


def cover_energies(data: dict[str, Any], notes: list[str]) -> None:
    """Widen ``energy_true`` to cover ``energy``, with as many bins per decade as before."""
    axes = data.get("datasets", {}).get("geom", {}).get("axes", {})
    if not isinstance(axes, dict):
        return
    try:
        energy, true = (_bounds({**DEFAULTS[name], **axes.get(name, {})}) for name in DEFAULTS)
    except (TypeError, ValueError):
        return  # what is wrong with them is told when the result is checked
    if true[0] <= energy[0] and true[1] >= energy[1]:
        return
    low, high = min(true[0], energy[0]), max(true[1], energy[1])
    per_decade = true[2] / math.log10(true[1] / true[0])
    bins = math.ceil(per_decade * math.log10(high / low) - 1e-9)
    data["datasets"].setdefault("geom", {}).setdefault("axes", {})["energy_true"] = {
        "min": f"{low:g} TeV",
        "max": f"{high:g} TeV",
        "nbins": bins,
    }
    notes.append(
        f"datasets.geom.axes.energy_true is {low:g}-{high:g} TeV in {bins} bins instead of {true[0]:g}-{true[1]:g} TeV "
        f"in {true[2]}: it has to cover energy, or events at its ends have no model"
    )


def _bounds(axis: Mapping[str, Any]) -> tuple[float, float, int]:
    low, high = (float(u.Quantity(axis[bound]).to_value("TeV")) for bound in ("min", "max"))
    if not 0 < low < high:
        raise ValueError("no range")
    return low, high, int(axis["nbins"])
