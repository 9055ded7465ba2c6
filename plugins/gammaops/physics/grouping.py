"""Which datasets a fit takes one by one, and which it stacks first.

The WStat statistic has an unknown background in every bin of every dataset, estimated from that bin alone. With fewer
than ten OFF counts that estimate is off in the mean, by 5 % of a weak excess for five counts and by a third for two,
always in the same direction; a joint fit of many short observations adds up the bias of each, while its error shrinks.
Stacking the observations before the fit, each inside its own safe mask, adds the counts up instead.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from gammapy.datasets import Datasets, SpectrumDatasetOnOff

from gammaops.physics.stacking import empty_stack, geoms_of, stack

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from gammapy.datasets import MapDataset
    from gammapy.modeling.models import Models

    Split = Callable[[Sequence[MapDataset], int], list[list[MapDataset]]]

__all__ = [
    "Groups",
    "few_off_counts",
    "find_groups",
    "kind_of",
    "off_counts",
    "rename_datasets",
    "stack_groups",
]

Groups = dict[str, list[str]]
"""Names of the datasets in each stack, by the name of the stack."""


def off_counts(datasets: Iterable[MapDataset], least: int) -> dict[str, float]:
    """How ON/OFF spectra fill their bins, inside their masks; empty if there is none.

    Parameters
    ----------
    datasets : iterable of `gammapy.datasets.MapDataset`
        Others than ON/OFF spectra are passed over.
    least : int
        OFF counts below which a bin has few.

    Returns
    -------
    dict
        ``datasets``, ``bins``, ``bins_few`` (with fewer OFF counts than `least`), ``bins_none`` (without any),
        ``mean`` (OFF counts per bin) and ``on_counts_in_few_percent`` (share of the ON counts that lie in such bins).
    """
    found = [_on_off(dataset) for dataset in datasets if isinstance(dataset, SpectrumDatasetOnOff)]
    if not found:
        return {}
    on, off = (np.concatenate(values) for values in zip(*found, strict=True))
    few = off < least
    return {
        "datasets": len(found),
        "bins": len(off),
        "bins_few": int(few.sum()),
        "bins_none": int((off == 0).sum()),
        "mean": float(off.mean()) if len(off) else 0.0,
        "on_counts_in_few_percent": float(100 * on[few].sum() / on.sum()) if on.sum() else 0.0,
    }


def few_off_counts(datasets: Iterable[MapDataset], least: int) -> bool:
    """Whether any of these has ON counts in a bin with fewer than `least` OFF counts."""
    return any(_few(*_on_off(dataset), least) for dataset in datasets if isinstance(dataset, SpectrumDatasetOnOff))


def _few(on: np.ndarray, off: np.ndarray, least: int) -> bool:
    return bool((off[on > 0] < least).any())


def _on_off(dataset: SpectrumDatasetOnOff) -> tuple[np.ndarray, np.ndarray]:
    """ON and OFF counts of the bins that are used."""
    used = np.ones(dataset.counts.data.shape, dtype=bool) if dataset.mask is None else dataset.mask.data
    off = np.zeros(used.shape) if dataset.counts_off is None else dataset.counts_off.data
    return dataset.counts.data[used], off[used]


def find_groups(
    datasets: Sequence[MapDataset], instruments: Mapping[str, str], models: Models, how: str, least: int
) -> Groups:
    """Which datasets to stack before the fit.

    Only datasets of one instrument, one kind, one region and the same energy bins are stacked, and only if the same
    models apply to them.

    Parameters
    ----------
    datasets : sequence of `gammapy.datasets.MapDataset`
        In the order in which they are to be stacked.
    instruments : mapping of str to str
        Instrument of each dataset by its name.
    models : `gammapy.modeling.models.Models`
        Models whose `datasets_names` tell datasets apart.
    how : {"auto", "joint", "stacked", "grouped"}
        ``joint``: none. ``stacked``: all. ``grouped``: ON/OFF spectra, until each bin with ON counts has `least` OFF
        counts. ``auto``: ON/OFF spectra, all of them, unless each has that already.
    least : int
        OFF counts that a bin should have.
    """
    split = _SPLITS[how]
    buckets: dict[Hashable, list[MapDataset]] = {}
    for dataset in datasets:
        key = instruments.get(dataset.name, ""), *kind_of(dataset), _restricted(models, dataset.name)
        buckets.setdefault(key, []).append(dataset)
    parts = [part for bucket in buckets.values() for part in split(bucket, least)]
    stacks = [part for part in parts if len(part) > 1]
    words = [instruments.get(part[0].name, "") for part in stacks]
    taken = {dataset.name for dataset in datasets}
    names = _names(words, alone=len(parts) == 1, taken=taken)
    return {name: [dataset.name for dataset in part] for name, part in zip(names, stacks, strict=True)}


def _joint(datasets: Sequence[MapDataset], least: int) -> list[list[MapDataset]]:  # noqa: ARG001 - as the others
    return [[dataset] for dataset in datasets]


def _stacked(datasets: Sequence[MapDataset], least: int) -> list[list[MapDataset]]:  # noqa: ARG001 - as the others
    return [list(datasets)]


def _auto(datasets: Sequence[MapDataset], least: int) -> list[list[MapDataset]]:
    return (_stacked if few_off_counts(datasets, least) else _joint)(datasets, least)


def _grouped(datasets: Sequence[MapDataset], least: int) -> list[list[MapDataset]]:
    """Consecutive datasets until their bins are filled; what is left over at the end joins the last group."""
    if not isinstance(datasets[0], SpectrumDatasetOnOff):
        return _joint(datasets, least)
    groups: list[list[MapDataset]] = [[]]
    on, off = np.zeros((2, *datasets[0].counts.data.shape))
    for dataset in datasets:
        groups[-1].append(dataset)
        used = True if dataset.mask is None else dataset.mask.data
        on, off = on + dataset.counts.data * used, off + dataset.counts_off.data * used
        if off.any() and not _few(on, off, least):
            groups.append([])
            on, off = np.zeros((2, *on.shape))
    *whole, rest = groups
    if whole:
        whole[-1] += rest
    return whole or [rest]


_SPLITS: Mapping[str, Split] = {"auto": _auto, "joint": _joint, "stacked": _stacked, "grouped": _grouped}


def kind_of(dataset: MapDataset) -> tuple[Hashable, ...]:
    """What datasets must have in common to be stacked; maps need not cover the same sky."""
    axes = [dataset.counts.geom.axes["energy"]]
    if dataset.exposure is not None:
        axes.append(dataset.exposure.geom.axes["energy_true"])
    region = str(dataset.counts.geom.region) if dataset.counts.geom.is_region else ""
    return dataset.tag, region, *(axis.edges.to_value("TeV").tobytes() for axis in axes)


def _restricted(models: Models, name: str) -> tuple[str, ...]:
    """Models that apply to this dataset and not to all."""
    return tuple(str(model.name) for model in models if model.datasets_names and name in _listed(model.datasets_names))


def _names(words: Sequence[str], *, alone: bool, taken: set[str]) -> list[str]:
    """A name for each stack: ``stacked``, with the instrument unless there is nothing else, numbered where needed."""
    stems = ["stacked" if alone or not word else f"stacked-{word}" for word in words]
    often, numbers = Counter(stems), Counter[str]()
    names = []
    for stem in stems:
        numbers[stem] += 1
        name = stem if often[stem] == 1 else f"{stem}-{numbers[stem]}"
        while name in taken:
            name += "-fit"
        names.append(name)
    return names


def stack_groups(datasets: Datasets, groups: Mapping[str, Sequence[str]]) -> Datasets:
    """The datasets with each group replaced by its stack, in the place of the group's first member.

    Members that are not there are passed over.
    """
    group_of = {member: name for name, members in groups.items() for member in members}
    stacks: dict[str, list[MapDataset]] = {}
    for dataset in datasets:
        stacks.setdefault(group_of.get(dataset.name, dataset.name), []).append(dataset)
    return Datasets([_stack(members, name) if name in groups else members[0] for name, members in stacks.items()])


def _stack(members: Sequence[MapDataset], name: str) -> MapDataset:
    return stack(empty_stack(*geoms_of(members), name), members)


def rename_datasets(models: Models, groups: Mapping[str, Sequence[str]]) -> None:
    """Let models that name members of a group name the group instead, in place."""
    group_of = {member: name for name, members in groups.items() for member in members}
    for model in models:
        if model.datasets_names:
            names = [group_of.get(name, name) for name in _listed(model.datasets_names)]
            model.datasets_names = list(dict.fromkeys(names))


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
