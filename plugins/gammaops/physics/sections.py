"""What spectra, light curves and fitted models show in the report.

The first note of a section is its headline: the page repeats it right under the verdict.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from gammapy.modeling.models import SkyModel

from gammaops.physics.counts_by_energy import merged
from gammaops.physics.figures import (
    confidence,
    draw_counts_spectrum,
    draw_light_curve,
    draw_residuals,
    draw_spectrum,
    encode,
)
from gammaops.physics.notation import measured, plain, unit_text
from gammaops.physics.steadiness import Steadiness
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from astropy import table
    from astropy.time import Time
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import Models, SpectralModel

__all__ = ["fit_section", "light_curve_section", "spectrum_section"]

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


def fit_section(models: Models, fit: Mapping[str, Any]) -> Section:
    """Parameters of fitted models with errors and units, and how well they describe the counts.

    Parameters
    ----------
    models : `gammapy.modeling.models.Models`
        Fitted models with their covariance.
    fit : mapping
        The key ``fit`` of the product: ``message``, ``total_stat``, ``nfev``, and, where known, ``counts`` by energy.
    """
    rows = [row for model in models for row in _parameter_rows(model)]
    about = f"{fit['message']} Fit statistic {fit['total_stat']:.1f} after {fit['nfev']} evaluations."
    return Section(
        title="Fit",
        notes=(_fit_headline(models), about),
        figures=tuple(_fit_figures(fit.get("counts"))),
        tables=(Table(("Parameter", "Value ± 1 σ", "Unit", ""), rows),),
    )


def _fit_headline(models: Models) -> str:
    """The free spectral parameters of the first source."""
    for model in models:
        spectral = getattr(model, "spectral_model", None)
        if isinstance(model, SkyModel) and spectral is not None:
            free = [one for one in spectral.parameters if not one.frozen]
            words = [f"{one.name} {measured(one.value, one.error)} {unit_text(one.unit)}".strip() for one in free]
            return f"{model.name}: {', '.join(words) or 'no free spectral parameter'}."
    return "No source among the models."


def _parameter_rows(model: Any) -> Iterator[tuple[str, ...]]:
    for parameter in model.parameters:
        if parameter.frozen and not isinstance(model, SkyModel):
            continue
        value = plain(parameter.value, 4) if parameter.frozen else measured(parameter.value, parameter.error)
        yield f"{model.name}: {parameter.name}", value, unit_text(parameter.unit), "fixed" if parameter.frozen else ""


def _fit_figures(found: Mapping[str, Any] | None) -> Iterator[Figure]:
    bins = merged(found) if found else {}
    if not bins or not len(bins["counts"]):
        return
    edges, counts, predicted, background = (bins[name] for name in ("edges_tev", "counts", "predicted", "background"))
    draw = partial(draw_counts_spectrum, edges_tev=edges, counts=counts, predicted=predicted, background=background)
    yield Figure("Counts of all datasets together: measured, and predicted by the best fit.", encode(draw))
    caption = "What the fit does not describe. Most points should lie in or near the grey band, without a trend."
    yield Figure(caption, encode(partial(draw_residuals, edges_tev=edges, counts=counts, predicted=predicted)))
