"""In what two fits, spectra, light curves, profiles or flux maps differ, in errors of the first."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from gammaops.physics.differences import ABSOLUTE, COUNTS, RELATIVE, SIGMA, Difference, in_sigma, relative, unlike
from gammaops.physics.flux_io import read_flux_maps, read_flux_points
from gammaops.physics.models_io import read_fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gammapy.estimators import FluxMaps, FluxPoints
    from gammapy.maps import Map, MapAxis

    from gammaops.physics.differences import Tolerances

__all__ = ["fit_differences", "flux_map_differences", "flux_point_differences"]

FLUX = "cm-2 s-1"
# Of a parameter that is not fitted: it is in the models file, and any change was meant.
FROZEN = 1e-9
STATISTIC = ("ts", "stat", "stat_null", "n_dof", "n_iter", "success", "niter", "acceptance_on", "acceptance_off")
ERRORS = ("_err", "_errp", "_errn", "_ul", "_scan")


def fit_differences(before: Path, after: Path, tolerances: Tolerances) -> list[Difference]:
    """Parameters, whether the fit has converged, and for information its statistic."""
    fits = read_fit(before), read_fit(after)
    found = []
    success = ["converged" if fit["success"] else "not converged" for fit in fits]
    if success[0] != success[1]:
        found.append(unlike("fit", success))
    parameters = [{one["name"]: one for one in fit["parameters"]} for fit in fits]
    for name in dict.fromkeys((*parameters[0], *parameters[1])):
        found.append(_parameter(name, parameters[0].get(name), parameters[1].get(name), tolerances))
    stats = [float(fit["total_stat"]) for fit in fits]
    found.append(Difference("fit statistic", stats, "", stats[1] - stats[0], ABSOLUTE, None))
    return found


def _parameter(
    name: str, one: Mapping[str, Any] | None, other: Mapping[str, Any] | None, tolerances: Tolerances
) -> Difference:
    if one is None or other is None or one["unit"] != other["unit"]:
        told = [None if item is None else f"{item['value']:.6g} {item['unit']}".strip() for item in (one, other)]
        return unlike(name, told)
    pair = float(one["value"]), float(other["value"])
    if one["frozen"] != other["frozen"]:
        told = [f"{item['value']:.6g} {'frozen' if item['frozen'] else 'free'}" for item in (one, other)]
        return unlike(name, told, one["unit"])
    if one["frozen"]:
        return relative(f"{name} (frozen)", *pair, FROZEN, one["unit"])
    # A fit whose backend makes no covariance has no errors.
    error = np.nan if one["error"] is None else float(one["error"])
    return in_sigma(name, pair, error, tolerances.sigma, one["unit"])


def flux_point_differences(before: Path, after: Path, tolerances: Tolerances) -> list[Difference]:
    """Fluxes of a spectrum, a light curve or a profile, bin by bin, where the bins are the same."""
    bins = [_fluxes(read_flux_points(path)) for path in (before, after)]
    found = []
    for name in dict.fromkeys((*bins[0], *bins[1])):
        one, other = bins[0].get(name), bins[1].get(name)
        if one is None or other is None:
            told = [None if item is None else item[0] for item in (one, other)]
            found.append(unlike(f"flux, {name}", told, FLUX))
        else:
            found.append(in_sigma(f"flux, {name}", (one[0], other[0]), one[1], tolerances.sigma, FLUX))
    return found


def _fluxes(points: FluxPoints) -> dict[str, tuple[float, float]]:
    """Flux and error of each bin by its edges."""
    flux = points.flux.quantity.to_value(FLUX)
    has_error = {"norm_err", "flux_err", "dnde_err", "e2dnde_err"} & set(points._data)
    errors = points.flux_err.quantity.to_value(FLUX) if has_error else np.full_like(flux, np.nan)
    labels = [_labels(axis) for axis in reversed(list(points.geom.axes))]
    values = zip(flux.reshape(-1), errors.reshape(-1), strict=True)
    names = (", ".join(filter(None, words)) for words in product(*labels))
    return {name: (float(value), float(error)) for name, (value, error) in zip(names, values, strict=True)}


def _labels(axis: MapAxis) -> list[str]:
    """The bins of an axis in words; a single dataset says nothing."""
    if axis.name == "time":
        return [
            f"{start.isot[:19]} to {stop.isot[:19]}" for start, stop in zip(axis.time_min, axis.time_max, strict=True)
        ]
    if not hasattr(axis, "edges_min"):
        return [str(label) if axis.nbin > 1 else "" for label in axis.center]
    unit = "TeV" if axis.name == "energy" else axis.unit
    edges = zip(axis.edges_min.to_value(unit), axis.edges_max.to_value(unit), strict=True)
    return [f"{low:.4g} to {high:.4g} {unit}" for low, high in edges]


def flux_map_differences(before: Path, after: Path, tolerances: Tolerances) -> list[Difference]:
    """Every quantity of excess or TS maps, at the pixel where it has changed most."""
    maps = read_flux_maps(before), read_flux_maps(after)
    names = [set(one._data) for one in maps]
    found: list[Difference] = []
    for name in sorted(names[0] ^ names[1]):
        found.append(unlike(name, ["there" if name in known else None for known in names]))
    for name in sorted(names[0] & names[1]):
        if name not in STATISTIC and not name.endswith(ERRORS):
            found += _quantity(name, *maps, tolerances)
    return found


def _quantity(name: str, one: FluxMaps, other: FluxMaps, tolerances: Tolerances) -> Iterator[Difference]:
    maps = one._data[name], other._data[name]
    if maps[0].data.shape != maps[1].data.shape:
        yield unlike(f"{name}, bins", [str(item.data.shape) for item in maps])
        return
    values = [item.data.astype(float) for item in maps]
    blank = [np.isnan(value) for value in values]
    if (blank[0] ^ blank[1]).any():
        yield unlike(f"{name}, pixels with a value", [float((~one).sum()) for one in blank])
    change = np.nan_to_num(values[1] - values[0])
    size, measure, limit = _sized(name, change, values[0], one._data.get(f"{name}_err"), tolerances)
    place = np.unravel_index(int(np.argmax(np.abs(size))), size.shape)
    pair = float(values[0][place]), float(values[1][place])
    yield Difference(f"{name}, largest in the map", pair, str(maps[0].unit), float(size[place]), measure, limit)


def _sized(
    name: str, change: np.ndarray, before: np.ndarray, error: Map | None, tolerances: Tolerances
) -> tuple[np.ndarray, str, float]:
    """Changes of a map in the measure that suits its quantity."""
    if name in ("counts", "counts_off"):
        return change, COUNTS, tolerances.counts
    if name == "sqrt_ts":
        return change, SIGMA, tolerances.sigma
    if error is not None:
        known = np.isfinite(error.data) & (error.data > 0)
        return np.where(known, change / np.where(known, error.data, 1.0), 0.0), SIGMA, tolerances.sigma
    highest = np.nanmax(np.abs(before)) if np.isfinite(before).any() else 0.0
    return change / (highest or 1.0), RELATIVE, tolerances.background
