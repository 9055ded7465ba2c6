"""Maps made with several correlation radii: one more axis, ``correlation-radius``, whose nodes are the radii."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammapy.estimators import FluxMaps
from gammapy.maps import MapAxis

if TYPE_CHECKING:
    from collections.abc import Sequence

    import astropy.units as u

__all__ = ["RADIUS", "by_radius", "with_radii"]

RADIUS = "correlation-radius"


def with_radii(maps: Sequence[FluxMaps], radii: u.Quantity) -> FluxMaps:
    """Maps of increasing radii as one; those of a single radius stay as they are."""
    if len(maps) == 1:
        return maps[0]
    return FluxMaps.from_stack(maps, axis=MapAxis.from_nodes(radii, name=RADIUS), meta=maps[0].meta)


def by_radius(maps: FluxMaps) -> list[tuple[str, FluxMaps]]:
    """The maps of each radius and its text, ``0.1°``; maps without that axis, and with empty text, if there is none."""
    if RADIUS not in maps.geom.axes.names:
        return [("", maps)]
    radii = maps.geom.axes[RADIUS].center.to_value("deg")
    return [(f"{radius:g}°", maps.slice_by_idx({RADIUS: place})) for place, radius in enumerate(radii)]
