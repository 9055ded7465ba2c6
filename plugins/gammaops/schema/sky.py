"""Blocks that several step types share: positions, circles and energy axes, in gammapy's vocabulary."""

from __future__ import annotations

from gammaops.schema.fragments import Rules, block, choice, integer, quantity
from gammaops.schema.relations import increasing, together

__all__ = ["energy_axis", "energy_range", "sky_circle", "sky_position"]

FRAMES = ("icrs", "galactic")


def _position() -> dict[str, Rules]:
    return {
        "frame": choice(FRAMES, "Celestial frame of lon and lat"),
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
