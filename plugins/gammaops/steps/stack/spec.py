"""Stack: what it is."""

from __future__ import annotations

from gammaops.steps.base import Output, Port, StepSpec

SPEC = StepSpec(
    tag="stack",
    doc="Stacks datasets to one per type of dataset and instrument, in the order of obs_id.",
    version=1,
    consumes={"datasets": Port(("datasets",), "Datasets to stack", max=None)},
    produces={"datasets": Output("datasets", ".json", "The stacked dataset", "dataset")},
)
