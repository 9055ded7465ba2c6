"""Twelve kinds of damage in twelve of the twenty observations of MSH 15-52: each is named, eight are untouched."""

from __future__ import annotations

import gzip
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table, vstack

import gammaops
from gammaops.config import parse_config
from gammaops.physics.fits_structure import walk
from gammaops.products import ProductStore, RunFolder

pytestmark = [pytest.mark.slow, pytest.mark.requires_data, pytest.mark.requirement("R14")]

CONFIG = """
dag: {max_quarantined: 80 %}
observations:
  datastore: ARCHIVE
  obs_cone: {frame: icrs, lon: 228.53 deg, lat: -59.16 deg, radius: 3 deg}
datasets:
  type: 1d
  stack: false
  geom: {axes: {energy: {min: 0.1 TeV, max: 100 TeV, nbins: 24}, energy_true: {min: 0.05 TeV, max: 200 TeV, nbins: 48}}}
  on_region: {frame: icrs, lon: 228.53 deg, lat: -59.16 deg, radius: 0.3 deg}
  background: {method: reflected}
steps: [{name: reduce, tag: data-reduction}]
"""


def flipped_near(name: str) -> Callable[[bytes], bytes]:
    """One bit flipped in the compressed file, about where this HDU is."""

    def flip(content: bytes) -> bytes:
        whole = gzip.decompress(content)
        (span,) = [span for span in walk(whole) if span.name == name]
        place = int(len(content) * (span.data + span.stop) / 2 / len(whole))
        return content[:place] + bytes([content[place] ^ 0b100]) + content[place + 1 :]

    return flip


def edited(change: Callable[[fits.HDUList], object]) -> Callable[[bytes], bytes]:
    """The file with its HDUs changed."""

    def edit(content: bytes) -> bytes:
        target = io.BytesIO()
        with fits.open(io.BytesIO(gzip.decompress(content)), memmap=False) as hdus:
            change(hdus)
            hdus.writeto(target)
        return gzip.compress(target.getvalue(), mtime=0)

    return edit


def without_aeff(hdus: fits.HDUList) -> None:
    del hdus["AEFF"]


def of_another_observation(hdus: fits.HDUList) -> None:
    hdus["EVENTS"].header["OBS_ID"] += 1


def nan_in_aeff(hdus: fits.HDUList) -> None:
    hdus["AEFF"].data["EFFAREA"][0, 0, 3] = np.nan


def no_good_time(hdus: fits.HDUList) -> None:
    hdus["GTI"].data["STOP"] = hdus["GTI"].data["START"]


# A flipped bit breaks the stream itself, or its CRC, or ends it early.
BROKEN = {"unreadable", "truncated"}
DAMAGE: list[tuple[Callable[[bytes], bytes], set[str]]] = [
    (lambda content: content[:-200], {"truncated"}),
    (lambda content: content[: len(content) // 2], {"truncated"}),
    (lambda content: b"", {"truncated"}),
    *((flipped_near(name), BROKEN) for name in ("EVENTS", "GTI", "AEFF", "EDISP")),
    (edited(without_aeff), {"missing-irf"}),
    (edited(of_another_observation), {"wrong-obs-id"}),
    (edited(nan_in_aeff), {"irf-not-finite"}),
    (edited(no_good_time), {"empty-gti"}),
    (lambda content: content, {"duplicate-id"}),
]


def reduced(archive: str, store: Path) -> tuple[dict[int, tuple[str, str]], set[str]]:
    """State and class of each observation, and the names of the datasets, which hold their digests."""
    result = gammaops.run(parse_config(CONFIG.replace("ARCHIVE", archive), "msh", "msh.yaml"), store)
    record = RunFolder.of(ProductStore(store), result.report).read_json("run.json")
    assert result.verdict.ok
    states = {row["obs_id"]: (row["state"], row["reason_class"]) for row in record["ledger"]}
    return states, {path.name for path in (store / "products" / "dataset").rglob("*.fits")}


def test_each_damage_is_named_and_the_good_ones_are_untouched(test_data, tmp_path, monkeypatch):
    clean, good = reduced("$GAMMAPY_DATA/hess-dl3-dr1", tmp_path / "clean")
    assert set(clean.values()) == {("done", "")}
    assert len(clean) == len(good) == 20
    bad = sorted(clean)[:12]

    archive = tmp_path / "data" / "poisoned"
    shutil.copytree(test_data / "hess-dl3-dr1", archive, copy_function=shutil.copyfile)
    for obs_id, (damage, _) in zip(bad, DAMAGE, strict=True):
        (path,) = archive.rglob(f"*{obs_id:06d}.fits.gz")
        path.write_bytes(damage(path.read_bytes()))
    for path in archive.rglob("*.fits.gz"):
        # Nothing of it is still being copied.
        os.utime(path, times=(1e9, 1e9))
    index = Table.read(archive / "obs-index.fits.gz", hdu=1)
    # Another version under the same number; a mere copy would be taken once.
    other = index[index["OBS_ID"] == bad[11]]
    other["ZEN_PNT"] += 1
    both = vstack([index, other], metadata_conflicts="silent")
    both.write(archive / "obs-index.fits.gz", overwrite=True)

    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path / "data"))
    found, left = reduced("poisoned", tmp_path / "store")
    for obs_id, (_, classes) in zip(bad, DAMAGE, strict=True):
        state, reason_class = found.pop(obs_id)
        assert (state, reason_class in classes) == ("quarantined", True), (obs_id, state, reason_class)
    assert set(found.values()) == {("done", "")}
    assert len(left) == len(found) == 8
    assert left < good
