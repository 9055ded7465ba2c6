"""Rules on the reductions that the datasets of a step come from: what no reduced dataset could mend any more.

A rule for `StepSpec.input_rules` is given the blocks of one such step, a rule for `StepSpec.origin_rules` those of the
step itself and of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import acos, cos, degrees, hypot, radians, sin
from typing import Any

from gammaops.schema.relations import Finding, value_at

__all__ = ["OriginRule", "background_model", "drawn_from", "energies_of_datasets", "off_counts", "regions_in_map"]

Blocks = Mapping[str, Any]
OriginRule = Callable[[Blocks, Sequence[Blocks]], Iterator[Finding]]
Vector = tuple[float, float, float]

METHOD = ("datasets", "background", "method")
# Those that count OFF events for each pixel of a map.
OFF_PER_PIXEL = ("ring", "adaptive-ring", "phase")


def _off_per_pixel(blocks: Blocks) -> str:
    method = value_at(blocks, "datasets.background.method")
    return method if value_at(blocks, "datasets.type") == "3d" and method in OFF_PER_PIXEL else ""


def background_model(blocks: Blocks) -> Iterator[Finding]:
    """Maps have a background model, and no OFF counts instead."""
    if method := _off_per_pixel(blocks):
        message = f"datasets.background.method is {method}, and a background model is needed"
        yield Finding(METHOD, message, "fov or none for the datasets of this step")
    elif "background" not in (value_at(blocks, "datasets.map_selection") or ()):
        message = "datasets.map_selection has no background, and a background model is needed"
        yield Finding(("datasets", "map_selection"), message, "background too")


def drawn_from(blocks: Blocks) -> Iterator[Finding]:
    """Counts can be drawn: not where the same OFF events count in many pixels."""
    if method := _off_per_pixel(blocks):
        message = f"datasets.background.method is {method}, and counts of maps with OFF counts cannot be drawn"
        yield Finding(METHOD, message, "fov for the datasets of this step")


def off_counts(blocks: Blocks) -> Iterator[Finding]:
    """Spectra have OFF counts."""
    if value_at(blocks, "datasets.background.method") is None:
        message = "datasets.background.method is none, and OFF counts are needed"
        yield Finding(METHOD, message, "reflected, wobble or phase for the datasets of this step")


def energies_of_datasets(key: str) -> OriginRule:
    """The energies {min, max} at `key`, where they are given, are at least in part those of some dataset."""

    def check(blocks: Blocks, origins: Sequence[Blocks]) -> Iterator[Finding]:
        low, high = value_at(blocks, f"{key}.min"), value_at(blocks, f"{key}.max")
        axes = [value_at(origin, "datasets.geom.axes.energy") for origin in origins]
        if (low is None and high is None) or not axes or any(_meet(low, high, axis) for axis in axes):
            return
        reach = " and ".join(dict.fromkeys(f"{axis['min']} to {axis['max']}" for axis in axes))
        given = " to ".join(filter(None, (low, high)))
        message = f"{given}: wholly outside the energies of the datasets that it reads"
        yield Finding((*key.split("."), "min" if low else "max"), message, f"energies in {reach}")

    return check


def _meet(low: str | None, high: str | None, axis: Mapping[str, str]) -> bool:
    above = low is None or _number(low) < _number(axis["max"])
    return above and (high is None or _number(high) > _number(axis["min"]))


def regions_in_map(blocks: Blocks, origins: Sequence[Blocks]) -> Iterator[Finding]:
    """Of boxes or annuli one at least may lie within every map: gammapy leaves out those that do not as a whole."""
    profile = blocks["flux_profile"]
    kind = "annuli" if value_at(profile, "annuli.nbin") is not None else "boxes"
    for wcs in (value_at(origin, "datasets.geom.wcs") for origin in origins):
        if value_at(wcs, "skydir.lon") is None:
            continue
        corner = hypot(*(_number(wcs["width"][side]) for side in ("width", "height"))) / 2
        reach = _nearest(profile, kind, wcs["skydir"])
        if reach is not None and reach > corner:
            message = f"every one of them reaches {reach:.3g} deg from the centre of a map"
            yield Finding(("flux_profile", kind), message, f"at most {corner:.3g} deg, or a larger map")
            return


def _nearest(profile: Blocks, kind: str, center: Mapping[str, str]) -> float | None:
    """Distance in deg from the map's centre that each region reaches at least; None if frames differ."""
    block = profile[kind]
    if kind == "annuli":
        if block["center"]["frame"] != center["frame"]:
            return None
        inner, outer = _number(block["radius_min"]), _number(block["radius_max"])
        # The outer radius of the first annulus, on the side away from the map's centre.
        first_outer = inner + (outer - inner) / int(block["nbin"])
        return _separation(_vector(block["center"]), _vector(center)) + first_outer
    if not block["start_pos"]["frame"] == block["end_pos"]["frame"] == center["frame"]:
        return None
    first, last = _vector(block["start_pos"]), _vector(block["end_pos"])
    steps = [number / (2 * block["nbin"]) for number in range(2 * block["nbin"] + 1)]
    points = [tuple(a + (b - a) * step for a, b in zip(first, last, strict=True)) for step in steps]
    return min(_separation(point, _vector(center)) for point in points)


def _vector(place: Mapping[str, str]) -> Vector:
    lon, lat = radians(_number(place["lon"])), radians(_number(place["lat"]))
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


def _separation(one: Sequence[float], other: Sequence[float]) -> float:
    """Angle in deg."""
    cosine = sum(a * b for a, b in zip(one, other, strict=True)) / (hypot(*one) * hypot(*other))
    return degrees(acos(max(-1.0, min(1.0, cosine))))


def _number(quantity: str) -> float:
    return float(quantity.split(" ", 1)[0])
