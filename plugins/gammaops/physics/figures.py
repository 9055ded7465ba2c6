"""Figures of spectra, light curves and counts: functions that draw on given axes, and one that makes a PNG of it.

Drawing and encoding are apart so that what is drawn can be checked. The same data give the same bytes: no date and no
version is written, sizes and fonts are fixed, and nothing of the user's matplotlib settings is read.
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gammaops.physics.exposures import exposures, mean_flux

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from astropy.table import Table
    from astropy.wcs import WCS
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import SpectralModel
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = [
    "confidence",
    "decades",
    "draw_counts_spectrum",
    "draw_cumulative_significance",
    "draw_energy_ranges",
    "draw_light_curve",
    "draw_rates",
    "draw_residuals",
    "draw_spectrum",
    "encode",
]

BLUE, ORANGE, GREY, RED = "#1f5fa8", "#c8611a", "#7a828c", "#a3161d"
DPI = 110
WIDE, TALL = (7.2, 4.2), (6.4, 5.6)
DNDE = u.Unit("TeV-1 cm-2 s-1")
E2DNDE = u.Unit("TeV cm-2 s-1")
FLUX = u.Unit("cm-2 s-1")
_COLOURS = (BLUE, ORANGE, GREY, RED)
_DATES = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
_NAMES_SHOWN, _NAMES_SIDE_BY_SIDE = 24, 6
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e6ea",
    "axes.edgecolor": "#55606e",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "errorbar.capsize": 0,
    "figure.constrained_layout.use": True,
}


def encode(draw: Callable[[Axes], None], size: tuple[float, float] = WIDE, projection: WCS | None = None) -> bytes:
    """The PNG that `draw` draws on fresh axes of the given size in inches, with sky coordinates if a WCS is given."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=size, dpi=DPI)
        FigureCanvasAgg(figure)
        draw(figure.add_subplot(projection=projection))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def draw_spectrum(axes: Axes, points: FluxPoints, model: SpectralModel | None = None) -> None:
    """Flux points, upper limits where there is no signal, and the best-fit model with its 1 σ band."""
    table = points.to_table(sed_type="e2dnde")
    energy = table["e_ref"].quantity.to_value("TeV")
    low, high = energy - table["e_min"].quantity.to_value("TeV"), table["e_max"].quantity.to_value("TeV") - energy
    value, error = (table[name].quantity.to_value(E2DNDE) for name in ("e2dnde", "e2dnde_err"))
    limit = _upper_limits(table, value, error)
    good = (value > 0) & ~limit
    axes.errorbar(
        energy[good],
        value[good],
        yerr=error[good],
        xerr=[low[good], high[good]],
        fmt="o",
        color=BLUE,
        label="Flux points",
    )
    if limit.any():
        bound = table["e2dnde_ul"].quantity.to_value(E2DNDE)[limit]
        axes.errorbar(
            energy[limit],
            bound,
            yerr=0.35 * bound,
            xerr=[low[limit], high[limit]],
            uplims=True,
            fmt="none",
            color=GREY,
            label=f"Upper limits{confidence(points)}",
        )
    if model is None and not (good.any() or limit.any()):
        axes.text(0.5, 0.5, "No flux could be measured", transform=axes.transAxes, ha="center")
        return
    if model is not None:
        _draw_model(axes, model, u.Quantity([(energy - low).min(), (energy + high).max()], "TeV"))
    axes.set(xscale="log", yscale="log", xlabel="Energy [TeV]", ylabel=r"$E^2\,dN/dE$ [TeV cm$^{-2}$ s$^{-1}$]")
    decades(axes)
    axes.legend(loc="lower left")


def confidence(points: FluxPoints) -> str:
    """At how many σ the upper limits stand, as an addition to a label; empty if the file does not say."""
    return f" ({points.n_sigma_ul:g} σ)" if points.n_sigma_ul else ""


