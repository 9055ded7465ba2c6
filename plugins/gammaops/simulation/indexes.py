"""The two indexes of a DL3 archive: which observations there are, and in which files their HDUs live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table, vstack

from .dl3 import GADF, TELESCOPES, TIME_SYSTEM, compress, date_and_time, mission_time, site_keys
from .events import DEADTIME_FRACTION
from .irfs import SAFE_ENERGY
from .plan import Site
from .schedule import Visit
from .sources import CRAB

__all__ = [
    "HDU_INDEX",
    "OBS_INDEX",
    "hdu_rows",
    "index_bytes",
    "index_header",
    "index_table",
    "merged",
    "observation_row",
]

OBS_INDEX = "obs-index.fits.gz"
HDU_INDEX = "hdu-index.fits.gz"

_BLOCK = 2880  # bytes; FITS pads headers and data to whole blocks
_HDU_CLASSES = MappingProxyType(
    {
        "EVENTS": ("events", "events"),
        "GTI": ("gti", "gti"),
        "AEFF": ("aeff", "aeff_2d"),
        "EDISP": ("edisp", "edisp_2d"),
        "PSF": ("psf", "psf_table"),
        "BKG": ("bkg", "bkg_2d"),
        "RAD_MAX": ("rad_max", "rad_max_2d"),
    }
)
_UNITS = MappingProxyType(
    {
        **dict.fromkeys(("RA_PNT", "DEC_PNT", "GLON_PNT", "GLAT_PNT", "ZEN_PNT", "ALT_PNT", "AZ_PNT"), "deg"),
        **dict.fromkeys(("RA_OBJ", "DEC_OBJ", "OFFSET_OBJ", "TARGET_OFFSET"), "deg"),
        **dict.fromkeys(("ONTIME", "LIVETIME", "TSTART", "TSTOP"), "s"),
        **dict.fromkeys(("SAFE_ENERGY_LO", "SAFE_ENERGY_HI"), "TeV"),
    }
)


def observation_row(visit: Visit, events: int) -> dict[str, Any]:
    """Row of the observation index, columns and meaning as in the release."""
    pointing, target = SkyCoord(visit.ra_deg, visit.dec_deg, unit="deg"), SkyCoord(*CRAB, unit="deg")
    offset = float(pointing.separation(target).deg)
    ontime = (visit.stop - visit.start).total_seconds()
    (date_obs, time_obs), (date_end, time_end) = date_and_time(visit.start), date_and_time(visit.stop)
    return {
        "OBS_ID": visit.obs_id,
        "RA_PNT": visit.ra_deg,
        "DEC_PNT": visit.dec_deg,
        "GLON_PNT": float(pointing.galactic.l.deg),
        "GLAT_PNT": float(pointing.galactic.b.deg),
        "ZEN_PNT": 90 - visit.alt_deg,
        "ALT_PNT": visit.alt_deg,
        "AZ_PNT": visit.az_deg,
        "OBJECT": "Crab",
        "RA_OBJ": CRAB[0],
        "DEC_OBJ": CRAB[1],
        "OFFSET_OBJ": offset,
        "ONTIME": ontime,
        "LIVETIME": (1 - DEADTIME_FRACTION) * ontime,
        "DEADC": 1 - DEADTIME_FRACTION,
        "TSTART": mission_time(visit.start),
        "TSTOP": mission_time(visit.stop),
        "DATE-OBS": date_obs,
        "TIME-OBS": time_obs,
        "DATE-END": date_end,
        "TIME-END": time_end,
        "N_TELS": 4,
        "TELLIST": TELESCOPES,
        "QUALITY": 0,
        "MUONEFF": 1.0,
        "EVENT_COUNT": events,
        "TARGET_NAME": "Crab Nebula",
        "TARGET_TAG": "crab",
        "TARGET_OFFSET": offset,
        "SAFE_ENERGY_LO": SAFE_ENERGY[0].to_value("TeV"),
        "SAFE_ENERGY_HI": SAFE_ENERGY[1].to_value("TeV"),
    }


def hdu_rows(obs_id: int, file_name: str, hdus: Mapping[str, fits.BinTableHDU]) -> list[dict[str, Any]]:
    """Rows of the HDU index; SIZE is that of the HDU in the uncompressed file, header and padding included."""
    return [
        {
            "OBS_ID": obs_id,
            "HDU_TYPE": _HDU_CLASSES[name][0],
            "HDU_CLASS": _HDU_CLASSES[name][1],
            "FILE_DIR": "data",
            "FILE_NAME": file_name,
            "HDU_NAME": name,
            "SIZE": len(hdu.header.tostring()) + -(-hdu.size // _BLOCK) * _BLOCK,
        }
        for name, hdu in hdus.items()
    ]


def index_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Index rows as a table with units."""
    table = Table(rows=list(rows))
    for name in set(table.colnames) & set(_UNITS):
        table[name].unit = _UNITS[name]
    return table


def index_header(name: str, site: Site) -> dict[str, Any]:
    """Header keys of an index file, `OBS_INDEX` or `HDU_INDEX`."""
    if name == HDU_INDEX:
        return {"EXTNAME": "HDU_INDEX", **GADF, "HDUCLAS1": "INDEX", "HDUCLAS2": "HDU"}
    return {
        "EXTNAME": "OBS_INDEX",
        **GADF,
        "HDUCLAS1": "INDEX",
        "HDUCLAS2": "OBS",
        **TIME_SYSTEM,
        **site_keys(site),
    }


def index_bytes(table: Table, header: Mapping[str, Any]) -> bytes:
    """An index file, ordered by observation."""
    ordered = table[table["OBS_ID"].argsort(kind="stable")]
    hdu = fits.BinTableHDU(Table(ordered, meta={}))
    hdu.header.update(header)
    return compress([hdu])


def merged(path: Path, addition: Path) -> bytes:
    """An index file with the rows of another for the other's observations, and its own for the rest."""
    header = fits.getheader(path, 1)
    kept = {key: header[key] for key in header if key in _KEPT_KEYS}
    tables = [Table(Table.read(file, hdu=1), meta={}) for file in (path, addition)]
    for table in tables:
        table.convert_bytestring_to_unicode()
    new = set(tables[1]["OBS_ID"])
    others = tables[0][[obs_id not in new for obs_id in tables[0]["OBS_ID"]]]
    return index_bytes(vstack([others, tables[1]]), kept)


_KEPT_KEYS = frozenset({"EXTNAME", *GADF, "HDUCLAS1", "HDUCLAS2", *TIME_SYSTEM, "GEOLON", "GEOLAT", "ALTITUDE"})
