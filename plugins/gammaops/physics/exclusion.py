"""Where background must not be estimated: masks in files, regions, and masks that other steps made, taken together.

A mask is true where background may be estimated, as in gammapy, and says nothing about the sky beyond its edge.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from gammapy.maps import Map, WcsGeom, WcsNDMap
from regions import CircleSkyRegion, Regions

from gammaops.errors import ConfigError, Problem
from gammaops.physics.geometry import sky_coord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from regions import SkyRegion

__all__ = ["Exclusion", "read_mask"]

DS9_SUFFIX = ".reg"
REGIONS = "regions as DS9 writes them, such as icrs;circle(83.63,22.01,0.3)"


@dataclass(frozen=True)
class Exclusion:
    """What a config and other steps exclude; opens no file before it is asked for a mask.

    Parameters
    ----------
    key : str
        Dotted config key of `given`, for messages.
    given : str or sequence of (str or mapping), optional
        A FITS mask, a DS9 region file, or circles and texts of DS9 regions.
    masks : tuple of Path
        Masks that other steps made.
    """

    key: str
    given: str | Sequence[str | Mapping[str, Any]] | None
    masks: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.given or self.masks)

    def check(self) -> None:
        """Read all of it, so that what is wrong in there is told before anything is computed.

        Raises
        ------
        ConfigError
            If the file or the text of a region cannot be read.
        """
        _ = self.maps, self.regions

    def on(self, geom: WcsGeom) -> WcsNDMap | None:
        """The mask on an image geometry, true where background may be estimated; None if nothing is excluded."""
        if not self:
            return None
        mask = Map.from_geom(geom, data=True, dtype=bool)
        for one in self.maps:
            mask &= one.interp_to_geom(geom, fill_value=True)
        if self.regions:
            mask &= geom.region_mask(self.regions, inside=False)
        return mask

    @cached_property
    def maps(self) -> list[Map]:
        """The masks that come as maps."""
        given = [self._given_mask()] if isinstance(self.given, str) and not self._is_region_file else []
        return [*given, *(read_mask(path) for path in self.masks)]

    def _given_mask(self) -> Map:
        try:
            return read_mask(Path(str(self.given)))
        except (OSError, LookupError, ValueError, TypeError) as error:
            # Those of the file system have a number, astropy's own about the content have none.
            if getattr(error, "errno", None) not in (None, errno.EISDIR):
                raise
            expected = "a FITS map as gammapy writes it, false where excluded, or DS9 regions in a file *.reg"
            raise self._problem(str(self.given), "no map is in it", expected) from error

    @cached_property
    def regions(self) -> list[SkyRegion]:
        """The regions that are excluded.

        Raises
        ------
        ConfigError
            If the text of a region cannot be read.
        """
        if isinstance(self.given, str):
            text = Path(self.given).read_text(encoding="utf-8", errors="replace") if self._is_region_file else ""
            return list(self._read(text)) if self._is_region_file else []
        return [region for item in self.given or () for region in self._regions_of(item)]

    @property
    def _is_region_file(self) -> bool:
        return isinstance(self.given, str) and self.given.endswith(DS9_SUFFIX)

    def _regions_of(self, item: str | Mapping[str, Any]) -> Iterator[SkyRegion]:
        if isinstance(item, str):
            yield from self._read(item)
        else:
            yield CircleSkyRegion(sky_coord(item), u.Quantity(item["radius"]))

    def _read(self, text: str) -> Iterator[SkyRegion]:
        try:
            found = Regions.parse(text, format="ds9").regions
        except (ValueError, TypeError, LookupError) as error:
            raise self._problem(text, str(error)) from error
        if not found or not all(hasattr(region, "to_pixel") for region in found):
            raise self._problem(text, "no region on the sky is in it")
        yield from found

    def _problem(self, text: str, why: str, expected: str = REGIONS) -> ConfigError:
        message = f"{text.strip()[:100]!r} cannot be read: {why}"
        return ConfigError([Problem("config", 0, 0, self.key, message, expected)])


def read_mask(path: Path) -> Map:
    """A mask as truth values, whatever numbers it is stored as; with energy bins, what any of them excludes."""
    mask = Map.read(path)
    mask.data = mask.data.astype(bool)
    return mask.reduce_over_axes(func=np.logical_and, keepdims=False) if mask.geom.axes else mask
