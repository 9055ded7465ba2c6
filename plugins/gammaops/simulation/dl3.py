"""GADF DL3 files of observations, laid out as in the first public data release of H.E.S.S."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from gammapy.irf import IRF

from .events import DEADTIME_FRACTION
from .irfs import SAFE_ENERGY, archive_irfs
from .plan import ArchivePlan, Site
from .schedule import Visit
from .sources import CRAB

__all__ = [
    "GADF",
    "TELESCOPES",
    "TIME_SYSTEM",
    "compress",
    "date_and_time",
    "mission_time",
    "observation_hdus",
    "site_keys",
]

GADF = MappingProxyType(
    {
        "HDUCLASS": "GADF",
        "HDUDOC": "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats",
        "HDUVERS": "0.2",
    }
)
# Mission time of H.E.S.S.: s since 2001-01-01T00:00:00 UTC, counted in TT.
TIME_SYSTEM = MappingProxyType(
    {"MJDREFI": 51910, "MJDREFF": 0.000742870370370241, "TIMEUNIT": "s", "TIMESYS": "TT", "TIMEREF": "local"}
)
INSTRUMENT = MappingProxyType({"ORIGIN": "gammaops simulation", "TELESCOP": "HESS", "INSTRUME": "simulated"})
TELESCOPES = "1,2,3,4"


def observation_hdus(visit: Visit, plan: ArchivePlan, events: Table) -> dict[str, fits.BinTableHDU]:
    """HDUs of an observation by name; the IRFs are shared between observations: change only copies of them."""
    return {"EVENTS": _events_hdu(visit, plan, events), "GTI": _gti_hdu(visit), **_irf_hdus(plan.size, plan.irfs)}


def compress(hdus: Iterable[fits.BinTableHDU]) -> bytes:
    """A gzipped FITS file: the same bytes for the same content."""
    raw = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(raw, output_verify="ignore")
    return gzip.compress(raw.getvalue(), compresslevel=6, mtime=0)


def mission_time(moment: datetime) -> float:
    """Seconds of mission time (TT) of a moment in UTC, to the microsecond."""
    time = Time(moment).tt
    return round(float(((time.jd1 - 2400000.5 - 51910) + (time.jd2 - TIME_SYSTEM["MJDREFF"])) * 86400), 6)


def date_and_time(moment: datetime) -> tuple[str, str]:
    """Date and time of day in TT."""
    date, _, time = Time(moment).tt.isot.partition("T")
    return date, time


def site_keys(site: Site) -> dict[str, float]:
    """Header keys of a site: deg and m."""
    return {"GEOLON": site.lon_deg, "GEOLAT": site.lat_deg, "ALTITUDE": site.height_m}


def _events_hdu(visit: Visit, plan: ArchivePlan, events: Table) -> fits.BinTableHDU:
    start = mission_time(visit.start)
    columns = [
        fits.Column("EVENT_ID", "K", array=np.arange(1, len(events) + 1)),
        fits.Column("TIME", "D", unit="s", array=start + events["TIME"].value),
        fits.Column("RA", "E", unit="deg", array=events["RA"].value),
        fits.Column("DEC", "E", unit="deg", array=events["DEC"].value),
        fits.Column("ENERGY", "E", unit="TeV", array=events["ENERGY"].value),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    hdu.header.update(_event_keys(visit, plan))
    return hdu


def _event_keys(visit: Visit, plan: ArchivePlan) -> dict[str, object]:
    ontime = (visit.stop - visit.start).total_seconds()
    return {
        **GADF,
        "HDUCLAS1": "EVENTS",
        **INSTRUMENT,
        "CREATOR": "gammaops simulate",
        "EV_CLASS": "std",
        "OBS_ID": visit.obs_id,
        "TSTART": mission_time(visit.start),
        "TSTOP": mission_time(visit.stop),
        **TIME_SYSTEM,
        "TELAPSE": ontime,
        "ONTIME": ontime,
        "LIVETIME": (1 - DEADTIME_FRACTION) * ontime,
        "DEADC": 1 - DEADTIME_FRACTION,
        "OBJECT": "Crab",
        "RA_OBJ": CRAB[0],
        "DEC_OBJ": CRAB[1],
        "RA_PNT": visit.ra_deg,
        "DEC_PNT": visit.dec_deg,
        "ALT_PNT": visit.alt_deg,
        "AZ_PNT": visit.az_deg,
        "RADECSYS": "FK5",
        "EQUINOX": 2000.0,
        "OBS_MODE": "WOBBLE",
        "N_TELS": 4,
        "TELLIST": TELESCOPES,
        **site_keys(plan.site),
        "EUNIT": "TeV",
        **dict(zip(("DATE-OBS", "TIME-OBS"), date_and_time(visit.start), strict=True)),
        **dict(zip(("DATE-END", "TIME-END"), date_and_time(visit.stop), strict=True)),
    }


def _gti_hdu(visit: Visit) -> fits.BinTableHDU:
    start, stop = mission_time(visit.start), mission_time(visit.stop)
    columns = [
        fits.Column("START", "D", unit="s", array=np.array([start])),
        fits.Column("STOP", "D", unit="s", array=np.array([stop])),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="GTI")
    hdu.header.update({**GADF, "HDUCLAS1": "GTI", **TIME_SYSTEM, "TSTART": start, "TSTOP": stop})
    return hdu


@lru_cache(maxsize=4)
def _irf_hdus(size: str, enclosure: str) -> dict[str, fits.BinTableHDU]:
    """HDUs of the IRFs, read back from memory: astropy copies what it has not unpacked, thrice as fast as it packs."""
    packed = io.BytesIO()
    irfs = archive_irfs(size, enclosure)
    fits.HDUList([fits.PrimaryHDU(), *(_irf_hdu(name, irf) for name, irf in irfs.items())]).writeto(packed)
    packed.seek(0)
    return {hdu.name: hdu for hdu in fits.open(packed)[1:]}


def _irf_hdu(name: str, irf: IRF) -> fits.BinTableHDU:
    table = irf.to_table(format="gadf-dl3")
    # Single precision as in the release: half the size, far finer than any IRF is known.
    for column in table.columns:
        table[column] = table[column].astype("f4")
    hdu = fits.BinTableHDU(table, name=name)
    hdu.header.update(INSTRUMENT)
    if name == "AEFF":
        hdu.header["LO_THRES"] = (SAFE_ENERGY[0].to_value("TeV"), "TeV")
        hdu.header["HI_THRES"] = (SAFE_ENERGY[1].to_value("TeV"), "TeV")
    return hdu
