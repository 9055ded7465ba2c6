"""From the blocks of a config to gammapy's axes, regions and geometries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from regions import CircleSkyRegion, PointSkyRegion

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["energy_axis", "given", "on_sky", "region_geom", "sky_coord", "wcs_geom"]

Block = "Mapping[str, Any]"


def given(block: Mapping[str, Any] | None) -> dict[str, Any]:
    """The keys of a block that have a value; an empty list is none."""
    return {name: value for name, value in (block or {}).items() if value not in (None, [], {})}


def energy_axis(block: Mapping[str, Any], name: str = "energy") -> MapAxis | None:
    """Logarithmic axis with `nbins` bins between `min` and `max`; None if the block does not give one.

    Built as `gammapy.workflow` builds it, so that the same config gives the same edges to the last bit.
    """
    if block["nbins"] is None:
        return None
    low, high = u.Quantity(block["min"]), u.Quantity(block["max"])
    return MapAxis.from_bounds(
        name=name,
        lo_bnd=low.value,
        hi_bnd=high.to_value(low.unit),
        nbin=block["nbins"],
        unit=low.unit,
        interp="log",
        node_type="edges",
    )


def sky_coord(block: Mapping[str, Any]) -> SkyCoord:
    """Position given by `frame`, `lon` and `lat`."""
    return SkyCoord(u.Quantity(block["lon"]), u.Quantity(block["lat"]), frame=block["frame"])


def on_sky(region: Mapping[str, Any], pointing: SkyCoord) -> dict[str, Any]:
    """A region that is given relative to the pointing, east and north of it, where it is on the sky."""
    place = SkyCoord(u.Quantity(region["lon"]), u.Quantity(region["lat"]), frame=pointing.skyoffset_frame()).icrs
    return {**region, "frame": "icrs", "lon": f"{float(place.ra.deg)!r} deg", "lat": f"{float(place.dec.deg)!r} deg"}


def region_geom(region: Mapping[str, Any], axis: MapAxis) -> RegionGeom:
    """Geometry of a spectrum in a circle; without radius at a point, as large as the archive's RAD_MAX says."""
    center, radius = sky_coord(region), region["radius"]
    place = PointSkyRegion(center) if radius is None else CircleSkyRegion(center, u.Quantity(radius))
    return RegionGeom.create(region=place, axes=[axis])


def wcs_geom(block: Mapping[str, Any], axis: MapAxis) -> WcsGeom:
    """Geometry of a map."""
    width = block["width"]
    return WcsGeom.create(
        skydir=sky_coord(block["skydir"]),
        frame=block["skydir"]["frame"],
        binsz=u.Quantity(block["binsize"]),
        width=(u.Quantity(width["width"]).to_value("deg"), u.Quantity(width["height"]).to_value("deg")),
        axes=[axis],
    )
