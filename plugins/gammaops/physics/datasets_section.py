"""What datasets show in the report: how much was observed, how it adds up, and which observation stands out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from gammapy.stats import CashCountsStatistic, WStatCountsStatistic

from gammaops.physics.containment import containment_note
from gammaops.physics.datasets_io import read_dataset
from gammaops.physics.field_scale import few_counts_note, scaled_to_sources_note
from gammaops.physics.figures import draw_cumulative_significance, draw_energy_ranges, draw_rates, encode
from gammaops.physics.notation import plain
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products.base import Product

__all__ = ["cumulative", "datasets_section"]

HOUR_S, MINUTE_S = 3600.0, 60.0
COUNTS = ("counts", "counts_off", "background", "excess", "sqrt_ts")


def datasets_section(product: Product) -> Section:
    """Livetime, counts and significance of each dataset of an index, and their sum.

    The significance of a map as a whole means nothing, so maps show counts and rates alone.
    """
    members = sorted(product.members, key=lambda member: min(member.row["gti"], default=[""]))
    rows = [_numbers(member) for member in members]
    maps = any(_is_map(member) for member in members)
    return Section(
        title="Datasets",
        notes=tuple(filter(None, (_headline(rows, maps), *_remarks(product)))),
        figures=tuple(_figures(rows, maps)) if len(rows) > 1 else (),
        tables=(_table(rows, maps),),
    )


def _remarks(product: Product) -> Iterator[str]:
    """What may mislead whoever reads the numbers; empty texts where there is nothing to say."""
    yield containment_note(product.metrics)
    yield scaled_to_sources_note(product.sidecar)
    yield few_counts_note(product.metrics)


def _numbers(member: Product) -> dict[str, Any]:
    """Headline numbers of a dataset; those of a stack, which has none in its sidecar, from the file."""
    numbers = {**member.row, **member.metrics}
    if "counts" not in numbers and member.path is not None:
        info = read_dataset(member.path).info_dict()
        numbers |= {name: float(info[name]) for name in (*COUNTS, "alpha") if np.isfinite(info.get(name, np.nan))}
    return numbers


def _is_map(member: Product) -> bool:
    if member.path is None:
        return False
    with fits.open(member.path) as hdus:
        return bool(hdus["COUNTS"].is_image)


def _headline(rows: Sequence[Mapping[str, Any]], maps: bool) -> str:
    # An observation that was cut into intervals has several rows; two instruments may use the same numbers.
    observations = len({(row.get("instrument"), obs_id) for row in rows for obs_id in row["obs_ids"]})
    hours = sum(row["livetime_s"] for row in rows) / HOUR_S
    counts = sum(row.get("counts") or 0 for row in rows)
    text = f"{observations} observation{'s' if observations != 1 else ''}, {hours:.2f} h of livetime, {counts:.0f} "
    if maps:
        return f"{text}counts."
    off = sum(row.get("counts_off") or 0 for row in rows)
    text += f"ON and {off:.0f} OFF counts" if off else "counts"
    _, significance = cumulative(rows)
    if not len(significance):
        return f"{text}; no background estimate."
    excess = sum(row["excess"] for row in rows if row.get("excess") is not None)
    return f"{text}: excess {excess:.1f}, {significance[-1]:.1f} σ."


def cumulative(rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Livetime in hours and significance in σ after each dataset that has a background estimate.

    That of ON/OFF counts is after Li & Ma; without an OFF count the background is estimated too: it is 0.
    """
    known = [row for row in rows if row.get("background") is not None or row.get("counts_off") == 0]
    if not known:
        return np.array([]), np.array([])
    livetime, on, background = (
        np.cumsum([float(row.get(name) or 0) for row in known]) for name in ("livetime_s", "counts", "background")
    )
    if any(row.get("counts_off") is None for row in known):
        return livetime / HOUR_S, CashCountsStatistic(on, background).sqrt_ts
    off = np.cumsum([float(row["counts_off"]) for row in known])
    alpha = np.divide(background, off, out=_alpha_of_acceptances(known), where=off > 0)
    return livetime / HOUR_S, WStatCountsStatistic(on, off, alpha).sqrt_ts


