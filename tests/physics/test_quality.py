"""Cuts say which observation fails and why; people can overrule them, with their name and a reason."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.table import Table
from astropy.time import Time

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.physics.archive import Archive
from gammaops.physics.moon import moon_altitudes, moon_separations
from gammaops.physics.observation_table import observation_table
from gammaops.physics.outliers import Neighbours
from gammaops.physics.overrides import read_overrides
from gammaops.physics.quality import quality_cuts
from gammaops.steps.base import Scope

HESS_PLACE = {"GEOLON": 16.5, "GEOLAT": -23.27, "ALTITUDE": 1835.0}
TYPES = ("events", "gti", "aeff", "edisp")


def quality(text: str) -> dict:
    """The block as a step receives it."""
    config = parse_config(
        f"observations: {{datastore: x, quality: {text}}}\n"
        "datasets: {on_region: {frame: icrs, lon: 0 deg, lat: 0 deg, radius: 1 deg}}\n"
        "steps: [{name: reduce, tag: data-reduction}]",
        "analysis",
        "analysis.yaml",
    )
    return dict(config.blocks(config.steps[0])["observations"])


def write_archive(folder, count: int = 12, **columns):
    """Observations 1, 2, …, half an hour each, one after the other, whose files are there and empty."""
    ids = np.arange(1, count + 1)
    base = {
        "OBS_ID": ids,
        "RA_PNT": np.full(count, 83.63),
        "DEC_PNT": np.full(count, 22.01),
        "ZEN_PNT": np.linspace(45, 56, count),
        "ONTIME": np.full(count, 1800.0),
        "LIVETIME": np.full(count, 1700.0),
        "N_TELS": np.full(count, 4),
        "QUALITY": np.zeros(count, dtype=int),
        "OBS_MODE": np.full(count, "POINTING"),
        "MUONEFF": np.full(count, 0.08),
        "EVENT_COUNT": 10_000 + 20 * (ids % 5),
        "TSTART": 1800.0 * ids,
    }
    meta = {"MJDREFI": 53345, "MJDREFF": 0.75, "TIMESYS": "TT", "TIMEUNIT": "s", **HESS_PLACE}
    Table({**base, **columns}, meta=meta).write(folder / "obs-index.fits.gz", overwrite=True)
    names = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME", "SIZE")
    rows = [(obs_id, kind, kind, "", f"{obs_id}.fits", kind.upper(), 0) for obs_id in ids for kind in TYPES]
    Table(rows=rows, names=names).write(folder / "hdu-index.fits.gz", overwrite=True)
    for obs_id in ids:
        (folder / f"{obs_id}.fits").touch()
    return folder


def rejected(folder, text: str) -> dict[int, tuple[str, str]]:
    """Class and reason of what is rejected, by observation."""
    selection = {**quality(text), "required_irf": ["aeff", "edisp"]}
    table = observation_table(Archive.read(folder), selection, Scope(), {"aeff": "datasets.type: 1d"})
    return {
        int(row["obs_id"]): (str(row["reason_class"]), str(row["reason"]))
        for row in table
        if row["status"] == "rejected"
    }


@pytest.mark.parametrize(
    ("text", "column", "value", "expected"),
    [
        ("{livetime: {min: 20 min}}", "LIVETIME", 600.0, ("livetime", "LIVETIME is 10 min, less than 20 min")),
        (
            "{livetime_fraction: {min: 0.9}}",
            "LIVETIME",
            1080.0,
            ("livetime_fraction", "LIVETIME over ONTIME is 0.6, less than 0.9"),
        ),
        ("{zenith: {max: 60 deg}}", "ZEN_PNT", 61.5, ("zenith", "ZEN_PNT is 61.5 deg, more than 60 deg")),
        ("{zenith: {min: 30 deg}}", "ZEN_PNT", 12.5, ("zenith", "ZEN_PNT is 12.5 deg, less than 30 deg")),
        ("{n_tels: {min: 3}}", "N_TELS", 2, ("n_tels", "N_TELS is 2, less than 3")),
        ("{columns: {QUALITY: {equal: 0}}}", "QUALITY", 2, ("columns.QUALITY", "QUALITY is 2, not 0")),
        ("{columns: {MUONEFF: {min: 0.05}}}", "MUONEFF", 0.02, ("columns.MUONEFF", "MUONEFF is 0.02, less than 0.05")),
        ("{columns: {MUONEFF: {max: 0.1}}}", "MUONEFF", 0.2, ("columns.MUONEFF", "MUONEFF is 0.2, more than 0.1")),
        (
            "{columns: {OBS_MODE: {equal: POINTING}}}",
            "OBS_MODE",
            "SLEWING",
            ("columns.OBS_MODE", "OBS_MODE is SLEWING, not POINTING"),
        ),
        (
            "{columns: {MUONEFF: {min: 0.05}}}",
            "MUONEFF",
            np.nan,
            ("columns.MUONEFF", "MUONEFF is not in the index, so the cut columns.MUONEFF cannot be applied"),
        ),
    ],
)
@pytest.mark.requirement("R24")
def test_one_observation_fails_one_cut_and_is_told_why(tmp_path, text, column, value, expected):
    good = Table.read(write_archive(tmp_path) / "obs-index.fits.gz")[column]
    values = np.array(good, dtype="U8" if isinstance(value, str) else None)
    values[4] = value
    assert rejected(write_archive(tmp_path, **{column: values}), text) == {5: expected}


def test_columns_that_the_index_does_not_have_are_refused_before_any_observation_is_judged(tmp_path):
    with pytest.raises(ConfigError) as caught:
        rejected(
            write_archive(tmp_path, 2),
            "{columns: {MUONEF: {max: 3}}, outliers: {WEATHER: {max_deviation: 5}, N_TELS: {max_deviation: 5}}}",
        )
    first, second = map(str, caught.value.problems)
    assert first.startswith(f"config: observations.quality.columns.MUONEF: the index of {tmp_path} has no such column")
    assert first.endswith("; did you mean MUONEFF?")
    assert "observations.quality.outliers.WEATHER: the index of" in second
    assert "expected one of: OBS_ID, RA_PNT" in second


def test_events_at_another_rate_than_next_door_are_found(tmp_path):
    counts = 10_000 + 20 * (np.arange(12) % 5)
    counts[7] = 6_000
    found = rejected(write_archive(tmp_path, EVENT_COUNT=counts), "{event_rate: {max_deviation: 5}}")
    assert list(found) == [8]
    name, reason = found[8]
    assert name == "event_rate"
    # By hand: the seven before are 10000, 10020, …, 10080, 10000, 10020; sqrt(6000) adds in quadrature.
    others = counts[:7]
    spread = np.hypot(1.4826 * np.median(np.abs(others - np.median(others))), np.sqrt(6000))
    assert f"{(np.median(others) - 6000) / spread:.1f} robust standard deviations below" in reason
    assert "3.529 / s" in reason
    assert "the 7 observations before" in reason


def test_any_column_can_be_compared_with_its_neighbours(tmp_path):
    rate = np.array([300.0, 302, 299, 301, 300, 298, 450, 301, 299, 300, 302, 298])
    found = rejected(write_archive(tmp_path, TRIG_RATE=rate), "{outliers: {TRIG_RATE: {max_deviation: 6}}}")
    assert {obs_id: name for obs_id, (name, _) in found.items()} == {7: "outliers.TRIG_RATE"}


def test_fewer_telescopes_are_compared_among_themselves(tmp_path):
    telescopes = np.array([4] * 6 + [3] * 6)
    counts = np.where(telescopes == 4, 10_000, 7_000) + np.arange(12)
    archive = write_archive(tmp_path, N_TELS=telescopes, EVENT_COUNT=counts)
    assert rejected(archive, "{event_rate: {max_deviation: 5}}") == {}


def told(folder, text: str) -> dict[int, tuple[str, str]]:
    """Status and class of every observation."""
    selection = {**quality(text), "required_irf": ["aeff"]}
    table = observation_table(Archive.read(folder), selection, Scope(), {"aeff": "datasets.type: 1d"})
    return {int(row["obs_id"]): (str(row["status"]), str(row["reason_class"])) for row in table}


def test_too_few_observations_before_reject_nothing_and_are_told(tmp_path, caplog):
    counts = np.array([10_000, 10_000, 100, 10_000, 10_000, 10_000, 100])
    text = "{event_rate: {max_deviation: 3}}"
    archive = write_archive(tmp_path, 7, EVENT_COUNT=counts)
    with caplog.at_level("WARNING"):
        found = told(archive, text)
    # Zero spread would make any distance infinite but for the error of the count: 10000 is its median.
    unsure = dict.fromkeys(range(1, 6), ("selected", "not-judged"))
    assert found == {**unsure, 6: ("selected", ""), 7: ("rejected", "event_rate")}
    assert "for want of observations before: 1, 2, 3, 4, 5" in caplog.text
    selection = {**quality(text), "required_irf": ["aeff"]}
    table = observation_table(Archive.read(archive), selection, Scope(), {"aeff": "datasets.type: 1d"})
    assert table["reason"][2] == "event_rate did not judge it: 2 observations like it before, 5 are needed"


def test_observations_that_come_later_change_nothing(tmp_path):
    counts = np.random.default_rng(5).poisson(10_000, 60)
    counts[::7] = 9_000
    text = "{event_rate: {max_deviation: 4, neighbours: 8}, outliers: {ZEN_PNT: {max_deviation: 3}}}"
    whole = told(write_archive(tmp_path, 60, EVENT_COUNT=counts, ZEN_PNT=np.linspace(45, 56, 60)), text)
    assert {"rejected", "selected"} == {status for status, _ in whole.values()}
    for number in (7, 20, 41):
        zenith = np.linspace(45, 56, 60)[:number]
        first = told(write_archive(tmp_path, number, EVENT_COUNT=counts[:number], ZEN_PNT=zenith), text)
        assert first == {obs_id: whole[obs_id] for obs_id in range(1, number + 1)}


def test_deviations_of_normal_values_are_normal():
    values = np.random.default_rng(1).normal(50, 3, 4000)
    zeros = np.zeros(len(values))
    neighbours = Neighbours(np.arange(len(values), dtype=float), values, 400, zeros, zeros)
    found = np.array([neighbours.of(index).deviation for index in range(400, 4000, 4)])
    # 900 deviates: the error of their standard deviation is 2.2 %, that of the scale from 400 others a few %.
    assert np.std(found) == pytest.approx(1, abs=0.1)
    assert np.mean(found) == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("greatest", ["2004-10-28T03:04:00", "2029-06-26T03:22:00"])
def test_the_moon_is_where_an_eclipse_puts_it(tmp_path, greatest):
    """Total lunar eclipses, a past and a coming one: the moon within 0.6 deg of the point opposite the sun.

    Seen from a place on the Earth, it is up to 1 deg off. The coming one is later than the IERS table.
    """
    eclipse = Time(greatest)
    sun = get_body("sun", eclipse)
    opposite = SkyCoord(sun.ra + 180 * u.deg, -sun.dec)
    start = (eclipse - Time(53345.75, format="mjd", scale="tt")).to_value("s")
    columns = {"RA_PNT": [opposite.ra.deg], "DEC_PNT": [opposite.dec.deg], "TSTART": [start], "ONTIME": [1.0]}
    archive = Archive.read(write_archive(tmp_path, 1, **columns))
    assert moon_separations(archive)[0] < 1.6 * u.deg
    place = EarthLocation.from_geodetic(16.5 * u.deg, -23.27 * u.deg)
    sun_altitude = sun.transform_to(AltAz(obstime=eclipse, location=place)).alt
    assert moon_altitudes(archive)[0].to_value("deg") == pytest.approx(-sun_altitude.to_value("deg"), abs=1.7)


def test_distance_of_a_moon_that_is_down_does_not_count(tmp_path):
    # From 2004-12-06 18:00 TT on; the moon, past its last quarter, rises after midnight.
    archive = Archive.read(write_archive(tmp_path, 24))
    altitudes, separations = moon_altitudes(archive), moon_separations(archive)
    assert set(separations[altitudes < 0 * u.deg]) == {180 * u.deg}
    assert separations[altitudes > 0 * u.deg].max() < 120 * u.deg
    assert 0 < np.count_nonzero(altitudes > 0 * u.deg) < 24


@pytest.mark.parametrize(
    ("text", "name"), [("{moon: {max_altitude: 0 deg}}", "altitude"), ("{moon: {min_separation: 110 deg}}", "distance")]
)
def test_moonlight_rejects_with_the_angle(tmp_path, text, name):
    found = rejected(write_archive(tmp_path, 24), text)
    assert found
    assert 1 not in found, "the moon was below the horizon"
    assert {reason_class for reason_class, _ in found.values()} == {"moon"}
    assert all(reason.startswith(f"{name} of the moon is ") for _, reason in found.values())


def test_without_a_place_the_altitude_of_the_moon_is_not_known(tmp_path):
    archive = Archive.read(write_archive(tmp_path, 3))
    for key in HESS_PLACE:
        del archive.observations.meta[key]
    (cut,) = quality_cuts(archive, quality("{moon: {max_altitude: 0 deg}}")["quality"])
    assert cut.failure(0) == (
        "altitude of the moon is not in the index (GEOLON, GEOLAT, and TSTOP or ONTIME needed), so the cut moon cannot"
        " be applied"
    )


@pytest.mark.parametrize("angles", [moon_altitudes, moon_separations])
def test_the_moon_is_looked_for_until_the_end_of_the_observation(tmp_path, angles):
    archive = Archive.read(write_archive(tmp_path, 24))
    expected = angles(archive)
    archive.observations["TSTOP"] = archive.observations["TSTART"] + 1800.0
    del archive.observations["ONTIME"]
    np.testing.assert_allclose(angles(archive).value, expected.value, rtol=1e-9)
    # One of unknown length: by its start alone a moon that rises later would be overlooked.
    archive.observations["TSTOP"][3] = np.nan
    assert np.flatnonzero(np.isnan(angles(archive))).tolist() == [3]
    del archive.observations["TSTOP"]
    assert np.isnan(angles(archive)).all()


def test_observation_of_unknown_length_fails_the_cut_on_the_moon(tmp_path):
    times = np.full(12, 1800.0)
    times[2] = np.nan
    found = rejected(write_archive(tmp_path, ONTIME=times), "{moon: {min_separation: 1 deg}}")
    assert found == {
        3: (
            "moon",
            "distance of the moon is not in the index (TSTOP or ONTIME needed), so the cut moon cannot be applied",
        )
    }


DECISIONS = """\
# Decisions of the shifters, kept in git.
- {observation: 2, verdict: reject, author: A. Shifter, comment: clouds from 23:10 on}
- {observation: 5, verdict: accept, author: B. Expert, comment: looked at by eye}
- {observation: 6, verdict: accept, author: B. Expert, comment: not needed after all}
"""


@pytest.mark.requirement("R24")
def test_people_overrule_cuts_with_name_and_reason(tmp_path):
    decisions = tmp_path / "hess.yaml"
    decisions.write_text(DECISIONS, encoding="utf-8")
    times = np.full(12, 1700.0)
    times[[4, 8]] = 600.0
    archive = Archive.read(write_archive(tmp_path, LIVETIME=times))
    selection = quality("{livetime: {min: 20 min}}")
    selection |= {"required_irf": ["aeff"], "quality": {**selection["quality"], "overrides": str(decisions)}}
    table = observation_table(archive, selection, Scope(), {"aeff": "datasets.type: 1d"})
    told = {int(row["obs_id"]): tuple(row["status", "reason_class", "reason"]) for row in table if row["reason"]}
    assert told == {
        2: ("rejected", "by-hand", "rejected by A. Shifter: clouds from 23:10 on"),
        5: (
            "selected",
            "accepted-by-hand",
            "LIVETIME is 10 min, less than 20 min; accepted by B. Expert: looked at by eye",
        ),
        9: ("rejected", "livetime", "LIVETIME is 10 min, less than 20 min"),
    }
    decided = {int(row["obs_id"]): str(row["override"]) for row in table if row["override"]}
    assert decided == {
        2: '{"author":"A. Shifter","comment":"clouds from 23:10 on","verdict":"reject"}',
        5: '{"author":"B. Expert","comment":"looked at by eye","verdict":"accept"}',
    }, "a decision that changes nothing enters no key"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("observation: 1", r"decisions.yaml:1:1: observations.quality.overrides: not a list"),
        ("- 1\n", r"decisions.yaml:1:3: .*not a decision; expected once each"),
        (
            "- {observation: 1, verdict: reject}\n",
            "a decision without author and comment; expected once each: observation, verdict, aut",
        ),
        ("- {observation: one, verdict: reject, author: a, comment: b}\n", "observation is 'one'; expected an obs_id"),
        (
            "- {observation: 020136, verdict: reject, author: a, comment: b}\n",
            "'020136'; expected an obs_id without lead",
        ),
        (
            "- {observation: 1, observation: 2, verdict: reject, author: a, comment: b}\n",
            "observation given twice",
        ),
        ("- {observation: !!python/name:os 1, verdict: reject, author: a, comment: b}\n", "not a decision"),
        (
            "- {observation: 1, verdict: maybe, author: a, comment: b}\n",
            "verdict is 'maybe'; expected accept or reject",
        ),
        ("- {observation: 1, verdict: reject, author: ' ', comment: b}\n", "a decision without author;"),
        (
            "- {observation: 1, verdict: maybe, writer: a, comment: b}\n",
            "(?s)a decision without author.*unknown key 'writer'.*verdict is 'maybe'; expected accept or reject",
        ),
        (DECISIONS + "- {observation: 2, verdict: accept, author: a, comment: b}\n", "yaml:5:3: .* 2 is decided twice"),
        ("- [\n", "not YAML"),
    ],
)
def test_a_decision_that_is_not_whole_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "decisions.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_overrides(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{columns: {QUALITY: {equal: 0, max: 1}}}", "given beside min or max"),
        ("{columns: {QUALITY: {min: 2, max: 1}}}", r"2 is above max \(1\)"),
        ("{columns: {QUALITY: {mni: 2}}}", "unknown key; expected one of: min, max, equal; did you mean min"),
        ("{columns: {2bad: {min: 2}}}", "'2bad' does not fit; expected a name that matches"),
        ("{outliers: {RATE: {max_deviation: -1}}}", "-1 is out of range; expected at least 0"),
        ("{event_rate: {neighbours: 3}}", "3 is out of range; expected at least 5"),
        ("{event_rate: {neighbours: 10}}", "max_deviation: not given beside neighbours, so nothing is cut"),
        ("{outliers: {RATE: {neighbours: 10}}}", "max_deviation: not given; expected such as 5"),
        ("{moon: {max_altitude: 3 m}}", "'m' is a unit of length"),
    ],
)
@pytest.mark.requirement("R3")
def test_wrong_cuts_are_refused_when_the_config_is_read(text, message):
    with pytest.raises(ConfigError, match=message):
        quality(text)


@pytest.mark.requires_data
def test_the_hess_release_is_of_even_quality(test_data):
    found = rejected(
        test_data / "hess-dl3-dr1", "{columns: {QUALITY: {equal: 0}}, n_tels: {min: 4}, zenith: {max: 55 deg}}"
    )
    assert found == {}
    dark = rejected(test_data / "hess-dl3-dr1", "{moon: {max_altitude: 0 deg}}")
    # H.E.S.S. observed in moonless nights only; up to half a degree of refraction and size of the disk.
    assert len(dark) <= 5, dark
