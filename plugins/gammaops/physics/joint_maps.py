"""Map datasets for one estimate: those of one instrument stacked, all on one geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammapy.datasets import Datasets, MapDatasetOnOff

from gammaops.errors import AlgorithmError, NoWorkFound
from gammaops.physics.background_models import check_backgrounds
from gammaops.physics.datasets_io import named_members, read_dataset
from gammaops.physics.stacking import common_geoms, empty_stack, stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gammapy.datasets import MapDataset
    from gammapy.maps import WcsGeom
    from gammapy.modeling.models import Models

    from gammaops.products.base import Product

__all__ = ["image_geom", "joint_datasets"]

Members = list[tuple[str, "Path"]]


def image_geom(products: Sequence[Product]) -> WcsGeom:
    """The image that holds all these datasets; only headers are read."""
    return common_geoms([path for group in _groups(products).values() for _, path in group])[1]["geom"].to_image()


def joint_datasets(products: Sequence[Product], models: Models | None = None) -> Datasets:
    """One dataset per product and instrument, whose IRFs differ, all on the geometry that holds them.

    Parameters
    ----------
    products : sequence of Product
        Indexes of map datasets.
    models : `gammapy.modeling.models.Models`, optional
        What they predict is added to the background of each dataset, by its name.

    Raises
    ------
    NoWorkFound
        If there is no dataset.
    AlgorithmError
        If a dataset has no background, or the fit scaled that of other datasets than these.
    """
    groups = _groups(products)
    if models is not None:
        check_backgrounds(models, [name for group in groups.values() for name, _ in group])
    cls, geoms = common_geoms([path for group in groups.values() for _, path in group])
    made = Datasets()
    for label, group in groups.items():
        if len(group) == 1 and len(groups) == 1:
            made.append(next(_with_models(group, models)))
        else:
            made.append(stack(empty_stack(cls, geoms, label), _with_models(group, models)))
    return made


def _groups(products: Sequence[Product]) -> Mapping[str, Members]:
    """Datasets by number of the product and instrument."""
    names = iter(named_members(products))
    groups: dict[str, Members] = {}
    for number, product in enumerate(products, 1):
        for member in product.members or (product,):
            if member.path is not None:
                name, _ = next(names)
                groups.setdefault(f"{number}-{member.row.get('instrument', '')}", []).append((name, member.path))
    if not groups:
        raise NoWorkFound("no observation left a dataset")
    return groups


def _with_models(group: Members, models: Models | None) -> Iterator[MapDataset]:
    for name, path in group:
        dataset = read_dataset(path, name)
        if isinstance(dataset, MapDatasetOnOff) or dataset.background is None:
            message = "has ON and OFF counts" if isinstance(dataset, MapDatasetOnOff) else "has no background"
            raise AlgorithmError(
                f"{name} {message}, but a background model is needed; use background method fov or none"
            )
        if models is not None:
            dataset.models = models
            dataset.background = dataset.npred()
            dataset.models = None
        yield dataset
