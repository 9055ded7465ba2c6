"""Where maps are most significant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gammaops.physics.radii import RADIUS

if TYPE_CHECKING:
    from gammapy.estimators import FluxMaps

__all__ = ["peak_of"]


def peak_of(maps: FluxMaps) -> dict[str, Any]:
    """The highest significance of all energy bins (and radii) and where it is, as metrics.

    Returns
    -------
    dict
        ``sqrt_ts_max``, None without any; else ``lon_max_deg`` and ``lat_max_deg`` in the frame of the map, the energy
        bin ``energy_max_tev`` (two edges), and of maps with several radii ``radius_max_deg``.
    """
    image = maps.sqrt_ts
    known = np.isfinite(image.data)
    if not known.any():
        return {"sqrt_ts_max": None}
    highest = np.unravel_index(np.argmax(np.where(known, image.data, -np.inf)), image.data.shape)
    *places, y, x = (int(place) for place in highest)
    bins = dict(zip(reversed(image.geom.axes.names), places, strict=True))
    lon, lat = (float(one.to_value("deg").item()) for one in image.geom.to_image().pix_to_coord((x, y)))
    edges = image.geom.axes["energy"].edges.to_value("TeV")[bins["energy"] : bins["energy"] + 2]
    found = {"sqrt_ts_max": float(image.data[highest]), "lon_max_deg": lon, "lat_max_deg": lat}
    found["energy_max_tev"] = edges.tolist()
    if RADIUS in bins:
        found["radius_max_deg"] = float(image.geom.axes[RADIUS].center.to_value("deg")[bins[RADIUS]])
    return found
