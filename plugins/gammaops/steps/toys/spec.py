"""Toys: what they are."""

from __future__ import annotations

from gammaops.schema import block, integer
from gammaops.schema.origins import drawn_from
from gammaops.steps.base import Fan, Output, Port, StepSpec

_TOYS = {
    "number": integer("How many toys are drawn and fitted", 100, low=2, high=100_000),
    "seed": integer("Seed of the random numbers; each toy has its own stream of it", 0, low=0, high=2**32 - 1),
    "per_task": integer("Toys of one mapped task", 10, low=1, high=10_000),
}

SPEC = StepSpec(
    tag="toys",
    doc="Draws data from fitted models and fits them the same way: bias, coverage and goodness of the fit.",
    version=2,
    schema={"toys": block("How many toys are made", _TOYS)},
    reads=("toys",),
    collect_reads=("toys.number",),
    consumes={
        "datasets": Port(("datasets",), "Datasets that were fitted", max=None),
        "fit": Port(("fit",), "The fit that is examined"),
    },
    input_rules={"datasets": {"data-reduction": (drawn_from,)}},
    produces={"toys": Output("toys", ".ecsv", "Fitted values and errors of every toy")},
    fan_out=Fan(over="toys", table="toy_rows", part=Output("toys_part", ".ecsv")),
)
