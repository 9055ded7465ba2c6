"""Where maps are most significant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gammapy.estimators import FluxMaps

__all__ = ["peak_of"]


def peak_of(maps: FluxMaps) -> dict[str, Any]:
    """The highest significance of the first energy bin and where it is, as metrics; None without any."""
    significance = maps.sqrt_ts.data[0]
    known = np.isfinite(significance)
    if not known.any():
        return {"sqrt_ts_max": None}
    y, x = np.unravel_index(np.argmax(np.where(known, significance, -np.inf)), significance.shape)
    position = maps.geom.to_image().pix_to_coord((x, y))
    lon, lat = (float(coordinate.to_value("deg").item()) for coordinate in position)
    return {"sqrt_ts_max": float(significance[y, x]), "lon_max_deg": lon, "lat_max_deg": lat}
