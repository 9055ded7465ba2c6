from __future__ import annotations

from gammaops.steps.base import Output, Port, StepSpec

SPEC = StepSpec(
    tag="total",
    doc="Adds numbers up, and says so.",
    version=1,
    consumes={"values": Port(("value",), "Numbers", min=1, max=None)},
    produces={"value": Output("value", ".yaml"), "log": Output("log", ".yaml")},
)
