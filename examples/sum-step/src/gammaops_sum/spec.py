"""What a step with the tag ``sum`` is; read whenever a DAG is parsed, so nothing heavy is imported here."""

from __future__ import annotations

from gammaops.schema import block, integer, quantity
from gammaops.steps.base import Output, Port, StepSpec

SPEC = StepSpec(
    tag="sum",
    doc="The sum of numbers that other steps have made, and of one of its own.",
    version=1,
    schema={
        "sum": block(
            "What is added, and how long that takes",
            {
                "add": integer("Number of its own that it adds", 0),
                "pause": quantity("s", "How long it sleeps before it adds", "1 s", low=0, high=60),
            },
        )
    },
    reads=("sum.add",),
    consumes={"numbers": Port(kinds=("number",), doc="Numbers to add up", min=0, max=None)},
    produces={
        "value": Output(kind="number", suffix=".txt", doc="The sum"),
        "log": Output(kind="log", suffix=".txt", doc="What was added"),
    },
)
