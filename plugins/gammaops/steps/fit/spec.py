"""Fit: what it is."""

from __future__ import annotations

from gammaops.schema import block, choice, energy_range, integer, number
from gammaops.schema.origins import energies_of_datasets
from gammaops.steps.base import Output, Port, StepSpec

_MIGRAD = {"ncall": integer("Largest number of function calls; not given: Minuit's own", low=1)}
_FIT = {
    "fit_range": energy_range("Energies that enter the fit; not given: all that are safe"),
    "datasets": choice(
        ("auto", "joint", "stacked", "grouped"),
        "Which datasets are stacked before the fit: none (joint), all of an instrument (stacked), or in groups until"
        " each bin with ON counts has min_off_counts; auto: ON/OFF spectra as stacked, unless each has that already",
        "auto",
    ),
    "min_off_counts": integer("OFF counts of a bin below which a joint fit is biased", 10, low=1),
    "backend": choice(("minuit", "scipy"), "Optimiser; only minuit gives a covariance", "minuit"),
    "optimize_opts": block(
        "Options of Minuit",
        {
            "strategy": integer("0: fast, 1: balanced, 2: careful", 1, low=0, high=2),
            "tol": number("Tolerance on the estimated distance to the minimum", 0.1, low=0),
            "print_level": integer("How much Minuit logs", 0, low=0, high=3),
            "migrad_opts": block("Options of Migrad", _MIGRAD),
        },
    ),
}

SPEC = StepSpec(
    tag="fit",
    doc="Fits models to datasets, jointly.",
    version=5,
    schema={"fit": block("How models are fitted", _FIT)},
    reads=("fit",),
    consumes={"datasets": Port(("datasets",), "Datasets to fit, all of them jointly", max=None)},
    origin_rules=(energies_of_datasets("fit.fit_range"),),
    produces={"fit": Output("fit", ".yaml", "Models, covariance and result of the fit")},
    files=("general.models_file",),
    required=("general.models_file",),
)
