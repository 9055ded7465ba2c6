"""What an exclusion mask shows in the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from astropy.coordinates import SkyCoord
from matplotlib.colors import ListedColormap

from gammaops.physics.figures import GREY, TALL, encode
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

__all__ = ["draw_excluded", "mask_section"]

CAPTION = "Hatched: excluded from background estimation, each region with the highest significance in it."
# A mask that leaves so little of the map is more likely wrong than the field so full.
MUCH_PERCENT = 50.0


def mask_section(mask: WcsNDMap, metrics: Mapping[str, Any]) -> Section:
    """How much of the sky is excluded, what of that is new, and whether something significant is left outside."""
    regions = metrics["largest_regions"]
    draw = partial(draw_excluded, mask=mask, regions=regions)
    header = ("RA [°]", "Dec [°]", "Area [deg²]", "Significance [σ]")
    rows = [
        (f"{one['ra_deg']:.2f}", f"{one['dec_deg']:+.2f}", f"{one['area_deg2']:.2f}", _sigma(one)) for one in regions
    ]
    return Section(
        title="Exclusion mask",
        notes=tuple(_notes(metrics)),
        figures=(Figure(CAPTION, encode(draw, TALL, mask.geom.wcs)),),
        tables=(Table(header, rows, "Excluded regions, the largest first"),) if rows else (),
    )


def _sigma(region: Mapping[str, Any]) -> str:
    return "–" if region["sqrt_ts_max"] is None else f"{region['sqrt_ts_max']:.1f}"


def _notes(metrics: Mapping[str, Any]) -> list[str]:
    number, area, percent = metrics["regions"], metrics["excluded_deg2"], metrics["excluded_percent"]
    if not number:
        return ["Nothing is excluded."]
    regions = f"{number} region{'s' if number != 1 else ''}"
    notes = [
        f"{regions} excluded: {area:.2f} deg², {percent:.1f} % of the map; {metrics['new_deg2']:.2f} deg² are new."
    ]
    outside = metrics["sqrt_ts_max_outside"]
    if outside is None:
        notes.append("Outside, no pixel has a significance.")
    else:
        notes.append(f"The highest significance outside is {outside:.1f} σ.")
    if percent > MUCH_PERCENT:
        notes.append("That is more than half of the map: look whether the background of the map itself is right.")
    return notes


def draw_excluded(axes: Axes, mask: WcsNDMap, regions: list[Mapping[str, Any]]) -> None:
    """The map's area with what is excluded hatched; the axes must have the projection of the mask."""
    excluded = (~mask.data).astype(float)
    axes.imshow(excluded, origin="lower", cmap=ListedColormap(["white", "#f1e3d3"]), vmin=0, vmax=1)
    if excluded.any():
        axes.contourf(excluded, levels=[0.5, 1.5], colors="none", hatches=["///"])
        axes.contour(excluded, levels=[0.5], colors="black", linewidths=1.2)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    for one in regions:
        x, y = mask.geom.wcs.world_to_pixel(SkyCoord(one["ra_deg"], one["dec_deg"], unit="deg"))
        axes.plot(x, y, "+", color="black", markersize=10)
        axes.annotate(f"{_sigma(one)} σ", (x, y), xytext=(7, 7), textcoords="offset points", fontsize=10, bbox=box)
    galactic = mask.geom.frame == "galactic"
    axes.set_xlabel("Galactic longitude" if galactic else "Right ascension (J2000)")
    axes.set_ylabel("Galactic latitude" if galactic else "Declination (J2000)")
    axes.grid(color=GREY, alpha=0.35, linewidth=0.6)
