from __future__ import annotations

from gammaops.schema import block, integer
from gammaops.steps.base import Output, StepSpec

SPEC = StepSpec(
    tag="count",
    doc="Writes down a number.",
    version=1,
    schema={"count": block("A number", {"number": integer("The number", 1)})},
    reads=("count",),
    produces={"value": Output("value", ".yaml")},
)
