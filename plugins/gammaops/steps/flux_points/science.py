"""Flux points: the flux of one source, bin by bin of energy."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from gammapy.estimators import FluxPointsEstimator

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import NoWorkFound
from gammaops.physics.datasets_io import energy_axis_of, named_members
from gammaops.physics.fit_section import low_off_warning
from gammaops.physics.fitting import as_fitted
from gammaops.physics.flux_io import join_parts, read_flux_points, write_flux_points
from gammaops.physics.geometry import energy_axis, given
from gammaops.physics.lineage import inputs_of
from gammaops.physics.models_io import read_fit, read_fitted_spectra, source_of
from gammaops.physics.sections import spectrum_section
from gammaops.physics.unestimated import estimate, unestimated, unestimated_note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammapy.maps import MapAxis

    from gammaops.products.base import Product
    from gammaops.steps.base import Scope, Section

__all__ = ["Prepared", "collect", "prepare", "report", "run", "split"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The bins, the source and the estimator's arguments."""

    axis: MapAxis
    source: str | None
    parameters: Mapping[str, Any]
    threshold: float


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Bins and arguments of this config."""
    block = config["flux_points"]
    threshold = float(block["sqrt_ts_threshold_ul"])
    return Prepared(energy_axis(block["energy"]), block["source"], given(block["parameters"]), threshold)


def split(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], scope: Scope) -> Table:
    """One row per energy bin, named by the edges of the datasets' own bins that the estimator will use."""
    members = named_members(inputs["datasets"])
    if not members:
        raise NoWorkFound("no observation left a dataset")
    axis = energy_axis_of(members[0][1].path)  # type: ignore[arg-type]
    edges = prepared.axis.edges
    return Table(rows=[_row(number, edges[number : number + 2], axis) for number in range(len(edges) - 1)])


def _row(number: int, edges: u.Quantity, axis: MapAxis) -> dict[str, Any]:
    low, high = edges.to_value("TeV").tolist()
    row = {"bin": number, "energy_min_tev": low, "energy_max_tev": high}
    try:
        groups = axis.group_table(edges)
    except ValueError:
        return {"label": f"{low:.4g}-{high:.4g} TeV", **row, **_rejected(low, high, axis)}
    (group,) = groups[groups["bin_type"] == "normal   "]
    first, last = axis.edges[[group["idx_min"], group["idx_max"] + 1]].to_value("TeV")
    return {"label": f"{first:.3g}-{last:.3g} TeV", **row, **_state("selected", "", "")}


def _rejected(low: float, high: float, axis: MapAxis) -> dict[str, str]:
    """Why no bin of the datasets makes up this one, whose edges are in TeV."""
    edges = axis.edges.to_value("TeV")
    low, high = max(low, edges[0]), min(high, edges[-1])
    if low >= high:
        reason = f"the datasets reach from {edges[0]:.3g} to {edges[-1]:.3g} TeV"
        return _state("rejected", "outside-axis", reason)
    number = np.searchsorted(edges, np.sqrt(low * high)) - 1
    reason = (
        f"{low:.4g} to {high:.4g} TeV is narrower than the datasets' bins, "
        f"here {edges[number]:.4g} to {edges[number + 1]:.4g} TeV"
    )
    return _state("rejected", "narrower-than-bins", reason)


def _state(status: str, reason_class: str, reason: str) -> dict[str, str]:
    return {"status": status, "reason_class": reason_class, "reason": reason}


def run(
    prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Estimate the flux in one bin, from the datasets as the fit took them, since few OFF counts mislead here too."""
    (fit,) = inputs["fit"]
    datasets = as_fitted(inputs["datasets"], fit)
    edges = [row["energy_min_tev"], row["energy_max_tev"]] * u.TeV
    source = source_of(datasets.models, prepared.source)
    estimator = FluxPointsEstimator(energy_edges=edges, source=source, n_jobs=1, **prepared.parameters)
    points, reason = estimate(estimator, datasets)
    points.sqrt_ts_threshold_ul = prepared.threshold
    write_flux_points(points, out["flux_points_part"])
    return {"source": source, "bin": int(row["bin"]), "label": row["label"], "reason": reason, **_numbers(points)}


def _numbers(points: Any) -> dict[str, Any]:
    """Headline numbers of the first bin; None where there is no estimate."""
    table = points.to_table(sed_type="dnde")
    names = [name for name in ("e_ref", "dnde", "dnde_err", "dnde_ul", "sqrt_ts") if name in table.colnames]
    units = {"e_ref": ("e_ref_tev", "TeV")}
    found = {}
    for name in names:
        key, unit = units.get(name, (name if name == "sqrt_ts" else f"{name}_per_cm2_s_tev", "cm-2 s-1 TeV-1"))
        value = float(table[name][0]) if name == "sqrt_ts" else float(table[name].quantity[0].to_value(unit))
        found[key] = value if np.isfinite(value) else None
    return found | {"is_ul": bool(points.is_ul.data.flat[0])}


def collect(
    prepared: Prepared,
    inputs: Mapping[str, Sequence[Product]],
    out: Mapping[str, Path],
    parts: Sequence[Product],
) -> dict[str, Any]:
    """Join the bins in order of energy."""
    parts = sorted(parts, key=lambda part: part.metrics["bin"])
    if not parts:
        raise NoWorkFound("no energy bin has a flux")
    write_flux_points(join_parts([part.path for part in parts if part.path is not None]), out["flux_points"])
    log.info("%s flux points of %s", len(parts), parts[0].metrics["source"])
    lost = unestimated(parts)
    limits = sum(not part.metrics["reason"] and part.metrics["is_ul"] for part in parts)
    return {
        "source": parts[0].metrics["source"],
        "bins": prepared.axis.nbin,
        "points": len(parts),
        "points_with_flux": len(parts) - len(lost),
        "upper_limits": limits,
        "points_without_flux": lost,
    }


def _dropped_note(metrics: Mapping[str, Any]) -> str:
    """That the config has more energy bins than there are points; empty if there are as many."""
    asked = metrics.get("bins", 0)
    lost = asked - metrics.get("points", asked)
    if lost <= 0:
        return ""
    return f"{lost} of the {asked} energy bins asked for {'is' if lost == 1 else 'are'} left out; see Steps and cost."


def report(product: Product) -> Section:
    """The spectrum, with the error band of the fit if its product is still there."""
    points = read_flux_points(product.path)  # type: ignore[arg-type]
    block = product.sidecar["config"]["flux_points"]
    points.meta["n_sigma_ul"] = block["parameters"].get("n_sigma_ul")
    source, model, warning = product.metrics["source"], points.reference_model, ""
    for path in inputs_of(product, "fit"):
        fitted = read_fitted_spectra(path)
        model = fitted[source] if source in fitted.names else model
        warning = low_off_warning(read_fit(path))
    section = spectrum_section(points, model.spectral_model)
    notes = (
        _dropped_note(product.metrics),
        unestimated_note(product.metrics.get("points_without_flux") or ()),
    )
    return replace(
        section, notes=(*section.notes, *filter(None, notes)), warnings=(*section.warnings, *filter(None, [warning]))
    )
