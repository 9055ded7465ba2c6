"""The moment of writing leaves payloads; everything else stays."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from gammaops.errors import ProductError
from gammaops.physics.fits_structure import BLOCK, StructureError, walk
from gammaops.physics.reproducible import make_reproducible


def hdus(moment):
    image = fits.ImageHDU(np.arange(12.0).reshape(3, 4), name="IMAGE")
    image.header["DATE"] = moment
    image.header["DATE-OBS"] = "2004-12-04"
    table = fits.BinTableHDU(Table({"X": [1, 2], "S": ["a", "bc"]}), name="TABLE")
    table.header["CREATED"] = moment
    table.header["CREATOR"] = "somebody"
    return fits.HDUList([fits.PrimaryHDU(), image, table])


def test_two_moments_give_one_file(tmp_path):
    for moment in ("2026-01-01T00:00:00", "2027-02-02T00:00:01.5"):
        hdus(moment).writeto(tmp_path / f"{moment}.fits")
        make_reproducible(tmp_path / f"{moment}.fits")
    first, second = tmp_path.iterdir()
    assert first.read_bytes() == second.read_bytes()


def test_data_and_other_cards_are_untouched(tmp_path):
    path = tmp_path / "x.fits"
    hdus("2026-01-01T00:00:00").writeto(path)
    make_reproducible(path)
    with fits.open(path) as found:
        found.verify("exception")
        assert found["IMAGE"].header["DATE-OBS"] == "2004-12-04"
        assert found["TABLE"].header["CREATOR"] == "somebody"
        assert "CREATED" not in found["TABLE"].header
        assert "DATE" not in found["IMAGE"].header
        np.testing.assert_array_equal(found["IMAGE"].data, np.arange(12.0).reshape(3, 4))
        assert found["TABLE"].data["S"].tolist() == ["a", "bc"]


def test_header_that_gets_shorter_by_a_block_stays_valid(tmp_path):
    path = tmp_path / "x.fits"
    hdu = fits.PrimaryHDU(np.arange(5))
    while len(hdu.header) < 35:
        hdu.header[f"KEY{len(hdu.header)}"] = 1
    hdu.header["DATE"] = "2026-01-01"
    hdu.writeto(path)
    before = path.stat().st_size
    make_reproducible(path)
    assert before - path.stat().st_size in (0, BLOCK)
    assert fits.getdata(path).tolist() == [0, 1, 2, 3, 4]


def test_date_leaves_yaml_metadata(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("metadata:\n  creator: Gammapy 2.1\n  date: '2026-01-01'\n  origin: null\na: {date: 3}\n")
    make_reproducible(path)
    assert path.read_text() == "metadata:\n  creator: Gammapy 2.1\n  origin: null\na: {date: 3}\n"


def test_metadata_of_a_date_alone_leaves_as_a_whole(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("metadata:\n  date: '2026-01-01'\na: 1\n")
    make_reproducible(path)
    assert path.read_text() == "a: 1\n"


def test_other_files_are_left_alone(tmp_path):
    path = tmp_path / "x.html"
    path.write_text("metadata:\n  date: 1\n")
    make_reproducible(path)
    assert path.read_text() == "metadata:\n  date: 1\n"


def test_incomplete_file_is_refused(tmp_path):
    path = tmp_path / "x.fits"
    hdus("2026-01-01").writeto(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ProductError, match="lacks its last 1 bytes"):
        make_reproducible(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("fits") / "x.fits"
    hdus("2026-01-01").writeto(path)
    return path.read_bytes()


def test_structure_is_that_of_the_file(content):
    assert [span.name for span in walk(content)] == ["PRIMARY", "IMAGE", "TABLE"]


@given(st.data())
def test_no_cut_passes_unless_between_hdus(content, data):
    ends = {span.stop for span in walk(content)}
    size = data.draw(st.integers(0, len(content) - 1))
    if size in ends:
        list(walk(content[:size]))
    else:
        with pytest.raises(StructureError, match=r"."):
            list(walk(content[:size]))
