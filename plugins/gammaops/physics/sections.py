"""What spectra show in the report.

The first note of a section is its headline: the page repeats it right under the verdict.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from gammaops.physics.figures import (
    confidence,
    draw_spectrum,
    encode,
)
from gammaops.physics.notation import measured, plain, unit_text
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy import table
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import SpectralModel

__all__ = ["spectrum_section"]

DNDE = u.Unit("TeV-1 cm-2 s-1")


def spectrum_section(points: FluxPoints, model: SpectralModel | None = None) -> Section:
    """Flux points with the best-fit model; a `model` with covariance gives the error band."""
    bins = points.to_table(sed_type="dnde")
    sigma = _column(bins, "sqrt_ts", u.one)
    threshold = float(points.sqrt_ts_threshold_ul)
    seen = bins[sigma > threshold]
    headline = f"{len(seen)} of {len(bins)} energy bins above {threshold:g} σ"
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