def _alpha_of_acceptances(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """α after each dataset where there is no OFF count yet: that of the summed acceptances, the ON ones being equal."""
    inverse = np.array([1 / row["alpha"] if row.get("alpha") else np.nan for row in rows])
    known = np.cumsum(np.isfinite(inverse))
    return np.divide(known, np.nancumsum(inverse), out=np.full(len(rows), np.nan), where=known > 0)


def _figures(rows: Sequence[Mapping[str, Any]], maps: bool) -> Iterator[Figure]:
    names = [_label(row) for row in rows]
    hours, significance = cumulative(rows)
    if not maps and len(hours) > 1:
        caption = "Significance as livetime adds up. Where it falls, observations did not see the source."
        yield Figure(caption, encode(partial(draw_cumulative_significance, livetime_h=hours, sqrt_ts=significance)))
    kind = "counts" if maps else "excess"
    rate, error = _rates(rows, kind)
    if np.isfinite(rate).any():
        caption = f"Rate of {kind}; dashed: the mean. Far off it: weather, a wrong target, or a flare."
        label = f"{kind.capitalize()} per minute"
        minutes = np.array([row["livetime_s"] for row in rows]) / MINUTE_S
        draw = partial(draw_rates, names=names, rate=rate, error=error, minutes=minutes, label=label)
        yield Figure(caption, encode(draw))
    ranges = [(name, *_safe(row)) for name, row in zip(names, rows, strict=True) if None not in _safe(row)]
    if ranges:
        shown, low, high = zip(*ranges, strict=True)
        caption = "Energies that are safe to use. A threshold far above the others costs the spectrum its low end."
        yield Figure(caption, encode(partial(draw_energy_ranges, names=shown, low_tev=low, high_tev=high)))


def _rates(rows: Sequence[Mapping[str, Any]], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Counts per minute with the error of Poisson counts; NaN where there is no estimate."""
    minutes = np.array([row["livetime_s"] for row in rows]) / MINUTE_S
    on, off, background, value = (_array(rows, name) for name in ("counts", "counts_off", "background", kind))
    with np.errstate(divide="ignore", invalid="ignore"):
        of_background = np.where(off > 0, background / np.sqrt(off), 0.0) if kind == "excess" else 0.0
        return value / minutes, np.sqrt(np.maximum(on, 1.0) + of_background**2) / minutes


def _array(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    return np.array([np.nan if row.get(name) is None else row[name] for row in rows], dtype=float)


def _safe(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return row.get("energy_min_tev"), row.get("energy_max_tev")


def _label(row: Mapping[str, Any]) -> str:
    return str(row["name"]).removeprefix("obs-")


def _table(rows: Sequence[Mapping[str, Any]], maps: bool) -> Table:
    on_off = any(row.get("counts_off") is not None for row in rows) and not maps
    columns = {"counts": "ON" if on_off else "Counts", "counts_off": "OFF", "alpha": "α", "background": "Background"}
    columns |= {"excess": "Excess"} | ({} if maps else {"sqrt_ts": "Significance [σ]"})
    shown = {name: title for name, title in columns.items() if on_off or name not in ("counts_off", "alpha")}
    body = [
        (
            _label(row),
            f"{row['livetime_s'] / MINUTE_S:.1f}",
            *(_cell(name, row.get(name)) for name in shown),
            _energies(row),
        )
        for row in rows
    ]
    return Table(("Observation", "Livetime [min]", *shown.values(), "Safe energies [TeV]"), body)


def _energies(row: Mapping[str, Any]) -> str:
    low, high = _safe(row)
    return "–" if low is None or high is None else f"{plain(low, 2)} to {plain(high, 2)}"


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name in ("counts", "counts_off"):
        return f"{value:.0f}"
    return f"{value:.4f}" if name == "alpha" else f"{value:.1f}"
