"""Off test: what it is."""

from __future__ import annotations

from gammaops.schema import block, energy_range, integer, number
from gammaops.schema.datasets import not_stacked
from gammaops.steps.base import Output, Port, StepSpec

_OFF_TEST = {
    "energy": energy_range("Energies whose counts enter; not given: all that are safe"),
    "n_sigma": number(
        "By how many standard errors the mean may differ from 0 and the width from 1 at most", 3.0, low=0
    ),
    "min_observations": integer("Fewest observations with a significance for a judgement", 10, low=2),
}

SPEC = StepSpec(
    tag="off-test",
    doc="Tests that significances of places without a source have mean 0 and width 1, and refuses the run if not.",
    version=2,
    schema={"off_test": block("How observations without a source are judged", _OFF_TEST)},
    reads=("off_test",),
    consumes={"datasets": Port(("datasets",), "Datasets of places without a source, one per observation", max=None)},
    input_rules={"datasets": {"data-reduction": (not_stacked,)}},
    produces={"off_test": Output("off_test", ".ecsv", "Significance of each observation")},
)
