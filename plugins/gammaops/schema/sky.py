"""Blocks that several step types share: positions, circles and energy axes, in gammapy's vocabulary."""

from __future__ import annotations

from gammaops.schema.fragments import Rules, block, choice, integer, path_or_list, quantity
from gammaops.schema.relations import increasing, needs_too, together

__all__ = ["energy_axis", "energy_range", "exclusion", "sky_circle", "sky_position", "sky_region"]

FRAMES = ("icrs", "galactic")
POINTING = "pointing"
# A region as DS9 writes it; its numbers are read when the step runs.
DS9_REGION = r"(icrs|fk5|galactic) *; *(circle|ellipse|box|polygon|annulus) *\([-+0-9.,: eEdhms'\"]{1,2000}\)"

DS9_EXAMPLE = "icrs;circle(83.63,22.01,0.3)"


def _position(frames: tuple[str, ...] = FRAMES) -> dict[str, Rules]:
    return {
        "frame": choice(frames, "Celestial frame of lon and lat"),
        "lon": quantity("deg", "Right ascension or galactic longitude", low=-360, high=360),
        "lat": quantity("deg", "Declination or galactic latitude", low=-90, high=90),
    }


def sky_position(doc: str) -> Rules:
    """A point on the sky; all of its keys or none."""
    return block(doc, _position(), [together("frame", "lon", "lat")])


def sky_circle(doc: str) -> Rules:
    """A circle on the sky; all of its keys or none."""
    keys = {**_position(), "radius": quantity("deg", "Radius of the circle", above=0, high=180)}
    return block(doc, keys, [together("frame", "lon", "lat", "radius")])


def sky_region(doc: str) -> Rules:
    """A circle on the sky, or, without its radius, a point; or nothing.

    In the frame `pointing` `lon` and `lat` are offsets from each observation's pointing, east and north.
    """
    keys = {
        **_position((*FRAMES, POINTING)),
        "radius": quantity("deg", "Radius of the circle; not given: a point", above=0, high=180),
    }
    return block(doc, keys, [together("frame", "lon", "lat"), needs_too("radius", "lon")])


def exclusion(doc: str) -> Rules:
    """Where background must not be estimated: a file, or a list of circles and of regions as DS9 writes them."""
    circle = {**_position(), "radius": quantity("deg", "Radius of the circle", above=0, high=180)}
    return path_or_list(
        doc, {key: rules | {"required": True} for key, rules in circle.items()}, DS9_REGION, DS9_EXAMPLE
    )


def energy_range(doc: str) -> Rules:
    """An energy range; an end that is not given is open."""
    keys = {
        "min": quantity("TeV", "Lower end", above=0),
        "max": quantity("TeV", "Upper end", above=0),
    }
    return block(doc, keys, [increasing("min", "max")])


def energy_axis(doc: str, low: str | None = None, high: str | None = None, nbins: int | None = None) -> Rules:
    """Logarithmic energy bins between `low` and `high`, in all and not per decade; all of its keys or none."""
    keys = {
        "min": quantity("TeV", "Lower edge of the first bin", low, above=0),
        "max": quantity("TeV", "Upper edge of the last bin", high, above=0),
        "nbins": integer("Number of bins", nbins, low=1, high=10_000),
    }
    return block(doc, keys, [together("min", "max", "nbins"), increasing("min", "max")])
