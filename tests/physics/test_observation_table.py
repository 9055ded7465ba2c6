"""Every expected observation has one row that says what is known of it; nights follow the sun, not the calendar."""

from __future__ import annotations

import gzip
import json
import os
import time
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time, TimeDelta
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gammaops.errors import ConfigError, ProductError
from gammaops.physics.archive import Archive
from gammaops.physics.observation_table import observation_table
from gammaops.steps.base import Scope

HESS = 16.5
NEEDED = {"aeff": "datasets.type: 1d", "edisp": "datasets.type: 1d"}
CONE = dict.fromkeys(("frame", "lon", "lat", "radius"))
TYPES = ("events", "gti", "aeff", "edisp")


def selection(**given_keys):
    quality = {"livetime": {"min": None}, "zenith": {"max": None}, "n_tels": {"min": None}}
    empty = {
        "obs_ids": None,
        "obs_file": None,
        "obs_cone": CONE,
        "obs_time": {"start": None, "stop": None},
        "duplicates": "block",
        "required_irf": ["aeff", "edisp"],
        "quality": quality,
    }
    return {**empty, **given_keys}


def write_archive(folder, rows, types=TYPES, reference=53945, scale="TT"):
    """Indexes of observations given as (obs_id, seconds after a reference, 2006-07-29T00:00:00 TT) and empty files."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    ids = [obs_id for obs_id, _ in rows]
    observations = Table(
        {
            "OBS_ID": ids,
            "RA_PNT": np.full(len(ids), 329.7),
            "DEC_PNT": np.full(len(ids), -30.2),
            "ZEN_PNT": np.linspace(10, 50, len(ids)),
            "LIVETIME": np.full(len(ids), 1600.0),
            "N_TELS": np.full(len(ids), 4),
            "TSTART": np.array([seconds for _, seconds in rows], dtype=float),
        },
        meta={"MJDREFI": reference, "MJDREFF": 0.0, "TIMESYS": scale, "TIMEUNIT": "s"},
    )
    observations["TSTART"].unit = "s"
    observations.write(folder / "obs-index.fits.gz", overwrite=True)
    hdus = [
        (obs_id, kind, kind, "data", f"{obs_id}.fits", kind.upper(), 0)
        for obs_id in dict.fromkeys(ids)
        for kind in types
    ]
    names = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME", "SIZE")
    Table(rows=hdus, names=names).write(folder / "hdu-index.fits.gz", overwrite=True)
    for obs_id in ids:
        (folder / "data" / f"{obs_id}.fits").touch()
    return folder


def table_of(folder, scope=None, **keys):
    return observation_table(Archive.read(folder), selection(**keys), scope or Scope(longitude_deg=HESS), NEEDED)


def states(table):
    return {int(row["obs_id"]): (row["status"], row["reason_class"]) for row in table}


@pytest.fixture
def four(tmp_path):
    return write_archive(tmp_path, [(4, 80_000), (2, 100_000), (3, 3_600), (1, 70_000)])


def test_rows_are_in_order_of_obs_id_whatever_the_order_of_the_index(four):
    table = table_of(four)
    assert list(table["obs_id"]) == [1, 2, 3, 4]
    assert list(table["label"]) == ["1", "2", "3", "4"]
    assert set(table["status"]) == {"selected"}


def test_night_is_named_by_its_evening_also_after_midnight(four):
    nights = dict(zip(table_of(four)["obs_id"], table_of(four)["night"], strict=True))
    assert nights == {3: "2006-07-28", 1: "2006-07-29", 4: "2006-07-29", 2: "2006-07-29"}


@pytest.mark.requirement("A4.8")
def test_a_run_of_one_night_expects_its_observations_only(four):
    table = table_of(four, Scope(nights=("2006-07-28",), longitude_deg=HESS))
    assert list(table["obs_id"]) == [3]


def test_nights_without_a_site_are_refused(four):
    with pytest.raises(ConfigError, match=r"without dag\.site"):
        table_of(four, Scope(nights=("2006-07-28",)))


@pytest.mark.requirement("A4.8")
def test_times_are_utc_and_half_open(four):
    # TT is 65.184 s ahead of UTC in 2006: observation 1 starts at 19:25:34.816 UTC.
    assert list(table_of(four, Scope(start="2006-07-29T19:25:34.8", stop="2006-07-29T20:00:00"))["obs_id"]) == [1]
    assert list(table_of(four, Scope(start="2006-07-29T19:25:34.9", stop="2006-07-29T20:00:00"))["obs_id"]) == []
    assert list(table_of(four, obs_time={"start": "2006-07-29T22:00:00", "stop": None})["obs_id"]) == [2, 4]


@pytest.mark.requirement("A4.6")
def test_observations_named_by_the_run_are_expected_whatever_the_config_selects(four):
    far = {"frame": "icrs", "lon": "10 deg", "lat": "10 deg", "radius": "1 deg"}
    assert len(table_of(four, obs_cone=far)) == 0
    assert states(table_of(four, Scope(obs_ids=(2, 99)), obs_cone=far, obs_ids=[1])) == {
        2: ("selected", ""),
        99: ("missing", "unknown-id"),
    }


def test_observations_named_by_a_run_of_a_night_are_those_of_the_night(four):
    night = Scope(obs_ids=(1, 3, 99), nights=("2006-07-29",), longitude_deg=HESS)
    assert states(table_of(four, night)) == {1: ("selected", ""), 99: ("missing", "unknown-id")}


def test_observations_named_by_a_run_of_an_interval_are_those_of_the_interval(four):
    late = Scope(obs_ids=(1, 2, 4), start="2006-07-29T20:00:00", stop="2006-07-30T00:00:00")
    found = table_of(four, late)
    assert states(found) == {4: ("selected", "")}
    (note,) = found.meta["notes"]
    assert note == f"1, 2: named by obs_ids, but not in the nights, times and targets of the run, in {four.name}"


def test_ids_of_the_config_that_the_archive_lacks_are_missing_but_belong_to_no_night(four):
    assert states(table_of(four, obs_ids=[1, 7])) == {1: ("selected", ""), 7: ("missing", "unknown-id")}
    night = Scope(nights=("2006-07-29",), longitude_deg=HESS)
    assert states(table_of(four, night, obs_ids=[1, 7])) == {1: ("selected", "")}


@pytest.mark.requirement("A4.6")
def test_ids_may_stand_in_a_file(four):
    (four / "runs.txt").write_text("# the good ones\n4\n2  # late\n\n")
    assert list(table_of(four, obs_file=str(four / "runs.txt"))["obs_id"]) == [2, 4]


@pytest.mark.parametrize("line", ["23,526", "-4", "run 4", "4 2", "4.0", "1_000"])
def test_line_of_the_file_that_is_no_id_is_refused_with_its_number(four, line):
    (four / "runs.txt").write_text(f"# the good ones\n4\n{line}\n")
    with pytest.raises(ConfigError, match=rf"runs\.txt:3:1: observations\.obs_file: '{line}' is not an observation"):
        table_of(four, obs_file=str(four / "runs.txt"))


def test_every_bad_line_of_the_file_is_listed(four):
    (four / "runs.txt").write_text("one\n2\nthree\n")
    with pytest.raises(ConfigError) as caught:
        table_of(four, obs_file=str(four / "runs.txt"))
    assert [problem.line for problem in caught.value.problems] == [1, 3]


@pytest.mark.parametrize("content", ["", "# none yet\n\n"])
def test_list_without_observations_does_not_mean_all(four, content):
    (four / "runs.txt").write_text(content)
    with pytest.raises(ConfigError, match=r"observations\.obs_file: lists no observation"):
        table_of(four, obs_file=str(four / "runs.txt"))
    with pytest.raises(ConfigError, match=r"observations\.obs_ids: lists no observation"):
        table_of(four, obs_ids=[])


@pytest.mark.requirement("A4.7")
def test_cone_takes_what_points_into_it(four):
    near = {"frame": "galactic", "lon": "17.7 deg", "lat": "-52.2 deg", "radius": "1 deg"}
    assert len(table_of(four, obs_cone=near)) == 4


@pytest.mark.parametrize(
    ("name", "limit", "shown"),
    [
        ("livetime", {"min": "30 min"}, "LIVETIME is 26.67 min, less than 30 min"),
        ("zenith", {"max": "5 deg"}, "more than 5 deg"),
        ("n_tels", {"min": 5}, "N_TELS is 4, less than 5"),
    ],
)
def test_quality_cuts_reject_with_the_value(four, name, limit, shown):
    quality = {**selection()["quality"], name: limit}
    table = table_of(four, quality=quality)
    assert set(table["reason_class"]) == {name}
    assert set(table["status"]) == {"rejected"}
    assert shown in table["reason"][0]


def test_absent_file_is_missing_until_it_comes(four):
    (four / "data" / "2.fits").unlink()
    assert states(table_of(four))[2] == ("missing", "absent")
    (four / "data" / "2.fits").touch()
    assert states(table_of(four))[2] == ("selected", "")


def rename(folder, obs_id, file_dir, file_name):
    """Let the HDU index say that the observation's HDUs are in this file."""
    table = Table.read(folder / "hdu-index.fits.gz")
    names = {name: table[name].astype("U80") for name in ("FILE_DIR", "FILE_NAME")}
    for name, value in zip(names, (file_dir, file_name), strict=True):
        names[name][table["OBS_ID"] == obs_id] = value
        table[name] = names[name]
    table.write(folder / "hdu-index.fits.gz", overwrite=True)


