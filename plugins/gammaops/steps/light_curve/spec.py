"""Light curve: what it is."""

from __future__ import annotations

from gammaops.schema import block, energy_axis, same_length, text, times, together
from gammaops.schema.arguments import LIGHT_CURVE
from gammaops.steps.base import Fan, Output, Port, StepSpec

_LIGHT_CURVE = {
    "time_intervals": block(
        "Bins of the light curve; not given: one per observation",
        {"start": times("Starts of the bins, UTC"), "stop": times("Ends of the bins, UTC")},
        [together("start", "stop"), same_length("start", "stop")],
    ),
    "energy_edges": energy_axis("Energy bins, a curve for each; not given: one over the datasets' whole range"),
    "source": text("Name of the source in the models; not given: the first one"),
    "parameters": block("Arguments of LightCurveEstimator", LIGHT_CURVE),
}

SPEC = StepSpec(
    tag="light-curve",
    doc="Estimates the flux of one source in intervals of time.",
    version=1,
    schema={"light_curve": block("Which light curve is made", _LIGHT_CURVE)},
    reads=("light_curve",),
    consumes={
        "datasets": Port(("datasets",), "Datasets by observation, not stacked over time", max=None),
        "fit": Port(("fit",), "Fitted models"),
    },
    produces={"light_curve": Output("light_curve", ".fits", "Light curve with its reference model")},
    fan_out=Fan(over="time intervals", table="time_intervals", part=Output("light_curve_part", ".fits")),
)
