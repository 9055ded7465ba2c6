"""Where maps are most significant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gammaops.physics.radii import by_radius

if TYPE_CHECKING:
    from gammapy.estimators import FluxMaps

__all__ = ["peak_of"]


def peak_of(maps: FluxMaps) -> dict[str, Any]:
    """The highest significance of the first energy bin (and radius) and where it is, as metrics; None without any."""
    significance = by_radius(maps)[0][1].sqrt_ts.data[0]
    known = np.isfinite(significance)
    if not known.any():
        return {"sqrt_ts_max": None}
    y, x = np.unravel_index(np.argmax(np.where(known, significance, -np.inf)), significance.shape)
    position = maps.geom.to_image().pix_to_coord((x, y))
    lon, lat = (float(coordinate.to_value("deg").item()) for coordinate in position)
    return {"sqrt_ts_max": float(significance[y, x]), "lon_max_deg": lon, "lat_max_deg": lat}
