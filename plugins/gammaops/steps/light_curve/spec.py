"""Light curve: what it is."""

from __future__ import annotations

from gammaops.schema import block, choice, energy_axis, number, text, time_intervals
from gammaops.schema.arguments import LIGHT_CURVE
from gammaops.schema.origins import energies_of_datasets
from gammaops.steps.base import Fan, Output, Port, StepSpec

_BY = choice(("observation", "night"), "Bins that follow the data; a night needs dag.site; not given: observation")
_BLOCKS = {
    "p0": number(
        "Probability of a block too many in a steady light curve; not given: none are looked for", low=0, high=1
    )
}
_LIGHT_CURVE = {
    "time_intervals": time_intervals("Bins of the light curve; not given: one per observation", {"by": _BY}),
    "energy_edges": energy_axis("Energy bins, a curve for each; not given: one over the datasets' whole range"),
    "source": text("Name of the source in the models; not given: the first one"),
    "parameters": block("Arguments of LightCurveEstimator", LIGHT_CURVE),
    "bayesian_blocks": block("Times at which the flux changed, after Scargle et al. 2013", _BLOCKS),
}

SPEC = StepSpec(
    tag="light-curve",
    doc="Estimates the flux of one source in intervals of time, and how much it varied.",
    version=5,
    schema={"light_curve": block("Which light curve is made", _LIGHT_CURVE)},
    reads=("light_curve",),
    collect_reads=("light_curve.bayesian_blocks",),
    consumes={
        "datasets": Port(("datasets",), "Datasets by observation or interval, not stacked over time", max=None),
        "fit": Port(("fit",), "Fitted models"),
    },
    origin_rules=(energies_of_datasets("light_curve.energy_edges"),),
    nights=("light_curve.time_intervals.by",),
    produces={"light_curve": Output("light_curve", ".fits", "Light curve with its reference model")},
    measures=("flux",),
    fan_out=Fan(over="time intervals", table="time_intervals", part=Output("light_curve_part", ".fits")),
)