def _upper_limits(table: Table, value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Which bins are shown as upper limits: as the estimator says, or without a positive flux above its own error."""
    if "e2dnde_ul" not in table.colnames:
        return np.zeros(len(value), dtype=bool)
    if "is_ul" in table.colnames and np.any(table["is_ul"]):
        flagged = np.asarray(table["is_ul"], dtype=bool)
    else:
        flagged = ~(value > error)
    return flagged & (table["e2dnde_ul"].quantity.to_value(E2DNDE) > 0)


def _draw_model(axes: Axes, model: SpectralModel, bounds: u.Quantity) -> None:
    energy = u.Quantity(np.geomspace(bounds[0].to_value("TeV"), bounds[1].to_value("TeV"), 120), "TeV")
    scale = energy**2
    axes.plot(energy.value, (scale * model(energy)).to_value(E2DNDE), color=ORANGE, label="Best fit")
    if not _has_covariance(model):
        return
    median, minus, plus = model.evaluate_error(energy)
    low, high = ((scale * flux).to_value(E2DNDE) for flux in (median - minus, median + plus))
    axes.fill_between(energy.value, low, high, color=ORANGE, alpha=0.22, linewidth=0, label="Fit, 68 % confidence")


def _has_covariance(model: SpectralModel) -> bool:
    """Errors alone, without the correlation of the parameters, would give a band that is far too wide."""
    covariance = np.atleast_2d(model.covariance.data)
    free = int(np.sum(np.diag(covariance) > 0))
    return free == 1 or (free > 1 and bool(np.any(covariance - np.diag(np.diag(covariance)))))


def decades(axes: Axes) -> None:
    """Energies as 0.5, 1, 10 rather than as powers of ten."""
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(mpl.ticker.LogFormatter(labelOnlyBase=False, minor_thresholds=(1.5, 0.5)))


def draw_light_curve(axes: Axes, light_curve: FluxPoints, blocks: Sequence[Sequence[Mapping[str, Any]]] = ()) -> None:
    """Integral flux against time (UTC), one colour per energy range, with the mean as a dashed line.

    `blocks` are the Bayesian blocks of each energy range; where there are several, they replace the mean.
    """
    time, energy = (light_curve.geom.axes[name] for name in ("time", "energy"))
    start, stop = (mdates.date2num(edge.utc.to_datetime()) for edge in (time.time_min, time.time_max))
    flux, error = (item.quantity[:, :, 0, 0].to_value(FLUX) for item in (light_curve.flux, light_curve.flux_err))
    power = _power_of_ten(flux)
    for index, (low, high) in enumerate(zip(energy.edges_min, energy.edges_max, strict=True)):
        value, spread = flux[:, index] / 10.0**power, error[:, index] / 10.0**power
        colour = _COLOURS[index % len(_COLOURS)]
        label = f"{low.to_value('TeV'):.3g} to {high.to_value('TeV'):.3g} TeV"
        half = (stop - start) / 2
        axes.errorbar(start + half, value, yerr=spread, xerr=half, fmt="o", color=colour, label=label)
        known = np.isfinite(value) & (spread > 0)
        steps = blocks[index] if index < len(blocks) else ()
        if len(steps) > 1:
            for step in steps:
                ends = mdates.date2num([datetime.fromisoformat(step[name]) for name in ("start", "stop")])
                axes.plot(ends, [step["flux_per_cm2_s"] / 10.0**power] * 2, color=ORANGE, linewidth=2, zorder=3)
        elif known.sum() > 1:
            mean = mean_flux(value[known], exposures(light_curve, index)[known])
            axes.axhline(mean, color=colour, linestyle="--", linewidth=1)
    axes.axhline(0, color=GREY, linewidth=0.8)
    locator = mdates.AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, formats=_DATES, zero_formats=_DATES))
    axes.set(xlabel="Time (UTC)", ylabel=rf"Flux [$10^{{{power}}}$ cm$^{{-2}}$ s$^{{-1}}$]")
    axes.legend(title="Energy", loc="lower left")


def _power_of_ten(values: np.ndarray) -> int:
    """The power of ten that makes the largest of these values a number between 1 and 10."""
    highest = np.nanmax(np.abs(values), initial=0.0)
    return int(np.floor(np.log10(highest))) if highest > 0 else 0


def draw_counts_spectrum(
    axes: Axes, edges_tev: np.ndarray, counts: np.ndarray, predicted: np.ndarray, background: np.ndarray
) -> None:
    """Measured counts against those that the best fit predicts, and the background in them, per decade of energy."""
    widths = np.diff(np.log10(edges_tev))
    for values, label, style in (
        (predicted, "Predicted: source and background", {"color": ORANGE, "linewidth": 2}),
        (background, "Background", {"color": GREY, "linestyle": "--"}),
    ):
        axes.stairs(values / widths, edges_tev, baseline=None, label=label, **style)
    centre = np.sqrt(edges_tev[1:] * edges_tev[:-1])
    error = np.sqrt(counts) / widths
    axes.errorbar(centre, counts / widths, yerr=error, fmt="o", markersize=4, color=BLUE, label="Measured")
    axes.set(xscale="log", yscale="log", xlabel="Energy [TeV]", ylabel="Counts per decade of energy")
    decades(axes)
    axes.legend()


def draw_residuals(axes: Axes, edges_tev: np.ndarray, counts: np.ndarray, predicted: np.ndarray) -> None:
    """(measured - predicted) / √predicted per energy bin; two of three bins of a good fit lie in the grey band."""
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = np.where(predicted > 0, (counts - predicted) / np.sqrt(predicted), np.nan)
    axes.axhspan(-1, 1, color=GREY, alpha=0.18, linewidth=0)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.errorbar(np.sqrt(edges_tev[1:] * edges_tev[:-1]), pull, yerr=1, fmt="o", markersize=4, color=BLUE)
    axes.set(xscale="log", xlabel="Energy [TeV]", ylabel="(measured - predicted) / √predicted")
    decades(axes)


def draw_cumulative_significance(axes: Axes, livetime_h: ArrayLike, sqrt_ts: ArrayLike) -> None:
    """Significance of all observations so far against their livetime, with the √livetime growth of a steady source."""
    hours, significance = (np.concatenate([[0.0], np.asarray(values, dtype=float)]) for values in (livetime_h, sqrt_ts))
    grid = np.linspace(0, hours[-1], 100)
    axes.plot(grid, significance[-1] * np.sqrt(grid / hours[-1]), "--", color=GREY, label="Steady source")
    axes.plot(hours, significance, "o-", color=BLUE, label="Observed")
    axes.axhline(5, color=RED, linewidth=1, linestyle=":", label="5 σ")
    axes.set(xlabel="Livetime [h]", ylabel="Cumulative significance [σ]", xlim=(0, None))
    axes.legend()


def draw_rates(
    axes: Axes, names: Sequence[str], rate: ArrayLike, error: ArrayLike, minutes: ArrayLike, label: str
) -> None:
    """Rate of each observation with its error, and all counts over all minutes as a dashed line.

    `label` says what is counted.
    """
    place = np.arange(len(names))
    rates, errors = np.asarray(rate, dtype=float), np.asarray(error, dtype=float)
    axes.errorbar(place, rates, yerr=errors, fmt="o", color=BLUE)
    known = np.isfinite(rates) & (errors > 0)
    if known.any():
        mean = mean_flux(rates[known], np.asarray(minutes, dtype=float)[known])
        axes.axhline(mean, color=BLUE, linestyle="--", linewidth=1)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="Observation", ylabel=label)
    _named_places(axes, names)


def draw_energy_ranges(axes: Axes, names: Sequence[str], low_tev: ArrayLike, high_tev: ArrayLike) -> None:
    """Safe energy range of each observation: a threshold far above the others costs the spectrum its low end."""
    place = np.arange(len(names))
    low, high = np.asarray(low_tev, dtype=float), np.asarray(high_tev, dtype=float)
    axes.vlines(place, low, high, color=BLUE, alpha=0.35, linewidth=5)
    axes.plot(place, low, "o", color=BLUE, markersize=5, label="Threshold")
    axes.set(yscale="log", xlabel="Observation", ylabel="Safe energies [TeV]")
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.legend()
    _named_places(axes, names)


def _named_places(axes: Axes, names: Sequence[str]) -> None:
    """Names below the axis; of many, so few that they can be read."""
    every = max(1, -(-len(names) // _NAMES_SHOWN))
    axes.set_xticks(range(0, len(names), every), [str(name) for name in names[::every]])
    if len(names) > _NAMES_SIDE_BY_SIDE:
        axes.tick_params(axis="x", rotation=90, labelsize=9)
    axes.set_xlim(-0.7, len(names) - 0.3)
