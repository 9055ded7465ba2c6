"""Rules between the keys of the block ``datasets``: what fits together in a reduction, and what would mean nothing."""

from __future__ import annotations

from math import ceil, hypot
from typing import TYPE_CHECKING, Any

from gammaops.schema.phases import overlap
from gammaops.schema.relations import Finding, needs, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.schema.relations import Relation

__all__ = ["DATASETS_RULES", "REDUCTION_RULES", "cube_size", "mask_can_be_used", "not_stacked"]

METHODS = {"1d": ("reflected", "wobble", "phase"), "3d": ("ring", "adaptive-ring", "fov", "phase")}
POINT_METHODS = ("wobble", "phase", None)
WITHOUT_EXCLUSION = (None, "phase")
RINGS = ("ring", "adaptive-ring")
FLOAT_BYTES = 4
FULL_ENCLOSURE = ("psf", "bkg")
# What gammapy's makers look at, besides counts.
MAPS_OF_METHOD = {"ring": ("background",), "adaptive-ring": ("background",), "fov": ("background",)}
MAPS_OF_CRITERION = {"aeff-max": "exposure", "edisp-bias": "edisp", "bkg-peak": "background"}


def _method_fits_type(block: Mapping[str, Any]) -> Iterator[Finding]:
    kind, method = block["type"], value_at(block, "background.method")
    if method is not None and kind in METHODS and method not in METHODS[kind]:
        yield Finding(
            ("background", "method"),
            f"{method} does not fit: type is {kind}",
            f"{', '.join(METHODS[kind])} or none",
        )


def _place_is_given(block: Mapping[str, Any]) -> Iterator[Finding]:
    if block["type"] == "1d" and value_at(block, "on_region.lon") is None:
        expected = "frame, lon, lat and radius of the ON region (without radius: as large as RAD_MAX says)"
        yield Finding(("on_region", "lon"), "not given: type is 1d", expected)
    if block["type"] == "3d" and value_at(block, "geom.wcs.skydir.lon") is None:
        yield Finding(
            ("geom", "wcs", "skydir", "lon"), "not given: type is 3d", "frame, lon and lat of the map's centre"
        )


def _is_point_like(block: Mapping[str, Any]) -> bool:
    """Whether the ON region is a point, as large at each energy as the archive's RAD_MAX says."""
    place = block["on_region"]
    return bool(block["type"] == "1d" and place["lon"] is not None and place["radius"] is None)


def _point_like(block: Mapping[str, Any]) -> Iterator[Finding]:
    """An ON region without radius is as large as RAD_MAX says: no rotated copy of it, no PSF to correct for."""
    method = value_at(block, "background.method")
    if not _is_point_like(block):
        return
    if method in METHODS["1d"] and method not in POINT_METHODS:
        expected = "a radius; or method: wobble, phase or none, with the ON region as large as RAD_MAX says"
        yield Finding(("on_region", "radius"), f"not given: background.method is {method}", expected)
    elif block["containment_correction"]:
        expected = "containment_correction: false (point-like IRFs hold for events within RAD_MAX), or a radius"
        yield Finding(("containment_correction",), "true, but on_region has no radius", expected)


def _exclusion_is_used(block: Mapping[str, Any]) -> Iterator[Finding]:
    method = value_at(block, "background.method")
    if value_at(block, "background.exclusion") is not None and method in WITHOUT_EXCLUSION:
        yield Finding(
            ("background", "exclusion"),
            f"given, but background.method is {method or 'none'}, which excludes nothing",
            "no exclusion, or another method",
        )


def mask_can_be_used(blocks: Mapping[str, Any]) -> Iterator[Finding]:
    """Where a step reads a mask, its background method can leave something out."""
    method = value_at(blocks, "datasets.background.method")
    if method in WITHOUT_EXCLUSION:
        message = f"it reads an exclusion mask, but datasets.background.method is {method or 'none'}"
        yield Finding(("datasets", "background", "method"), f"{message}, which excludes nothing", "another method")


def not_stacked(blocks: Mapping[str, Any]) -> Iterator[Finding]:
    """Each observation is a dataset of its own."""
    if value_at(blocks, "datasets.stack"):
        message = "it stacks its observations to one dataset, and one significance has no spread"
        yield Finding(("datasets", "stack"), message, "datasets.stack: false for that step")


def cube_size(blocks: Mapping[str, Any]) -> str:
    """Pixels and energies of a map dataset, and the megabytes of each of its maps of counts and background."""
    block = blocks["datasets"]
    if block["type"] != "3d":
        return ""
    wcs, axis = block["geom"]["wcs"], block["geom"]["axes"]["energy"]
    wide, high = (ceil(round(_number(wcs["width"][side]) / _number(wcs["binsize"]), 6)) for side in ("width", "height"))
    megabytes = wide * high * axis["nbins"] * FLOAT_BYTES / 1e6
    return f"{wide} x {high} pixels x {axis['nbins']} energies, {megabytes:.3g} MB a map"


