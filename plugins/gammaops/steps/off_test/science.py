"""Off test: significances of observations without a source against what no source gives."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import AlgorithmError, NoWorkFound
from gammaops.physics.dataset_metrics import summed_counts
from gammaops.physics.datasets_io import iter_datasets
from gammaops.physics.fitting import limit
from gammaops.physics.null_test import Spread, spread_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammapy.datasets import MapDataset

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["Prepared", "prepare", "report", "run"]

log = logging.getLogger(__name__)
COLUMNS = ("counts", "counts_off", "alpha", "excess", "sqrt_ts")


@dataclass(frozen=True)
class Prepared:
    """The energies, and what is tolerated."""

    energies: Mapping[str, str | None]
    n_sigma: float
    least: int


def prepare(config: Mapping[str, Any]) -> Prepared:
    """What this config asks for."""
    block = config["off_test"]
    return Prepared(block["energy"], float(block["n_sigma"]), int(block["min_observations"]))


def run(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]) -> dict[str, Any]:
    """Judge the significances; a run that is refused keeps the product, so that one can look at it."""
    rows = [_row(dataset, prepared) for dataset, _ in iter_datasets(inputs["datasets"])]
    if not rows:
        raise NoWorkFound("no observation left a dataset")
    known = [row["sqrt_ts"] for row in rows if np.isfinite(row["sqrt_ts"])]
    if len(known) < prepared.least:
        raise AlgorithmError(
            f"{len(known)} of {len(rows)} datasets have a significance, and off_test.min_observations is"
            f" {prepared.least}: nothing can be said. Take more observations, one dataset each (datasets.stack: false)",
            {"observations": len(known), "observations_without": len(rows) - len(known)},
        )
    Table(rows).write(out["off_test"], format="ascii.ecsv")
    spread = Spread.of(np.array(known), prepared.n_sigma)
    log.info("%s", spread.in_words())
    return spread.metrics() | {"observations_without": len(rows) - len(known)}


def _row(dataset: MapDataset, prepared: Prepared) -> dict[str, Any]:
    """Counts and significance of one dataset, inside its safe mask."""
    limit([dataset], prepared.energies)
    mask = dataset.mask.data
    statistic = summed_counts(dataset, mask) if mask.any() else None
    numbers = (
        [float(getattr(statistic, name)) for name in ("n_on", "n_off", "alpha", "n_sig", "sqrt_ts")]
        if statistic is not None
        else [0.0, 0.0, np.nan, np.nan, np.nan]
    )
    return {"name": dataset.name, **dict(zip(COLUMNS, numbers, strict=True))}


def report(product: Product) -> Section:
    """The distribution of significances."""
    table = Table.read(product.path, format="ascii.ecsv")
    n_sigma = float(product.sidecar["config"]["off_test"]["n_sigma"])
    return spread_section(table, n_sigma)
