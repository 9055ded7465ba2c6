"""The index files of a DL3 archive (GADF 0.2 and 0.3), read as columns so that thousands of rows cost little."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from gammaops.errors import ProductError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Archive", "as_text", "is_plain", "lies_within"]

OBS_INDEX = "obs-index.fits.gz"
HDU_INDEX = "hdu-index.fits.gz"


@dataclass(frozen=True)
class Archive:
    """The two index tables of the DL3 archive in `folder`."""

    folder: Path
    observations: Table
    hdus: Table

    @classmethod
    def read(cls, folder: Path) -> Archive:
        """Read both tables, compressed or not.

        Raises
        ------
        OSError
            If the folder has no index, or one that is not whole: it may still be on its way.
        ProductError
            If an index lacks columns that everything here rests on.
        """
        observations = _read(folder, OBS_INDEX, ("OBS_ID", "TSTART"))
        hdus = _read(folder, HDU_INDEX, ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME"))
        return cls(folder, observations, hdus)

    @cached_property
    def obs_ids(self) -> np.ndarray:
        """``OBS_ID`` of each row of the observation index."""
        return np.asarray(self.observations["OBS_ID"], dtype=int)

    @cached_property
    def tstart(self) -> Time:
        """Start of each observation, in UTC."""
        return self._times("TSTART")

    @property
    def lengths(self) -> u.Quantity:
        """Time from start to end: ``TSTOP`` - ``TSTART``, or where it is not known ``ONTIME``; NaN without both."""
        unit = str(self.observations.meta.get("TIMEUNIT", "s"))
        span = self.quantity("TSTOP", unit) - self.quantity("TSTART", unit)
        return np.where(span > 0 * u.s, span, self.quantity("ONTIME", "s")).to("s")

    def _times(self, column: str) -> Time:
        """The index counts from ``MJDREF`` in the time scale ``TIMESYS``, mostly TT, a minute ahead of UTC."""
        meta = self.observations.meta
        try:
            reference = (int(meta["MJDREFI"]), float(meta["MJDREFF"]))
        except KeyError as error:
            message = (
                f"{self.folder / OBS_INDEX} has no keyword {error}: its {column} has no meaning; rebuild the index"
            )
            raise ProductError(message) from error
        unit = self.observations[column].unit or meta.get("TIMEUNIT", "s")
        days = u.Quantity(np.asarray(self.observations[column], dtype=float), unit).to_value("day")
        scale = str(meta.get("TIMESYS", "TT")).lower()
        return Time(reference[0] + np.zeros(len(days)), reference[1] + days, format="mjd", scale=scale).utc

    def pointings(self) -> SkyCoord:
        """Pointing of each observation."""
        try:
            return SkyCoord(self.observations["RA_PNT"], self.observations["DEC_PNT"], unit="deg", frame="icrs")
        except KeyError as error:
            message = f"{self.folder / OBS_INDEX} has no column {error}, which obs_cone needs; select by obs_ids"
            raise ProductError(message) from error

    def quantity(self, column: str, unit: str) -> u.Quantity:
        """A column of numbers of the observation index, in its own unit or, where it has none, in `unit`.

        NaN where the index does not tell, or tells no number.
        """
        if column not in self.observations.colnames:
            return np.full(len(self.obs_ids), np.nan) * u.Unit(unit)
        found = self.observations[column]
        values = np.asarray(found)
        plain = values.astype(float) if values.dtype.kind in "iufb" else np.full(len(values), np.nan)
        return plain * u.Unit(found.unit or unit)

    @cached_property
    def index_rows(self) -> list[dict[str, Any]]:
        """The rows of the observation index as JSON types, NaN as None."""
        return _plain_rows(self.observations)

    @cached_property
    def hdu_rows(self) -> dict[int, list[dict[str, Any]]]:
        """For each ``OBS_ID`` the rows of the HDU index, as arguments of `gammaops.physics.dl3.HduRow`."""
        rows: dict[int, list[dict[str, Any]]] = {}
        for row in _plain_rows(self.hdus):
            entry = {
                "type": row["HDU_TYPE"].lower(),
                "hdu_class": row["HDU_CLASS"].lower(),
                "file": _joined(row["FILE_DIR"], row["FILE_NAME"]),
                "hdu": row["HDU_NAME"],
                "size": int(row.get("SIZE") or 0),
            }
            rows.setdefault(int(row["OBS_ID"]), []).append(entry)
        return rows


def is_plain(name: str) -> bool:
    """Whether a file name of the index is relative and never goes up; says nothing of links."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def lies_within(folder: Path, name: str) -> bool:
    """Whether the file that the index of the archive in `folder` names lies in there, links followed."""
    return is_plain(name) and (folder / name).resolve().is_relative_to(folder.resolve())


def as_text(value: object) -> str:
    """JSON text with one spelling."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _joined(folder: str, name: str) -> str:
    """File relative to the archive; an absolute name stays absolute, as it would for whoever opens it."""
    if name.startswith("/"):
        return name
    return "/".join(part for part in (folder, name) if part not in ("", "."))


def _read(folder: Path, name: str, columns: tuple[str, ...]) -> Table:
    path = folder / name
    if not path.exists():
        path = folder / name.removesuffix(".gz")
    if not path.exists():
        raise FileNotFoundError(f"no {name} in {folder}: is it a DL3 archive, and is its disk mounted?")
    try:
        table = Table.read(path, hdu=1, format="fits", mask_invalid=False)
    except (EOFError, IndexError, KeyError, OSError, TypeError, ValueError, zlib.error) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        message = f"{path} cannot be read ({words}): it is still being copied, or damaged; ask for a fresh copy"
        raise OSError(message) from error
    if absent := [column for column in columns if column not in table.colnames]:
        raise ProductError(f"{path} has no column {', '.join(absent)}; rebuild the index")
    return table


def _plain_rows(table: Table) -> list[dict[str, Any]]:
    columns = [_plain_column(table[name]) for name in table.colnames]
    return [dict(zip(table.colnames, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain_column(column: Any) -> list[Any]:
    values = np.asarray(column)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind == "U":
        return [value.strip() for value in values.tolist()]
    if values.dtype.kind == "f":
        return [value if np.isfinite(value) else None for value in values.tolist()]
    return values.tolist()
