"""Which products the alerts of an analysis look at."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from gammaops.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.config import AnalysisConfig
    from gammaops.plan.graph import Plan
    from gammaops.steps.base import StepSpec

__all__ = ["FLUX", "alert_problems", "flux_product"]

FLUX = "flux"


def flux_product(plan: Plan, rule: Mapping[str, Any]) -> str:
    """The product whose fluxes a rule with ``flux_above`` looks at; empty if the plan has no step that makes one.

    Parameters
    ----------
    plan : Plan
        Of an analysis that has been checked; of some of its steps perhaps.
    rule : mapping
        One of ``alerts:``, normalised.
    """
    measured = [name for step in plan.steps if FLUX in step.spec.measures for name in step.products.values()]
    return str(rule["product"] or next(iter(measured), ""))


def alert_problems(
    config: AnalysisConfig, specs: Mapping[str, StepSpec], products: Mapping[str, Mapping[str, str]]
) -> Iterator[Problem]:
    """What is wrong with the products that alerts name, or leave to be found.

    Parameters
    ----------
    config : AnalysisConfig
    specs : mapping
        Types of the steps, by name of the step.
    products : mapping
        Names of a step's products by output, by name of the step.
    """
    made = [name for step in specs for name in products[step].values()]
    measured = [name for step, spec in specs.items() if FLUX in spec.measures for name in products[step].values()]
    for name, rule in config.alerts.items():
        if rule["flux_above"] is None:
            continue
        wanted, listed = rule["product"], ", ".join(measured)
        if not measured:
            key, message, expected = "flux_above", "no step of this analysis makes a light curve", "a step light-curve"
        elif wanted is None and len(measured) > 1:
            key, message, expected = "flux_above", "several light curves", f"product: one of: {listed}"
        elif wanted is not None and wanted not in measured:
            what = "is not a light curve" if wanted in made else "is made by no step"
            key, message, expected = "product", f"{wanted!r} {what}", f"one of: {listed}"
        else:
            continue
        near = next(iter(get_close_matches(str(wanted), measured, n=1)), "") if wanted else ""
        line, column = config.position("alerts", name, key)
        yield Problem(config.source, line, column, f"alerts.{name}.{key}", message, expected, near)
