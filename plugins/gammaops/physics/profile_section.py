"""What a flux profile shows in the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from gammaops.physics.figures import BLUE, GREY, ORANGE, RED, encode
from gammaops.physics.notation import measured, plain, unit_text
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammapy.estimators import FluxPoints
    from matplotlib.axes import Axes

__all__ = ["draw_profile", "profile_section"]

FLUX = u.Unit("cm-2 s-1")
SHOWN = 1e-12
_COLOURS = (BLUE, ORANGE, GREY, RED)


def profile_section(profile: FluxPoints, left_out: int = 0) -> Section:
    """Flux by region and energy, and where it is highest; `left_out`: regions that do not lie within the map."""
    header = ("Distance [°]", "Energy [TeV]", f"Flux [{unit_text(FLUX)}]", "√TS [σ]")
    caption = "Flux in each region, not per area. Left: the first box of the line, or the innermost annulus."
    figure = Figure(caption, encode(partial(draw_profile, profile=profile)))
    rows = tuple(_rows(profile))
    flux = _values(profile, "flux")
    if not np.isfinite(flux).any():
        return Section("Flux profile", (figure,), (Table(header, rows),), ("No flux could be measured.",))
    place = np.unravel_index(np.nanargmax(flux), flux.shape)
    centre = profile.geom.axes["projected-distance"].center.to_value("deg")[place[0]]
    height = measured(flux[place], _values(profile, "flux_err")[place])
    headline = f"Highest flux {height} {unit_text(FLUX)} at {centre:.2f}°; {_regions(flux)} within the map."
    if left_out:
        lost = f"{left_out} of {len(flux) + left_out} regions do not lie within the map and are left out"
        headline = f"{lost}; of the others the highest flux is {height} {unit_text(FLUX)} at {centre:.2f}°."
    return Section("Flux profile", (figure,), (Table(header, rows),), (headline,))


def _regions(flux: np.ndarray) -> str:
    return f"{len(flux)} region{'s' if len(flux) != 1 else ''}"


def _values(profile: FluxPoints, name: str) -> np.ndarray:
    """Values by region and energy."""
    return getattr(profile, name).quantity[:, :, 0, 0].to_value(u.one if name == "sqrt_ts" else FLUX)


def _energies(profile: FluxPoints) -> list[str]:
    axis = profile.geom.axes["energy"]
    edges = zip(axis.edges_min.to_value("TeV"), axis.edges_max.to_value("TeV"), strict=True)
    return [f"{plain(low)} to {plain(high)}" for low, high in edges]


def _rows(profile: FluxPoints) -> Iterator[tuple[str, ...]]:
    flux, error, sigma = (_values(profile, name) for name in ("flux", "flux_err", "sqrt_ts"))
    centres = profile.geom.axes["projected-distance"].center.to_value("deg")
    for place, centre in enumerate(centres):
        for number, energies in enumerate(_energies(profile)):
            numbers = measured(flux[place, number], error[place, number]), plain(sigma[place, number], 2)
            yield f"{centre:.3f}", energies, *numbers


def draw_profile(axes: Axes, profile: FluxPoints) -> None:
    """Flux against distance, one colour per energy bin."""
    distance = profile.geom.axes["projected-distance"]
    centre = distance.center.to_value("deg")
    width = [centre - distance.edges_min.to_value("deg"), distance.edges_max.to_value("deg") - centre]
    flux, error = (_values(profile, name) / SHOWN for name in ("flux", "flux_err"))
    for number, energies in enumerate(_energies(profile)):
        axes.errorbar(
            centre,
            flux[:, number],
            yerr=error[:, number],
            xerr=width,
            fmt="o",
            color=_COLOURS[number % len(_COLOURS)],
            label=f"{energies} TeV",
        )
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="Distance [deg]", ylabel=r"Flux per region [$10^{-12}$ cm$^{-2}$ s$^{-1}$]")
    axes.legend(title="Energy")
