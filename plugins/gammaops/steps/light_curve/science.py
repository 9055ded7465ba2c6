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
from gammapy.estimators import LightCurveEstimator

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import AlgorithmError, ConfigError, NoWorkFound, Problem
from gammaops.nights import night_of
from gammaops.physics.datasets_io import named_members
from gammaops.physics.fitting import set_as_fitted
from gammaops.physics.flux_io import join_parts, read_flux_points, write_flux_points
from gammaops.physics.geometry import energy_axis, given
from gammaops.physics.light_curve_section import light_curve_section
from gammaops.physics.measurements import fluxes
from gammaops.physics.models_io import source_of
from gammaops.physics.time_intervals import TimeIntervals, nanoseconds
from gammaops.physics.unestimated import estimate, unestimated
from gammaops.physics.variability import variability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammaops.products.base import Product
    from gammaops.steps.base import Measurement, Scope, Section

__all__ = ["Prepared", "collect", "measured", "prepare", "report", "run", "split", "uses"]

log = logging.getLogger(__name__)
EMPTY = (
    "rejected",
    "no-data",
    "no dataset lies in this interval as a whole; observations.time_intervals cuts observations into intervals",
)
HEADLINES = ("mean_per_cm2_s", "peak_per_cm2_s", "p_value", "fvar", "fvar_err")


@dataclass(frozen=True)
class Prepared:
    """Intervals (none: they follow the data), energies (None: all), source and the estimator's arguments."""

    intervals: TimeIntervals
    by: str
    edges: u.Quantity | None
    source: str | None
    parameters: Mapping[str, Any]
    p0: float | None

    @property
    def atol(self) -> u.Quantity:
        """Tolerance on the ends of intervals."""
        return u.Quantity(self.parameters.get("atol", "1e-6 s"))


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Intervals and arguments of this config."""
    block = config["light_curve"]
    axis = energy_axis(block["energy_edges"])
    return Prepared(
        intervals=TimeIntervals.of(block["time_intervals"]),
        by=block["time_intervals"]["by"] or "observation",
        edges=None if axis is None else axis.edges,
        source=block["source"],
        parameters=given(block["parameters"]),
        p0=block["bayesian_blocks"]["p0"],
    )


def split(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], scope: Scope) -> Table:
    """One row per interval, in order of time, with the datasets that lie in it as a whole."""
    spans = {name: _span(member) for name, member in named_members(inputs["datasets"])}
    if not spans:
        raise NoWorkFound("no observation left a dataset")
    intervals = _intervals(prepared, sorted(spans.values()), scope)
    met = [pair for pair in intervals if any(start < pair[1] and stop > pair[0] for start, stop in spans.values())]
    if not met:
        raise NoWorkFound("no dataset lies in any interval of light_curve.time_intervals")
    first, last = (Time(times) for times in zip(*spans.values(), strict=True))
    rows = []
    for start, stop in intervals:
        inside = (first >= start - prepared.atol) & (last <= stop + prepared.atol)
        rows.append(_row(start, stop, [name for name, lies in zip(spans, inside, strict=True) if lies]))
    if len({row["label"] for row in rows}) < len(rows):
        rows = [{**row, "label": _to_the_nanosecond(start)} for row, (start, _) in zip(rows, intervals, strict=True)]
    if all(row["status"] != "selected" for row in rows):
        message = f"none of the {len(spans)} datasets lies as a whole in one of the {len(met)} intervals that it meets"
        raise AlgorithmError(f"{message}: widen them, or cut the observations by observations.time_intervals")
    return Table(rows=rows)


def _span(member: Product) -> tuple[Time, Time]:
    """First start and last stop of a dataset's GTIs."""
    intervals = member.row["gti"]
    if not intervals:
        message = f"{member.row['name']} has no good time intervals (GTI), so it lies in no interval of a light curve"
        raise AlgorithmError(f"{message}; let this step read datasets that were written with their GTI")
    return Time(min(start for start, _ in intervals), scale="tt"), Time(max(stop for _, stop in intervals), scale="tt")


def _intervals(prepared: Prepared, spans: Sequence[tuple[Time, Time]], scope: Scope) -> list[tuple[Time, Time]]:
    if prepared.intervals.width is not None:
        # Span by span: a source that is seen for a month each year has no bins in between.
        bins = [pair for start, stop in _merged(spans) for pair in prepared.intervals.meeting(start, stop)]
        return list({nanoseconds(low): (low, high) for low, high in bins}.values())
    if prepared.intervals:
        return sorted(prepared.intervals.listed())
    return _nights(spans, scope) if prepared.by == "night" else _merged(spans)


