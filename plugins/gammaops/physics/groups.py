"""Which datasets belong together: those of one instrument, night and band of zenith angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.time import Time

from gammaops.errors import AlgorithmError
from gammaops.nights import night_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gammaops.products.base import Product

__all__ = ["Grouping"]


@dataclass(frozen=True)
class Grouping:
    """What the datasets of a group have in common.

    Parameters
    ----------
    by : tuple of str
        Some of ``instrument``, ``night`` and ``zenith``.
    zenith_edges : tuple of float
        Edges of the bands, increasing, in deg; the first belongs to a band, the last does not.
    """

    by: tuple[str, ...]
    zenith_edges: tuple[float, ...]

    def of(self, member: Product) -> dict[str, str]:
        """What decides on the group of a dataset, by the row of its index.

        Raises
        ------
        AlgorithmError
            If the row does not say what is asked for, or lies in no band.
        """
        facts: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
            "instrument": lambda row: str(row["instrument"]),
            "night": _night,
            "zenith": self._band,
        }
        return {name: facts[name](member.row) for name in self.by}

    def _band(self, row: Mapping[str, Any]) -> str:
        zenith = _known(row, "zenith_deg", "the archive's index has no ZEN_PNT for it")
        place = int(np.searchsorted(self.zenith_edges, zenith, side="right"))
        if not 0 < place < len(self.zenith_edges):
            reach = f"zenith_edges reach from {self.zenith_edges[0]:g} to {self.zenith_edges[-1]:g} deg"
            raise AlgorithmError(f"{row['name']} was taken at a zenith angle of {zenith:.1f} deg; {reach}: widen them")
        return f"{self.zenith_edges[place - 1]:g}-{self.zenith_edges[place]:g}deg"


def _night(row: Mapping[str, Any]) -> str:
    """The night at the site that the observation's own file names: the same whoever processes it."""
    longitude = _known(row, "longitude_deg", "its events have no GEOLON")
    if not row["gti"]:
        raise AlgorithmError(f"{row['name']} has no good time intervals (GTI), so no night; leave it out of stack.by")
    begin = Time(min(start for start, _ in row["gti"]), scale="tt").utc
    return night_of(begin.mjd, longitude)[0]


def _known(row: Mapping[str, Any], name: str, why: str) -> float:
    value = row.get(name)
    if value is None:
        known = name.removesuffix("_deg")
        raise AlgorithmError(
            f"{row['name']} cannot be grouped: its {known} is not known ({why}); leave it out of stack.by"
        )
    return float(value)
