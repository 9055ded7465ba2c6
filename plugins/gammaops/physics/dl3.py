"""Reading one observation: every file once, every HDU once, and nothing that is damaged gets through.

gammapy's data store reads a file again for each use of each response; here the file is decompressed (which checks its
CRC), its structure is walked, its HDUs are compared with what the index says of them, and the observation is built in
memory. Gammapy's makers then give the same numbers in half the time.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from gammapy.data import GTI, FixedPointingInfo, Observation, ObservationMetaData
from gammapy.data.io import EventListReader
from gammapy.irf import IRF_REGISTRY

from gammaops.errors import DamagedFile, DataError
from gammaops.physics.archive import lies_within
from gammaops.physics.fits_structure import Span, StructureError, walk

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["HduRow", "hdu_rows", "read_observation"]

IRFS = ("aeff", "edisp", "psf", "bkg", "rad_max")
# Read wherever it is listed: it says how far from a position point-like IRFs count events.
WHERE_LISTED = frozenset({"rad_max"})
# What astropy and gammapy raise on headers and tables that are not what GADF says.
NOT_GADF = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, fits.VerifyError)


@dataclass(frozen=True)
class HduRow:
    """A row of the archive's HDU index, with the file relative to the archive; `size` in bytes, 0 if not given."""

    type: str
    hdu_class: str
    file: str
    hdu: str
    size: int = 0


@dataclass(frozen=True)
class _Hdu:
    """An HDU in memory, with its place in the file for messages."""

    row: HduRow
    data: fits.HDUList
    index: int

    @property
    def place(self) -> str:
        return f"HDU {self.row.hdu} of {self.row.file}"

    @property
    def hdu(self) -> Any:
        return self.data[self.index]


def hdu_rows(text: str) -> tuple[HduRow, ...]:
    """The rows that `split` stored with an observation as JSON text."""
    return tuple(HduRow(**row) for row in json.loads(text))


def read_observation(
    folder: Path, obs_id: int, rows: Sequence[HduRow], needed: Collection[str], index: Mapping[str, Any]
) -> Observation:
    """The observation `obs_id` of the archive in `folder`, complete in memory.

    Parameters
    ----------
    folder : Path
        The archive.
    rows : sequence of HduRow
        The observation's HDUs; of several with one type the first counts, as in gammapy.
    needed : collection of str
        Types of the IRFs without which the observation is not usable; of others, only RAD_MAX is read.
    index : mapping
        The observation's row of the observation index, as far as it is to be checked (``EVENT_COUNT``).

    Raises
    ------
    DamagedFile
        If a file is not whole: ``truncated``, ``unreadable``, ``wrong-size``, ``wrong-event-count``, or it lacks an HDU
        that is listed (``missing-hdu``, ``missing-irf``).
    DataError
        If it is whole and cannot be used: ``missing-irf``, ``irf-not-finite``, ``empty-gti``, ``wrong-obs-id`` or
        ``path-outside-archive``.
    FileNotFoundError
        If a file is absent, which may be mended by waiting.
    """
    by_type: dict[str, HduRow] = {}
    for row in rows:
        by_type.setdefault(row.type, row)
    wanted = {"events", "gti", *needed}
    _require(by_type, wanted)
    hdus = _open_hdus(folder, {name: by_type[name] for name in by_type if name in wanted | WHERE_LISTED})
    try:
        _check_events(hdus["events"], obs_id, index)
        return _observation(obs_id, hdus)
    except NOT_GADF as error:
        files = ", ".join(sorted({hdu.row.file for hdu in hdus.values()}))
        raise DamagedFile("unreadable", f"{files} does not follow GADF: {error}") from error


def _require(by_type: Mapping[str, HduRow], wanted: Collection[str]) -> None:
    if absent := sorted(set(wanted) - set(by_type)):
        reason_class = "missing-irf" if set(absent) <= set(IRFS) else "missing-hdu"
        raise DataError(reason_class, f"the HDU index lists no HDU of type {', '.join(absent)}")


