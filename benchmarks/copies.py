"""An archive as large as one likes: the twenty observations of MSH 15-52 again and again, each under its own number."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table, vstack

__all__ = ["CONFIG", "FIRST", "copies"]

FIRST = 900001
TARGET = SkyCoord(228.53, -59.16, unit="deg")
CONFIG = """
observations: {datastore: archive}
datasets:
  type: 3d
  stack: true
  geom:
    wcs:
      skydir: {frame: icrs, lon: 228.53 deg, lat: -59.16 deg}
      width: {width: 4 deg, height: 4 deg}
      binsize: BINSIZE
    axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 9}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 17}}
  background: {method: fov, parameters: {method: scale}}
  safe_mask: {methods: [offset-max], parameters: {offset_max: 2.5 deg}}
steps: [{name: reduce, tag: data-reduction}]
"""


def copies(source: Path, folder: Path, number: int) -> None:
    """Write `number` observations, from `FIRST` on, with their index files, below ``folder/archive``."""
    index = Table.read(source / "obs-index.fits.gz")
    near = SkyCoord(index["RA_PNT"], index["DEC_PNT"], unit="deg").separation(TARGET) < 3 * u.deg
    index, hdus = index[near], Table.read(source / "hdu-index.fits.gz")
    target = folder / "archive"
    target.mkdir(parents=True)
    observations, entries = [], []
    for count in range(number):
        row = index[count % len(index) : count % len(index) + 1].copy()
        mine = hdus[hdus["OBS_ID"] == row["OBS_ID"][0]]
        name = f"copy_{FIRST + count}.fits.gz"
        original = source / str(mine["FILE_DIR"][0]).strip() / str(mine["FILE_NAME"][0]).strip()
        (target / name).write_bytes(_renumbered(original, FIRST + count))
        row["OBS_ID"], mine["OBS_ID"] = FIRST + count, FIRST + count
        mine["FILE_DIR"], mine["FILE_NAME"] = "", name
        observations.append(row)
        entries.append(mine)
    vstack(observations, metadata_conflicts="silent").write(target / "obs-index.fits.gz")
    vstack(entries, metadata_conflicts="silent").write(target / "hdu-index.fits.gz")


def _renumbered(path: Path, obs_id: int) -> bytes:
    content = io.BytesIO()
    with fits.open(io.BytesIO(gzip.decompress(path.read_bytes())), memmap=False) as hdus:
        for hdu in hdus:
            if "OBS_ID" in hdu.header:
                hdu.header["OBS_ID"] = obs_id
        hdus.writeto(content)
    return gzip.compress(content.getvalue(), compresslevel=1, mtime=0)
