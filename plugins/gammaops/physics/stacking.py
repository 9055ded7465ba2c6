"""Stacking datasets one at a time, in the order given, onto a geometry that holds them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.maps import Map, WcsGeom

from gammaops.errors import AlgorithmError
from gammaops.physics.datasets_io import dataset_class, read_dataset, write_dataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from gammapy.maps import Geom

    from gammaops.products.base import Product

__all__ = ["common_geoms", "empty_stack", "geoms_of", "stack", "write_stack", "write_union"]

GEOMS = {"geom": "COUNTS", "geom_exposure": "EXPOSURE", "geom_psf": "PSF", "geom_edisp": "EDISP"}


def stack(target: MapDataset, datasets: Iterable[MapDataset]) -> MapDataset:
    """Add datasets to `target` in place, inside their safe masks, as `gammapy.datasets.Datasets.stack_reduce` does.

    Raises
    ------
    AlgorithmError
        If a dataset does not fit the geometry or has no OFF counts.
    """
    for dataset in datasets:
        if isinstance(dataset, MapDatasetOnOff) and not isinstance(target, MapDatasetOnOff):
            dataset = dataset.to_map_dataset(name=dataset.name)  # noqa: PLW2901 - the same data in another form
        try:
            target.stack(dataset)
        except (ValueError, TypeError) as error:
            raise AlgorithmError(f"{dataset.name} cannot be stacked: {error}") from error
    return target


def write_stack(path: Path, target: MapDataset, parts: Sequence[Product]) -> None:
    """Add parts to `target` and write it.

    A dataset is stored without loss, so it makes no difference to a bit of the file whether `target` comes from here or
    was read from the store, as the stack of what was there in an earlier night.
    """
    stack(target, (read_dataset(part.path) for part in parts if part.path is not None))
    write_dataset(target, path)


def write_union(name: str, parts: Sequence[Product], path: Path, base: Product | None, rest: Sequence[Product]) -> None:
    """Write the stack of `parts` on the geometry that holds them all: from `base` on if that is its geometry."""
    if base is not None and base.path is not None and _holds(base, rest):
        write_stack(path, read_dataset(base.path), rest)
    else:
        geoms = common_geoms([part.path for part in parts if part.path is not None])
        write_stack(path, empty_stack(*geoms, name), parts)


def _holds(base: Product, rest: Sequence[Product]) -> bool:
    """Whether the datasets lie inside the geometry of `base`, and leave its class as it is."""
    paths = [one.path for one in (base, *rest) if one.path is not None]
    (cls, geoms), (wanted, together) = common_geoms(paths[:1]), common_geoms(paths)
    same = all(geoms[role].data_shape == geom.data_shape for role, geom in together.items())
    return cls is wanted and geoms.keys() == together.keys() and same


def empty_stack(cls: type[MapDataset], geoms: Mapping[str, Geom], name: str) -> MapDataset:
    """A dataset of zeros to stack onto."""
    return cls.from_geoms(**geoms, name=name)


def common_geoms(paths: Sequence[Path]) -> tuple[type[MapDataset], dict[str, Geom]]:
    """The class and the geometries that hold all these datasets; only headers are read.

    The datasets of a map analysis are cutouts of one grid around their pointings, so the common geometry is the part of
    that grid that they cover together.

    Raises
    ------
    AlgorithmError
        If the datasets do not lie on one grid or have different energy axes.
    """
    classes: set[type[MapDataset]] = set()
    geoms: dict[str, Geom] = {}
    for path in paths:
        with fits.open(path) as hdus:
            classes.add(dataset_class(hdus))
            for role, name in GEOMS.items():
                if name in hdus:
                    geom = _geom(hdus, name)
                    geoms[role] = _union(geoms[role], geom, path.name) if role in geoms else geom
    return _class_of_stack(classes), geoms


def geoms_of(datasets: Sequence[MapDataset]) -> tuple[type[MapDataset], dict[str, Geom]]:
    """The same of datasets in memory."""
    geoms: dict[str, Geom] = {}
    for dataset in datasets:
        for role, geom in dataset.geoms.items():
            geoms[role] = _union(geoms[role], geom, dataset.name) if role in geoms else geom
    return _class_of_stack({type(dataset) for dataset in datasets}), geoms


def _class_of_stack(classes: set[type[MapDataset]]) -> type[MapDataset]:
    """ON/OFF and other datasets together are stacked as the latter."""
    plain = [cls for cls in classes if not issubclass(cls, MapDatasetOnOff)]
    return (plain or list(classes))[0]


def _geom(hdus: fits.HDUList, name: str) -> Geom:
    if f"{name}_REGION" in hdus:
        return Map.from_hdulist(hdus, hdu=name, format="gadf").geom
    return WcsGeom.from_header(hdus[name].header, hdu_bands=hdus[f"{name}_BANDS"])


def _union(first: Geom, second: Geom, name: str) -> Geom:
    """The smallest geometry on the grid of `first` that holds both."""
    if first.is_region != second.is_region:
        raise AlgorithmError(f"{name} and the datasets before it: spectra and maps cannot be stacked together")
    if first.is_region:
        if first.axes != second.axes:
            raise AlgorithmError(f"{name} has other energy axes than the datasets before it; stack equal axes only")
        return first
    if not first.is_aligned(second):
        raise AlgorithmError(f"{name} lies on another grid than the datasets before it; use one geom for all")
    shift = np.rint(first.wcs.wcs.crpix - second.wcs.wcs.crpix).astype(int)
    first_size, second_size = np.array(_size(first)), np.array(_size(second))
    low = np.minimum(0, shift)
    high = np.maximum(first_size, second_size + shift)
    if not low.any() and (high == first_size).all():
        return first
    wcs = first.wcs.deepcopy()
    wcs.wcs.crpix = first.wcs.wcs.crpix - low
    width, height = (high - low).tolist()
    wcs.array_shape = (height, width)
    return WcsGeom(wcs, (width, height), axes=first.axes)


def _size(geom: WcsGeom) -> tuple[int, int]:
    height, width = geom.data_shape[-2:]
    return width, height
