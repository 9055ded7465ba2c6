"""The HDUs of a 1d dataset as gammapy writes them, each table built once.

Gammapy writes the axes and the region of every map anew, though a dataset has nine maps but only four sets of axes and two
regions; building those tables takes most of the time of writing. A test compares the result with gammapy's own, HDU by HDU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from astropy.io import fits

if TYPE_CHECKING:
    from gammapy.datasets import SpectrumDataset
    from gammapy.maps import RegionNDMap

__all__ = ["spectrum_hdus"]

FIRST = ("counts", "exposure", "background")
MASKS = ("mask_safe", "mask_fit")
LAST = ("counts_off", "acceptance", "acceptance_off")


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
                self._regions[id(geom.region)] = fits.BinTableHDU(geom._to_region_table())  # noqa: SLF001 - no other way
            hdus.append(_named(self._regions[id(geom.region)], f"{name}_REGION"))
        return hdus


def _named(hdu: fits.BinTableHDU, name: str) -> fits.BinTableHDU:
    """The same table under another name."""
    copy = fits.BinTableHDU(data=hdu.data, header=hdu.header)
    copy.name = name
    return copy
