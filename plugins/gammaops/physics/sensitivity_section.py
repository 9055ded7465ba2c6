"""What a sensitivity shows in the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from gammaops.physics.figures import BLUE, GREY, ORANGE, decades, encode
from gammaops.physics.notation import plain, unit_text
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from astropy import table
    from matplotlib.axes import Axes

__all__ = ["draw_sensitivity", "sensitivity_section"]

E2DNDE = u.Unit("erg cm-2 s-1")
_LIMITS = {
    "significance": ("significance", BLUE, "o"),
    "gamma": ("number of events", ORANGE, "s"),
    "bkg": ("background systematics", GREY, "^"),
}


def sensitivity_section(found: table.Table) -> Section:
    """The least flux that would be detected, and what limits it."""
    hours, n_sigma = found.meta["livetime_s"] / 3600, found.meta["n_sigma"]
    best = found[int(np.argmin(found["e2dnde"]))]
    flux = (best["e2dnde"] * found["e2dnde"].unit).to_value(E2DNDE)
    headline = (
        f"In {plain(hours)} h a source is detected in one energy bin from {plain(flux)} {unit_text(E2DNDE)} on,"
        f" at {plain(best['e_ref'])} TeV."
    )
    caption = f"Flux that {n_sigma:g} σ need in each energy bin, and what limits it there. Lower is better."
    header = ("Energy [TeV]", f"E² dN/dE [{unit_text(E2DNDE)}]", "Excess", "Background", "Limited by")
    rows = [
        (
            f"{plain(row['e_min'])} to {plain(row['e_max'])}",
            plain((row["e2dnde"] * found["e2dnde"].unit).to_value(E2DNDE)),
            plain(row["excess"]),
            plain(row["background"]),
            _LIMITS[str(row["criterion"])][0],
        )
        for row in found
    ]
    figure = Figure(caption, encode(partial(draw_sensitivity, found=found)))
    left_out = found.meta["bins_left_out"]
    bins = "1 energy bin is" if left_out == 1 else f"{left_out} energy bins are"
    notes = (f"{bins} left out: not safe, without a response, or beyond the datasets.",) if left_out else ()
    return Section("Sensitivity", (figure,), (Table(header, rows),), (headline, *notes))


def draw_sensitivity(axes: Axes, found: table.Table) -> None:
    """E² dN/dE of the faintest detectable source, marked by what limits it."""
    energy, low, high = (found[name].quantity.to_value("TeV") for name in ("e_ref", "e_min", "e_max"))
    flux = found["e2dnde"].quantity.to_value(E2DNDE)
    axes.plot(energy, flux, color=GREY, linewidth=1)
    for criterion, (label, colour, marker) in _LIMITS.items():
        here = np.asarray(found["criterion"]) == criterion
        if here.any():
            width = [(energy - low)[here], (high - energy)[here]]
            axes.errorbar(energy[here], flux[here], xerr=width, fmt=marker, color=colour, label=f"Limited by {label}")
    axes.set(xscale="log", yscale="log", xlabel="Energy [TeV]", ylabel=r"$E^2\,dN/dE$ [erg cm$^{-2}$ s$^{-1}$]")
    decades(axes)
    axes.legend()
