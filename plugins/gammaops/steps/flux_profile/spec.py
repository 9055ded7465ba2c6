"""Flux profile: what it is."""

from __future__ import annotations

from gammaops.schema import (
    block,
    energy_axis,
    exactly_one,
    increasing,
    integer,
    number,
    quantity,
    sky_position,
    together,
)
from gammaops.schema.arguments import FLUX_PROFILE
from gammaops.schema.origins import energies_of_datasets, regions_in_map
from gammaops.steps.base import Fan, Output, Port, StepSpec

_BOXES = {
    "start_pos": sky_position("Where the line of boxes begins"),
    "end_pos": sky_position("Where it ends"),
    "height": quantity("deg", "Size of the boxes across the line", above=0, high=180),
    "nbin": integer("Number of boxes", low=2, high=10_000),
}
_ANNULI = {
    "center": sky_position("Centre of the annuli"),
    "radius_min": quantity("deg", "Inner radius of the first annulus", "1e-05 deg", above=0, high=180),
    "radius_max": quantity("deg", "Outer radius of the last annulus", above=0, high=180),
    "nbin": integer("Number of annuli", low=2, high=10_000),
}
_FLUX_PROFILE = {
    "boxes": block("Boxes along a line", _BOXES, [together("start_pos.lon", "end_pos.lon", "height", "nbin")]),
    "annuli": block(
        "Annuli around a position",
        _ANNULI,
        [together("center.lon", "radius_max", "nbin"), increasing("radius_min", "radius_max")],
    ),
    "energy_edges": energy_axis("Energy bins, a profile for each; not given: one over the datasets' whole range"),
    "index": number("Spectral index of the power law that is assumed", 2.0, low=0, high=10),
    "parameters": block("Arguments of FluxProfileEstimator", FLUX_PROFILE),
}

SPEC = StepSpec(
    tag="flux-profile",
    doc="Estimates the flux in boxes along a line, or in annuli around a position.",
    version=2,
    schema={"flux_profile": block("Which profile is made", _FLUX_PROFILE, [exactly_one("boxes.nbin", "annuli.nbin")])},
    reads=("flux_profile",),
    consumes={"datasets": Port(("datasets",), "Map datasets, all of them jointly", max=None)},
    origin_rules=(energies_of_datasets("flux_profile.energy_edges"), regions_in_map),
    produces={"flux_profile": Output("flux_profile", ".fits", "Flux by region, with its reference model and regions")},
    fan_out=Fan(over="regions", table="regions", part=Output("flux_profile_part", ".fits")),
    dataset_types=("3d",),
)