@pytest.mark.parametrize(
    ("file_dir", "file_name"), [("..", "2.fits"), ("data", "../../2.fits"), ("", ".."), ("", "{}")]
)
def test_file_outside_the_archive_is_quarantined_though_it_exists(tmp_path, file_dir, file_name):
    folder = write_archive(tmp_path / "archive", [(1, 0), (2, 5000)])
    (tmp_path / "2.fits").touch()
    rename(folder, 2, file_dir, file_name.format(tmp_path / "2.fits"))
    assert states(table_of(folder)) == {1: ("selected", ""), 2: ("quarantined", "path-outside-archive")}


def test_absolute_file_is_outside_whatever_its_folder_and_absolute_folder_too(tmp_path):
    folder = write_archive(tmp_path / "archive", [(1, 0), (2, 5000)])
    rename(folder, 1, "data", str(folder / "data" / "1.fits"))
    rename(folder, 2, str(folder / "data"), "2.fits")
    assert set(states(table_of(folder)).values()) == {("quarantined", "path-outside-archive")}


def test_link_counts_by_where_it_leads(tmp_path):
    folder = write_archive(tmp_path / "archive", [(1, 0), (2, 5000)])
    for name in ("1.fits", "2.fits"):
        (folder / "data" / name).unlink()
    (folder / "other.fits").touch()
    (tmp_path / "2.fits").touch()
    (folder / "data" / "1.fits").symlink_to(folder / "other.fits")
    (folder / "data" / "2.fits").symlink_to(tmp_path / "2.fits")
    assert states(table_of(folder)) == {1: ("selected", ""), 2: ("quarantined", "path-outside-archive")}


