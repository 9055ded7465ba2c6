from __future__ import annotations

from gammaops.steps.base import Fan, Output, Port, StepSpec

SPEC = StepSpec(
    tag="toy-slices",
    doc="Cuts a number into as many slices; no observation is among them.",
    version=1,
    consumes={"values": Port(("value",), "The number", min=1)},
    produces={"slices": Output("slices", ".json", member="slice")},
    fan_out=Fan("slices", "slices_table", Output("slice", ".yaml")),
)