def _open_hdus(folder: Path, by_type: Mapping[str, HduRow]) -> dict[str, _Hdu]:
    """Every HDU of the observation, its files read and checked once each."""
    files = {row.file: _open_file(folder, row.file) for row in by_type.values()}
    hdus = {}
    for name, row in by_type.items():
        data, spans = files[row.file]
        position = _find(spans, row)
        # The size of event lists in the index of HESS DL3 DR1 is that of a version with more columns.
        if name != "events" and row.size and spans[position].stop - spans[position].start != row.size:
            found = spans[position].stop - spans[position].start
            raise DamagedFile(
                "wrong-size", f"HDU {row.hdu} of {row.file} has {found} bytes, the HDU index says {row.size}"
            )
        hdus[name] = _Hdu(row, data, position)
    return hdus


def _open_file(folder: Path, name: str) -> tuple[fits.HDUList, tuple[Span, ...]]:
    if not lies_within(folder, name):
        raise DataError("path-outside-archive", f"{name} is not in the archive's folder and is not opened")
    content = (folder / name).read_bytes()
    try:
        if name.endswith(".gz"):
            content = gzip.decompress(content)
        spans = tuple(walk(content))
    except (EOFError, StructureError) as error:
        raise DamagedFile("truncated", f"{name}: {error}") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFile("unreadable", f"{name} is damaged: {error}") from error
    return _parse(content, name, len(spans)), spans


def _parse(content: bytes, name: str, expected: int) -> fits.HDUList:
    """The file's HDUs, every header read."""
    try:
        hdus = fits.HDUList.fromstring(content)
        found = len(hdus)
    # Nothing is read from the disk here: an OSError is astropy's word for content that is no FITS.
    except (*NOT_GADF, OSError) as error:
        raise DamagedFile("unreadable", f"{name} cannot be read as FITS: {error}") from error
    if found != expected:
        raise DamagedFile("unreadable", f"{name} has {expected} HDUs, of which {found} can be read")
    return hdus


def _find(spans: Sequence[Span], row: HduRow) -> int:
    names = [span.name for span in spans]
    if row.hdu.upper() in names:
        return names.index(row.hdu.upper())
    reason_class = "missing-irf" if row.type in IRFS else "missing-hdu"
    raise DamagedFile(reason_class, f"{row.file} has no HDU {row.hdu}, which the HDU index lists; it has {names}")


def _check_events(events: _Hdu, obs_id: int, index: Mapping[str, Any]) -> None:
    header = events.hdu.header
    if float(header.get("OBS_ID", obs_id)) != obs_id:
        raise DataError("wrong-obs-id", f"{events.place} holds OBS_ID {header['OBS_ID']}, the index says {obs_id}")
    expected = index.get("EVENT_COUNT")
    if expected is not None and header["NAXIS2"] != expected:
        raise DamagedFile(
            "wrong-event-count", f"{events.place} has {header['NAXIS2']} events, the observation index says {expected}"
        )


def _observation(obs_id: int, hdus: Mapping[str, _Hdu]) -> Observation:
    header = hdus["events"].hdu.header
    parts = {name: _read_irf(hdus[name]) for name in IRFS if name in hdus}
    meta = ObservationMetaData.from_header(header)
    return Observation(
        obs_id=obs_id,
        events=EventListReader.from_gadf_hdu(hdus["events"].hdu),
        gti=_read_gti(hdus["gti"]),
        pointing=FixedPointingInfo.from_fits_header(header),
        meta=meta,
        location=meta.location,
        **parts,
    )


def _read_gti(hdu: _Hdu) -> GTI:
    if len(hdu.hdu.data) == 0:
        raise DataError("empty-gti", f"{hdu.place} has no good time interval")
    gti = GTI.from_table_hdu(hdu.hdu)
    if not gti.time_sum.value > 0:
        raise DataError("empty-gti", f"the good time intervals of {hdu.place} add up to {gti.time_sum:.1f}")
    return gti


def _read_irf(hdu: _Hdu) -> Any:
    table = hdu.hdu.data
    for name in table.names:
        if table[name].dtype.kind == "f" and not np.isfinite(table[name]).all():
            raise DataError("irf-not-finite", f"column {name} of {hdu.place} has values that are not finite")
    return IRF_REGISTRY.get_cls(hdu.row.hdu_class).from_hdulist(hdu.data, hdu=hdu.index)