def test_folder_that_leads_outside_is_outside(tmp_path):
    folder = write_archive(tmp_path / "archive", [(1, 0)])
    (folder / "data").rename(tmp_path / "data")
    (folder / "data").symlink_to(tmp_path / "data")
    assert states(table_of(folder)) == {1: ("quarantined", "path-outside-archive")}


def test_id_listed_twice_is_one_quarantined_row(tmp_path):
    folder = write_archive(tmp_path, [(1, 0), (1, 5000), (2, 9000)])
    assert states(table_of(folder)) == {1: ("quarantined", "duplicate-id"), 2: ("selected", "")}


def test_copies_are_taken_once_and_it_is_said(tmp_path):
    folder = write_archive(tmp_path, [(1, 0), (1, 0), (2, 9000)])
    index = Table.read(folder / "obs-index.fits.gz")
    index["ZEN_PNT"] = 20.0
    index.write(folder / "obs-index.fits.gz", overwrite=True)
    table = table_of(folder)
    assert states(table) == {1: ("selected", "duplicate-copy"), 2: ("selected", "")}
    assert table["reason"][0] == "listed 2 times in the observation index, all the same; taken once"
    assert table["hdus"][0].count('"events"') == table["hdus"][1].count('"events"')


@pytest.mark.parametrize(("rule", "start"), [("first", 0), ("last", 5000)])
def test_one_of_two_versions_is_taken_by_rule(tmp_path, rule, start):
    folder = write_archive(tmp_path, [(1, 0), (1, 5000)])
    table = table_of(folder, duplicates=rule)
    assert states(table) == {1: ("selected", "duplicate-resolved")}
    assert f"the {rule} one is taken, as observations.duplicates says" in table["reason"][0]
    single = table_of(write_archive(tmp_path / "single", [(1, start)]))
    assert table["tstart"][0] == single["tstart"][0]


