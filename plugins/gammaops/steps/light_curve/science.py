"""Light curve: the flux of one source, interval by interval of time."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time
from gammapy.datasets import Datasets
from gammapy.estimators import LightCurveEstimator

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import NoWorkFound
from gammaops.physics.datasets_io import named_members, read_dataset
from gammaops.physics.flux_io import join_parts, read_flux_points, write_flux_points
from gammaops.physics.geometry import energy_axis, given
from gammaops.physics.models_io import read_fitted_models, source_of
from gammaops.physics.sections import light_curve_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammaops.products.base import Product
    from gammaops.steps.base import Scope, Section

__all__ = ["Prepared", "collect", "prepare", "report", "run", "split"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Intervals (UTC, empty: one per observation), energies (None: all), source and the estimator's arguments."""

    intervals: tuple[tuple[str, str], ...]
    edges: u.Quantity | None
    source: str | None
    parameters: Mapping[str, Any]

    @property
    def atol(self) -> u.Quantity:
        """Tolerance on the ends of intervals."""
        return u.Quantity(self.parameters.get("atol", "1e-6 s"))


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Intervals and arguments of this config."""
    block = config["light_curve"]
    given_intervals = block["time_intervals"]
    intervals = tuple(zip(given_intervals["start"] or (), given_intervals["stop"] or (), strict=True))
    axis = energy_axis(block["energy_edges"])
    return Prepared(intervals, None if axis is None else axis.edges, block["source"], given(block["parameters"]))


def split(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], scope: Scope) -> Table:
    """One row per interval, in order of time, with the datasets that lie in it as a whole."""
    spans = {name: _span(member) for name, member in named_members(inputs["datasets"])}
    if not spans:
        raise NoWorkFound("no observation left a dataset")
    if prepared.intervals:
        intervals = sorted(
            (Time(start, scale="utc").tt, Time(stop, scale="utc").tt) for start, stop in prepared.intervals
        )
    else:
        intervals = _merged(list(spans.values()))
    return Table(rows=[_row(start, stop, spans, prepared.atol) for start, stop in intervals])


def _span(member: Product) -> tuple[Time, Time]:
    """First start and last stop of a dataset's GTIs."""
    intervals = member.row["gti"]
    return Time(min(start for start, _ in intervals), scale="tt"), Time(max(stop for _, stop in intervals), scale="tt")


def _merged(spans: Sequence[tuple[Time, Time]]) -> list[tuple[Time, Time]]:
    """The spans in order of time; those that overlap (two instruments, one night) are one interval."""
    merged: list[tuple[Time, Time]] = []
    for start, stop in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _row(start: Time, stop: Time, spans: Mapping[str, tuple[Time, Time]], atol: u.Quantity) -> dict[str, Any]:
    inside = [name for name, (first, last) in spans.items() if first >= start - atol and last <= stop + atol]
    empty = ("rejected", "no-data", "no dataset lies in this interval as a whole")
    status, reason_class, reason = ("selected", "", "") if inside else empty
    return {
        "label": f"{start.utc.strftime('%Y-%m-%d %H:%M:%S')}",
        "time_min_tt": _nanoseconds(start),
        "time_max_tt": _nanoseconds(stop),
        "datasets": json.dumps(inside),
        "status": status,
        "reason_class": reason_class,
        "reason": reason,
    }


def _nanoseconds(time: Time) -> str:
    return str(Time(time, precision=9).isot)


def run(
    prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Estimate the flux in one interval; only its datasets are read."""
    wanted = set(json.loads(row["datasets"]))
    members = [(name, member) for name, member in named_members(inputs["datasets"]) if name in wanted]
    datasets = Datasets([read_dataset(member.path, name) for name, member in members])  # type: ignore[arg-type]
    (fit,) = inputs["fit"]
    models = read_fitted_models(fit.path)  # type: ignore[arg-type]
    datasets.models = models
    source = source_of(models, prepared.source)
    interval = Time([row["time_min_tt"], row["time_max_tt"]], scale="tt", format="isot")
    edges = prepared.edges if prepared.edges is not None else datasets[0].counts.geom.axes["energy"].edges[[0, -1]]
    estimator = LightCurveEstimator(
        time_intervals=[interval], energy_edges=edges, source=source, n_jobs=1, **prepared.parameters
    )
    curve = estimator.run(datasets)
    write_flux_points(curve, out["light_curve_part"])
    stacked = estimator.stack_over_time_interval and not estimator.reoptimize
    names = ["stacked"] if stacked else datasets.names
    return {"source": source, "time_min_tt": row["time_min_tt"], "datasets": names, **_numbers(curve)}


def _numbers(curve: Any) -> dict[str, Any]:
    """Flux of the first energy bin; None where there is no estimate."""
    found = {}
    for name in ("flux", "flux_err", "flux_ul"):
        if name == "flux" or f"norm{name.removeprefix('flux')}" in curve.available_quantities:
            value = float(getattr(curve, name).quantity.to_value("cm-2 s-1").flat[0])
            found[f"{name}_per_cm2_s"] = value if np.isfinite(value) else None
    return found


def collect(
    prepared: Prepared,
    inputs: Mapping[str, Sequence[Product]],
    out: Mapping[str, Path],
    parts: Sequence[Product],
) -> dict[str, Any]:
    """Join the intervals in order of time."""
    parts = sorted(parts, key=lambda part: part.metrics["time_min_tt"])
    if not parts:
        raise NoWorkFound("no interval has a flux")
    paths = [part.path for part in parts if part.path is not None]
    write_flux_points(join_parts(paths, [part.metrics["datasets"] for part in parts]), out["light_curve"])
    log.info("%s points of the light curve of %s", len(parts), parts[0].metrics["source"])
    return {"source": parts[0].metrics["source"], "points": len(parts)}


def report(product: Product) -> Section:
    """The light curve."""
    light_curve = read_flux_points(product.path)  # type: ignore[arg-type]
    light_curve.meta["n_sigma_ul"] = product.sidecar["config"]["light_curve"]["parameters"].get("n_sigma_ul")
    return light_curve_section(light_curve)
