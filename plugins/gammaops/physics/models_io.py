"""Models in, fit results out, both YAML.

A fit product is a file of gammapy's own format (``components:``, so that ``Models.read`` takes it) with one more key,
``fit:``, that holds the result and the covariance. Gammapy itself keeps the covariance in a second file beside the
first, which a product of one immutable file cannot; read alone it has the errors of the parameters, and
`read_fitted_models` sets the whole matrix.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import yaml
from gammapy.modeling.models import FoVBackgroundModel, Models, SkyModel

from gammaops.errors import AlgorithmError
from gammaops.physics.absorption import hold_tables
from gammaops.physics.field_units import field_unit, in_field_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammapy.modeling import FitResult

__all__ = [
    "fit_document",
    "read_fit",
    "read_fitted_models",
    "read_fitted_spectra",
    "read_groups",
    "read_models",
    "source_of",
    "without_files",
    "write_fit",
]

FILENAME = "filename"
OPTIONAL_PARTS = ("spatial", "temporal")


def read_models(path: Path, files: Mapping[str, Path] | None = None) -> Models:
    """The models of the user's file, which is never written to.

    A covariance that it names is left out: it is the start of a fit.

    Parameters
    ----------
    path : Path
    files : mapping, optional
        Where the files lie that it names (template maps, tables of absorption), by their names in there.

    Raises
    ------
    AlgorithmError
        If gammapy cannot make models of it, or there is none.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        models = Models.from_dict({"components": _with_paths(document["components"], files or {})})
    except (KeyError, TypeError, ValueError, AttributeError, OSError, yaml.YAMLError) as error:
        raise AlgorithmError(f"{path.name} is not a models file of gammapy: {error!r}") from error
    if len(models) == 0:
        raise AlgorithmError(f"{path.name} holds no model; add one to its components")
    hold_tables(models)
    return models


def _with_paths(value: Any, files: Mapping[str, Path]) -> Any:
    """The same with the files that it names where they are."""
    if isinstance(value, dict):
        return {key: _path(item, files) if key == FILENAME else _with_paths(item, files) for key, item in value.items()}
    return [_with_paths(item, files) for item in value] if isinstance(value, list) else value


def _path(name: str | None, files: Mapping[str, Path]) -> str | None:
    if name is not None and name not in files:
        raise AlgorithmError(f"the models name the file {name}, which was not handed to this step")
    return None if name is None else str(files[name])


def _without_paths(value: Any, names: Mapping[str, str]) -> Any:
    """The same with files as the user named them."""
    if isinstance(value, dict):
        return {
            key: names.get(str(item), item) if key == FILENAME else _without_paths(item, names)
            for key, item in value.items()
        }
    return [_without_paths(item, names) for item in value] if isinstance(value, list) else value


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


