"""TS map: how much better the counts are described with a source than without, at every position."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from gammapy.estimators import FluxMaps
from gammapy.maps import Maps
from gammapy.modeling.models import (
    DiskSpatialModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import AlgorithmError, NoWorkFound
from gammaops.physics.background_models import unstack_backgrounds
from gammaops.physics.flux_io import read_flux_maps, write_flux_maps
from gammaops.physics.geometry import energy_axis, given
from gammaops.physics.joint_maps import image_geom, joint_datasets
from gammaops.physics.kernel_share import joint_share, kernel_metrics, kernel_warning
from gammaops.physics.map_sections import ts_map_section
from gammaops.physics.models_io import read_fitted_models, read_groups
from gammaops.physics.peaks import peak_of
from gammaops.physics.tiles import Tile, joined, tiles
from gammaops.physics.ts_tiles import ts_of_tile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammaops.products.base import Product
    from gammaops.steps.base import Scope, Section

__all__ = ["Prepared", "collect", "prepare", "report", "run", "split"]

log = logging.getLogger(__name__)

AUTO_PIXELS = 100
SHAPES = {"point": PointSpatialModel, "gauss": GaussianSpatialModel, "disk": DiskSpatialModel}


@dataclass(frozen=True)
class Prepared:
    """Arguments of the estimator, the width of a tile (None: automatic) and models that are not subtracted."""

    settings: Mapping[str, Any]
    tile_width: u.Quantity | None
    left_out: tuple[str, ...]


def prepare(config: Mapping[str, Any]) -> Prepared:
    """The kernel model and the estimator's arguments."""
    block = config["ts_map"]
    axis = energy_axis(block["energy_edges"])
    settings = {
        "kernel_model": _kernel_model(block["kernel_model"]),
        "kernel_width": u.Quantity(block["kernel_width"]),
        "energy_edges": None if axis is None else axis.edges,
        **given(block["parameters"]),
    }
    tile_width = u.Quantity(block["tile_width"]) if block["tile_width"] else None
    return Prepared(settings, tile_width, tuple(block["models_left_out"] or ()))


def _kernel_model(block: Mapping[str, Any]) -> SkyModel:
    sizes = {name: u.Quantity(size) for name, size in given(block["parameters"]).items()}
    return SkyModel(PowerLawSpectralModel(index=block["index"]), SHAPES[block["spatial"]](**sizes), name="kernel")


def split(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], scope: Scope) -> Table:
    """One row per tile of the map that holds all datasets."""
    geom = image_geom(inputs["datasets"])
    pixels = AUTO_PIXELS
    if prepared.tile_width is not None:
        pixels = max(1, round((prepared.tile_width / geom.pixel_scales.max()).to_value("")))
    return Table(rows=[_row(tile) for tile in tiles(geom, pixels)])


def _row(tile: Tile) -> dict[str, Any]:
    label = f"x {tile.x_min}-{tile.x_max - 1}, y {tile.y_min}-{tile.y_max - 1}"
    return {"label": label, **asdict(tile), "status": "selected", "reason_class": "", "reason": ""}


def run(
    prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Estimate on one tile; one without data is no work."""
    datasets = joint_datasets(inputs["datasets"], _models(prepared, inputs.get("fit", ())))
    tile = Tile.of(row)
    maps = ts_of_tile(prepared.settings, datasets, tile)
    write_flux_maps(maps, out["ts_map_part"])
    kernel = kernel_metrics(prepared.settings, datasets)
    return {**asdict(tile), "sqrt_ts_max": peak_of(maps)["sqrt_ts_max"], **kernel}


def _models(prepared: Prepared, fits: Sequence[Product]) -> Models | None:
    """Models to subtract; a background model of a stack is for each dataset in it.

    Raises
    ------
    AlgorithmError
        If one that shall stay in the map is not among them.
    """
    models = Models([model for fit in fits for model in read_fitted_models(fit.path, fit.files)])  # type: ignore[arg-type]
    unknown = [name for name in prepared.left_out if name not in models.names]
    if unknown:
        known = ", ".join(models.names) or "none; name a product of a fit in required_products"
        raise AlgorithmError(f"models_left_out: no model {', '.join(unknown)} in the fit; there are: {known}")
    kept = Models([model for model in models if model.name not in prepared.left_out])
    groups = {name: members for fit in fits for name, members in read_groups(fit.path).items()}  # type: ignore[arg-type]
    return unstack_backgrounds(kept, groups) if len(kept) else None


def collect(
    prepared: Prepared,
    inputs: Mapping[str, Sequence[Product]],
    out: Mapping[str, Path],
    parts: Sequence[Product],
) -> dict[str, Any]:
    """Join the tiles; unknown where one has no data."""
    if not parts:
        raise NoWorkFound("no pixel has data")
    geom = image_geom(inputs["datasets"])
    pieces = [(Tile.of(part.metrics), read_flux_maps(part.path)) for part in parts]  # type: ignore[arg-type]
    first = pieces[0][1]
    maps = Maps()
    for name in first.available_quantities:
        empty = name == "success" or np.nan
        maps[name] = joined(geom, [(tile, piece._data[name]) for tile, piece in pieces], empty)
    whole = FluxMaps(maps, first.reference_model, meta=first.meta, gti=first.gti)
    write_flux_maps(whole, out["ts_map"])
    kernel = joint_share(part.metrics for part in parts)
    metrics = {"tiles": len(parts), **peak_of(whole), **kernel}
    log.info("TS map of %s tiles: highest significance %s", metrics["tiles"], metrics["sqrt_ts_max"])
    return metrics


def report(product: Product) -> Section:
    """The maps, and whether their kernel holds the source."""
    section = ts_map_section(read_flux_maps(product.path))  # type: ignore[arg-type]
    warning = kernel_warning(product.metrics)
    return replace(section, warnings=(*section.warnings, *filter(None, [warning])))
