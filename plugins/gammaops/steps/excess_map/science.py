"""Excess map: excess counts and their significance, of one or several stacks of observations."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from gammapy.estimators import ExcessMapEstimator

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import NoWorkFound
from gammaops.physics.datasets_io import named_members, read_dataset
from gammaops.physics.flux_io import model_hdu, read_flux_maps
from gammaops.physics.geometry import energy_axis, given
from gammaops.physics.sections import map_section
from gammaops.physics.stacking import common_geoms, empty_stack, stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammapy.datasets import MapDataset
    from gammapy.estimators import FluxMaps

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["prepare", "report", "run"]

log = logging.getLogger(__name__)


def prepare(config: Mapping[str, Any]) -> ExcessMapEstimator:
    """The estimator of this config."""
    block = config["excess_map"]
    axis = energy_axis(block["energy_edges"])
    return ExcessMapEstimator(
        correlation_radius=block["correlation_radius"],
        energy_edges=None if axis is None else axis.edges,
        **given(block["parameters"]),
    )


def run(
    prepared: ExcessMapEstimator, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]
) -> dict[str, Any]:
    """Combine the datasets and make the maps."""
    groups = [[member.path for _, member in named_members([product])] for product in inputs["datasets"]]
    dataset = _combined([[path for path in group if path is not None] for group in groups])
    maps = prepared.run(dataset)
    hdus = maps.to_hdulist()
    hdus.append(model_hdu(maps.reference_model))
    hdus.writeto(out["excess_map"], overwrite=True)
    metrics = {"datasets": sum(len(group) for group in groups), **_numbers(dataset, maps)}
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


def _numbers(dataset: MapDataset, maps: FluxMaps) -> dict[str, Any]:
    """Counts inside the safe mask, and where the first energy bin is most significant."""
    metrics: dict[str, Any] = {"counts": int(dataset.counts.data[dataset.mask_safe.data].sum())}
    significance = maps.sqrt_ts.data[0]
    if not np.isfinite(significance).any():
        return metrics | {"sqrt_ts_max": None}
    y, x = np.unravel_index(np.nanargmax(significance), significance.shape)
    position = maps.geom.to_image().pix_to_coord((x, y))
    lon, lat = (float(coordinate.to_value("deg").item()) for coordinate in position)
    return metrics | {"sqrt_ts_max": float(significance[y, x]), "lon_max_deg": lon, "lat_max_deg": lat}


def report(product: Product) -> Section:
    """The maps."""
    return map_section(read_flux_maps(product.path))  # type: ignore[arg-type]
