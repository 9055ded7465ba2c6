"""Counts that were measured and counts that fitted models predict, by energy, summed over datasets and over the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.datasets import Datasets

__all__ = ["counts_by_energy", "merged"]

NEGLIGIBLE = 0.1
LEAST_PREDICTED = 10.0
"""Predicted counts in a merged bin: few enough to see structure, enough for √predicted to be its error."""


def counts_by_energy(datasets: Datasets) -> dict[str, list[float]] | None:
    """Sums inside the masks of the fit, as JSON types; None if the datasets have different energy bins.

    Returns
    -------
    dict
        ``edges_tev``, ``counts``, ``predicted`` (source and background) and ``background``.
    """
    axes = [dataset.counts.geom.axes["energy"] for dataset in datasets]
    if any(axis != axes[0] for axis in axes):
        return None
    sums = {name: np.zeros(axes[0].nbin) for name in ("counts", "predicted", "background")}
    for dataset in datasets:
        inside = True if dataset.mask is None else dataset.mask.data
        estimated = dataset.npred_background()
        background = np.zeros(dataset.counts.data.shape) if estimated is None else estimated.data
        found = dataset.counts.data, dataset.npred_signal().data + background, background
        for name, values in zip(sums, found, strict=True):
            sums[name] += np.where(inside, values, 0.0).sum(axis=(1, 2))
    edges = axes[0].edges.to_value("TeV").tolist()
    return {"edges_tev": edges, **{name: values.tolist() for name, values in sums.items()}}


def merged(found: Mapping[str, Any], least: float = LEAST_PREDICTED) -> dict[str, np.ndarray]:
    """The same in fewer bins, each with at least `least` predicted counts; empty bins at the ends are left out."""
    arrays = {name: np.asarray(values, dtype=float) for name, values in found.items()}
    edges = arrays.pop("edges_tev")
    used = np.flatnonzero((arrays["predicted"] > NEGLIGIBLE) | (arrays["counts"] > 0))
    if not len(used):
        return {"edges_tev": edges[:1], **{name: values[:0] for name, values in arrays.items()}}
    first, last = used[0], used[-1] + 1
    starts, total = [first], 0.0
    for place in range(first, last):
        total += arrays["predicted"][place]
        if total >= least and arrays["predicted"][place + 1 : last].sum() >= least:
            starts.append(place + 1)
            total = 0.0
    sums = {name: np.add.reduceat(values[:last], starts) for name, values in arrays.items()}
    return {"edges_tev": edges[[*starts, last]], **sums}
