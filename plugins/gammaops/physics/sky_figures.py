"""Sky maps for people, drawn on given axes; `gammaops.physics.figures.encode` makes a PNG of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.estimators.utils import find_peaks
from matplotlib.colors import Normalize
from matplotlib.patheffects import withStroke
from scipy.stats import norm

from gammaops.physics.figures import BLUE, GREY, ORANGE
from gammaops.physics.notation import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

__all__ = ["draw_significance_distribution", "draw_sky_map", "peaks", "planes"]

_SIGNIFICANT = 5.0
_BRIGHTEST = 15.0  # higher ones get the darkest red, so that the rest of the sky is not pale
_SPREAD = 9.0
_PEAKS, _APART = 5, "0.3 deg"
_LABELS = {
    "counts": "Counts in the smoothing circle",
    "npred_excess": "Excess counts in the smoothing circle",
    "sqrt_ts": "Significance [σ]",
    "flux": "Flux [$10^{-12}$ cm$^{-2}$ s$^{-1}$]",
    "flux_ul": "Upper limit [$10^{-12}$ cm$^{-2}$ s$^{-1}$]",
}
_UNITS = dict.fromkeys(("flux", "flux_ul"), 1e-12 * u.Unit("cm-2 s-1"))


def planes(sky_map: WcsNDMap) -> list[tuple[str, WcsNDMap]]:
    """The images of a map with the energies of each, ``0.7 to 30 TeV``; empty text where there is no energy axis."""
    if not sky_map.geom.axes:
        return [("", sky_map)]
    (axis,) = sky_map.geom.axes
    edges = zip(axis.edges_min.to_value("TeV"), axis.edges_max.to_value("TeV"), strict=True)
    texts = [f"{plain(low, 2)} to {plain(high, 2)} TeV" for low, high in edges]
    return [(text, sky_map.slice_by_idx({axis.name: place})) for place, text in enumerate(texts)]


def peaks(sqrt_ts: WcsNDMap, threshold: float) -> list[tuple[float, SkyCoord]]:
    """Local maxima of an image above `threshold` σ, the highest first, at most `_PEAKS` of them."""
    known = sqrt_ts.copy(data=np.nan_to_num(sqrt_ts.data))
    found = find_peaks(known, threshold, min_distance=_APART)[:_PEAKS]
    if not len(found):
        return []
    positions = SkyCoord(found["ra"], found["dec"], frame="icrs")
    return list(zip(found["value"].tolist(), positions, strict=True))


def draw_sky_map(axes: Axes, image: WcsNDMap, quantity: str, marks: Mapping[str, SkyCoord] | None = None) -> None:
    """An image of counts, excess, flux or ``sqrt_ts`` with named positions; significance is white at zero.

    The axes must have the projection ``image.geom.wcs``.
    """
    data = image.quantity.to_value(_UNITS.get(quantity, image.unit)).astype(float)
    known = data[np.isfinite(data)]
    lowest, highest = (known.min(), known.max()) if known.size else (0.0, 0.0)
    scale: Normalize
    if quantity == "sqrt_ts":
        reach = min(max(_SIGNIFICANT, highest), _BRIGHTEST)
        colours, scale = "RdBu_r", Normalize(-reach, reach)
    else:
        colours, scale = "inferno", Normalize(min(0.0, lowest), highest)
    picture = axes.imshow(data, origin="lower", interpolation="nearest", cmap=colours, norm=scale)
    beyond = "max" if quantity == "sqrt_ts" and highest > _BRIGHTEST else "neither"
    bar = axes.figure.colorbar(picture, ax=axes, label=_LABELS[quantity], shrink=0.85, extend=beyond)
    if quantity == "sqrt_ts":
        # One σ is as much colour below zero as above, but nothing is much below.
        bar.ax.set_ylim(-_SIGNIFICANT, scale.vmax)
    if quantity == "sqrt_ts" and highest > _SIGNIFICANT:
        axes.contour(np.nan_to_num(data), levels=[_SIGNIFICANT], colors="black", linewidths=1)
    galactic = image.geom.frame == "galactic"
    axes.set_xlabel("Galactic longitude" if galactic else "Right ascension (J2000)")
    axes.set_ylabel("Galactic latitude" if galactic else "Declination (J2000)")
    axes.grid(color=GREY, alpha=0.35, linewidth=0.6)
    _draw_marks(axes, image, marks or {}, "black" if quantity == "sqrt_ts" else "white")


def _draw_marks(axes: Axes, image: WcsNDMap, marks: Mapping[str, SkyCoord], colour: str) -> None:
    for name, position in marks.items():
        x, y = image.geom.wcs.world_to_pixel(position)
        if not image.geom.contains(position).all():
            continue
        axes.plot(x, y, "+", color=colour, markersize=13, markeredgewidth=1.6)
        label = axes.annotate(name, (x, y), xytext=(9, 8), textcoords="offset points", color=colour, fontsize=11)
        label.set_path_effects([withStroke(linewidth=2.5, foreground="white" if colour == "black" else "black")])


def draw_significance_distribution(axes: Axes, sqrt_ts: WcsNDMap) -> None:
    """Significances of all pixels against what a sky without sources gives; the last bin holds all above it."""
    values = sqrt_ts.data
    values = np.clip(values[np.isfinite(values)], -_SPREAD, _SPREAD)
    edges = np.linspace(-_SPREAD, _SPREAD, 91)
    counts, _ = np.histogram(values, edges)
    axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.45, label="Pixels of the map")
    centre = (edges[1:] + edges[:-1]) / 2
    expected = values.size * (edges[1] - edges[0]) * norm.pdf(centre)
    axes.plot(centre, expected, color=ORANGE, label="No source: mean 0, width 1")
    axes.set(yscale="log", xlabel="Significance [σ]", ylabel="Pixels", xlim=(-_SPREAD, _SPREAD))
    axes.set_ylim(0.5, 10 * max(counts.max(), expected.max()))
    axes.legend()
