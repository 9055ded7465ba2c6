"""In what two datasets of the same observation, or stack, differ: counts, exposure, livetime, background, response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gammapy.datasets import MapDatasetOnOff

from gammaops.physics.dataset_metrics import livetime_seconds
from gammaops.physics.datasets_io import read_dataset
from gammaops.physics.differences import ABSOLUTE, COUNTS, RELATIVE, Difference, relative, unlike

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gammapy.datasets import MapDataset
    from gammapy.maps import Map, MapAxis

    from gammaops.physics.differences import Tolerances

__all__ = ["dataset_differences"]

# Where an effective area is so small a part of its highest value, no event is ever expected.
NEGLIGIBLE = 1e-3
ROUNDING = 1e-6
EXPOSURE_UNIT = "m2 s"


def dataset_differences(before: Path, after: Path, tolerances: Tolerances) -> list[Difference]:
    """Two datasets in physical terms.

    Parameters
    ----------
    before, after : Path
        Files of one dataset each.
    tolerances : Tolerances
    """
    one, other = read_dataset(before), read_dataset(after)
    found = [*_counts(one, other, "counts", tolerances), *_counts(one, other, "counts_off", tolerances)]
    found += _safe(one, other)
    found += _exposure(one, other, tolerances)
    found.append(relative("livetime", livetime_seconds(one), livetime_seconds(other), tolerances.livetime, "s"))
    found.append(relative("background", _background(one), _background(other), tolerances.background))
    for name in ("edisp", "psf"):
        found += _response(one, other, name, tolerances.response)
    return found


def _counts(one: MapDataset, other: MapDataset, name: str, tolerances: Tolerances) -> Iterator[Difference]:
    """Total counts; where the bins are the same, how many events are in another bin or in one alone."""
    maps: list[Any] = [getattr(dataset, name, None) for dataset in (one, other)]
    if maps[0] is None and maps[1] is None:
        return
    totals = [None if item is None else float(np.nansum(item.data)) for item in maps]
    if None in totals or not _same_bins(*maps):
        sizes = [None if item is None else _bins(item) for item in maps]
        yield unlike(f"{name}, bins", sizes)
        return
    moved = float(np.nansum(np.abs(maps[1].data.astype(float) - maps[0].data.astype(float))))
    yield Difference(name, totals, "", moved, COUNTS, tolerances.counts)


def _same_bins(one: Map, other: Map) -> bool:
    return one.data.shape == other.data.shape and all(
        axis.is_allclose(twin, rtol=1e-6) for axis, twin in zip(one.geom.axes, other.geom.axes, strict=True)
    )


def _bins(item: Map) -> str:
    return " × ".join(f"{axis.nbin} {axis.name}" for axis in item.geom.axes) + f" {item.geom.data_shape[-2:]}"


def _safe(one: MapDataset, other: MapDataset) -> Iterator[Difference]:
    """How much of the mask is safe in one alone, with the number of safe bins."""
    masks = [dataset.mask_safe for dataset in (one, other)]
    if any(mask is None for mask in masks) or masks[0].data.shape != masks[1].data.shape:
        return
    numbers = [float(mask.data.sum()) for mask in masks]
    yield Difference("safe bins", numbers, "", float((masks[0].data ^ masks[1].data).sum()), ABSOLUTE)


def _exposure(one: MapDataset, other: MapDataset, tolerances: Tolerances) -> Iterator[Difference]:
    """Exposure at the energy where it has changed most, and over all energies that matter."""
    maps = [dataset.exposure for dataset in (one, other)]
    if maps[0] is None or maps[1] is None:
        if maps[0] is not maps[1]:
            yield unlike("exposure", [None if item is None else "there" for item in maps])
        return
    axes = [item.geom.axes["energy_true"] for item in maps]
    if not axes[0].is_allclose(axes[1], rtol=1e-6):
        yield unlike("exposure, true energies", [_range(axis) for axis in axes], "TeV")
        return
    values = [_by_energy(item) for item in maps]
    matter = values[0] > NEGLIGIBLE * values[0].max()
    if not matter.any():
        yield relative("exposure", values[0].sum(), values[1].sum(), tolerances.exposure, EXPOSURE_UNIT)
        return
    change = np.where(matter, values[1] / np.where(matter, values[0], 1.0) - 1, 0.0)
    energies = axes[0].center.to_value("TeV")
    place = _most(change, energies)
    pair = float(values[0][place]), float(values[1][place])
    name = f"exposure at {energies[place]:.3g} TeV"
    yield Difference(name, pair, EXPOSURE_UNIT, float(change[place]), RELATIVE, tolerances.exposure)
    typical = float(np.median(change[matter]))
    yield Difference("exposure, median over energies", (None, None), "", typical, RELATIVE, None)


def _most(change: np.ndarray, energies: np.ndarray) -> int:
    """Where it has changed most; of places that have changed alike but for rounding, the one nearest to 1 TeV."""
    alike = np.abs(change) >= np.abs(change).max() - ROUNDING
    return int(np.argmin(np.where(alike, np.abs(np.log(energies)), np.inf)))


def _by_energy(exposure: Map) -> np.ndarray:
    """Mean over the map, by true energy."""
    return np.nanmean(exposure.quantity.to_value(EXPOSURE_UNIT), axis=(-2, -1)).reshape(-1)


def _range(axis: MapAxis) -> str:
    edges = axis.edges.to_value("TeV")
    return f"{axis.nbin} from {edges[0]:.4g} to {edges[-1]:.4g}"


def _background(dataset: MapDataset) -> float:
    """Counts expected from the background where it is safe."""
    if isinstance(dataset, MapDatasetOnOff) and dataset.counts_off is None:
        return float("nan")
    item = dataset.background
    if item is None:
        return float("nan")
    data = item.data if dataset.mask_safe is None else item.data[dataset.mask_safe.data]
    return float(np.nansum(data))


def _response(one: MapDataset, other: MapDataset, name: str, limit: float) -> Iterator[Difference]:
    """Share of the energy dispersion, or of the point spread function, that has moved elsewhere."""
    maps: list[Any] = [_response_map(dataset, name) for dataset in (one, other)]
    if maps[0] is None and maps[1] is None:
        return
    if any(item is None for item in maps) or maps[0].data.shape != maps[1].data.shape:
        shapes = [None if item is None else str(item.data.shape) for item in maps]
        yield unlike(f"{name}, bins", shapes)
        return
    data = [np.nan_to_num(item.data.astype(float)) for item in maps]
    whole = np.abs(data[0]).sum()
    moved = float(np.abs(data[1] - data[0]).sum() / whole / 2) if whole else 0.0
    yield Difference(f"{name}, share that moved", (None, None), "", moved, RELATIVE, limit)


def _response_map(dataset: MapDataset, name: str) -> Map | None:
    response = getattr(dataset, name, None)
    return None if response is None else getattr(response, f"{name}_map")