def _rings_fit(block: Mapping[str, Any]) -> Iterator[Finding]:
    if value_at(block, "background.method") != "adaptive-ring":
        return
    parameters = block["background"]["parameters"]
    r_in, width, r_out = (parameters[name] for name in ("r_in", "width", "r_out_max"))
    if None not in (r_in, width, r_out) and not _number(r_in) + _number(width) < _number(r_out):
        message = f"{r_out} leaves no ring: r_in and width add up to {_number(r_in) + _number(width):g} deg"
        yield Finding(("background", "parameters", "r_out_max"), message, "more than r_in + width")
    if value_at(block, "geom.axes.energy.nbins") != 1:
        yield Finding(
            ("geom", "axes", "energy", "nbins"),
            f"{value_at(block, 'geom.axes.energy.nbins')} does not fit: background.method is adaptive-ring",
            "1; gammapy makes adaptive rings of one energy bin",
        )


def _ring_in_map(block: Mapping[str, Any]) -> Iterator[Finding]:
    """The ring around the centre of the map lies in the map, at least with a corner."""
    if value_at(block, "background.method") not in RINGS or block["type"] != "3d":
        return
    r_in = value_at(block, "background.parameters.r_in")
    corner = hypot(*(_number(block["geom"]["wcs"]["width"][side]) for side in ("width", "height"))) / 2
    if r_in is not None and _number(r_in) >= corner:
        message = f"{r_in}: the ring of the map's centre lies outside the map"
        yield Finding(("background", "parameters", "r_in"), message, f"less than {corner:.3g} deg, or a larger map")


def _phases_apart(block: Mapping[str, Any]) -> Iterator[Finding]:
    if value_at(block, "background.method") != "phase":
        return
    on, off = (value_at(block, f"background.parameters.{name}_phase") for name in ("on", "off"))
    if on and off and overlap(on, off):
        yield Finding(
            ("background", "parameters", "off_phase"), "has phases in common with on_phase", "phases outside on_phase"
        )


def _maps_are_made(block: Mapping[str, Any]) -> Iterator[Finding]:
    """What background and safe mask look at is among the maps that are made."""
    criteria, irfs = block["safe_mask"]["methods"], block["safe_mask"]["parameters"]["irfs"]
    method = value_at(block, "background.method")
    if block["type"] == "1d":
        if "bkg-peak" in criteria and irfs == "DL4" and method is None:
            expected = "a background method, or irfs: DL3, which looks at the archive's background model"
            yield Finding(("safe_mask", "methods"), "bkg-peak looks at the background, and none is made", expected)
        return
    needed = dict.fromkeys(MAPS_OF_METHOD.get(method, ()), f"background.method: {method}")
    if irfs == "DL4":
        needed |= {MAPS_OF_CRITERION[name]: f"safe_mask: {name}" for name in criteria if name in MAPS_OF_CRITERION}
    for name, why in needed.items():
        if name not in block["map_selection"]:
            yield Finding(("map_selection",), f"{name} is not made, and {why} looks at it", f"{name} too")


def _needs_no_full_enclosure_irfs(blocks: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """An archive of point-like IRFs has neither PSF nor background model: observations must not need them."""
    asked = [name for name in blocks["observations"]["required_irf"] or () if name in FULL_ENCLOSURE]
    if _is_point_like(blocks["datasets"]) and asked:
        message = f"asks for {' and '.join(asked)}, but datasets.on_region has no radius: IRFs are point-like"
        yield Finding(("observations", "required_irf"), message, "required_irf: [aeff, edisp, rad_max]")


def _psf_of_correction(blocks: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Who asks for RAD_MAX and not for a PSF has point-like IRFs: there is nothing to correct for, or by."""
    asked, block = blocks["observations"]["required_irf"] or (), blocks["datasets"]
    corrects = block["type"] == "1d" and block["containment_correction"] and not _is_point_like(block)
    if corrects and "rad_max" in asked and "psf" not in asked:
        message = "asks for rad_max and no psf, which datasets.containment_correction: true looks at"
        expected = "datasets.containment_correction: false, as IRFs are point-like; or psf too"
        yield Finding(("observations", "required_irf"), message, expected)


def _number(quantity: str) -> float:
    return float(quantity.split(" ", 1)[0])


DATASETS_RULES: tuple[Relation, ...] = (
    _place_is_given,
    needs("stack", "false: every observation has its region elsewhere", {"on_region.frame": ("pointing",)}, (False,)),
    _method_fits_type,
    _point_like,
    _exclusion_is_used,
    _rings_fit,
    _ring_in_map,
    _phases_apart,
    _maps_are_made,
)
# Between its blocks.
REDUCTION_RULES: tuple[Relation, ...] = (_needs_no_full_enclosure_irfs, _psf_of_correction)
