"""When a fit's result may be used: it converged, its covariance is valid, and no free parameter is at its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gammaops.physics.field_units import in_field_units
from gammaops.physics.notation import measured, plain, unit_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.datasets import Datasets
    from gammapy.modeling import FitResult, Parameter

__all__ = ["failed_gates", "gates"]

GATES = ("converged", "covariance", "bounds")

NEAR_BOUND = 1e-2
"""Distance from a bound, in units of the parameter's error, below which it is at the bound."""
ROUNDING = 1e-6
MOST_CORRELATED = 0.999
"""Correlation of two sources' parameters above which they replace each other: errors are then 22 times too wide."""
LEAST_COST = 0.1
"""Rise of the fit statistic over one standard deviation, below which the covariance is not valid; it should be 1."""


def failed_gates(datasets: Datasets, result: FitResult) -> dict[str, str]:
    """What is wrong with a result, in words, by the name of the gate.

    Parameters
    ----------
    datasets : `gammapy.datasets.Datasets`
        As fitted, with their models and covariance.
    result : `gammapy.modeling.FitResult`
        A backend that makes no covariance is not asked for one.
    """
    models = datasets.models
    names = dict(zip(models.parameters, models.parameters_unique_names, strict=True))
    free = list(models.parameters.free_unique_parameters)
    found = {
        "converged": "" if result.optimize_result.success else f"the fit did not converge: {result.message}",
        "covariance": "" if result.covariance_result is None else _covariance(datasets, result, names),
        "bounds": "; ".join(filter(None, (_at_bound(names[parameter], parameter) for parameter in free))),
    }
    return {gate: words for gate, words in found.items() if words}


def gates(result: FitResult, failed: Mapping[str, str]) -> dict[str, bool | None]:
    """Whether the result passed each gate; None for that of a covariance which the backend does not make."""
    passed: dict[str, bool | None] = {gate: gate not in failed for gate in GATES}
    return passed | ({"covariance": None} if result.covariance_result is None else {})


def _covariance(datasets: Datasets, result: FitResult, names: dict[Parameter, str]) -> str:
    """What is wrong with the errors."""
    free = list(datasets.models.parameters.free_unique_parameters)
    errors = np.array([parameter.error for parameter in free], dtype=float)
    valid = np.isfinite(errors) & (errors > 0)
    bad = [names[parameter] for parameter, has_error in zip(free, valid, strict=True) if not has_error]
    if bad or not result.covariance_result.success:
        words = ", ".join(bad) or "some parameters"
        return f"no error could be found for {words}: the counts do not constrain it; fix it or start elsewhere"
    correlation = _correlation(datasets, free, errors)
    alike = _same_in_two_models(free, names, correlation) or _alike(datasets, free, errors, correlation)
    if alike:
        words = " and ".join(names[parameter] for parameter in alike)
        return f"the counts cannot tell {words} apart, whatever errors Minuit gives; fix one of them or link them"
    minuit = result.optimize_result.minuit
    if minuit is not None and not minuit.accurate:
        return "Minuit calls its covariance approximate, so errors cannot be trusted; try optimize_opts.strategy: 2"
    return ""


def _correlation(datasets: Datasets, free: list[Parameter], errors: np.ndarray) -> np.ndarray:
    rows = [datasets.models.parameters.index(parameter) for parameter in free]
    return datasets.models.covariance.data[np.ix_(rows, rows)] / np.outer(errors, errors)


def _same_in_two_models(
    free: list[Parameter], names: dict[Parameter, str], correlation: np.ndarray
) -> tuple[Parameter, ...]:
    """Parameters of two models that replace each other, such as the amplitudes of one source given twice.

    Where the sources' other parameters are free too, the valley is curved, and a step along it costs something.
    """
    models = np.array([names[parameter].rsplit(".", 2)[0] for parameter in free])
    between = np.where(models[:, None] != models[None, :], np.abs(correlation), 0.0)
    if not between.size or between.max() <= MOST_CORRELATED:
        return ()
    first, second = np.unravel_index(np.argmax(between), between.shape)
    return free[min(first, second)], free[max(first, second)]


def _alike(
    datasets: Datasets, free: list[Parameter], errors: np.ndarray, correlation: np.ndarray
) -> tuple[Parameter, ...]:
    """Parameters that can replace each other, empty if there are none.

    Along the direction that the covariance calls the weakest, one standard deviation should cost about 1 in the fit
    statistic. Where two parameters do the same it costs nothing, though Minuit calls its covariance accurate.
    """
    eigenvalues, directions = np.linalg.eigh(correlation)
    weakest = directions[:, -1]
    step = np.sqrt(eigenvalues[-1]) * weakest * errors
    if len(free) > 1 and (eigenvalues[0] <= 0 or _cost(datasets, free, step) < LEAST_COST):
        pair = np.sort(np.argsort(-np.abs(weakest), kind="stable")[:2])
        return tuple(free[place] for place in pair)
    return ()


def _cost(datasets: Datasets, free: list[Parameter], step: np.ndarray) -> float:
    """How much the fit statistic rises by a step to either side, the larger of both."""
    best = np.array([parameter.value for parameter in free])
    low, high = (
        np.nan_to_num([getattr(parameter, end) for parameter in free], nan=infinity, posinf=np.inf, neginf=-np.inf)
        for end, infinity in (("min", -np.inf), ("max", np.inf))
    )
    stats = []
    with datasets.models.parameters.restore_status():
        for values in (best, best - step, best + step):
            for parameter, value in zip(free, np.clip(values, low, high), strict=True):
                parameter.value = value
            stats.append(float(datasets.stat_sum()))
    return max(stats[1:]) - stats[0]


def _at_bound(name: str, parameter: Parameter) -> str:
    """Whether a parameter is where it may not go further, in words with units."""
    error = parameter.error if np.isfinite(parameter.error) else 0.0
    for side, bound in (("lower", parameter.min), ("upper", parameter.max)):
        if np.isfinite(bound) and abs(parameter.value - bound) <= max(NEAR_BOUND * error, ROUNDING * abs(bound)):
            told = in_field_units({"value": parameter.value, "error": error, "min": bound, "unit": str(parameter.unit)})
            value, limit = measured(told["value"], told["error"]), plain(told["min"])
            unit = unit_text(told["unit"])
            return f"{name} is at its {side} bound: {value}, bound {limit} {unit}".rstrip() + "; widen it, or fix it"
    return ""
