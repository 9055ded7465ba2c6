"""Flux points: what they are."""

from __future__ import annotations

from gammaops.schema import block, energy_axis, needs, number, text
from gammaops.schema.arguments import FLUX_POINTS
from gammaops.schema.origins import energies_of_datasets
from gammaops.steps.base import Fan, Output, Port, StepSpec

_FLUX_POINTS = {
    "energy": energy_axis("Bins of the flux points"),
    "source": text("Name of the source in the models; not given: the first one"),
    "sqrt_ts_threshold_ul": number("Significance below which a bin is an upper limit, in sigma", 2.0, low=0),
    "parameters": block("Arguments of FluxPointsEstimator", FLUX_POINTS),
}

SPEC = StepSpec(
    tag="flux-points",
    doc="Estimates the flux of one source in bins of energy.",
    version=3,
    schema={
        "flux_points": block(
            "Which flux points are made", _FLUX_POINTS, [needs("energy.nbins", "min, max and nbins of the energy bins")]
        )
    },
    reads=("flux_points",),
    consumes={
        "datasets": Port(("datasets",), "Datasets that were fitted", max=None),
        "fit": Port(("fit",), "Fitted models"),
    },
    origin_rules=(energies_of_datasets("flux_points.energy"),),
    produces={"flux_points": Output("flux_points", ".fits", "Flux points with their reference model")},
    fan_out=Fan(over="energy bins", table="energy_bins", part=Output("flux_points_part", ".fits")),
)