def _merged(spans: Sequence[tuple[Time, Time]]) -> list[tuple[Time, Time]]:
    """The spans in order of time; those that overlap (two instruments, one night) are one interval."""
    merged: list[tuple[Time, Time]] = []
    for start, stop in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _nights(spans: Sequence[tuple[Time, Time]], scope: Scope) -> list[tuple[Time, Time]]:
    """From the first to the last moment of each night that was observed."""
    if scope.longitude_deg is None:
        problem = Problem(
            "config", 0, 0, "light_curve.time_intervals.by", "without dag.site there are no nights", "a site"
        )
        raise ConfigError([problem])
    nights: dict[str, list[tuple[Time, Time]]] = {}
    for span, night in zip(spans, night_of([start.utc.mjd for start, _ in spans], scope.longitude_deg), strict=True):
        nights.setdefault(night, []).append(span)
    return [(members[0][0], max(stop for _, stop in members)) for members in nights.values()]


def _row(start: Time, stop: Time, inside: Sequence[str]) -> dict[str, Any]:
    status, reason_class, reason = ("selected", "", "") if inside else EMPTY
    return {
        "label": f"{start.utc.strftime('%Y-%m-%d %H:%M:%S')}",
        "time_min_tt": nanoseconds(start),
        "time_max_tt": nanoseconds(stop),
        "datasets": json.dumps(inside),
        "status": status,
        "reason_class": reason_class,
        "reason": reason,
    }


def _to_the_nanosecond(start: Time) -> str:
    """A label for bins of less than a second."""
    return nanoseconds(start.utc).replace("T", " ")


def _members_in(inputs: Mapping[str, Sequence[Product]], row: Mapping[str, Any]) -> list[tuple[str, Product]]:
    wanted = set(json.loads(row["datasets"]))
    return [(name, member) for name, member in named_members(inputs["datasets"]) if name in wanted]


def uses(
    prepared: Prepared, inputs: Mapping[str, Sequence[Product]], row: Mapping[str, Any]
) -> dict[str, Sequence[Product]]:
    """The datasets in the interval, and the fit; so other nights of the same source leave a point as it is."""
    return {**inputs, "datasets": [member for _, member in _members_in(inputs, row)]}


def run(
    prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Estimate the flux in one interval from its datasets, stacked if they were for the fit; no others are read."""
    members = _members_in(inputs, row)
    (fit,) = inputs["fit"]
    datasets = set_as_fitted(members, fit)
    source = source_of(datasets.models, prepared.source)
    interval = Time([row["time_min_tt"], row["time_max_tt"]], scale="tt", format="isot")
    edges = prepared.edges if prepared.edges is not None else datasets[0].counts.geom.axes["energy"].edges[[0, -1]]
    estimator = LightCurveEstimator(
        time_intervals=[interval], energy_edges=edges, source=source, n_jobs=1, **prepared.parameters
    )
    curve, reason = estimate(estimator, datasets)
    write_flux_points(curve, out["light_curve_part"])
    stacked = estimator.stack_over_time_interval and not estimator.reoptimize
    return {
        "source": source,
        "time_min_tt": row["time_min_tt"],
        "label": row["label"],
        "reason": reason,
        "members": [name for name, _ in members],
        "datasets": ["stacked"] if stacked else datasets.names,
        **_numbers(curve),
    }


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
    """Join the intervals in order of time, and say how much the flux varied."""
    parts = sorted(parts, key=lambda part: part.metrics["time_min_tt"])
    if not parts:
        raise NoWorkFound("no interval has a flux")
    paths = [part.path for part in parts if part.path is not None]
    curve = join_parts(paths, [part.metrics["datasets"] for part in parts])
    write_flux_points(curve, out["light_curve"])
    used = {name for part in parts for name in part.metrics["members"]}
    bands = variability(curve, prepared.p0)
    log.info("%s points of the light curve of %s", len(parts), parts[0].metrics["source"])
    return {
        "source": parts[0].metrics["source"],
        "points": len(parts),
        "points_without_flux": unestimated(parts),
        "datasets_left_out": [name for name, _ in named_members(inputs["datasets"]) if name not in used],
        **{name: bands[0][name] for name in HEADLINES},
        "bands": bands,
    }


def report(product: Product) -> Section:
    """The light curve."""
    light_curve = read_flux_points(product.path)  # type: ignore[arg-type]
    block = product.sidecar["config"]["light_curve"]
    light_curve.meta["n_sigma_ul"] = block["parameters"].get("n_sigma_ul")
    axis = energy_axis(block["energy_edges"])
    asked = [] if axis is None else axis.edges.to_value("TeV").tolist()
    return light_curve_section(light_curve, product.metrics, asked)


def measured(product: Product) -> list[Measurement]:
    """The flux in each bin."""
    return fluxes(read_flux_points(product.path), product.metrics["source"])  # type: ignore[arg-type]