def fit_document(
    models: Models,
    result: FitResult,
    groups: Mapping[str, Sequence[str]],
    files: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """What a fit product holds, as JSON types.

    Parameters
    ----------
    models : `gammapy.modeling.models.Models`
        As fitted.
    result : `gammapy.modeling.FitResult`
        Without a covariance, the errors of the parameters are None.
    groups : mapping
        Which datasets were stacked for the fit. The document's models name their members, not the stacks, so that they
        can be set on the datasets from before.
    files : mapping, optional
        As in `read_models`; the document names them as the user did.
    """
    names = {str(path): name for name, path in (files or {}).items()}
    components = _without_paths(_plain(models.to_dict(full_output=True)["components"]), names)
    labels = models.parameters_unique_names
    told = {"error": None} if result.covariance_result is None else {}
    parameters = [
        _plain({**parameter.to_dict(), "name": label, **told})
        for label, parameter in zip(labels, models.parameters, strict=True)
    ]
    _name_links([components, parameters], {})
    fit = {
        "success": bool(result.success),
        "message": str(result.message),
        "backend": str(result.backend),
        "method": str(result.method),
        "nfev": int(result.nfev),
        "total_stat": float(result.total_stat),
        "groups": {name: list(members) for name, members in groups.items()},
        "parameters": [in_field_units(_without_settings(parameter)) for parameter in parameters],
        "covariance": _covariance_document(models),
    }
    for component in components:
        if component["type"] != FoVBackgroundModel.tag[0] and component.get("datasets_names"):
            component["datasets_names"] = [
                member for name in component["datasets_names"] for member in groups.get(name, [name])
            ]
    return {"components": components, "fit": fit}


def _covariance_document(models: Models) -> dict[str, Any]:
    """The covariance in the units in which the parameters are told: each error is the root of its diagonal element."""
    units = [field_unit(parameter.unit) for parameter in models.parameters]
    factors = _factors(models, units)
    return {
        "parameters": list(models.parameters_unique_names),
        "units": [str(unit) for unit in units],
        "matrix": (_covariance(models) * np.outer(factors, factors)).tolist(),
    }


def _factors(models: Models, units: Sequence[u.Unit | str]) -> np.ndarray:
    """What a value in a parameter's own unit is multiplied with to be in these units."""
    pairs = zip(models.parameters, units, strict=True)
    return np.array([u.Unit(parameter.unit).to(unit) for parameter, unit in pairs], dtype=float)


def _set_covariance(models: Models, document: Mapping[str, Any], kept: Sequence[int]) -> None:
    """Set the rows and columns `kept` of a document's covariance, in the units of the models."""
    matrix = np.array(document["matrix"], dtype=float)[np.ix_(kept, kept)]
    factors = _factors(models, [document["units"][place] for place in kept])
    models.covariance = matrix / np.outer(factors, factors)


def _covariance(models: Models) -> np.ndarray:
    """The covariance of all parameters; gammapy leaves linked ones out but for the first of each."""
    parameters = list(models.parameters)
    first = [parameters.index(parameter) for parameter in parameters]
    return np.asarray(models.covariance.data, dtype=float)[np.ix_(first, first)]


def _name_links(value: Any, known: dict[str, str]) -> None:
    """Number the labels of linked parameters, in place: gammapy makes them up anew each time."""
    if isinstance(value, dict):
        if value.get("link") is not None:
            value["link"] = known.setdefault(value["link"], f"{value['name']}@{len(known) + 1}")
        for item in value.values():
            _name_links(item, known)
    elif isinstance(value, list):
        for item in value:
            _name_links(item, known)


def write_fit(document: Mapping[str, Any], path: Path) -> None:
    """Write a fit product; the same document gives the same bytes."""
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


def read_fitted_models(path: Path, files: Mapping[str, Path] | None = None) -> Models:
    """Models of a fit product with their covariance.

    Parameters
    ----------
    path : Path
    files : mapping, optional
        Where the files lie that it names: `gammaops.products.Product.files`.

    Raises
    ------
    AlgorithmError
        If it names a file that is not among them.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    models = Models.from_dict({"components": _with_paths(document["components"], files or {})})
    covariance = document["fit"]["covariance"]
    _set_covariance(models, covariance, range(len(covariance["parameters"])))
    return models


def read_fitted_spectra(path: Path) -> Models:
    """The same without what lies in other files: enough to show parameters and spectra, whatever became of those."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    models = Models.from_dict({"components": list(filter(_readable, map(without_files, document["components"])))})
    covariance = document["fit"]["covariance"]
    kept = [covariance["parameters"].index(name) for name in models.parameters_unique_names]
    _set_covariance(models, covariance, kept)
    return models


def without_files(component: Mapping[str, Any]) -> dict[str, Any]:
    """The same without morphology and time that lie in other files."""
    return {key: part for key, part in component.items() if not (key in OPTIONAL_PARTS and _names_file(part))}


def _readable(component: Mapping[str, Any]) -> bool:
    """Whether gammapy can make a model of it by itself; the units of a diffuse template are in its file."""
    if _names_file(component):
        return False
    try:
        Models.from_dict({"components": [deepcopy(component)]})
    except ValueError:
        return False
    return True


def _names_file(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get(FILENAME) is not None or any(_names_file(item) for item in value.values())
    return isinstance(value, list) and any(_names_file(item) for item in value)


def read_fit(path: Path) -> dict[str, Any]:
    """Result and settings of a fit product: its key ``fit``."""
    fit: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["fit"]
    return fit


def read_groups(path: Path) -> dict[str, list[str]]:
    """Which datasets were stacked for a fit product, by the name of the stack."""
    groups: dict[str, list[str]] = read_fit(path).get("groups", {})
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
