"""Background models of a fit, and the datasets that they are for: gammapy passes over one for another dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammapy.modeling.models import FoVBackgroundModel, Models

from gammaops.errors import AlgorithmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gammapy.datasets import Datasets, MapDataset
    from gammapy.modeling.models import ModelBase

__all__ = ["attach", "check_backgrounds", "scaled", "unstack_backgrounds"]


def attach(models: Models, datasets: Datasets) -> Models:
    """Set the models on the datasets, with a background model for each map dataset that has none.

    As `gammapy.workflow` does; ON/OFF datasets and spectra need none.

    Raises
    ------
    AlgorithmError
        If a model names datasets of which none is there.
    """
    for model in models:
        asked = model.datasets_names or []
        if asked and not set(asked) & set(datasets.names):
            there = ", ".join(datasets.names)
            raise AlgorithmError(f"{model.name} is for {', '.join(asked)}, not for any dataset of this fit: {there}")
    taken = {name for model in models if isinstance(model, FoVBackgroundModel) for name in model.datasets_names}
    models.extend(FoVBackgroundModel(dataset_name=name) for name in scaled(datasets) if name not in taken)
    datasets.models = models
    return models


def scaled(datasets: Iterable[MapDataset]) -> list[str]:
    """Names of those whose background a fit scales: maps without OFF counts."""
    return [one.name for one in datasets if one.tag == "MapDataset" and one.background is not None]


def check_backgrounds(models: Models, names: Sequence[str]) -> None:
    """Make sure that background models of a fit, which gammapy passes over for other datasets, are for these.

    Parameters
    ----------
    models : `gammapy.modeling.models.Models`
    names : sequence of str
        Datasets whose background a fit scales.

    Raises
    ------
    AlgorithmError
        If one of them has no background model, and a background model is for none of them.
    """
    fitted = list(models.background_models)
    without = [name for name in names if name not in fitted]
    if without and not set(fitted) <= set(names):
        raise AlgorithmError(
            f"the fit has no background model for {', '.join(without)}, only for {', '.join(fitted)};"
            " let this step read the datasets that the fit read, in the same order"
        )


def unstack_backgrounds(models: Models, groups: Mapping[str, Sequence[str]]) -> Models:
    """The models with the background model of each of these stacks replaced by one like it for each member.

    It scales the background of each member as it scaled their sum.
    """
    if not groups.keys() & models.background_models.keys():
        return models
    return Models([one for model in models for one in _of_members(model, groups)])


def _of_members(model: ModelBase, groups: Mapping[str, Sequence[str]]) -> list[ModelBase]:
    if not isinstance(model, FoVBackgroundModel) or model.datasets_names[0] not in groups:
        return [model]
    return [model.copy(dataset_name=member) for member in groups[model.datasets_names[0]]]
