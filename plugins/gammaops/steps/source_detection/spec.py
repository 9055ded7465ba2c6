"""Source detection: what it is."""

from __future__ import annotations

from gammaops.schema import block, number, quantity, text
from gammaops.steps.base import Output, Port, StepSpec

_SOURCE_DETECTION = {
    "threshold": number("Least significance of a source, in sigma", 5.0, low=0),
    "min_distance": quantity(
        "deg", "Least distance of two sources; of nearer peaks the highest counts", "0.3 deg", above=0
    ),
    "prefix": text("What names of sources begin with, such as HESS", regex=r"[A-Za-z0-9][A-Za-z0-9_+-]{0,19}"),
}

SPEC = StepSpec(
    tag="source-detection",
    doc="Lists the peaks of significance in a map as sources, named by their position.",
    version=1,
    schema={"source_detection": block("Which peaks are sources", _SOURCE_DETECTION)},
    reads=("source_detection",),
    consumes={"maps": Port(("ts_map", "excess_map"), "The map in which sources are sought")},
    produces={"sources": Output("sources", ".ecsv", "Name, position, significance and flux of each source")},
    dataset_types=("3d",),
)
