"""What a light curve shows in the report: whether the source was steady, how much it varied, and what is left out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from gammaops.physics.exposures import exposures
from gammaops.physics.figures import confidence, draw_light_curve, encode
from gammaops.physics.notation import measured, plain, unit_text
from gammaops.physics.steadiness import Steadiness
from gammaops.physics.unestimated import unestimated_note
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from astropy.time import Time
    from gammapy.estimators import FluxPoints
    from gammapy.maps import MapAxis

__all__ = ["light_curve_section"]

FLUX = u.Unit("cm-2 s-1")
NAMES_SHOWN = 6
SAME_ENERGY = 1e-4
DAY, SHORT = 86400.0, 60.0
CAPTION = "Flux over time. Dashed: the mean. Points far from it, by many times their error bars, are variability."
BLOCKS_CAPTION = " Steps: Bayesian blocks, between whose edges the flux is compatible with a constant."


def light_curve_section(
    light_curve: FluxPoints, metrics: Mapping[str, Any], asked_tev: Sequence[float] = ()
) -> Section:
    """The light curve, in words whether and how the flux varied, and what is not in it.

    Parameters
    ----------
    light_curve : `~gammapy.estimators.FluxPoints`
        With axes of energy and time.
    metrics : mapping
        Those of the product; of them are told ``bands`` (Fvar and Bayesian blocks), ``points_without_flux`` and
        ``datasets_left_out``.
    asked_tev : sequence of float
        Edges of the energy bins in the config, TeV; those of the light curve are the nearest that the datasets have.
    """
    time = light_curve.geom.axes["time"]
    energy = light_curve.geom.axes["energy"]
    bands = metrics.get("bands") or [{}] * energy.nbin
    notes, rows = [], []
    for index, numbers in enumerate(bands):
        flux, error, limit, sigma = (
            _over_time(light_curve, name, index) for name in ("flux", "flux_err", "flux_ul", "sqrt_ts")
        )
        band = f"{plain(energy.edges_min[index].to_value('TeV'))} to {plain(energy.edges_max[index].to_value('TeV'))}"
        steady = Steadiness.of(flux, error, exposures(light_curve, index))
        told = [steady.in_words([_minute(one) for one in time.time_mid]), *_variability(numbers)]
        notes.append(f"{band} TeV: " + " ".join(told))
        for place, (start, stop) in enumerate(zip(time.time_min, time.time_max, strict=True)):
            cells = measured(flux[place], error[place]), plain(limit[place], 2), plain(sigma[place], 2)
            rows.append((_interval(start, stop), band, *cells))
    limits = f"Upper limit{confidence(light_curve)}"
    header = ("Time (UTC)", "Energy [TeV]", f"Flux [{unit_text(FLUX)}]", limits, "√TS [σ]")
    blocks = [numbers.get("blocks") or [] for numbers in bands]
    draw = partial(draw_light_curve, light_curve=light_curve, blocks=blocks)
    figure = Figure(CAPTION + (BLOCKS_CAPTION if any(blocks) else ""), encode(draw))
    notes += [*_other_energies(energy, asked_tev), *_left_out(metrics)]
    return Section(title="Light curve", notes=notes, figures=(figure,), tables=(Table(header, rows),))


def _variability(numbers: Mapping[str, Any]) -> Iterator[str]:
    """Sentences on one energy band."""
    if numbers.get("fvar") is not None:
        yield f"Fractional variability {measured(numbers['fvar'], numbers['fvar_err'])}."
    elif (numbers.get("points") or 0) > 1:
        yield "The points scatter no more than their errors, so there is no fractional variability."
    blocks = numbers.get("blocks")
    if blocks and len(blocks) == 1:
        yield "Bayesian blocks find no change."
    elif blocks:
        changes = ", ".join(f"{block['start'][:16].replace('T', ' ')}" for block in blocks[1:])
        yield f"Bayesian blocks: {len(blocks)}, with changes at {changes}."


def _other_energies(energy: MapAxis, asked_tev: Sequence[float]) -> Iterator[str]:
    """That the bins are not those of the config."""
    edges = energy.edges.to_value("TeV")
    if len(asked_tev) and not (len(edges) == len(asked_tev) and np.allclose(edges, asked_tev, rtol=SAME_ENERGY)):
        yield (
            f"Asked for were bins with edges at {_listed(asked_tev)} TeV; the nearest edges of the datasets' bins are"
            f" {_listed(edges)} TeV. Give datasets.geom.axes.energy bins that end where you want them."
        )


def _listed(edges: Sequence[float]) -> str:
    return ", ".join(plain(edge) for edge in edges)


def _left_out(metrics: Mapping[str, Any]) -> Iterator[str]:
    if metrics.get("points_without_flux"):
        yield unestimated_note(metrics["points_without_flux"])
    names: Sequence[str] = metrics.get("datasets_left_out") or ()
    if names:
        shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
        many, are = ("datasets lie", "are") if len(names) > 1 else ("dataset lies", "is")
        yield f"{len(names)} {many} in no interval as a whole and {are} not used: {shown}."


def _over_time(light_curve: FluxPoints, name: str, index: int) -> np.ndarray:
    if name.replace("flux", "norm") not in light_curve.available_quantities:
        return np.full(light_curve.geom.axes["time"].nbin, np.nan)
    return getattr(light_curve, name).quantity[:, index, 0, 0].to_value(u.one if name == "sqrt_ts" else FLUX)


def _interval(start: Time, stop: Time) -> str:
    """From when to when: the day again where it is another one, and seconds for what is short."""
    seconds = (stop - start).to_value("s")
    pattern = "%Y-%m-%d %H:%M" if seconds >= SHORT else "%Y-%m-%d %H:%M:%S"
    first, last = (one.utc.strftime(pattern) for one in (start, stop))
    day, _, clock = last.partition(" ")
    return f"{first} to {clock if first.startswith(day) or seconds < DAY else last}"


def _minute(time: Time) -> str:
    return time.utc.strftime("%Y-%m-%d %H:%M")
