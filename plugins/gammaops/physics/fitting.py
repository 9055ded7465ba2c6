"""Datasets as a fit takes them, and the fit itself, for all steps that fit in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from gammapy.modeling import Fit

from gammaops.errors import AlgorithmError
from gammaops.physics.background_models import attach, check_backgrounds, scaled, unstack_backgrounds
from gammaops.physics.datasets_io import named_members, read_datasets, read_members
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
    """The datasets of these products with the fitted models, stacked as they were for the fit."""
    return set_as_fitted(named_members(products), fit)


def set_as_fitted(members: Sequence[tuple[str, Product]], fit: Product) -> Datasets:
    """Some of the fitted datasets, or all, with the fitted models and inside the energies of the fit.

    Two or more of one stack are stacked again. A dataset that the fit knew by another name gets that one, because its
    models and stacks go by names.

    Parameters
    ----------
    members : sequence of (str, `gammaops.products.Product`)
        Datasets, each with its name.
    fit : `gammaops.products.Product`

    Raises
    ------
    NoWorkFound
        If there is no dataset.
    AlgorithmError
        If the fit scaled the background of other datasets than these, or two would have the same name.
    """
    document = read_fit(fit.path)  # type: ignore[arg-type]
    groups = document["groups"]
    names = _names_in_fit(members, document["digests"])
    datasets = read_members(list(zip(names, (member for _, member in members), strict=True)))
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


def _names_in_fit(members: Sequence[tuple[str, Product]], digests: Mapping[str, str]) -> list[str]:
    """What the fit called these datasets, told by what is in them; their own names where it did not read them."""
    known: dict[str, list[str]] = {}
    for name, digest in digests.items():
        known.setdefault(digest, []).append(name)
    names = []
    for name, member in members:
        fitted = known.get(member.digest) or [name]
        names.append(name if name in fitted else fitted[0])
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AlgorithmError(
            f"several datasets are called {', '.join(twice)} here and in the fit, so that its stacks and models cannot"
            " be told apart; let this step read the same datasets as the fit"
        )
    return names