@pytest.mark.requirement("A4.9")
def test_observation_without_its_irfs_is_bad_data(tmp_path):
    folder = write_archive(tmp_path, [(1, 0)], types=("events", "gti", "aeff"))
    (row,) = table_of(folder)
    assert (row["status"], row["reason_class"]) == ("quarantined", "missing-irf")
    assert row["reason"] == "the HDU index lists no edisp (asked for by observations.required_irf)"


def test_a_psf_that_only_the_containment_correction_asks_for_is_no_fault_of_point_like_irfs(tmp_path):
    folder = write_archive(tmp_path, [(1, 0)], types=("events", "gti", "aeff", "edisp", "rad_max"))
    needed = {**NEEDED, "psf": "datasets.containment_correction: true"}
    (row,) = observation_table(Archive.read(folder), selection(), Scope(), needed)
    assert (row["status"], row["reason_class"]) == ("quarantined", "wrong-enclosure")
    asked = "asked for by datasets.containment_correction: true"
    assert row["reason"] == f"the HDU index lists no psf ({asked}), and rad_max: its IRFs are point-like"


def test_index_without_time_reference_is_refused(tmp_path):
    folder = write_archive(tmp_path, [(1, 0)])
    table = Table.read(folder / "obs-index.fits.gz")
    del table.meta["MJDREFI"]
    table.write(folder / "obs-index.fits.gz", overwrite=True)
    with pytest.raises(ProductError, match="MJDREFI"):
        table_of(folder)


def test_folder_that_is_no_archive_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="is it a DL3 archive"):
        Archive.read(tmp_path)


def test_row_holds_its_index_rows_as_json_with_relative_files(four):
    row = table_of(four)[0]
    assert json.loads(row["index"])["ZEN_PNT"] == pytest.approx(50)
    assert {hdu["file"] for hdu in json.loads(row["hdus"])} == {"data/1.fits"}


def test_change_of_another_row_leaves_a_row_as_it_is(tmp_path):
    first = write_archive(tmp_path / "a", [(1, 0), (2, 5000)])
    second = write_archive(tmp_path / "b", [(1, 0), (2, 7000), (3, 9000)])
    one, other = (next(row for row in table_of(folder) if row["obs_id"] == 1) for folder in (first, second))
    assert one["hdus"] == other["hdus"]
    assert one["tstart"] == other["tstart"]


def test_five_thousand_observations_are_no_trouble(tmp_path):
    folder = write_archive(tmp_path, [(obs_id, obs_id * 1800.0) for obs_id in range(1, 5001)])
    table = table_of(folder)
    assert len(table) == 5000
    assert len(set(table["night"])) == 105


@settings(max_examples=30)
@given(st.floats(-180, 180), st.lists(st.integers(0, 10**7), min_size=1, max_size=5, unique=True))
def test_every_observation_is_in_exactly_one_night(tmp_path_factory, longitude, seconds):
    rows = [(number + 1, second) for number, second in enumerate(seconds)]
    folder = write_archive(tmp_path_factory.mktemp("archive"), rows)
    everything = table_of(folder, Scope(longitude_deg=longitude))
    found = [
        int(obs_id)
        for night in sorted(set(everything["night"]))
        for obs_id in table_of(folder, Scope(nights=(night,), longitude_deg=longitude))["obs_id"]
    ]
    assert sorted(found) == [obs_id for obs_id, _ in rows]


