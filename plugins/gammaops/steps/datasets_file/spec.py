"""Datasets file: what it is."""

from __future__ import annotations

from gammaops.schema import block, path
from gammaops.steps.base import Fan, Output, StepSpec

SPEC = StepSpec(
    tag="datasets-file",
    doc="Takes over datasets that gammapy has written, instead of reducing observations.",
    version=2,
    schema={
        "datasets_file": block(
            "Datasets made elsewhere",
            {"path": path("File that `Datasets.write` has made; the files that it names lie beside or below it")},
        )
    },
    required=("datasets_file.path",),
    produces={"datasets": Output("datasets", ".json", "The datasets, in the order of the file", "dataset")},
    folders=("datasets_file.path",),
    fan_out=Fan(over="datasets", table="datasets_table", part=Output("dataset", ".fits")),
)
