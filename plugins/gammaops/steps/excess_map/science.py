"""Excess map: excess counts and their significance, of one or several stacks of observations."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from gammapy.estimators import ExcessMapEstimator

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import NoWorkFound
from gammaops.physics.datasets_io import named_members, read_dataset
from gammaops.physics.flux_io import read_flux_maps, write_flux_maps
from gammaops.physics.geometry import energy_axis, given
from gammaops.physics.map_sections import map_section
from gammaops.physics.peaks import peak_of
from gammaops.physics.radii import with_radii
from gammaops.physics.stacking import common_geoms, empty_stack, stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammapy.datasets import MapDataset

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["prepare", "report", "run"]

log = logging.getLogger(__name__)


def prepare(config: Mapping[str, Any]) -> list[ExcessMapEstimator]:
    """The estimator of each correlation radius, the smallest first."""
    block = config["excess_map"]
    axis = energy_axis(block["energy_edges"])
    edges, parameters = None if axis is None else axis.edges, given(block["parameters"])
    several = block["correlation_radius"]
    radii = sorted(u.Quantity(radius) for radius in (several if isinstance(several, list) else [several]))
    return [ExcessMapEstimator(correlation_radius=radius, energy_edges=edges, **parameters) for radius in radii]


def run(
    prepared: Sequence[ExcessMapEstimator], inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]
) -> dict[str, Any]:
    """Combine the datasets and make the maps."""
    groups = [[member.path for _, member in named_members([product])] for product in inputs["datasets"]]
    dataset = _combined([[path for path in group if path is not None] for group in groups])
    radii = u.Quantity([estimator.correlation_radius for estimator in prepared])
    # gammapy divides by the background of pixels that have none; they come out as NaN, as they should.
    with np.errstate(divide="ignore", invalid="ignore"):
        maps = with_radii([estimator.run(dataset) for estimator in prepared], radii)
    write_flux_maps(maps, out["excess_map"])
    counts = int(dataset.counts.data[dataset.mask_safe.data].sum())
    metrics = {"datasets": sum(len(group) for group in groups), "counts": counts, **peak_of(maps)}
    log.info("excess map of %s datasets: highest significance %s", metrics["datasets"], metrics["sqrt_ts_max"])
    return metrics


def _combined(groups: Sequence[Sequence[Path]]) -> MapDataset:
    """One dataset: each group stacked (one instrument), then their sum on the geometry that holds all."""
    groups = [group for group in groups if group]
    if not groups:
        raise NoWorkFound("no observation left a dataset")
    if len(groups) == len(groups[0]) == 1:
        return read_dataset(groups[0][0])
    cls, geoms = common_geoms([path for group in groups for path in group])
    sums = (stack(empty_stack(cls, geoms, "stacked"), (read_dataset(path) for path in group)) for group in groups)
    return next(sums) if len(groups) == 1 else stack(empty_stack(cls, geoms, "stacked"), sums)


def report(product: Product) -> Section:
    """The maps."""
    return map_section(read_flux_maps(product.path))  # type: ignore[arg-type]
