"""Exclusion mask: significant places of a map and their surroundings, with what is excluded anyway."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from gammapy.maps import WcsNDMap
from scipy import ndimage

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.physics.exclusion import Exclusion, read_mask
from gammaops.physics.flux_io import read_flux_maps
from gammaops.physics.mask_section import mask_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["Prepared", "prepare", "report", "run", "significant_mask"]

log = logging.getLogger(__name__)

SIGNIFICANCE = "SQRT_TS"


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
    """Make the mask; it and the significance it was made from are two images of one file."""
    (product,) = inputs["map"]
    significance = _highest(read_flux_maps(product.path).sqrt_ts)  # type: ignore[arg-type]
    masks = tuple(mask.path for mask in inputs.get("exclusion", ()) if mask.path is not None)
    before = replace(prepared.exclusion, masks=masks).on(significance.geom)
    mask = significant_mask(significance, prepared.significance, prepared.radius)
    if before is not None:
        mask &= before
    hdus = mask.to_hdulist()
    hdus.append(fits.ImageHDU(significance.data, significance.geom.to_header(), name=SIGNIFICANCE))
    hdus.writeto(out["mask"], overwrite=True)
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
    return {
        "regions": int(ndimage.label(excluded)[1]),
        "excluded_deg2": float(area[excluded].sum()),
        "excluded_percent": float(100 * area[excluded].sum() / area.sum()),
        "new_deg2": float(area[new].sum()),
        "sqrt_ts_max_outside": float(outside.max()) if outside.size else None,
    }


def report(product: Product) -> Section:
    """Where background is not estimated."""
    mask = read_mask(product.path)  # type: ignore[arg-type]
    significance = WcsNDMap(mask.geom, fits.getdata(product.path, SIGNIFICANCE).astype(float))
    return mask_section(mask, significance, product.metrics)
