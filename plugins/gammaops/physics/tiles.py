"""Rectangles of pixels: maps cut into tiles, and joined again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from gammapy.maps import WcsGeom, WcsNDMap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Tile", "cut", "joined", "tiles"]


@dataclass(frozen=True)
class Tile:
    """Columns from `x_min` to `x_max` and rows from `y_min` to `y_max` of a map, the last excluded."""

    x_min: int
    x_max: int
    y_min: int
    y_max: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Tile:
        """The tile that a row of a table, or metrics, describe."""
        return cls(*(int(row[name]) for name in ("x_min", "x_max", "y_min", "y_max")))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, as numpy orders them."""
        return slice(self.y_min, self.y_max), slice(self.x_min, self.x_max)

    def widened(self, margin: tuple[int, int], geom: WcsGeom) -> Tile:
        """With `margin` rows and columns more on every side, as far as the map reaches."""
        rows, columns = margin
        height, width = geom.data_shape[-2:]
        return Tile(
            max(0, self.x_min - columns),
            min(width, self.x_max + columns),
            max(0, self.y_min - rows),
            min(height, self.y_max + rows),
        )

    def within(self, outer: Tile) -> Tile:
        """The same pixels, counted from the corner of `outer`."""
        return Tile(
            self.x_min - outer.x_min, self.x_max - outer.x_min, self.y_min - outer.y_min, self.y_max - outer.y_min
        )


def tiles(geom: WcsGeom, pixels: int) -> list[Tile]:
    """Tiles of at most `pixels` x `pixels` that cover a map, row by row, all of nearly the same size."""
    height, width = geom.data_shape[-2:]
    columns, rows = (np.linspace(0, size, -(-size // pixels) + 1).astype(int).tolist() for size in (width, height))
    return [Tile(*x, *y) for y in pairwise(rows) for x in pairwise(columns)]


def cut(whole: WcsNDMap, tile: Tile) -> WcsNDMap:
    """The pixels of a tile, on the grid of the whole map to the last bit."""
    wcs = whole.geom.wcs.deepcopy()
    wcs.wcs.crpix = wcs.wcs.crpix - [tile.x_min, tile.y_min]
    width, height = tile.x_max - tile.x_min, tile.y_max - tile.y_min
    wcs.array_shape = (height, width)
    geom = WcsGeom(wcs, (width, height), axes=whole.geom.axes)
    return WcsNDMap(geom, data=whole.data[(..., *tile.slices)].copy(), unit=whole.unit, dtype=whole.data.dtype)


def joined(geom: WcsGeom, parts: Sequence[tuple[Tile, WcsNDMap]], empty: float = np.nan) -> WcsNDMap:
    """One map on `geom` (an image) from those of its tiles, with `empty` where there is none."""
    first = parts[0][1]
    whole = geom.to_cube(first.geom.axes)
    data = np.full(whole.data_shape, empty, dtype=first.data.dtype)
    for tile, part in parts:
        data[(..., *tile.slices)] = part.data
    return WcsNDMap(whole, data=data, unit=first.unit, dtype=data.dtype)
