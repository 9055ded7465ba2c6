"""Excess map: what it is."""

from __future__ import annotations

from gammaops.schema import block, energy_axis, quantity_list
from gammaops.schema.arguments import EXCESS_MAP
from gammaops.schema.origins import energies_of_datasets
from gammaops.steps.base import Output, Port, StepSpec

_EXCESS_MAP = {
    "correlation_radius": quantity_list(
        "deg", "Radius of the circle that counts are summed in; a map for each, if several", "0.1 deg", above=0
    ),
    "energy_edges": energy_axis("Energy bins, a map for each; not given: one over the whole range"),
    "parameters": block("Arguments of ExcessMapEstimator", EXCESS_MAP),
}

SPEC = StepSpec(
    tag="excess-map",
    doc="Maps of excess counts and their significance; several datasets are combined.",
    version=2,
    schema={"excess_map": block("Which maps are made", _EXCESS_MAP)},
    reads=("excess_map",),
    consumes={"datasets": Port(("datasets",), "Map datasets", max=None)},
    origin_rules=(energies_of_datasets("excess_map.energy_edges"),),
    produces={"excess_map": Output("excess_map", ".fits", "Maps of excess, background, flux and significance")},
    dataset_types=("3d",),
)
