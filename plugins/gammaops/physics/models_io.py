"""Models in, fit results out, both YAML.

A fit product is a file of gammapy's own format (``components:``, so that ``Models.read`` takes it) with one more key,
``fit:``, that holds the result and the covariance. Gammapy itself keeps the covariance in a second file beside the
first, which a product of one immutable file cannot; read alone it has the errors of the parameters, and
`read_fitted_models` sets the whole matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from gammapy.modeling.models import FoVBackgroundModel, Models, SkyModel

from gammaops.errors import AlgorithmError, ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gammapy.datasets import Datasets
    from gammapy.modeling import FitResult

__all__ = [
    "attach",
    "fit_document",
    "read_fitted_models",
    "read_groups",
    "read_models",
    "source_of",
    "write_fit",
]


def read_models(path: Path) -> Models:
    """The models of the user's file, which is never written to.

    Raises
    ------
    ConfigError
        If it names further files: they are not among what the product's key is made of.
    AlgorithmError
        If gammapy cannot make models of it.
    """
    text = path.read_text(encoding="utf-8")
    try:
        document = yaml.safe_load(text)
        keys = [*_file_keys(document["components"], "components")]
        keys += ["covariance"] if document.get("covariance") is not None else []
        models = None if keys else Models.from_yaml(text)
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise AlgorithmError(f"{path.name} is not a models file of gammapy: {error!r}") from error
    if models is None:
        message = "names another file, which would enter neither the product's key nor the check of places"
        raise ConfigError([Problem(path.name, 0, 0, key, message, "models without files") for key in keys])
    return models


def _file_keys(value: Any, place: str) -> Iterator[str]:
    """Dotted paths of the keys that name files."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "filename" and item is not None:
                yield f"{place}.{key}"
            yield from _file_keys(item, f"{place}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _file_keys(item, f"{place}[{number}]")


def attach(models: Models, datasets: Datasets) -> Models:
    """Set the models on the datasets, with a background model for each map dataset that has none.

    As `gammapy.workflow` does; ON/OFF datasets and spectra need none.
    """
    taken = set(models.background_models) if hasattr(models, "background_models") else set()
    for dataset in datasets:
        if dataset.tag == "MapDataset" and dataset.background is not None and dataset.name not in taken:
            models.append(FoVBackgroundModel(dataset_name=dataset.name))
    datasets.models = models
    return models


def source_of(models: Models, name: str | None) -> str:
    """The name of the source to look at: `name`, or the first source model.

    Raises
    ------
    AlgorithmError
        If there is no such source.
    """
    sources = [str(model.name) for model in models if isinstance(model, SkyModel)]
    if name is None and sources:
        return sources[0]
    if name is None or name not in sources:
        raise AlgorithmError(f"no source {name!r} among the fitted models; there are: {', '.join(sources) or 'none'}")
    return name


def fit_document(models: Models, result: FitResult, groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What a fit product holds, as JSON types.

    Parameters
    ----------
    models : `gammapy.modeling.models.Models`
        As fitted.
    result : `gammapy.modeling.FitResult`
    groups : mapping
        Which datasets were stacked for the fit. The document's models name their members, not the stacks, so that they
        can be set on the datasets from before.
    """
    covariance = models.covariance
    labels = models.parameters_unique_names
    parameters = [
        _plain({**parameter.to_dict(), "name": label})
        for label, parameter in zip(labels, models.parameters, strict=True)
    ]
    fit = {
        "success": bool(result.success),
        "message": str(result.message),
        "backend": str(result.backend),
        "method": str(result.method),
        "nfev": int(result.nfev),
        "total_stat": float(result.total_stat),
        "groups": {name: list(members) for name, members in groups.items()},
        "parameters": [_without_settings(parameter) for parameter in parameters],
        "covariance": {"parameters": list(labels), "matrix": np.asarray(covariance.data, dtype=float).tolist()},
    }
    components = _plain(models.to_dict(full_output=True)["components"])
    for component in components:
        if component["type"] != FoVBackgroundModel.tag[0] and component.get("datasets_names"):
            component["datasets_names"] = [
                member for name in component["datasets_names"] for member in groups.get(name, [name])
            ]
    return {"components": components, "fit": fit}


def write_fit(document: Mapping[str, Any], path: Path) -> None:
    """Write a fit product; the same document gives the same bytes."""
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


def read_fitted_models(path: Path) -> Models:
    """Models of a fit product with their covariance."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    models = Models.from_dict({"components": document["components"]})
    models.covariance = np.array(document["fit"]["covariance"]["matrix"], dtype=float)
    return models


def read_groups(path: Path) -> dict[str, list[str]]:
    """Which datasets were stacked for a fit product, by the name of the stack."""
    groups: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8"))["fit"].get("groups", {})
    return groups


def _without_settings(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """What people read of a parameter."""
    wanted = ("name", "value", "error", "unit", "min", "max", "frozen", "link")
    return {name: parameter[name] for name in wanted if name in parameter}


def _plain(value: Any) -> Any:
    """The same with JSON types only."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value
