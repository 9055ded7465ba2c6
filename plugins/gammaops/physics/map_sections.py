"""What maps show in the report: pictures by energy, the peaks in words, and how empty the rest of the sky is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import SkyCoord

from gammaops.physics.figures import TALL, encode
from gammaops.physics.notation import measured, plain, unit_text
from gammaops.physics.radii import by_radius
from gammaops.physics.sky_figures import draw_significance_distribution, draw_sky_map, peaks, planes
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from astropy import table
    from gammapy.estimators import FluxMaps
    from gammapy.maps import WcsNDMap

__all__ = ["map_section", "sources_section", "ts_map_section"]

SIGNIFICANT = 5.0
_SIGNIFICANCE = "Significance: white is no signal, the black line is 5 σ; a bad background is patchy."
_EXCESS_CAPTIONS = {
    "sqrt_ts": _SIGNIFICANCE,
    "npred_excess": "Excess counts above the background.",
    "counts": "All counts, background included.",
}
_TS_CAPTIONS = {
    "sqrt_ts": f"{_SIGNIFICANCE} Each pixel is a fit of a source of the given shape there.",
    "flux": "Flux of a source of the given shape at each position; white: no data, or no fit.",
    "flux_ul": "Upper limit on the flux of a source of the given shape at each position.",
}
_SPREAD_CAPTION = (
    "Significance of all pixels. Sources are the tail on the right; the rest should follow the line, and a wider"
    " hill is a bad background."
)


def map_section(maps: FluxMaps) -> Section:
    """Significance, excess and counts by energy, and whether the rest of the sky is as empty as it should be."""
    return _section("Sky maps", maps, _EXCESS_CAPTIONS)


def ts_map_section(maps: FluxMaps) -> Section:
    """Significance and flux by energy of a source at every position."""
    return _section("TS map", maps, _TS_CAPTIONS)


def _section(title: str, maps: FluxMaps, captions: Mapping[str, str]) -> Section:
    notes: list[str] = []
    figures: list[Figure] = []
    for radius, of_radius in by_radius(maps):
        images = [
            (f"Radius {radius}, {energies}" if radius else energies, image)
            for energies, image in planes(of_radius.sqrt_ts)
        ]
        several = bool(radius) or len(images) > 1
        for what, image in images:
            notes.append((f"{what}: " if several else "") + _peaks_in_words(image, peaks(image, SIGNIFICANT)))
        figures += _pictures(of_radius, captions, radius)
    return Section(title=title, notes=notes, figures=figures)


def _pictures(maps: FluxMaps, captions: Mapping[str, str], radius: str) -> Iterator[Figure]:
    """Pictures of the maps of one radius, with the peaks of significance of each energy bin in all of them."""
    marks = {
        energies: {f"{value:.1f} σ": position for value, position in peaks(image, SIGNIFICANT)}
        for energies, image in planes(maps.sqrt_ts)
    }
    circle = f" Circle of {radius}." if radius else ""
    for name, caption in captions.items():
        if name.replace("flux", "norm") in maps.available_quantities:
            for energies, image in planes(getattr(maps, name)):
                draw = partial(draw_sky_map, image=image, quantity=name, marks=marks.get(energies))
                yield Figure(f"{caption}{circle} {energies}.", encode(draw, TALL, image.geom.wcs))
    if np.isfinite(maps.sqrt_ts.data).any():
        draw_all = partial(draw_significance_distribution, sqrt_ts=maps.sqrt_ts)
        yield Figure(f"{_SPREAD_CAPTION}{circle}", encode(draw_all))


def _peaks_in_words(image: WcsNDMap, found: Sequence[tuple[float, SkyCoord]]) -> str:
    if not np.isfinite(image.data).any():
        return "No pixel has a significance."
    if not found:
        return f"Nothing above {SIGNIFICANT:g} σ; the highest is {np.nanmax(image.data):.1f} σ."
    words = [f"{value:.1f} σ at RA {place.ra.deg:.2f}°, Dec {place.dec.deg:+.2f}°" for value, place in found]
    return f"{'; '.join(words)} (J2000)."


def sources_section(sources: table.Table, maps: FluxMaps | None = None) -> Section:
    """Detected sources, with their names in the map that they were found in."""
    several = "s" if len(sources) != 1 else ""
    headline = f"{len(sources)} source{several}"
    if len(sources):
        headline += f"; the most significant is {sources['source_name'][0]}, {sources['sqrt_ts'][0]:.1f} σ"
    figures = []
    if maps is not None:
        positions = SkyCoord(sources["ra"], sources["dec"], unit="deg") if len(sources) else []
        marks = dict(zip(sources["source_name"], positions, strict=True))
        for energies, image in planes(by_radius(maps)[0][1].sqrt_ts):
            draw = partial(draw_sky_map, image=image, quantity="sqrt_ts", marks=marks)
            figures.append(Figure(f"Significance with the sources. {energies}.", encode(draw, TALL, image.geom.wcs)))
    header = ("Source", "RA [°]", "Dec [°]", "Significance [σ]", f"Flux [{unit_text('cm-2 s-1')}]", "Energy [TeV]")
    rows = [
        (
            str(row["source_name"]),
            f"{row['ra']:.3f}",
            f"{row['dec']:+.3f}",
            f"{row['sqrt_ts']:.1f}",
            measured(row["flux"], row["flux_err"]),
            f"{plain(row['e_min'])} to {plain(row['e_max'])}",
        )
        for row in sources
    ]
    return Section("Sources", figures, (Table(header, rows),) if rows else (), (f"{headline}.",))
