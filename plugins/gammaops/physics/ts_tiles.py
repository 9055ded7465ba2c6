"""The test statistic of a source on one tile of a map, as gammapy estimates it on the whole.

`gammapy.estimators.TSMapEstimator` takes the PSF, energy dispersion and exposure that make up the source's kernel at
the centre of the map it is given. A tile alone has another centre, and sources at its edge reach over it: so a tile is
cut out with half a kernel of margin, keeps the IRFs of the whole map, and only its own pixels are fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import FluxMaps, TSMapEstimator
from gammapy.maps import Map, Maps

from gammaops.errors import NoWorkFound
from gammaops.physics.tiles import Tile, cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.maps import WcsNDMap

__all__ = ["ts_of_tile"]

CUT = ("counts", "exposure", "background", "mask_safe", "mask_fit")


def ts_of_tile(settings: Mapping[str, Any], datasets: Datasets, tile: Tile) -> FluxMaps:
    """What ``TSMapEstimator(**settings).run(datasets)`` gives inside `tile`.

    Parameters
    ----------
    settings : mapping
        Arguments of `gammapy.estimators.TSMapEstimator`, with a ``kernel_width``.
    datasets : `gammapy.datasets.Datasets`
        Map datasets of the whole map, on the same geometry, without models.
    tile : Tile
        Pixels to fit.

    Raises
    ------
    NoWorkFound
        If no pixel of the tile has data.
    """
    estimator = _TileEstimator(settings, datasets)
    outer = tile.widened(estimator.margin, datasets[0].counts.geom)
    pieces = Datasets([_piece(dataset, outer) for dataset in datasets])
    estimator.fit_only(_inside(tile.within(outer), pieces[0]))
    maps = estimator.run(pieces)
    if not estimator.fitted:
        raise NoWorkFound("no pixel of this tile has data")
    inner = Maps(**{name: cut(item, tile.within(outer)) for name, item in maps.to_maps("likelihood").items()})
    return FluxMaps(inner, maps.reference_model, meta=maps.meta, gti=maps.gti)


def _piece(dataset: MapDataset, tile: Tile) -> MapDataset:
    maps = {name: cut(getattr(dataset, name), tile) for name in CUT if getattr(dataset, name) is not None}
    return MapDataset(**maps, psf=dataset.psf, edisp=dataset.edisp, gti=dataset.gti, name=dataset.name)


def _inside(tile: Tile, dataset: MapDataset) -> WcsNDMap:
    inside = Map.from_geom(dataset.counts.geom.to_image(), data=False, dtype=bool)
    inside.data[tile.slices] = True
    return inside


class _TileEstimator(TSMapEstimator):
    """Estimator with the kernels of the whole map, which fits the pixels of one tile."""

    def __init__(self, settings: Mapping[str, Any], whole: Datasets) -> None:
        super().__init__(**settings, n_jobs=1)
        plain = TSMapEstimator(**settings, n_jobs=1)
        widths = [plain.estimate_pad_width(dataset) for dataset in whole]
        self.margin: tuple[int, int] = tuple(np.max(widths, axis=0).tolist())
        self._whole = {dataset.name: dataset.pad(self.margin, name=dataset.name) for dataset in whole}
        self._kernels: dict[tuple[str, bytes], WcsNDMap] = {}
        self.fitted = False

    def fit_only(self, inside: WcsNDMap) -> None:
        """Fit where `inside` is true."""
        self._inside = inside.pad(self.margin, mode="constant")

    def estimate_kernel(self, dataset: MapDataset) -> WcsNDMap:
        """The kernel at the centre of the whole map, in the energy bins of `dataset`."""
        axis = dataset.counts.geom.axes["energy"]
        key = dataset.name, axis.edges.value.tobytes()
        if key not in self._kernels:
            whole = self._whole[dataset.name]
            if axis != whole.counts.geom.axes["energy"]:
                whole = whole.slice_by_energy(axis.edges[0], axis.edges[-1], name=dataset.name)
            self._kernels[key] = super().estimate_kernel(whole)
        return self._kernels[key]

    def estimate_fit_input_maps(self, dataset: MapDataset) -> dict[str, Any]:
        """The maps of the fit; ``mask`` says where it is done, ``weights`` and the others stay as they are."""
        maps: dict[str, Any] = super().estimate_fit_input_maps(dataset)
        mask = maps["mask"]
        return maps | {"mask": mask.copy(data=mask.data & self._inside.data)}

    def estimate_flux_map(self, datasets: Datasets) -> dict[str, WcsNDMap]:
        """Maps of one energy bin; without valid pixels in it, nothing but unknown values."""
        try:
            found: dict[str, WcsNDMap] = super().estimate_flux_map(datasets)
        except ValueError as error:
            if "No valid positions" not in str(error):
                raise
            geom = datasets[0].counts.geom.squash(axis_name="energy")
            return {name: Map.from_geom(geom, data=np.nan) for name in self.selection_all}
        self.fitted = True
        return found