@contextmanager
def process_in(zone):
    """A process whose local time is that of another part of the world."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


@settings(max_examples=40)
@given(
    st.floats(-180, 180),
    st.lists(st.integers(0, 10**7), min_size=1, max_size=5, unique=True),
    st.sampled_from(["TT", "UTC", "TAI"]),
    st.sampled_from(["UTC", "America/New_York", "Pacific/Kiritimati", "Australia/Lord_Howe"]),
)
@example(16.5, [2_764_800 - 12 * 3600, 2_678_400 + 1, 2_678_400 + 69], "TT", "Europe/Berlin")
@pytest.mark.requirement("R16")
def test_nights_follow_the_sun_whatever_the_scale_of_times_and_the_zone_of_the_process(
    tmp_path_factory, longitude, seconds, scale, zone
):
    """Against the clock of astropy, over the leap second at the end of 2016."""
    rows = [(number + 1, second) for number, second in enumerate(seconds)]
    december = Time("2016-12-01").mjd
    folder = write_archive(tmp_path_factory.mktemp("archive"), rows, reference=int(december), scale=scale)
    with process_in(zone):
        table = table_of(folder, Scope(longitude_deg=longitude))
    noon = timedelta(minutes=round(720 - 4 * longitude))
    origin = Time(december, format="mjd", scale=scale.lower())
    starts = [(origin + TimeDelta(second, format="sec")).utc for _, second in rows]
    clocks = [start.to_datetime(leap_second_strict="silent") for start in starts]
    assert list(table["night"]) == [(clock - noon).date().isoformat() for clock in clocks]


@pytest.mark.requires_data
@pytest.mark.requirement("R16")
@pytest.mark.parametrize(
    ("obs_id", "night"),
    [(20301, "2004-04-15"), (20323, "2004-04-16"), (20344, "2004-04-17"), (20366, "2004-04-18"), (22997, "2004-10-11")],
)
def test_observations_through_midnight_are_whole_in_the_night_of_their_evening(test_data, obs_id, night):
    keys = {"required_irf": ["aeff", "edisp", "psf", "bkg"]}
    archive = test_data / "hess-dl3-dr1"
    (row,) = table_of(archive, Scope(obs_ids=(obs_id,), longitude_deg=HESS), **keys)
    assert row["night"] == night
    # One starts 8 s after midnight TT, which is 56 s before midnight UTC.
    assert row["tstart"][:10] == night < json.loads(row["index"])["DATE-END"]
    assert obs_id in table_of(archive, Scope(nights=(night,), longitude_deg=HESS), **keys)["obs_id"]


@pytest.mark.requires_data
@pytest.mark.requirement("R16")
def test_hess_release_has_59_nights_and_the_flare_in_one(test_data):
    keys = {"required_irf": ["aeff", "edisp", "psf", "bkg"]}
    table = table_of(test_data / "hess-dl3-dr1", Scope(longitude_deg=HESS), **keys)
    assert set(table["status"]) == {"selected"}
    assert len(table) == 105
    assert len(set(table["night"])) == 59
    assert int((table["night"] == "2006-07-29").sum()) == 15


@pytest.mark.parametrize("name", ["obs-index.fits.gz", "hdu-index.fits.gz"])
def test_an_index_that_is_not_whole_is_named_and_may_still_be_on_its_way(tmp_path, name):
    path = write_archive(tmp_path, [(1, 0.0), (2, 1800.0)]) / name
    whole = path.read_bytes()
    for length in (0, 20, len(whole) // 2, len(whole) - 100):
        path.write_bytes(whole[:length])
        with pytest.raises(OSError, match=f"{name} cannot be read .*: it is still being copied, or damaged"):
            Archive.read(tmp_path)
    plain = path.with_suffix("")
    path.unlink()
    plain.write_bytes(gzip.decompress(whole)[:5800])
    with pytest.raises(OSError, match="cannot be read"):
        Archive.read(tmp_path)
