"""Reference check: what it is."""

from __future__ import annotations

from gammaops.schema import block, number, path, quantity
from gammaops.steps.base import Output, Port, StepSpec

_REFERENCE_CHECK = {
    "file": path("File with the published numbers", home="references"),
    "n_sigma": number("Largest deviation, in errors of the reference", 1.0, low=0),
    "rtol": quantity(
        "%", "Largest relative deviation from numbers without error; not given: they must be equal", low=0
    ),
    "separation": quantity("deg", "Largest distance on the sky; not given: lon_0 and lat_0 one by one", above=0),
}

SPEC = StepSpec(
    tag="reference-check",
    doc="Compares a fit or a light curve with published numbers, and refuses the run if they do not agree.",
    version=1,
    schema={"reference_check": block("Published numbers that a result must agree with", _REFERENCE_CHECK)},
    reads=("reference_check",),
    consumes={"result": Port(("fit", "light_curve"), "What is compared")},
    produces={"reference_check": Output("reference_check", ".ecsv", "Each number beside its reference")},
    files=("reference_check.file",),
    required=("reference_check.file",),
)
