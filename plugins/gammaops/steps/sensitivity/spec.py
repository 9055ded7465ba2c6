"""Sensitivity: what it is."""

from __future__ import annotations

from gammaops.schema import block, energy_axis, number
from gammaops.schema.arguments import SENSITIVITY
from gammaops.schema.origins import energies_of_datasets, off_counts
from gammaops.steps.base import Output, Port, StepSpec

_SENSITIVITY = {
    "energy": energy_axis("Energy bins, of whole bins of the datasets; not given: theirs"),
    "index": number("Spectral index of the power law that is assumed", 2.0, low=0, high=10),
    "parameters": block("Arguments of SensitivityEstimator", SENSITIVITY),
}

SPEC = StepSpec(
    tag="sensitivity",
    doc="Estimates the least flux that observations like these would detect, by energy.",
    version=1,
    schema={"sensitivity": block("Which sensitivity is estimated", _SENSITIVITY)},
    reads=("sensitivity",),
    consumes={"datasets": Port(("datasets",), "Spectra with ON and OFF counts; several are stacked", max=None)},
    input_rules={"datasets": {"data-reduction": (off_counts,)}},
    origin_rules=(energies_of_datasets("sensitivity.energy"),),
    produces={"sensitivity": Output("sensitivity", ".ecsv", "Sensitivity, excess and background by energy")},
    dataset_types=("1d",),
)
