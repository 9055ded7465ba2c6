"""Datasets as a fit takes them, and the fit itself, for all steps that fit in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from gammapy.modeling import Fit

from gammaops.errors import AlgorithmError
from gammaops.physics.background_models import attach, check_backgrounds, scaled, unstack_backgrounds
from gammaops.physics.datasets_io import named_members, read_datasets
from gammaops.physics.geometry import given
from gammaops.physics.grouping import find_groups, off_counts, rename_datasets, stack_groups
from gammaops.physics.models_io import read_fit, read_fitted_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammapy.datasets import Datasets
    from gammapy.modeling import FitResult
    from gammapy.modeling.models import Models

    from gammaops.physics.grouping import Groups
    from gammaops.products.base import Product

__all__ = ["Arranged", "arrange", "as_fitted", "limit", "optimise", "optimiser", "set_as_fitted"]


@dataclass(frozen=True)
class Arranged:
    """Datasets with their models, ready to fit; which of them are stacks of what; and how full their OFF bins are."""

    datasets: Datasets
    groups: Groups
    off_counts: Mapping[str, float]


def optimiser(settings: Mapping[str, Any]) -> Fit:
    """Gammapy's fit for these settings, the block ``fit``."""
    backend = settings["backend"]
    options = {"backend": backend}
    if backend == "minuit":
        options |= given(settings["optimize_opts"])
        options["migrad_opts"] = given(settings["optimize_opts"].get("migrad_opts"))
    return Fit(backend=backend, optimize_opts=options)


def arrange(products: Sequence[Product], models: Models, settings: Mapping[str, Any]) -> Arranged:
    """Read datasets, stack those that the settings (the block ``fit``) want stacked, and set the models on them.

    Models that name a dataset of a stack name the stack afterwards.

    Raises
    ------
    NoWorkFound
        If there is no dataset.
    """
    datasets = read_datasets(products)
    limit(datasets, settings["fit_range"])
    instruments = {name: str(member.row.get("instrument", "")) for name, member in named_members(products)}
    least = settings["min_off_counts"]
    groups = find_groups(datasets, instruments, models, settings["datasets"], least)
    datasets = stack_groups(datasets, groups)
    limit(datasets, settings["fit_range"])
    rename_datasets(models, groups)
    attach(models, datasets)
    return Arranged(datasets, groups, off_counts(datasets, least))


def limit(datasets: Datasets, energies: Mapping[str, str | None]) -> None:
    """Restrict the fit to these energies, ``min`` and ``max``, None: no limit."""
    low, high = (u.Quantity(energies[end]) if energies[end] else None for end in ("min", "max"))
    if low is not None or high is not None:
        for dataset in datasets:
            dataset.mask_fit = dataset.counts.geom.energy_mask(low, high)


def optimise(fit: Fit, datasets: Datasets) -> FitResult:
    """Fit; without a covariance of the fit the models have none, whatever errors they had before.

    Raises
    ------
    AlgorithmError
        If no bin is left to fit, or gammapy refuses.
    """
    bins = sum(int(dataset.mask.data.sum()) for dataset in datasets if dataset.mask is not None)
    if not bins:
        raise AlgorithmError("no bin is both safe and inside fit_range", {"datasets": len(datasets), "bins": 0})
    try:
        result = fit.run(datasets)
    except (ValueError, RuntimeError) as error:
        raise AlgorithmError(f"the fit cannot be done: {error}", {"datasets": len(datasets), "bins": bins}) from error
    if result.covariance_result is None:
        # What stands there is that of the start: errors that somebody wrote into the models file.
        datasets.models.covariance = np.zeros_like(datasets.models.covariance.data)
    return result


def as_fitted(products: Sequence[Product], fit: Product) -> Datasets:
    """These datasets with the fitted models, stacked as they were for the fit."""
    return set_as_fitted(read_datasets(products), fit)


def set_as_fitted(datasets: Datasets, fit: Product) -> Datasets:
    """Some of the fitted datasets, or all, with the fitted models and inside the energies of the fit.

    Two or more of one stack are stacked again.

    Raises
    ------
    AlgorithmError
        If the fit scaled the background of other datasets than these.
    """
    document = read_fit(fit.path)  # type: ignore[arg-type]
    groups = document["groups"]
    there = {name: [one for one in members if one in datasets.names] for name, members in groups.items()}
    groups = {name: members for name, members in there.items() if len(members) > 1}
    alone = {name: members for name, members in there.items() if len(members) == 1}
    models = read_fitted_models(fit.path, fit.files)  # type: ignore[arg-type]
    datasets = stack_groups(datasets, groups)
    limit(datasets, document["settings"]["fit_range"])
    rename_datasets(models, groups)
    models = unstack_backgrounds(models, alone)
    check_backgrounds(models, scaled(datasets))
    datasets.models = models
    return datasets
