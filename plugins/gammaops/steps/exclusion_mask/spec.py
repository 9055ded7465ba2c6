"""Exclusion mask: what it is."""

from __future__ import annotations

from gammaops.schema import block, exclusion, number, quantity
from gammaops.steps.base import Output, Port, StepSpec

_EXCLUSION_MASK = {
    "significance": number("Excluded is where the map's significance, in sigma, is above this", 5.0, low=0),
    "radius": quantity("deg", "And what lies within this distance of such a place", "0.3 deg", low=0, high=20),
    "exclusion": exclusion("Excluded too: a FITS mask, a DS9 region file, or a list of regions"),
}

SPEC = StepSpec(
    tag="exclusion-mask",
    doc="Marks where a map shows sources, for data-reduction to estimate background elsewhere.",
    version=1,
    schema={"exclusion_mask": block("What is excluded", _EXCLUSION_MASK)},
    reads=("exclusion_mask",),
    consumes={
        "map": Port(("excess_map", "ts_map"), "The map of significance"),
        "exclusion": Port(("mask",), "Masks of steps before, which stay excluded", min=0, max=None),
    },
    produces={"mask": Output("mask", ".fits", "1 where background may be estimated, 0 where not, over the map's area")},
    files=("exclusion_mask.exclusion",),
    dataset_types=("3d",),
)
