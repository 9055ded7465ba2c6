"""What an exclusion mask shows in the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gammaops.physics.figures import TALL, encode
from gammaops.physics.sky_figures import draw_sky_map
from gammaops.steps.base import Figure, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

__all__ = ["draw_excluded", "mask_section"]

CAPTION = "Hatched: excluded from background estimation. Colours: the significance that it was made from."
# A mask that leaves so little of the map is more likely wrong than the field so full.
MUCH_PERCENT = 50.0


def mask_section(mask: WcsNDMap, significance: WcsNDMap, metrics: Mapping[str, Any]) -> Section:
    """How much of the sky is excluded, what of that is new, and whether something significant is left outside."""
    draw = partial(draw_excluded, mask=mask, significance=significance)
    return Section(
        title="Exclusion mask",
        notes=tuple(_notes(metrics)),
        figures=(Figure(CAPTION, encode(draw, TALL, mask.geom.wcs)),),
    )


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


def draw_excluded(axes: Axes, mask: WcsNDMap, significance: WcsNDMap) -> None:
    """The significance, with what is excluded hatched; the axes must have the projection of the mask."""
    draw_sky_map(axes, significance, "sqrt_ts")
    excluded = (~mask.data).astype(float)
    if excluded.any():
        axes.contourf(excluded, levels=[0.5, 1.5], colors="none", hatches=["///"])
        axes.contour(excluded, levels=[0.5], colors="black", linewidths=1.2)
