"""What spectra and light curves show in the report.

The first note of a section is its headline: the page repeats it right under the verdict.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from gammaops.physics.figures import (
    confidence,
    draw_light_curve,
    draw_spectrum,
    encode,
)
from gammaops.physics.notation import measured, plain, unit_text
from gammaops.physics.steadiness import Steadiness
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy import table
    from astropy.time import Time
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import SpectralModel

__all__ = ["light_curve_section", "spectrum_section"]

DNDE, FLUX = u.Unit("TeV-1 cm-2 s-1"), u.Unit("cm-2 s-1")
DETECTED = 2.0


def spectrum_section(points: FluxPoints, model: SpectralModel | None = None) -> Section:
    """Flux points with the best-fit model; a `model` with covariance gives the error band."""
    bins = points.to_table(sed_type="dnde")
    sigma = _column(bins, "sqrt_ts", u.one)
    seen = bins[sigma > DETECTED]
    headline = f"{len(seen)} of {len(bins)} energy bins above {DETECTED:g} σ"
    if len(seen):
        low, high = seen["e_min"].quantity.min().to_value("TeV"), seen["e_max"].quantity.max().to_value("TeV")
        headline += f", from {plain(low, 2)} to {plain(high, 2)} TeV"
    caption = "Flux points and the best fit. The points should scatter evenly around the line."
    header = ("Energy [TeV]", "At [TeV]", f"dN/dE [{unit_text(DNDE)}]", f"Upper limit{confidence(points)}", "√TS [σ]")
    return Section(
        title="Spectrum",
        notes=(f"{headline}.",),
        figures=(Figure(caption, encode(partial(draw_spectrum, points=points, model=model))),),
        tables=(Table(header, list(_point_rows(bins, sigma))),),
    )


def _point_rows(bins: table.Table, sigma: np.ndarray) -> Iterator[tuple[str, ...]]:
    edges = [bins[name].quantity.to_value("TeV") for name in ("e_min", "e_max", "e_ref")]
    fluxes = [_column(bins, name, DNDE) for name in ("dnde", "dnde_err", "dnde_ul")]
    for low, high, at, flux, error, limit, significance in zip(*edges, *fluxes, sigma, strict=True):
        energies = f"{plain(low)} to {plain(high)}"
        shown = "no signal" if significance < 1 else measured(flux, error)
        yield energies, plain(at), shown, plain(limit, 2), plain(significance, 2)


def _column(bins: table.Table, name: str, unit: u.UnitBase) -> np.ndarray:
    """A column in the given unit; without it, nothing but unknown values."""
    return u.Quantity(bins[name]).to_value(unit) if name in bins.colnames else np.full(len(bins), np.nan)


def light_curve_section(light_curve: FluxPoints) -> Section:
    """The light curve, and in words whether the flux was steady."""
    time = light_curve.geom.axes["time"]
    energy = light_curve.geom.axes["energy"]
    notes, rows = [], []
    for index in range(energy.nbin):
        flux, error, limit, sigma = (
            _over_time(light_curve, name, index) for name in ("flux", "flux_err", "flux_ul", "sqrt_ts")
        )
        band = f"{plain(energy.edges_min[index].to_value('TeV'))} to {plain(energy.edges_max[index].to_value('TeV'))}"
        prefix = f"{band} TeV: " if energy.nbin > 1 else ""
        notes.append(prefix + Steadiness.of(flux, error).in_words([_minute(one) for one in time.time_mid]))
        for place, (start, stop) in enumerate(zip(time.time_min, time.time_max, strict=True)):
            numbers = measured(flux[place], error[place]), plain(limit[place], 2), plain(sigma[place], 2)
            rows.append((f"{_minute(start)} to {_minute(stop)[-5:]}", band, *numbers))
    caption = "Flux over time. Dashed: the mean. Points far from it, by many times their error bars, are variability."
    header = (
        "Time (UTC)",
        "Energy [TeV]",
        f"Flux [{unit_text(FLUX)}]",
        f"Upper limit{confidence(light_curve)}",
        "√TS [σ]",
    )
    figure = Figure(caption, encode(partial(draw_light_curve, light_curve=light_curve)))
    return Section(title="Light curve", notes=notes, figures=(figure,), tables=(Table(header, rows),))


def _over_time(light_curve: FluxPoints, name: str, index: int) -> np.ndarray:
    if name.replace("flux", "norm") not in light_curve.available_quantities:
        return np.full(light_curve.geom.axes["time"].nbin, np.nan)
    return getattr(light_curve, name).quantity[:, index, 0, 0].to_value(u.one if name == "sqrt_ts" else FLUX)


def _minute(time: Time) -> str:
    return time.utc.strftime("%Y-%m-%d %H:%M")
