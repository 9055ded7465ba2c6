"""Fit: models to datasets, jointly."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import yaml
from gammapy.modeling import Fit

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import AlgorithmError
from gammaops.physics.counts_by_energy import counts_by_energy
from gammaops.physics.datasets_io import read_datasets
from gammaops.physics.geometry import given
from gammaops.physics.models_io import attach, fit_document, read_fitted_models, read_models, write_fit
from gammaops.physics.sections import fit_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammapy.datasets import Datasets
    from gammapy.modeling import FitResult
    from gammapy.modeling.models import Models

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["Prepared", "prepare", "report", "run"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The fit, its energy range and where the models are."""

    fit: Fit
    energies: Mapping[str, str | None]
    models_file: Path | None


def prepare(config: Mapping[str, Any]) -> Prepared:
    """The optimiser for this config."""
    block = config["fit"]
    backend = block["backend"]
    options = {"backend": backend}
    if backend == "minuit":
        options |= given(block["optimize_opts"])
        options["migrad_opts"] = given(block["optimize_opts"].get("migrad_opts"))
    models_file = config["general"]["models_file"]
    return Prepared(
        Fit(backend=backend, optimize_opts=options), block["fit_range"], Path(models_file) if models_file else None
    )


def run(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]) -> dict[str, Any]:
    """Fit; an unsuccessful fit leaves no product, so that nothing is derived from it."""
    if prepared.models_file is None:
        raise AlgorithmError("general.models_file names no models to fit")
    datasets = read_datasets(inputs["datasets"])
    _limit(datasets, prepared.energies)
    models = attach(read_models(prepared.models_file), datasets)
    result = _fit(prepared.fit, datasets)
    document = fit_document(models, result)
    document["fit"]["counts"] = counts_by_energy(datasets)
    metrics = _metrics(document["fit"], datasets)
    _check(result, models, metrics)
    write_fit(document, out["fit"])
    log.info("fit of %s datasets: total stat %.3f", len(datasets), metrics["total_stat"])
    return metrics


def _limit(datasets: Datasets, energies: Mapping[str, str | None]) -> None:
    low, high = (u.Quantity(energies[end]) if energies[end] else None for end in ("min", "max"))
    if low is not None or high is not None:
        for dataset in datasets:
            dataset.mask_fit = dataset.counts.geom.energy_mask(low, high)


def _fit(fit: Fit, datasets: Datasets) -> FitResult:
    bins = sum(int(dataset.mask.data.sum()) for dataset in datasets if dataset.mask is not None)
    if not bins:
        raise AlgorithmError("no bin is both safe and inside fit_range", {"datasets": len(datasets), "bins": 0})
    try:
        return fit.run(datasets)
    except (ValueError, RuntimeError) as error:
        raise AlgorithmError(f"the fit cannot be done: {error}", {"datasets": len(datasets), "bins": bins}) from error


def _check(result: FitResult, models: Models, metrics: Mapping[str, Any]) -> None:
    """A result is used only if the minimum was found and every free parameter has an error."""
    if not result.success:
        raise AlgorithmError(f"the fit did not converge: {result.message}", metrics)
    free = models.parameters.free_parameters
    if not np.isfinite(free.value).all() or (result.covariance_result and not (_errors(free) > 0).all()):
        raise AlgorithmError("the fit converged but a free parameter has no error; fix it or start elsewhere", metrics)


def _errors(parameters: Any) -> np.ndarray:
    return np.nan_to_num(np.array([parameter.error for parameter in parameters], dtype=float))


def _metrics(fit: Mapping[str, Any], datasets: Datasets) -> dict[str, Any]:
    """Headline numbers, with each parameter as `value`, `error` and `unit`."""
    parameters = {
        parameter["name"]: {name: parameter[name] for name in ("value", "error", "unit", "frozen")}
        for parameter in fit["parameters"]
    }
    counts = sum(int(dataset.counts.data[dataset.mask.data].sum()) for dataset in datasets if dataset.mask is not None)
    return {
        "success": fit["success"],
        "message": fit["message"],
        "total_stat": fit["total_stat"],
        "nfev": fit["nfev"],
        "datasets": len(datasets),
        "counts": counts,
        "parameters": parameters,
    }


def report(product: Product) -> Section:
    """Parameters, and counts against the best fit."""
    fit = yaml.safe_load(product.path.read_text(encoding="utf-8"))["fit"]  # type: ignore[union-attr]
    return fit_section(read_fitted_models(product.path), fit)  # type: ignore[arg-type]
