"""In what two tables, or two masks, differ: rows, and numbers beyond a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from gammapy.maps import Map

from gammaops.physics.differences import ABSOLUTE, RELATIVE, Difference, unlike

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gammaops.physics.differences import Tolerances

__all__ = ["mask_differences", "table_differences"]


def table_differences(before: Path, after: Path, tolerances: Tolerances) -> list[Difference]:
    """Columns of two ECSV tables row by row: numbers relative to the highest of the column, words as they are."""
    one, other = (Table.read(path, format="ascii.ecsv") for path in (before, after))
    found = []
    if len(one) != len(other):
        found.append(unlike("rows", (float(len(one)), float(len(other)))))
    for name in dict.fromkeys((*one.colnames, *other.colnames)):
        if name not in one.colnames or name not in other.colnames:
            told = ["there" if name in table.colnames else None for table in (one, other)]
            found.append(unlike(f"column {name}", told))
        elif len(one) == len(other):
            found += _column(name, one, other, tolerances.background)
    return found


def _column(name: str, one: Table, other: Table, limit: float) -> Iterator[Difference]:
    values = [np.ma.filled(table[name], np.nan) if table[name].dtype.kind == "f" else np.asarray(table[name])
              for table in (one, other)]  # fmt: skip
    if any(value.dtype.kind not in "fiu" for value in values):
        different = np.flatnonzero([str(left) != str(right) for left, right in zip(*values, strict=True)])
        if len(different):
            row = int(different[0])
            yield unlike(f"{name}, row {row}", (str(values[0][row]), str(values[1][row])))
        return
    left, right = (value.astype(float) for value in values)
    if not left.size or np.array_equal(left, right, equal_nan=True):
        return
    highest = np.nanmax(np.abs(left)) if np.isfinite(left).any() else 0.0
    change = (right - left) / (highest or 1.0)
    change[np.isnan(left) & np.isnan(right)] = 0.0
    place = np.unravel_index(int(np.argmax(np.where(np.isnan(change), np.inf, np.abs(change)))), change.shape)
    size = float(change[place]) if np.isfinite(change[place]) else None
    pair = float(left[place]), float(right[place])
    yield Difference(f"{name}, row {place[0]}", pair, str(one[name].unit or ""), size, RELATIVE, limit)


def mask_differences(before: Path, after: Path, tolerances: Tolerances) -> list[Difference]:  # noqa: ARG001 - as all
    """Pixels that are masked in one of two masks alone."""
    masks = [Map.read(path) for path in (before, after)]
    if masks[0].data.shape != masks[1].data.shape:
        return [unlike("pixels", [str(mask.data.shape) for mask in masks])]
    other = float((masks[0].data.astype(bool) ^ masks[1].data.astype(bool)).sum())
    return [Difference("pixels that are not masked", [float(mask.data.astype(bool).sum()) for mask in masks], "",
                       other, ABSOLUTE)]  # fmt: skip
