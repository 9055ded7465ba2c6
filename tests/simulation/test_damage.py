"""Each kind of damage does what it says, and only to its own observation."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from gammapy.data import DataStore

from gammaops.simulation import DAMAGE, Archive, ArchivePlan, simulate_archive

from .conftest import BAD, BAD_PLAN, FIRST_BAD

BY_KIND = {kind: obs_id for obs_id, kind in BAD.items()}
GOOD = FIRST_BAD + len(BAD)
HDUS = ["EVENTS", "GTI", "AEFF", "EDISP", "PSF", "BKG"]


def _path(archive: Archive, kind: str, suffix: str = ""):
    return archive.root / "data" / f"sim_obs_{BY_KIND[kind]:06d}{suffix}.fits.gz"


def _names(archive: Archive, kind: str) -> list[str]:
    with fits.open(_path(archive, kind)) as hdus:
        return [hdu.name for hdu in hdus[1:]]


def _listed(archive: Archive, obs_id: int) -> list[str]:
    table = Table.read(archive.root / "hdu-index.fits.gz", hdu=1)
    return list(table["HDU_NAME"][table["OBS_ID"] == obs_id])


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The same archive without damage."""
    plan = ArchivePlan(**{**vars(BAD_PLAN), "bad": {}})
    return simulate_archive(tmp_path_factory.mktemp("intact"), plan)


def test_every_kind_changes_its_file_or_the_index_and_no_other_observation(bad_archive: Archive, intact: Archive):
    name = f"sim_obs_{GOOD:06d}.fits.gz"
    assert (bad_archive.root / "data" / name).read_bytes() == (intact.root / "data" / name).read_bytes()
    in_index = {"duplicate-id", "duplicate-copy", "two-telescopes"}
    for kind in DAMAGE:
        same = _path(bad_archive, kind).read_bytes() == _path(intact, kind).read_bytes()
        assert same == (kind in in_index), kind


def test_truncated_files_lack_their_end(bad_archive: Archive, intact: Archive):
    whole, tailless = (_path(intact, kind).read_bytes() for kind in ("truncated", "truncated-tail"))
    assert _path(bad_archive, "truncated").read_bytes() == whole[: len(whole) // 2]
    assert _path(bad_archive, "truncated-tail").read_bytes() == tailless[:-200]
    assert _path(bad_archive, "empty-file").read_bytes() == b""
    for kind in ("truncated", "truncated-tail"):
        with pytest.raises(EOFError, match="end-of-stream"):
            gzip.decompress(_path(bad_archive, kind).read_bytes())


def test_a_flipped_bit_breaks_the_compressed_stream(bad_archive: Archive, intact: Archive):
    pair = (_path(archive, "bit-flip").read_bytes() for archive in (bad_archive, intact))
    flipped, whole = (np.unpackbits(np.frombuffer(content, dtype=np.uint8)) for content in pair)
    assert np.count_nonzero(flipped != whole) == 1
    with pytest.raises((OSError, zlib.error), match=r"CRC|invalid"):
        gzip.decompress(_path(bad_archive, "bit-flip").read_bytes())


def test_a_missing_irf_is_absent_from_file_and_index(bad_archive: Archive):
    remaining = [name for name in HDUS if name != "AEFF"]
    assert _names(bad_archive, "missing-irf") == _listed(bad_archive, BY_KIND["missing-irf"]) == remaining


def test_a_missing_hdu_is_absent_from_the_file_alone(bad_archive: Archive):
    assert "AEFF" not in _names(bad_archive, "missing-hdu")
    assert _listed(bad_archive, BY_KIND["missing-hdu"]) == HDUS


def test_nan_is_in_one_effective_area_alone(bad_archive: Archive):
    store = DataStore.from_dir(bad_archive.root)
    assert np.isnan(store.obs(BY_KIND["nan-irf"]).aeff.data).any()
    assert np.isfinite(store.obs(GOOD).aeff.data).all()


def test_an_empty_gti_table_has_no_rows(bad_archive: Archive):
    with fits.open(_path(bad_archive, "empty-gti")) as hdus:
        assert len(hdus["GTI"].data) == 0
        assert hdus["GTI"].columns.names == ["START", "STOP"]
        assert len(hdus["EVENTS"].data) > 0


def test_a_wrong_number_is_in_the_header_alone(bad_archive: Archive):
    obs_id = BY_KIND["wrong-obs-id"]
    assert fits.getval(_path(bad_archive, "wrong-obs-id"), "OBS_ID", "EVENTS") != obs_id
    assert obs_id in Table.read(bad_archive.root / "obs-index.fits.gz", hdu=1)["OBS_ID"]


@pytest.mark.parametrize(("kind", "alike"), [("duplicate-id", False), ("duplicate-copy", True)])
def test_duplicates_are_listed_twice(bad_archive: Archive, kind: str, alike: bool):
    first, second = _path(bad_archive, kind).read_bytes(), _path(bad_archive, kind, "_b").read_bytes()
    assert (first == second) == alike
    table = Table.read(bad_archive.root / "obs-index.fits.gz", hdu=1)
    assert np.count_nonzero(table["OBS_ID"] == BY_KIND[kind]) == 2
    assert _listed(bad_archive, BY_KIND[kind]) == HDUS * 2


def test_two_telescopes_show_in_the_index(bad_archive: Archive):
    table = Table.read(bad_archive.root / "obs-index.fits.gz", hdu=1)
    telescopes = dict(zip(table["OBS_ID"], table["N_TELS"], strict=True))
    assert telescopes.pop(BY_KIND["two-telescopes"]) == 2
    assert set(telescopes.values()) == {4}
