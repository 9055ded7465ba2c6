"""Exclusion mask: significant places of a map and their surroundings, with what is excluded anyway."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.maps import WcsNDMap
from scipy import ndimage

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.physics.exclusion import Exclusion, read_mask
from gammaops.physics.flux_io import read_flux_maps
from gammaops.physics.mask_section import mask_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammapy.maps import WcsGeom

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["Prepared", "prepare", "report", "run", "significant_mask"]

log = logging.getLogger(__name__)

LISTED = 20


@dataclass(frozen=True)
class Prepared:
    """From which significance on and how far around it is excluded, and what is excluded anyway."""

    significance: float
    radius: u.Quantity
    exclusion: Exclusion


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Threshold, radius and exclusion of this config."""
    block = config["exclusion_mask"]
    exclusion = Exclusion("exclusion_mask.exclusion", block["exclusion"])
    return Prepared(float(block["significance"]), u.Quantity(block["radius"]), exclusion)


def run(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]) -> dict[str, Any]:
    """Make the mask; the file holds nothing else, so that rounds that agree make the same one."""
    (product,) = inputs["map"]
    significance = _highest(read_flux_maps(product.path).sqrt_ts)  # type: ignore[arg-type]
    masks = tuple(mask.path for mask in inputs.get("exclusion", ()) if mask.path is not None)
    before = replace(prepared.exclusion, masks=masks).on(significance.geom)
    mask = significant_mask(significance, prepared.significance, prepared.radius)
    if before is not None:
        mask &= before
    mask.write(out["mask"], overwrite=True)
    metrics = _numbers(mask, before, significance)
    log.info("%s regions excluded, %.2f deg2", metrics["regions"], metrics["excluded_deg2"])
    return metrics


def _highest(sqrt_ts: WcsNDMap) -> WcsNDMap:
    """The highest significance of any energy or radius; NaN where none has one."""
    return WcsNDMap(
        sqrt_ts.geom.to_image(), np.fmax.reduce(sqrt_ts.data, axis=tuple(range(sqrt_ts.data.ndim - 2))).astype("f4")
    )


def significant_mask(significance: WcsNDMap, threshold: float, radius: u.Quantity) -> WcsNDMap:
    """False within `radius` of each pixel above `threshold`, in sigma; true elsewhere, also where nothing is known."""
    elsewhere = ~(np.nan_to_num(significance.data, nan=-np.inf) > threshold)
    if not elsewhere.all():
        # gammapy's dilation rounds the radius to an odd number of pixels, and loses sources of a single one.
        scales = significance.geom.pixel_scales.to_value("deg")[::-1]
        elsewhere = ndimage.distance_transform_edt(elsewhere, sampling=scales) > radius.to_value("deg")
    return significance.copy(data=elsewhere, unit="")


def _numbers(mask: WcsNDMap, before: WcsNDMap | None, significance: WcsNDMap) -> dict[str, Any]:
    area = mask.geom.solid_angle().to_value("deg2")
    excluded = ~mask.data
    new = excluded if before is None else excluded & before.data
    outside = significance.data[mask.data & np.isfinite(significance.data)]
    labels, number = ndimage.label(excluded)
    regions = [_region(mask.geom, labels == label, significance.data, area) for label in range(1, number + 1)]
    return {
        "regions": number,
        "excluded_deg2": float(area[excluded].sum()),
        "excluded_percent": float(100 * area[excluded].sum() / area.sum()),
        "new_deg2": float(area[new].sum()),
        "sqrt_ts_max_outside": float(outside.max()) if outside.size else None,
        "largest_regions": sorted(regions, key=lambda region: -region["area_deg2"])[:LISTED],
    }


def _region(geom: WcsGeom, inside: np.ndarray, significance: np.ndarray, area: np.ndarray) -> dict[str, Any]:
    """Where a region is most significant, or its centre if nothing is known there."""
    known = inside & np.isfinite(significance)
    highest = float(significance[known].max()) if known.any() else None
    at = known & (significance == highest) if known.any() else inside
    y, x = (float(np.mean(index)) for index in np.nonzero(at))
    place = geom.pix_to_coord((x, y))
    position = SkyCoord(*place, frame=geom.frame).icrs
    return {
        "ra_deg": float(position.ra.deg),
        "dec_deg": float(position.dec.deg),
        "area_deg2": float(area[inside].sum()),
        "sqrt_ts_max": highest,
    }


def report(product: Product) -> Section:
    """Where background is not estimated."""
    return mask_section(read_mask(product.path), product.metrics)  # type: ignore[arg-type]
