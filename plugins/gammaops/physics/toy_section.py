"""What toys show in the report: whether the fit's numbers can be trusted.

The first note is its headline: the page repeats it right under the verdict.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gammaops.physics.figures import BLUE, GREY, ORANGE, encode
from gammaops.physics.notation import plain
from gammaops.physics.toy_summary import BIAS, COVERAGE_PERCENT, pulls, summary
from gammaops.steps.base import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from astropy import table
    from matplotlib.axes import Axes

__all__ = ["toy_section"]

IMPROBABLE = 0.01
TOLERANCE = 1.25
"""By how much the scatter of pulls may make the error of a bias larger than that of as many normal numbers."""
SURE = 2.0
"""Standard errors by which a number must miss its range before it is called bad."""


def toy_section(toys: table.Table) -> Section:
    """A table of toys in words, numbers and a picture of pulls per parameter."""
    found = summary(toys)
    complaints = list(_complaints(found))
    headline = "The fit misleads, see the warnings" if complaints else _good_news(found)
    about = (
        f"{found['toys']} times data were drawn from the fitted models and fitted in the same way; {found['failed']} of"
        f" these fits failed.{_goodness(found)}"
    )
    header = ("Parameter", "Truth of the toys", "Bias [error]", "Width of pulls", "Coverage of 68 % [%]")
    rows = [_row(name, one) for name, one in found["parameters"].items()]
    caption = "Pulls: (fitted - true) / error. Without bias they follow the line; off to one side the value is biased."
    return Section(
        title="Toys",
        notes=(f"{headline} ({found['toys']} toys).", about),
        warnings=tuple(complaints),
        tables=(Table(header, rows),),
        figures=[
            Figure(f"{name}. {caption}", encode(partial(_draw_pulls, values=pulls(toys, name), bias=one["bias"])))
            for name, one in found["parameters"].items()
        ],
    )


def _good_news(found: Mapping[str, Any]) -> str:
    """Nothing is wrong; or too few toys to tell."""
    known = max((one["bias_err"] for one in found["parameters"].values()), default=np.inf)
    if SURE * known > BIAS * TOLERANCE:
        enough = 10 * int(np.ceil((SURE / BIAS) ** 2 / 10))
        return f"Nothing is wrong as far as these toys tell; a bias of {BIAS:g} of an error shows in {enough} or more"
    return "Fit bias and coverage as they should be"


def _goodness(found: Mapping[str, Any]) -> str:
    """How well the data are described, beside the toys."""
    if found["p_value"] is None:
        return ""
    return (
        f" {found['worse_percent']:.0f} % of the others describe their data worse than the fit of the real data does"
        f" (p = {found['p_value']:.2g} from their scatter; below {IMPROBABLE:g} the models do not describe the data)."
    )


def _row(name: str, one: Mapping[str, float]) -> tuple[str, ...]:
    bias = f"{one['bias']:+.2f} ± {one['bias_err']:.2f}"
    coverage = f"{one['coverage_percent']:.0f} ± {one['coverage_percent_err']:.0f}"
    return name, plain(one["truth"], 4), bias, f"{one['pull_width']:.2f}", coverage


def _complaints(found: Mapping[str, Any]) -> Iterator[str]:
    """What is certainly wrong, and what to do."""
    for name, one in found["parameters"].items():
        if abs(one["bias"]) - SURE * one["bias_err"] > BIAS:
            high = "high" if one["bias"] > 0 else "low"
            yield (
                f"{name} comes out too {high}, by {abs(one['bias']):.2f} of its error in the mean. What to do: if"
                " fit.datasets is joint, set it to auto; else take wider energy bins, or leave the parameter fixed."
            )
        low, highest = COVERAGE_PERCENT
        slack = SURE * one["coverage_percent_err"]
        if not low - slack <= one["coverage_percent"] <= highest + slack:
            yield (
                f"The 68 % interval of {name} holds the truth in {one['coverage_percent']:.0f} % of the toys. What to"
                " do: do not quote its error as a standard deviation; a profile of the likelihood tells more."
            )
    if found["p_value"] is not None and found["p_value"] < IMPROBABLE:
        yield (
            f"The fit describes the data worse than it does toys (p = {found['p_value']:.1g}). What to do: look at the"
            " residuals of the fit; the models, the background or the energy range do not hold for these data."
        )


def _draw_pulls(axes: Axes, values: np.ndarray, bias: float) -> None:
    """Pulls with the normal distribution that they should have."""
    edges = np.linspace(-4.5, 4.5, 28)
    grid = np.linspace(-4.5, 4.5, 200)
    normal = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi) * len(values) * (edges[1] - edges[0])
    axes.hist(np.clip(values, edges[0], edges[-1]), edges.tolist(), color=BLUE, alpha=0.6, label="Toys")
    axes.plot(grid, normal, color=ORANGE, linewidth=2, label="As it should be")
    axes.axvline(bias, color=GREY, linestyle="--", label=f"Bias {bias:+.2f}")
    axes.set(xlabel="(fitted - true) / error", ylabel="Toys per bin", xlim=(edges[0], edges[-1]))
    axes.legend()
