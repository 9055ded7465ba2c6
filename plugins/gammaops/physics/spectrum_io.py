"""The HDUs of a 1d dataset as gammapy writes and reads them, each table of axes and each region built once.

Gammapy does so anew for every map, though a dataset has nine maps but only four sets of axes and two regions (and the
next observation the same axes and ON region again); that takes most of the time of writing and reading. Tests compare
both ways with gammapy's own, HDU by HDU and map by map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from gammapy.data import GTI
from gammapy.datasets import MapDatasetMetaData, SpectrumDatasetOnOff
from gammapy.irf import EDispKernelMap
from gammapy.maps import MapAxes, RegionGeom, RegionNDMap

from gammaops.physics.fits_structure import CARD

if TYPE_CHECKING:
    from gammapy.datasets import SpectrumDataset

__all__ = ["spectrum_from_hdus", "spectrum_hdus"]

FIRST = ("counts", "exposure", "background")
MASKS = ("mask_safe", "mask_fit")
LAST = ("counts_off", "acceptance", "acceptance_off")
MOST_GEOMETRIES = 256

_axes: dict[bytes, MapAxes] = {}
_regions: dict[bytes, RegionGeom] = {}


def spectrum_hdus(dataset: SpectrumDataset) -> fits.HDUList:
    """What ``dataset.to_hdulist()`` gives, without its leftover ``BACKGROUND_REGION``."""
    primary = fits.PrimaryHDU()
    primary.header["NAME"] = dataset.name
    primary.header.update(dataset.meta.to_header())
    builder = _Builder()
    on_off = hasattr(dataset, "counts_off")
    hdus = [primary, *builder.maps(dataset, [name for name in FIRST if not (on_off and name == "background")])]
    if dataset.edisp is not None:
        hdus += builder.map(dataset.edisp.edisp_map, "EDISP")
        if dataset.edisp.exposure_map is not None:
            hdus += builder.map(dataset.edisp.exposure_map, "EDISP_EXPOSURE")
    hdus += builder.maps(dataset, MASKS)
    if dataset.gti is not None:
        hdus.append(dataset.gti.to_table_hdu())
    if dataset.meta_table is not None:
        hdus.append(fits.BinTableHDU(dataset.meta_table, name="META_TABLE"))
    if on_off:
        hdus += builder.maps(dataset, LAST)
    creator = dataset.meta.creation.to_header()
    for hdu in hdus:
        hdu.header.update(creator)
    return fits.HDUList(hdus)


class _Builder:
    """Makes the HDUs of region maps, remembering the tables of axes and regions."""

    def __init__(self) -> None:
        self._bands: dict[tuple[int, ...], fits.BinTableHDU] = {}
        self._regions: dict[int, fits.BinTableHDU] = {}

    def maps(self, dataset: SpectrumDataset, names: list[str] | tuple[str, ...]) -> list[fits.BinTableHDU]:
        """HDUs of those of the dataset's maps that exist."""
        found = [(name, getattr(dataset, name, None)) for name in names]
        return [hdu for name, item in found if item is not None for hdu in self.map(item, name.upper())]

    def map(self, item: RegionNDMap, name: str) -> list[fits.BinTableHDU]:
        """Data, axes and region of one map."""
        geom = item.geom
        table = item.to_table(format="gadf")
        table.meta.update(geom.axes.to_header())
        axes = tuple(id(axis) for axis in geom.axes)
        if axes not in self._bands:
            self._bands[axes] = geom.axes.to_table_hdu(hdu_bands=f"{name}_BANDS", format="gadf")
        hdus = [fits.BinTableHDU(table, name=name), _named(self._bands[axes], f"{name}_BANDS")]
        if geom.region:
            if id(geom.region) not in self._regions:
                self._regions[id(geom.region)] = fits.BinTableHDU(geom._to_region_table())
            hdus.append(_named(self._regions[id(geom.region)], f"{name}_REGION"))
        return hdus


def _named(hdu: fits.BinTableHDU, name: str) -> fits.BinTableHDU:
    """The same table under another name."""
    copy = fits.BinTableHDU(data=hdu.data, header=hdu.header)
    copy.name = name
    return copy


def spectrum_from_hdus(cls: type[SpectrumDataset], hdus: fits.HDUList, name: str) -> SpectrumDataset:
    """What ``cls.from_hdulist(hdus, name)`` gives, with data in the machine's byte order."""
    parts: dict[str, Any] = {part: _map(hdus, part.upper()) for part in (*FIRST, *LAST, *MASKS) if part.upper() in hdus}
    for mask in parts.keys() & set(MASKS):
        parts[mask].data = parts[mask].data.astype(bool)
    if "EDISP" in hdus:
        exposure = _map(hdus, "EDISP_EXPOSURE") if "EDISP_EXPOSURE" in hdus else None
        parts["edisp"] = EDispKernelMap(_map(hdus, "EDISP"), exposure)
    if "GTI" in hdus:
        parts["gti"] = GTI.from_table_hdu(hdus["GTI"])
    if "META_TABLE" in hdus:
        parts["meta_table"] = Table.read(hdus["META_TABLE"])
    if not issubclass(cls, SpectrumDatasetOnOff):
        parts["meta"] = MapDatasetMetaData.from_header(hdus[0].header)
    return cls(name=name, **parts)


def _map(hdus: fits.HDUList, name: str) -> RegionNDMap:
    geom = _geom(hdus, name)
    column = hdus[name].columns["DATA"]
    data = np.ascontiguousarray(hdus[name].data["DATA"]).reshape(geom.data_shape)
    native = data.astype(data.dtype.newbyteorder("="))
    return RegionNDMap(geom, data=native, unit=column.unit or "", dtype=native.dtype)


def _geom(hdus: fits.HDUList, name: str) -> RegionGeom:
    """Geometry of a map, with axes and region shared by all maps that have the same ones."""
    bands = hdus[f"{name}_BANDS"]
    axes_key = _content(bands)
    if axes_key not in _axes:
        _remember(_axes, axes_key, MapAxes.from_table_hdu(bands, format="gadf"))
    if f"{name}_REGION" not in hdus:
        return RegionGeom(region=None, axes=_axes[axes_key])
    region_key = _content(hdus[f"{name}_REGION"])
    if region_key not in _regions:
        _remember(_regions, region_key, RegionGeom.from_hdulist(hdus, format="gadf", hdu=name))
    known = _regions[region_key]
    return RegionGeom(region=known.region, wcs=known.wcs, axes=_axes[axes_key])


def _content(hdu: fits.BinTableHDU) -> bytes:
    """Header and data of an HDU without its name."""
    header = hdu.header.tostring()
    place = header.find("EXTNAME ")
    return (header[:place] + header[place + CARD :]).encode() + hdu.data.tobytes()


def _remember(memory: dict[bytes, Any], key: bytes, item: object) -> None:
    if len(memory) >= MOST_GEOMETRIES:
        memory.clear()
    memory[key] = item
