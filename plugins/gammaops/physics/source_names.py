"""Names of sources after their position, by the rules of the IAU: coordinates are cut off, not rounded."""

from __future__ import annotations

from string import ascii_lowercase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.coordinates import SkyCoord

__all__ = ["source_names"]


def source_names(positions: SkyCoord, prefix: str | None = None) -> list[str]:
    """``HESS J0534.5+2200`` for each position (ICRS); equal ones get the letters a, b, … in the order given."""
    names = [_name(ra, dec, prefix) for ra, dec in zip(positions.ra.deg, positions.dec.deg, strict=True)]
    return [_lettered(names, place) for place in range(len(names))]


def _name(ra_deg: float, dec_deg: float, prefix: str | None) -> str:
    # Tenths of a minute of time, and minutes of arc; a hair is added so that 12.5 deg is not cut to 12.4999.
    tenths = int((ra_deg % 360) * 40 + 1e-6)
    minutes = int(abs(dec_deg) * 60 + 1e-6)
    hours, tenths = divmod(tenths, 600)
    position = (
        f"J{hours:02}{tenths // 10:02}.{tenths % 10}{'-' if dec_deg < 0 else '+'}{minutes // 60:02}{minutes % 60:02}"
    )
    return f"{prefix} {position}" if prefix else position


def _lettered(names: Sequence[str], place: int) -> str:
    name = names[place]
    if names.count(name) == 1:
        return name
    return f"{name}{ascii_lowercase[names[:place].count(name) % 26]}"
