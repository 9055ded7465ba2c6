"""Stack: what it is."""

from __future__ import annotations

from gammaops.schema import block, choices, quantity_list, several
from gammaops.steps.base import Output, Port, StepSpec

_STACK = {
    "by": choices(
        ("instrument", "night", "zenith"), "What the datasets that are stacked to one have in common", ["instrument"]
    ),
    "zenith_edges": quantity_list(
        "deg", "Edges of the bands of zenith angle", ["0 deg", "30 deg", "45 deg", "60 deg", "90 deg"]
    ),
}

SPEC = StepSpec(
    tag="stack",
    doc="Stacks datasets to one per instrument, night or band of zenith angle, in the order of obs_id.",
    version=1,
    schema={"stack": block("What is stacked together", _STACK, [several("zenith_edges")])},
    reads=("stack",),
    consumes={"datasets": Port(("datasets",), "Datasets to stack", max=None)},
    produces={"datasets": Output("datasets", ".json", "The stacked datasets", "dataset")},
)
