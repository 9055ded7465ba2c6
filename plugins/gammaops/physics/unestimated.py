"""Bins whose estimate fails: each becomes a bin without a flux that says why, and the others go on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from gammaops.errors import AlgorithmError, NoWorkFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxPoints, FluxPointsEstimator

    from gammaops.products.base import Product

__all__ = ["estimate", "unestimated", "unestimated_note"]

UNSAFE = "no dataset is safe to use in this bin, inside the fit's energies"
log = logging.getLogger(__name__)
# What gammapy and the optimisers raise on data that they cannot cope with; never I/O and never memory.
FAILURES = (ValueError, RuntimeError, ArithmeticError, LookupError)


def estimate(estimator: FluxPointsEstimator, datasets: Datasets) -> tuple[FluxPoints, str]:
    """What the estimator finds in its one bin, and why there is no flux in it; empty if there is one.

    A bin that cannot be estimated gets what gammapy gives for one without data: NaN, and ``success`` False. The
    datasets, of which no bin is safe any more then, are not to be used again.
    """
    try:
        points = estimator.run(datasets)
    except FAILURES as error:
        reason = f"the fit of this bin failed: {type(error).__name__}: {error}"
        log.warning("%s", reason)
        for dataset in datasets:
            dataset.mask_safe = dataset.counts.copy(data=np.zeros(dataset.counts.data.shape, dtype=bool))
        return estimator.run(datasets), reason
    return points, "" if np.isfinite(points.norm.data).any() else _why(datasets, points)


def _why(datasets: Datasets, points: FluxPoints) -> str:
    low, high = points.geom.axes["energy"].edges[[0, -1]]
    safe = any(
        (dataset.mask.data & dataset.counts.geom.energy_mask(low, high).data).any()
        for dataset in datasets
        if dataset.mask is not None
    )
    if not safe:
        return UNSAFE
    return "the fit of this bin did not converge to a number"


def unestimated(parts: Sequence[Product]) -> list[dict[str, str]]:
    """Label and reason of each part without a flux.

    Raises
    ------
    NoWorkFound
        If that is all of them, because no dataset is safe to use in any.
    AlgorithmError
        If that is all of them for any other reason.
    """
    bins = [{"label": part.metrics["label"], "reason": part.metrics["reason"]} for part in parts]
    failed = [one for one in bins if one["reason"]]
    if len(failed) == len(bins) and all(one["reason"] == UNSAFE for one in failed):
        raise NoWorkFound(unestimated_note(failed))
    if len(failed) == len(bins):
        raise AlgorithmError(unestimated_note(failed), {"bins": len(bins)})
    return failed


def unestimated_note(bins: Sequence[Mapping[str, str]]) -> str:
    """One sentence on the bins without a flux; empty if there is none."""
    told = "; ".join(f"{one['label']}: {one['reason']}" for one in bins)
    return f"{len(bins)} bin{'s' if len(bins) > 1 else ''} without a flux: {told}" if bins else ""
