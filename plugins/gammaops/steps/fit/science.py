"""Fit: models to datasets, jointly."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import AlgorithmError
from gammaops.physics.counts_by_energy import counts_by_energy
from gammaops.physics.datasets_io import named_members
from gammaops.physics.fit_gates import failed_gates, gates
from gammaops.physics.fit_section import fit_section
from gammaops.physics.fitting import arrange, optimise, optimiser
from gammaops.physics.models_io import fit_document, read_fit, read_fitted_spectra, read_models, write_fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammapy.datasets import Datasets
    from gammapy.modeling import Fit

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["Prepared", "prepare", "report", "run"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The fit, the block ``fit`` that it was made from, where the models are, and the files that they name."""

    fit: Fit
    settings: Mapping[str, Any]
    models_file: Path | None
    files: Mapping[str, Path]


def prepare(config: Mapping[str, Any]) -> Prepared:
    """The optimiser for this config."""
    block = config["fit"]
    models_file = config["general"]["models_file"]
    files = {name: Path(path) for name, path in config["general"].get("named_files", {}).items()}
    return Prepared(optimiser(block), block, Path(models_file) if models_file else None, files)


def run(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]) -> dict[str, Any]:
    """Fit; an unsuccessful fit leaves no product, so that nothing is derived from it."""
    if prepared.models_file is None:
        raise AlgorithmError("general.models_file names no models to fit")
    models = read_models(prepared.models_file, prepared.files)
    arranged = arrange(inputs["datasets"], models, prepared.settings)
    result = optimise(prepared.fit, arranged.datasets)
    document = fit_document(models, result, arranged.groups, prepared.files)
    document["fit"] |= {
        "settings": dict(prepared.settings),
        "digests": {name: member.digest for name, member in named_members(inputs["datasets"])},
        "off_counts": arranged.off_counts,
        "counts": counts_by_energy(arranged.datasets),
    }
    failed = failed_gates(arranged.datasets, result)
    metrics = _metrics(document["fit"], arranged.datasets, gates(result, failed))
    if failed:
        raise AlgorithmError("; ".join(failed.values()), metrics)
    write_fit(document, out["fit"])
    log.info("fit of %s datasets: total stat %.3f", len(arranged.datasets), metrics["total_stat"])
    return metrics


def _metrics(fit: Mapping[str, Any], datasets: Datasets, passed: Mapping[str, bool | None]) -> dict[str, Any]:
    """Headline numbers, with each parameter as `value`, `error` (None: not estimated) and `unit`."""
    parameters = {
        parameter["name"]: {name: parameter[name] for name in ("value", "error", "unit", "frozen")}
        for parameter in fit["parameters"]
    }
    counts = sum(int(dataset.counts.data[dataset.mask.data].sum()) for dataset in datasets if dataset.mask is not None)
    return {
        "success": fit["success"],
        "gates": dict(passed),
        "message": fit["message"],
        "total_stat": fit["total_stat"],
        "nfev": fit["nfev"],
        "datasets": len(datasets),
        "stacked": {name: len(members) for name, members in fit["groups"].items()},
        "counts": counts,
        "off_counts": fit["off_counts"],
        "parameters": parameters,
    }


def report(product: Product) -> Section:
    """Parameters, and counts against the best fit."""
    return fit_section(read_fitted_spectra(product.path), read_fit(product.path))  # type: ignore[arg-type]
