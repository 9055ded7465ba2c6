"""Toys of a fit: data drawn from its models, fitted as the data were.

ON counts are drawn from the fitted signal and a background, OFF counts from the same background. That background is not
the one of WStat, which is none where a bin has no OFF count: it has the shape of the OFF counts of all observations of
one kind together, and for each observation its own number of OFF counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.maps import Map

from gammaops.errors import AlgorithmError
from gammaops.physics.datasets_io import read_datasets
from gammaops.physics.fit_gates import failed_gates
from gammaops.physics.fitting import limit, optimise, optimiser
from gammaops.physics.grouping import kind_of, rename_datasets, stack_groups
from gammaops.physics.models_io import read_fit, read_fitted_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammapy.datasets import MapDataset
    from gammapy.modeling import Fit
    from gammapy.modeling.models import Models

    from gammaops.physics.grouping import Groups
    from gammaops.products.base import Product

__all__ = ["Bootstrap", "Toy", "random_state"]

ITERATIONS = 50
COUNTS = ("counts", "counts_off", "acceptance", "acceptance_off")


@dataclass(frozen=True)
class Toy:
    """What the fit of one toy gave: each free parameter's value and error, and the fit statistic.

    `failed` names the gates that it did not pass.
    """

    values: Mapping[str, float]
    errors: Mapping[str, float]
    stat: float
    failed: str = ""


def random_state(seed: int, number: int) -> np.random.RandomState:
    """The random stream of one toy, whichever toys are made beside it (gammapy takes RandomState)."""
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, number])))


@dataclass(frozen=True)
class Bootstrap:
    """Everything that does not change from toy to toy.

    Parameters
    ----------
    drawn : `gammapy.datasets.Datasets`
        Datasets with the true models; their counts are drawn anew for each toy.
    backgrounds : mapping of str to `gammapy.maps.Map`
        Expected background of ON/OFF spectra, by the name of the dataset.
    fitted : `gammapy.datasets.Datasets`
        The same, stacked as for the fit, with models of their own.
    groups : mapping
        Which datasets make which stack.
    truth : mapping of str to float
        True value of each free parameter by its name.
    models : `gammapy.modeling.models.Models`
        Those that are fitted.
    covariance : array
        Their covariance in the fit of the data, with which every fit starts.
    fit : `gammapy.modeling.Fit`
    """

    drawn: Datasets
    backgrounds: Mapping[str, Map]
    fitted: Datasets
    groups: Groups
    truth: Mapping[str, float]
    models: Models
    covariance: np.ndarray
    fit: Fit

    @classmethod
    def of(cls, products: Sequence[Product], fit: Product) -> Bootstrap:
        """Toys of this fit of these datasets.

        Raises
        ------
        AlgorithmError
            If their counts cannot be drawn, or the fit has no errors.
        """
        document = read_fit(fit.path)  # type: ignore[arg-type]
        settings = document["settings"]
        if any(parameter["error"] is None for parameter in document["parameters"]):
            raise AlgorithmError(f"toys judge errors, and fit.backend: {settings['backend']} makes none; use minuit")
        datasets = read_datasets(products)
        groups = _split_maps(datasets, document["groups"])
        drawn = stack_groups(datasets, groups["maps"])
        backgrounds = _backgrounds(drawn)
        fitted = stack_groups(Datasets([dataset.copy(name=dataset.name) for dataset in drawn]), groups["spectra"])
        limit(fitted, settings["fit_range"])
        models = _set_models(fit, fitted, document["groups"])
        _set_models(fit, drawn, groups["maps"])
        truth = dict(zip(_free(models), _values(models), strict=True))
        start = models.covariance.data.copy()
        return cls(drawn, backgrounds, fitted, groups["spectra"], truth, models, start, optimiser(settings))

    def toy(self, rng: np.random.RandomState) -> Toy:
        """Draw and fit once."""
        for dataset in self.drawn:
            if dataset.name in self.backgrounds:
                dataset.fake(self.backgrounds[dataset.name], random_state=rng)
            else:
                dataset.fake(random_state=rng)
        for dataset, counts in zip(self.fitted, stack_groups(_counts_of(self.drawn), self.groups), strict=True):
            for name in COUNTS if dataset.tag == SpectrumDatasetOnOff.tag else COUNTS[:1]:
                setattr(dataset, name, getattr(counts, name))
        return self._fit()

    def _fit(self) -> Toy:
        # The last toy must not matter: neither its errors, which are Minuit's first steps, nor gammapy's caches, which
        # hold predictions scaled from one amplitude to the next.
        self.models.covariance = self.covariance
        self.fitted.models = self.models
        free = self.models.parameters.free_unique_parameters
        for parameter, value in zip(free, self.truth.values(), strict=True):
            parameter.value = value
        try:
            result = optimise(self.fit, self.fitted)
        except AlgorithmError:
            nothing = dict.fromkeys(self.truth, np.nan)
            return Toy(nothing, nothing, np.nan, "converged")
        errors = [float(parameter.error) for parameter in free]
        return Toy(
            dict(zip(self.truth, _values(self.models), strict=True)),
            dict(zip(self.truth, errors, strict=True)),
            float(result.total_stat),
            " ".join(failed_gates(self.fitted, result)),
        )


def _split_maps(datasets: Datasets, groups: Groups) -> dict[str, Groups]:
    """Groups of maps, whose background models belong to the stack, and groups of spectra."""
    kinds = {dataset.name: dataset.tag for dataset in datasets}
    found: dict[str, Groups] = {"maps": {}, "spectra": {}}
    for name, members in groups.items():
        there = [kinds[member] for member in members if member in kinds]
        found["spectra" if SpectrumDatasetOnOff.tag in there else "maps"][name] = members
    return found


def _set_models(fit: Product, datasets: Datasets, groups: Mapping[str, Sequence[str]]) -> Models:
    models = read_fitted_models(fit.path, fit.files)  # type: ignore[arg-type]
    rename_datasets(models, groups)
    datasets.models = models
    return models


def _free(models: Models) -> list[str]:
    names = dict(zip(reversed(models.parameters), reversed(models.parameters_unique_names), strict=True))
    return [names[parameter] for parameter in models.parameters.free_unique_parameters]


def _values(models: Models) -> list[float]:
    return [float(parameter.value) for parameter in models.parameters.free_unique_parameters]


def _counts_of(datasets: Datasets) -> Datasets:
    """The counts alone of ON/OFF spectra, which stack like the whole, without the time that responses take."""
    return Datasets([_bare(dataset) if dataset.tag == SpectrumDatasetOnOff.tag else dataset for dataset in datasets])


def _bare(dataset: SpectrumDatasetOnOff) -> SpectrumDatasetOnOff:
    maps: dict[str, Any] = {name: getattr(dataset, name) for name in COUNTS}
    return SpectrumDatasetOnOff(**maps, mask_safe=dataset.mask_safe, name=dataset.name)


def _backgrounds(datasets: Datasets) -> dict[str, Map]:
    """Expected background in the ON region of each ON/OFF spectrum."""
    kinds: dict[Any, list[SpectrumDatasetOnOff]] = {}
    for dataset in datasets:
        if dataset.tag == "MapDatasetOnOff":
            raise AlgorithmError(
                f"{dataset.name} has OFF counts per pixel, in which the same events count many times; toys of them"
                " cannot be drawn. Use background method fov"
            )
        if dataset.tag == SpectrumDatasetOnOff.tag:
            kinds.setdefault(kind_of(dataset), []).append(dataset)
    return {
        dataset.name: background
        for members in kinds.values()
        for dataset, background in zip(members, _shared_shape(members), strict=True)
    }


def _shared_shape(datasets: Sequence[SpectrumDatasetOnOff]) -> list[Map]:
    """Background of observations of one kind: the shape of all their OFF counts, each one's own number of them."""
    safe = np.array([_safe(dataset) for dataset in datasets])
    off = np.array([dataset.counts_off.data for dataset in datasets]) * safe
    alpha = np.nan_to_num([dataset.alpha.data for dataset in datasets], posinf=0.0)
    own, all_off = off.sum(axis=(1, 2, 3), keepdims=True), off.sum(axis=0)
    weight, rate = safe * own, np.zeros(all_off.shape)
    # Not every bin is safe in every observation: iterate until each has its own number of OFF counts.
    for _ in range(ITERATIONS):
        rate = _ratio(all_off, weight.sum(axis=0))
        weight = weight * _ratio(own, (weight * rate).sum(axis=(1, 2, 3), keepdims=True))
    return [
        Map.from_geom(dataset.counts.geom, data=alpha[place] * weight[place] * rate)
        for place, dataset in enumerate(datasets)
    ]


def _safe(dataset: MapDataset) -> np.ndarray:
    return np.ones(dataset.counts.data.shape, bool) if dataset.mask_safe is None else dataset.mask_safe.data


def _ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.divide(one, other, out=np.zeros(np.broadcast(one, other).shape), where=other > 0)
