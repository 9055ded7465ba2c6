"""What stands in an archive: indexes, headers, bytes; and late deliveries."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from gammapy.data import DataStore
from gammapy.modeling.models import Models
from gammapy.utils.scripts import read_yaml

from gammaops.errors import ConfigError
from gammaops.simulation import (
    LIGHT_CURVE,
    Archive,
    ArchivePlan,
    deliver,
    flux_factor,
    parse_bad,
    simulate_archive,
    truth_models,
)

from .conftest import PLAN

SMALL = {"nights": 2, "observations": 2, "size": "small", "duration_min": 5.0}


def _digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_gammapy_reads_every_observation(archive: Archive):
    store = DataStore.from_dir(archive.root)
    observations = store.get_observations(required_irf="full-enclosure")
    assert [observation.obs_id for observation in observations] == [1, 2, 3, 4, 5, 6]
    assert {tuple(observation.available_irfs) for observation in observations} == {("aeff", "edisp", "psf", "bkg")}
    for observation, row in zip(observations, store.obs_table, strict=True):
        assert len(observation.events.table) == row["EVENT_COUNT"]
        assert observation.events.pointing_radec.dec.deg == pytest.approx(row["DEC_PNT"], abs=1e-6)


def test_sizes_in_the_hdu_index_are_those_of_the_uncompressed_hdus(archive: Archive):
    for row in Table.read(archive.root / "hdu-index.fits.gz", hdu=1):
        with fits.open(archive.root / row["FILE_DIR"] / row["FILE_NAME"]) as hdus:
            assert hdus[row["HDU_NAME"]].filebytes() == row["SIZE"]


@pytest.mark.requires_data
def test_sizes_mean_the_same_in_the_release_of_hess(test_data: Path):
    root = test_data / "hess-dl3-dr1"
    rows = Table.read(root / "hdu-index.fits.gz", hdu=1)[:30]
    for row in rows:
        with fits.open(root / row["FILE_DIR"] / row["FILE_NAME"]) as hdus:
            # Those of the events are from before columns were dropped from the release: they are too large.
            bound = hdus[row["HDU_NAME"]].filebytes()
            assert row["SIZE"] == bound or (row["HDU_TYPE"] == "events" and row["SIZE"] > bound)


@pytest.mark.requires_data
def test_index_columns_are_those_of_the_release_of_hess(archive: Archive, test_data: Path):
    for name in ("obs-index.fits.gz", "hdu-index.fits.gz"):
        ours, theirs = (Table.read(root / name, hdu=1) for root in (archive.root, test_data / "hess-dl3-dr1"))
        assert ours.colnames == theirs.colnames
        assert [ours[column].unit for column in ours.colnames] == [theirs[column].unit for column in ours.colnames]


def test_times_are_in_tt_from_the_start_of_2001_in_utc(archive: Archive):
    store = DataStore.from_dir(archive.root)
    for visit, observation in zip(archive.visits, store.get_observations(), strict=True):
        assert observation.gti.time_ref.scale == "tt"
        start, stop = observation.gti.time_start[0], observation.gti.time_stop[0]
        assert abs(start - Time(visit.start)).to_value("s") < 1e-5
        assert abs(stop - Time(visit.stop)).to_value("s") < 1e-5
        assert np.all((observation.events.time >= start) & (observation.events.time <= stop))
        header = observation.events.table.meta
        assert header["TSTART"] == pytest.approx((visit.start - datetime(2001, 1, 1, tzinfo=UTC)).total_seconds() + 5)
        # TT is 69.184 s ahead of UTC since 2017.
        tt = datetime.fromisoformat(f"{header['DATE-OBS']}T{header['TIME-OBS']}").replace(tzinfo=UTC)
        assert tt - visit.start == timedelta(seconds=69.184)


def test_events_lie_in_the_field_of_view_and_in_order_of_time(archive: Archive):
    for observation in DataStore.from_dir(archive.root).get_observations():
        events = observation.events
        assert np.all(np.diff((events.time - events.time[0]).to_value("s")) >= 0)
        assert events.offset.max().to_value("deg") < 3.0
        assert 0.1 <= events.energy.min().to_value("TeV") < events.energy.max().to_value("TeV") < 100


def test_the_same_plan_gives_the_same_bytes(archive: Archive, tmp_path: Path):
    assert _digests(simulate_archive(tmp_path / "again", PLAN).root) == _digests(archive.root)


def test_more_nights_leave_the_earlier_ones_as_they_are(tmp_path: Path):
    short = simulate_archive(tmp_path / "short", ArchivePlan(**SMALL))
    longer = simulate_archive(tmp_path / "longer", ArchivePlan(**SMALL | {"nights": 3}))
    assert _digests(short.root / "data").items() < _digests(longer.root / "data").items()


def test_another_seed_gives_other_events(tmp_path: Path):
    one, other = (simulate_archive(tmp_path / str(seed), ArchivePlan(**SMALL, seed=seed)) for seed in (0, 1))
    assert not set(_digests(one.root / "data").values()) & set(_digests(other.root / "data").values())


def test_an_archive_is_never_overwritten(archive: Archive):
    with pytest.raises(ConfigError, match="holds an archive already"):
        simulate_archive(archive.root, PLAN)


def test_an_interrupted_simulation_is_made_anew(tmp_path: Path):
    plan = ArchivePlan(**SMALL, late=frozenset({4}))

    def stop(visit):
        if visit.obs_id == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_archive(tmp_path / "a", ArchivePlan(**SMALL | {"size": "full"}), stop)
    (tmp_path / "a" / "data" / "notes.txt").write_text("somebody's")
    simulate_archive(tmp_path / "a", plan)
    simulate_archive(tmp_path / "b", plan)
    digests = _digests(tmp_path / "a")
    assert digests.pop("data/notes.txt")
    assert digests == _digests(tmp_path / "b")


def test_the_truth_stands_beside_the_archive(archive: Archive):
    models = Models.read(archive.root / "truth.yaml")
    for model, truth in zip(models, truth_models(), strict=True):
        assert model.name == truth.name
        assert model.parameters.value.tolist() == truth.parameters.value.tolist()
    nights = read_yaml(archive.root / "truth.yaml")["nights"]
    assert {night: entry["obs_ids"] for night, entry in nights.items()} == {
        "2026-11-02": [1, 2, 3],
        "2026-11-03": [4, 5, 6],
    }
    assert [entry["flux_factors"]["variable"] for entry in nights.values()] == list(LIGHT_CURVE[:2])


def test_the_variable_source_repeats_its_light_curve():
    assert [flux_factor(number) for number in range(8)] == [*LIGHT_CURVE, *LIGHT_CURVE]
    bright, reference = (truth_models(factor)["variable"].spectral_model.amplitude.value for factor in (3.0, 1.0))
    assert bright == pytest.approx(3 * reference)


def test_a_late_observation_is_listed_and_its_file_absent_until_delivered(tmp_path: Path):
    archive = simulate_archive(tmp_path / "late", ArchivePlan(**SMALL, late=frozenset({3})))
    punctual = simulate_archive(tmp_path / "punctual", ArchivePlan(**SMALL))
    assert DataStore.from_dir(archive.root).obs_ids.tolist() == [1, 2, 3, 4]
    assert not (archive.root / "data" / "sim_obs_000003.fits.gz").exists()
    assert deliver(archive.root, 3) == [archive.root / "data" / "sim_obs_000003.fits.gz"]
    assert _without_truth(archive.root) == _without_truth(punctual.root)


def test_an_unlisted_observation_is_listed_when_delivered(tmp_path: Path):
    archive = simulate_archive(tmp_path / "late", ArchivePlan(**SMALL, unlisted=frozenset({2, 3})))
    punctual = simulate_archive(tmp_path / "punctual", ArchivePlan(**SMALL))
    assert DataStore.from_dir(archive.root).obs_ids.tolist() == [1, 4]
    deliver(archive.root, 3)
    assert DataStore.from_dir(archive.root).obs_ids.tolist() == [1, 3, 4]
    deliver(archive.root, 2)
    assert _without_truth(archive.root) == _without_truth(punctual.root)


def test_an_interrupted_delivery_is_finished_by_the_next(tmp_path: Path):
    archive = simulate_archive(tmp_path / "late", ArchivePlan(**SMALL, unlisted=frozenset({2})))
    incoming = {path: path.read_bytes() for path in (archive.root / "incoming").iterdir()}
    deliver(archive.root, 2)
    complete = _digests(archive.root)
    rows = [path for path in incoming if path.name.endswith("obs-index.fits.gz")]
    for path in rows:
        path.write_bytes(incoming[path])
    deliver(archive.root, 2)
    assert _digests(archive.root) == complete


def test_delivering_what_is_not_waiting_names_what_is(tmp_path: Path):
    archive = simulate_archive(tmp_path, ArchivePlan(**SMALL, late=frozenset({3})))
    with pytest.raises(
        ConfigError, match=r"observation 1 is not in .*incoming; expected one of sim_obs_000003.fits.gz"
    ):
        deliver(archive.root, 1)


def test_a_plan_lists_everything_that_is_wrong_with_it():
    with pytest.raises(ConfigError) as caught:
        ArchivePlan(size="tiny", irfs="none", bad={1: "broken", 99: "truncated"}, late=frozenset({13}))
    messages = [str(problem) for problem in caught.value.problems]
    assert len(messages) == 5
    assert any("unknown damage 'broken'" in message and "truncated-tail" in message for message in messages)
    assert any("no observations [13]; expected 1 to 12" in message for message in messages)


@pytest.mark.parametrize("change", [{"nights": 0}, {"seed": -1}, {"duration_min": float("nan")}, {"first_obs_id": 0}])
def test_a_plan_of_impossible_numbers_is_refused(change):
    with pytest.raises(ConfigError, match="is too small; expected at least"):
        ArchivePlan(**change)


def test_damage_is_read_from_text():
    assert parse_bad(["12:truncated", "3:nan-irf"]) == {12: "truncated", 3: "nan-irf"}
    with pytest.raises(ConfigError, match="'truncated' names no observation and kind; expected such as 12:truncated"):
        parse_bad(["truncated"])


def _without_truth(root: Path) -> dict[str, str]:
    return {name: digest for name, digest in _digests(root).items() if name != "truth.yaml"}
