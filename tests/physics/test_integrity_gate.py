"""No damaged observation gets through, no good one is stopped."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from gammapy.data import DataStore

from gammaops.errors import DataError
from gammaops.physics.archive import Archive
from gammaops.physics.dl3 import HduRow, read_observation
from gammaops.simulation import ArchivePlan, simulate_archive

IRFS = frozenset({"aeff", "edisp", "psf", "bkg"})


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    simulate_archive(folder, ArchivePlan(nights=1, observations=1, duration_min=3, size="small"))
    return folder


@pytest.fixture(scope="module")
def rows(archive):
    return tuple(HduRow(**row) for row in Archive.read(archive).hdu_rows[1])


@pytest.fixture(scope="module")
def content(archive, rows):
    """The file, not compressed."""
    return gzip.decompress((archive / rows[0].file).read_bytes())


@pytest.fixture
def unpacked(tmp_path, content, rows):
    """The same observation in a file that is not compressed, so that no CRC guards it."""
    (tmp_path / "obs.fits").write_bytes(content)
    return tmp_path, tuple(replace(row, file="obs.fits") for row in rows)


def edit(folder, change):
    """Rewrite the file after a change of its HDUs."""
    with fits.open(folder / "obs.fits", memmap=False) as hdus:
        change(hdus)
        hdus.writeto(folder / "obs.fits", overwrite=True)


def test_observation_in_memory_is_the_data_stores(archive, rows):
    ours = read_observation(archive, 1, rows, IRFS, {})
    theirs = DataStore.from_dir(archive).obs(1)
    for name in IRFS:
        np.testing.assert_array_equal(getattr(ours, name).data, getattr(theirs, name).data)
        assert getattr(ours, name).unit == getattr(theirs, name).unit
    for column in ("RA", "DEC", "ENERGY"):
        np.testing.assert_array_equal(ours.events.table[column], theirs.events.table[column])
    assert ours.observation_live_time_duration == theirs.observation_live_time_duration
    assert ours.get_pointing_icrs(ours.tmid).separation(theirs.get_pointing_icrs(theirs.tmid)).deg == 0
    assert ours.bkg.fov_alignment == theirs.bkg.fov_alignment


def test_only_what_is_needed_is_read(archive, rows):
    observation = read_observation(archive, 1, rows, frozenset({"aeff"}), {})
    assert observation.available_irfs == ["aeff"]


@pytest.mark.parametrize("kept", [0, 1, 2880, 0.5, -200, -2880, -1])
def test_cut_file_is_truncated(unpacked, content, kept):
    folder, rows = unpacked
    size = int(kept * len(content)) if isinstance(kept, float) else kept
    (folder / "obs.fits").write_bytes(content[:size])
    with pytest.raises(DataError, match=r"truncated|missing-irf|missing-hdu"):
        read_observation(folder, 1, rows, IRFS, {})


@pytest.mark.parametrize("cut", [1, 4, 8, 200])
def test_cut_compressed_file_is_truncated_though_its_data_are_all_there(archive, rows, tmp_path, cut):
    name = rows[0].file
    (tmp_path / "data").mkdir()
    (tmp_path / name).write_bytes((archive / name).read_bytes()[:-cut])
    with pytest.raises(DataError, match="truncated"):
        read_observation(tmp_path, 1, rows, IRFS, {})


def test_flipped_bit_in_a_compressed_file_is_found(archive, rows, tmp_path):
    name = rows[0].file
    (tmp_path / "data").mkdir()
    damaged = bytearray((archive / name).read_bytes())
    damaged[len(damaged) // 2] ^= 8
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(DataError, match=r"unreadable|truncated"):
        read_observation(tmp_path, 1, rows, IRFS, {})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_response_that_is_not_finite_is_named(unpacked, value):
    folder, rows = unpacked

    def spoil(hdus):
        hdus["AEFF"].data["EFFAREA"][0, 0, 0] = value

    edit(folder, spoil)
    with pytest.raises(DataError, match=r"irf-not-finite: column EFFAREA of HDU .*aeff.* of obs\.fits"):
        read_observation(folder, 1, [replace(row, hdu=row.hdu.lower()) for row in rows], IRFS, {})


def test_response_that_is_not_used_is_not_asked_for(unpacked):
    folder, rows = unpacked

    def spoil(hdus):
        hdus["BKG"].data["BKG"][...] = np.nan

    edit(folder, spoil)
    read_observation(folder, 1, rows, frozenset({"aeff", "edisp"}), {})


def test_response_of_another_size_than_the_index_says_is_found(unpacked):
    folder, rows = unpacked
    resized = [replace(row, size=row.size + 2880) if row.type == "aeff" else row for row in rows]
    with pytest.raises(DataError, match=r"wrong-size: HDU .* bytes, the HDU index says"):
        read_observation(folder, 1, resized, IRFS, {})


def test_other_number_of_events_than_the_index_says_is_found(archive, rows):
    with pytest.raises(DataError, match="wrong-event-count"):
        read_observation(archive, 1, rows, IRFS, {"EVENT_COUNT": 10**6})


def test_other_observation_in_the_file_is_found(archive, rows):
    with pytest.raises(DataError, match=r"wrong-obs-id: .* holds OBS_ID 1, the index says 2"):
        read_observation(archive, 2, rows, IRFS, {})


@pytest.mark.parametrize("value", ["unknown", ""])
def test_number_of_the_observation_that_is_none_is_unreadable(unpacked, value):
    folder, rows = unpacked

    def spoil(hdus):
        hdus["EVENTS"].header["OBS_ID"] = value

    edit(folder, spoil)
    with pytest.raises(DataError, match=r"unreadable: obs\.fits does not follow GADF"):
        read_observation(folder, 1, rows, IRFS, {})


def test_number_of_the_observation_is_not_rounded(unpacked):
    folder, rows = unpacked

    def spoil(hdus):
        hdus["EVENTS"].header["OBS_ID"] = 1.5

    edit(folder, spoil)
    with pytest.raises(DataError, match=r"wrong-obs-id: .* holds OBS_ID 1\.5"):
        read_observation(folder, 1, rows, IRFS, {})


@pytest.mark.parametrize(("name", "index"), [("EVENTS", {"EVENT_COUNT": 5}), ("GTI", {}), ("AEFF", {})])
def test_hdu_that_is_no_table_is_unreadable(unpacked, name, index):
    folder, rows = unpacked

    def spoil(hdus):
        hdus[name] = fits.ImageHDU(name=name)

    edit(folder, spoil)
    rows = [replace(row, size=0) for row in rows]
    with pytest.raises(DataError, match="unreadable"):
        read_observation(folder, 1, rows, IRFS, index)


@pytest.mark.parametrize("card", [b"NAXIS1  = ", b"BITPIX  = ", b"NAXIS   = "])
@pytest.mark.parametrize("value", [b"'abc'", b"-5", b"99"])
def test_broken_card_of_the_events_quarantines(unpacked, content, card, value):
    folder, rows = unpacked
    start = content.index(card, content.index(b"XTENSION"))
    broken = content[:start] + (card + value).ljust(80) + content[start + 80 :]
    (folder / "obs.fits").write_bytes(broken)
    with pytest.raises(DataError, match=r"unreadable|truncated|missing-hdu|wrong-size"):
        read_observation(folder, 1, rows, IRFS, {})


@pytest.mark.parametrize("name", ["../obs.fits", "{}/obs.fits", "link.fits"])
def test_file_outside_the_archive_is_never_opened(unpacked, name):
    folder, rows = unpacked
    archive = folder / "archive"
    archive.mkdir()
    (archive / "link.fits").symlink_to(folder / "obs.fits")
    with pytest.raises(DataError, match="path-outside-archive"):
        read_observation(archive, 1, [replace(row, file=name.format(folder)) for row in rows], IRFS, {})


def test_response_that_the_index_does_not_list_is_named(archive, rows):
    with pytest.raises(DataError, match=r"missing-irf: .*edisp"):
        read_observation(archive, 1, [row for row in rows if row.type != "edisp"], IRFS, {})


def test_good_times_of_no_length_are_empty(unpacked):
    folder, rows = unpacked

    def spoil(hdus):
        hdus["GTI"].data["STOP"] = hdus["GTI"].data["START"]

    edit(folder, spoil)
    with pytest.raises(DataError, match="empty-gti"):
        read_observation(folder, 1, rows, IRFS, {})


def test_absent_file_is_not_the_datas_fault(tmp_path, rows):
    with pytest.raises(FileNotFoundError):
        read_observation(tmp_path, 1, rows, IRFS, {})


@pytest.mark.slow
@pytest.mark.requires_data
@pytest.mark.requirement("R14")
def test_no_observation_of_the_hess_release_is_stopped(test_data):
    archive = Archive.read(test_data / "hess-dl3-dr1")
    for row in archive.index_rows:
        rows = [HduRow(**hdu) for hdu in archive.hdu_rows[row["OBS_ID"]]]
        read_observation(archive.folder, row["OBS_ID"], rows, IRFS, row)
