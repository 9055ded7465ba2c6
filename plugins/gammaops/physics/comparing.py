"""Two products of the same kind in the terms of the field: counts and exposures in percent, fluxes and parameters in σ.

Errors are those of the first one. Both were mostly made from the same events, so half a σ is already much.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from itertools import product as pairs_of
from typing import TYPE_CHECKING, Any

import numpy as np

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.physics.datasets_io import read_dataset
from gammaops.physics.flux_io import read_flux_maps, read_flux_points
from gammaops.physics.models_io import read_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gammapy.datasets import MapDataset
    from gammapy.estimators import FluxPoints

    from gammaops.products.base import Product

__all__ = ["PERCENT", "SIGMA", "Change", "changes_between"]

PERCENT, SIGMA = "%", "σ"


@dataclass(frozen=True)
class Change:
    """One number of a product, before and after.

    Parameters
    ----------
    what : str
        Its name.
    before, after : float, optional
        In `unit`; None where there is none.
    unit : str
    size : float, optional
        How much it has changed, in `scale`; None if it cannot be told, since one of the two is absent or undefined.
    scale : str
        ``%`` or ``σ``.
    """

    what: str
    before: float | None
    after: float | None
    unit: str
    size: float | None
    scale: str


def changes_between(first: Product, second: Product) -> list[Change]:
    """What is not the same in two products of one kind; of a kind that is not known here, in their metrics."""
    compare = _KINDS.get(first.kind, _metrics)
    return [change for change in compare(first, second) if change.size is None or change.size]


def _in_percent(what: str, before: float, after: float, unit: str = "") -> Change:
    size = 100 * (after / before - 1) if before else (None if after else 0.0)
    return Change(what, _finite(before), _finite(after), unit, None if size is None else _finite(size), PERCENT)


def _in_sigma(what: str, before: float, after: float, error: float, unit: str = "") -> Change:
    """Undefined on both sides is no change."""
    if np.isnan(before) and np.isnan(after):
        return Change(what, None, None, unit, 0.0, SIGMA)
    size = (after - before) / error if error > 0 else (0.0 if after == before else np.nan)
    return Change(what, _finite(before), _finite(after), unit, _finite(size), SIGMA)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _datasets(first: Product, second: Product) -> Iterator[Change]:
    one, two = (read_dataset(product.path) for product in (first, second))  # type: ignore[arg-type]
    if type(one) is not type(two) or one.counts.data.shape != two.counts.data.shape:
        yield Change("geometry", None, None, "", None, PERCENT)
        return
    for name in ("counts", "counts_off", "background"):
        if getattr(one, name, None) is not None and getattr(two, name, None) is not None:
            yield _in_percent(name, _safe_sum(one, name), _safe_sum(two, name))
    if one.gti is not None and two.gti is not None:
        yield _in_percent("good time", one.gti.time_sum.to_value("s"), two.gti.time_sum.to_value("s"), "s")
    if one.exposure is not None and two.exposure is not None:
        yield _exposure(one, two)


def _safe_sum(dataset: MapDataset, name: str) -> float:
    data = getattr(dataset, name).data
    return float(data[dataset.mask_safe.data].sum() if dataset.mask_safe is not None else data.sum())


def _exposure(one: MapDataset, two: MapDataset) -> Change:
    """At the true energy at which it has changed most."""
    if one.exposure.data.shape != two.exposure.data.shape:
        return Change("exposure", None, None, "", None, PERCENT)
    before, after = (dataset.exposure.quantity.to_value("m2 s").sum(axis=(1, 2)) for dataset in (one, two))
    ratio = np.divide(after, before, out=np.ones_like(before), where=before > 0)
    place = int(np.argmax(np.abs(ratio - 1)))
    energy = one.exposure.geom.axes["energy_true"].center[place].to_value("TeV")
    return _in_percent(f"exposure at {energy:.3g} TeV", before[place], after[place], "m2 s")


def _fits(first: Product, second: Product) -> Iterator[Change]:
    one, two = (
        {parameter["name"]: parameter for parameter in read_fit(product.path)["parameters"]}  # type: ignore[arg-type]
        for product in (first, second)
    )
    for name in dict.fromkeys([*one, *two]):
        before, after = one.get(name), two.get(name)
        if before is None or after is None:
            known = (before or after or {})["value"]
            yield Change(name, known if before else None, known if after else None, "", None, SIGMA)
        elif before["value"] != after["value"]:
            error = before.get("error") or after.get("error") or 0.0
            yield _in_sigma(name, before["value"], after["value"], error, str(after.get("unit", "")))


def _points(first: Product, second: Product) -> Iterator[Change]:
    """By bins of energy and, for light curves, time; bins that only one of them has are told."""
    one, two = (_fluxes(read_flux_points(product.path)) for product in (first, second))  # type: ignore[arg-type]
    for name in dict.fromkeys([*one, *two]):
        if name in one and name in two:
            (before, error), (after, _) = one[name], two[name]
            yield _in_sigma(name, before, after, error, "cm-2 s-1")
        else:
            before, after = one.get(name, (np.nan,))[0], two.get(name, (np.nan,))[0]
            yield Change(name, _finite(before), _finite(after), "cm-2 s-1", None, SIGMA)


def _fluxes(points: FluxPoints) -> dict[str, tuple[float, float]]:
    """Flux and error of each bin, by the bin in words."""
    energies = points.geom.axes["energy"]
    edges = energies.edges.to_value("TeV")
    names = [f"flux {low:.3g}-{high:.3g} TeV" for low, high in pairwise(edges)]
    flux = points.flux.quantity.to_value("cm-2 s-1")
    error = points.flux_err.quantity.to_value("cm-2 s-1")
    if "time" not in points.geom.axes.names:
        return {name: (float(flux[i].flat[0]), float(error[i].flat[0])) for i, name in enumerate(names)}
    starts = points.geom.axes["time"].time_min.utc.iso
    bins = pairs_of(enumerate(starts), enumerate(names))
    return {
        f"{start[:19]} {name}": (float(flux[t, e].flat[0]), float(error[t, e].flat[0]))
        for (t, start), (e, name) in bins
    }


def _maps(first: Product, second: Product) -> Iterator[Change]:
    """Of a significance map the pixel that has changed most."""
    one, two = (read_flux_maps(product.path).sqrt_ts for product in (first, second))  # type: ignore[arg-type]
    if one.data.shape != two.data.shape:
        yield Change("geometry", None, None, "", None, SIGMA)
        return
    difference = np.nan_to_num(two.data - one.data)
    place = np.unravel_index(int(np.argmax(np.abs(difference))), difference.shape)
    where = one.geom.pix_to_coord(place[::-1])
    label = f"significance at {where[0].to_value('deg'):.2f}, {where[1].to_value('deg'):.2f} deg"
    yield _in_sigma(label, float(one.data[place]), float(two.data[place]), 1.0)


def _metrics(first: Product, second: Product) -> Iterator[Change]:
    one, two = (dict(_numbers("", product.metrics)) for product in (first, second))
    for name in dict.fromkeys([*one, *two]):
        if name in one and name in two:
            yield _in_percent(name, one[name], two[name])
        else:
            yield Change(name, one.get(name), two.get(name), "", None, PERCENT)


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        items: Mapping[str, Any] = value
        for key, item in items.items():
            yield from _numbers(f"{name}.{key}" if name else key, item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)


_KINDS: dict[str, Callable[[Product, Product], Iterator[Change]]] = {
    "dataset": _datasets,
    "excess_map": _maps,
    "fit": _fits,
    "flux_points": _points,
    "light_curve": _points,
    "ts_map": _maps,
}
