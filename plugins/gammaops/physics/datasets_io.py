"""Datasets and the files they live in: one FITS file each, ``format="gadf"``, readable with gammapy alone.

Gammapy 2.1 loses two things on the way there and back: the livetime of a 1d exposure, and models. The first is kept in
a card ``LIVETIME`` of the ``EXPOSURE`` HDU; a background model that was fitted in data reduction is applied to the
background before it is written, which leaves the predicted counts as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.io import fits
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.maps import MapAxes

from gammaops.errors import NoWorkFound
from gammaops.physics.spectrum_io import spectrum_from_hdus, spectrum_hdus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gammapy.maps import Map, MapAxis

    from gammaops.products.base import Product

__all__ = [
    "dataset_class",
    "energy_axis_of",
    "iter_datasets",
    "named_members",
    "read_dataset",
    "read_datasets",
    "read_members",
    "write_dataset",
]

ON_OFF = frozenset({"COUNTS_OFF", "ACCEPTANCE", "ACCEPTANCE_OFF"})
MAPS = ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "background", "mask_safe", "mask_fit")


def write_dataset(dataset: MapDataset, path: Path) -> None:
    """Write one dataset to one FITS file; background models are applied, other models are not kept."""
    if dataset.models is not None and dataset.background_model is not None:
        dataset.background = dataset.npred_background()
    dataset.models = None
    hdus = spectrum_hdus(dataset) if dataset.counts.geom.is_region else dataset.to_hdulist()
    livetime = dataset.exposure.meta.get("livetime") if dataset.exposure is not None else None
    if livetime is not None:
        hdus["EXPOSURE"].header["LIVETIME"] = (livetime.to_value("s"), "[s] livetime")
    hdus.writeto(path, overwrite=True)


def read_dataset(path: Path, name: str | None = None) -> MapDataset:
    """Read a dataset of whichever class is in the file; it is called `name`, or as it was when it was written."""
    with fits.open(path, memmap=False) as hdus:
        cls = dataset_class(hdus)
        name = name or hdus[0].header.get("NAME")
        is_spectrum = cls in (SpectrumDataset, SpectrumDatasetOnOff)
        dataset = spectrum_from_hdus(cls, hdus, name) if is_spectrum else _map_from_hdus(cls, hdus, name)
        livetime = hdus["EXPOSURE"].header.get("LIVETIME") if "EXPOSURE" in hdus else None
    if livetime is not None:
        dataset.exposure.meta = {"livetime": livetime * u.s}
    return dataset


def _map_from_hdus(cls: type[MapDataset], hdus: fits.HDUList, name: str) -> MapDataset:
    dataset = cls.from_hdulist(hdus, name=name)
    for attribute in MAPS:
        _to_native_bytes(dataset.__dict__.get(attribute))
    for response in (dataset.psf, dataset.edisp):
        if response is not None:
            for irf_map in response.__dict__.values():
                _to_native_bytes(irf_map)
    return dataset


def dataset_class(hdus: fits.HDUList) -> type[MapDataset]:
    """Which class of gammapy an open file holds."""
    names = {hdu.name for hdu in hdus}
    if "COUNTS_REGION" in names:
        return SpectrumDatasetOnOff if names & ON_OFF else SpectrumDataset
    return MapDatasetOnOff if names & ON_OFF else MapDataset


def _to_native_bytes(item: Map | None) -> None:
    """FITS is big-endian; arithmetic on such arrays is slower."""
    data = getattr(item, "data", None)
    if isinstance(data, np.ndarray) and not data.dtype.isnative:
        item.data = data.astype(data.dtype.newbyteorder("="))  # type: ignore[union-attr]


def named_members(products: Sequence[Product]) -> list[tuple[str, Product]]:
    """All datasets that these products name, in order, each with a name of its own.

    Two products may both have an ``obs-23523`` (two instruments, two configs); then the names of each product's members
    are preceded by its position, ``2-obs-23523``, so that steps which read the same products see the same names.
    """
    groups = [product.members or (product,) for product in products]
    names = [[str(member.row.get("name") or member.key) for member in group] for group in groups]
    flat = [name for group in names for name in group]
    if len(set(flat)) < len(flat):
        names = [[f"{number}-{name}" for name in group] for number, group in enumerate(names, 1)]
    pairs = [
        (name, member)
        for group, named in zip(groups, names, strict=True)
        for name, member in zip(named, group, strict=True)
    ]
    return [(name, member) for name, member in pairs if member.path is not None]


def iter_datasets(products: Sequence[Product]) -> Iterator[tuple[MapDataset, Product]]:
    """Read the datasets of these products one at a time, so that memory stays bounded."""
    for name, member in named_members(products):
        yield read_dataset(member.path, name), member  # type: ignore[arg-type]


def read_datasets(products: Sequence[Product]) -> Datasets:
    """All datasets of these products.

    Raises
    ------
    NoWorkFound
        If there is none.
    """
    return read_members(named_members(products))


def read_members(members: Sequence[tuple[str, Product]]) -> Datasets:
    """These datasets, each by its name.

    Raises
    ------
    NoWorkFound
        If there is none.
    """
    datasets = Datasets([read_dataset(member.path, name) for name, member in members])  # type: ignore[arg-type]
    if len(datasets) == 0:
        raise NoWorkFound("no observation left a dataset")
    return datasets


def energy_axis_of(path: Path) -> MapAxis:
    """The axis of reconstructed energy of the dataset in this file; only a header and a small table are read."""
    with fits.open(path) as hdus:
        return MapAxes.from_table_hdu(hdus["COUNTS_BANDS"], format="gadf")["energy"]
