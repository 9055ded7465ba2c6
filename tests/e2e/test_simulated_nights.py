"""Whole runs on a simulated archive, with gammapy and without Airflow."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.table import Table

import gammaops
from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.errors import DamagedFile, NoWorkFound
from gammaops.physics import dl3
from gammaops.products import ProductStore, RunFolder
from gammaops.runner import LocalRun, Provenance, Run, begin, late_nights, night_of_row, scheduled_scope
from gammaops.simulation import ArchivePlan, deliver, simulate_archive

NIGHTS = ("2026-11-02", "2026-11-03")
BAD = {2: "truncated", 3: "missing-irf", 4: "nan-irf", 5: "empty-gti", 6: "duplicate-id"}
LATE = 8

CONFIG = """
dag: {site: hess, schedule: nightly, start: 2026-11-01, lookback: 5, max_quarantined: 80 %}
observations: {datastore: archive, required_irf: [aeff, edisp]}
datasets:
  type: 1d
  stack: false
  geom: {axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 8}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 16}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
  safe_mask: {methods: [aeff-max], parameters: {aeff_percent: 10}}
steps: [{name: reduce, tag: data-reduction}]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights of seven observations: the first with five bad ones, the second with a late one."""
    folder = tmp_path_factory.mktemp("data")
    plan = ArchivePlan(nights=2, observations=7, duration_min=5, size="small", bad=BAD, late=frozenset({LATE}), seed=1)
    simulate_archive(folder / "archive", plan)
    return folder


@pytest.fixture(autouse=True)
def _data_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMMAOPS_DATA", str(data))


def run(out: Path, text: str = CONFIG, **arguments: object) -> LocalRun:
    return gammaops.run(parse_config(text, name="simulated", source="simulated.yaml"), out, **arguments)


def ledger(out: Path, result: LocalRun) -> dict[int, tuple[str, str]]:
    record = RunFolder.of(ProductStore(out), result.report).read_json("run.json")
    return {row["obs_id"]: (row["state"], row["reason_class"]) for row in record["ledger"]}


def dataset_digests(out: Path) -> set[str]:
    return {path.name for path in (out / "products" / "dataset").rglob("*.fits")}


@pytest.mark.requirement("A7.3", "R14")
def test_every_kind_of_bad_observation_is_quarantined_with_its_class(tmp_path: Path) -> None:
    result = run(tmp_path, nights=NIGHTS[:1])
    assert ledger(tmp_path, result) == {
        1: ("done", ""),
        2: ("quarantined", "truncated"),
        3: ("quarantined", "missing-irf"),
        4: ("quarantined", "irf-not-finite"),
        5: ("quarantined", "empty-gti"),
        6: ("quarantined", "duplicate-id"),
        7: ("done", ""),
    }
    assert result.verdict.ok


@pytest.mark.requirement("R14")
def test_bad_observations_leave_the_others_byte_for_byte_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = tmp_path / "clean"
    simulate_archive(clean / "archive", ArchivePlan(nights=1, observations=7, duration_min=5, size="small", seed=1))
    run(tmp_path / "bad", nights=NIGHTS[:1])
    monkeypatch.setenv("GAMMAOPS_DATA", str(clean))
    run(tmp_path / "good", nights=NIGHTS[:1])
    assert len(dataset_digests(tmp_path / "bad")) == 2
    assert dataset_digests(tmp_path / "bad") < dataset_digests(tmp_path / "good")


@pytest.mark.requirement("R18")
@pytest.mark.parametrize(("lon", "distance"), [("88 deg", "4.0"), ("200 deg", "103")])
def test_observation_of_another_place_is_named_and_costs_no_memory(tmp_path: Path, lon: str, distance: str) -> None:
    """Between such places a map of the OFF regions would not fit into any machine."""
    store = tmp_path / "store"
    result = run(store, CONFIG.replace("lon: 83.63 deg", f"lon: {lon}"), obs_ids=[12])
    assert ledger(store, result)[12] == ("quarantined", "outside-field")
    (row,) = RunFolder.of(ProductStore(store), result.report).read_json("run.json")["ledger"]
    assert f"the ON region is {distance}" in row["reason"]


def test_late_observation_is_missing_then_found_then_processed_once(tmp_path: Path, data: Path) -> None:
    store, config = ProductStore(tmp_path), parse_config(CONFIG, name="simulated", source="simulated.yaml")
    second = run(tmp_path, nights=NIGHTS[1:])
    assert ledger(tmp_path, second)[LATE] == ("missing", "absent")

    tomorrow = Run.open(begin(config, store, scheduled_scope(config, ["2026-11-04"]), name="tomorrow"))
    found = late_nights(tomorrow, lambda night: False, 10, Provenance())
    assert [night_of_row(store, path) for path in found] == [("2026-11-02", 1)], "the first night was never processed"
    run(tmp_path, nights=NIGHTS[:1])
    assert late_nights(tomorrow, lambda night: False, 10, Provenance()) == []

    deliver(data / "archive", LATE)
    found = late_nights(tomorrow, lambda night: False, 10, Provenance())
    assert [night_of_row(store, path) for path in found] == [("2026-11-03", 1)]
    assert late_nights(tomorrow, lambda night: True, 10, Provenance()) == [], "a night under way is left alone"
    healed = run(tmp_path, nights=NIGHTS[1:])
    assert ledger(tmp_path, healed) == {LATE: ("done", "")} | dict.fromkeys(range(9, 15), ("reused", ""))
    assert late_nights(tomorrow, lambda night: False, 10, Provenance()) == []


@pytest.mark.requirement("R15", "R18")
def test_observation_that_failed_is_asked_for_in_three_runs_then_vetoed_until_a_rebuild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=4, observations=1, duration_min=3, size="small"))
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    store, config = ProductStore(tmp_path / "store"), parse_config(CONFIG, name="simulated", source="simulated.yaml")

    def evening(night: str) -> list[tuple[str, str]]:
        """States and classes of a night's observations, then of those of the late nights that its run starts."""
        official = run(store.root, nights=[night], label=f"scheduled {night}")
        asking = Run.open(begin(config, store, scheduled_scope(config, [night]), name=f"search {night}"))
        found = [night_of_row(store, path) for path in late_nights(asking, lambda night: False, 10, Provenance())]
        late = [run(store.root, nights=[night], label=f"late__{night}__{number}") for night, number in found]
        return [state for one in (official, *late) for state in ledger(store.root, one).values()]

    failed, done = ("failed", "infrastructure"), ("done", "")
    with monkeypatch.context() as patch:
        patch.setattr("gammaops.physics.dl3._open_file", _unreachable("sim_obs_000002.fits.gz"))
        found = [evening(f"2026-11-{day:02}") for day in range(2, 8)]
        assert found == [[done], [failed], [done, failed], [done, failed], [("quarantined", "vetoed")], []]
    assert evening("2026-11-08") == [], "nobody has said that the cause is mended"
    again = run(store.root, nights=["2026-11-03"], reuse="rebuild", label="by hand")
    assert ledger(store.root, again) == {2: done}


def _unreachable(lost: str) -> Callable[[Path, str], object]:
    """Reading of files of which one cannot be reached."""
    opened = dl3._open_file

    def open_others(folder: Path, name: str) -> object:
        if name.endswith(lost):
            raise OSError("the disk does not answer")
        return opened(folder, name)

    return open_others


def test_file_on_its_way_is_missing_until_it_is_whole_or_has_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=1, observations=2, duration_min=3, size="small"))
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    path = tmp_path / "archive" / "data" / "sim_obs_000002.fits.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    store = tmp_path / "store"
    first = run(store, nights=NIGHTS[:1])
    assert ledger(store, first) == {1: ("done", ""), 2: ("missing", "incoming")}

    path.write_bytes(whole)
    assert ledger(store, run(store, nights=NIGHTS[:1])) == {1: ("reused", ""), 2: ("done", "")}

    # The copy was given up an hour ago: the same bytes as in the first run are judged now.
    path.write_bytes(whole[: len(whole) // 2])
    os.utime(path, times=(time.time() - 3600,) * 2)
    assert ledger(store, run(store, nights=NIGHTS[:1]))[2] == ("quarantined", "truncated")


def test_replaced_observation_is_found_and_it_alone_is_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_archive(
        tmp_path / "archive", ArchivePlan(nights=1, observations=3, duration_min=3, size="small", bad={3: "truncated"})
    )
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    store, config = ProductStore(tmp_path / "store"), parse_config(CONFIG, name="simulated", source="simulated.yaml")
    first = run(store.root, nights=NIGHTS[:1])
    assert ledger(store.root, first)[3] == ("quarantined", "truncated")
    tomorrow = Run.open(begin(config, store, scheduled_scope(config, ["2026-11-04"]), name="tomorrow"))
    assert late_nights(tomorrow, lambda night: False, 10, Provenance()) == []

    path = tmp_path / "archive" / "data" / "sim_obs_000002.fits.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    found = late_nights(tomorrow, lambda night: False, 10, Provenance())
    assert [night_of_row(store, row)[0] for row in found] == list(NIGHTS[:1])
    states = {1: ("reused", ""), 2: ("done", ""), 3: ("quarantined", "truncated")}
    assert ledger(store.root, run(store.root, nights=NIGHTS[:1])) == states
    assert late_nights(tomorrow, lambda night: False, 10, Provenance()) == []


def test_restored_observation_is_found_after_a_replacement_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=1, observations=2, duration_min=3, size="small"))
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    store, config = ProductStore(tmp_path / "store"), parse_config(CONFIG, name="simulated", source="simulated.yaml")
    tomorrow = Run.open(begin(config, store, scheduled_scope(config, ["2026-11-04"]), name="tomorrow"))
    path = tmp_path / "archive" / "data" / "sim_obs_000002.fits.gz"
    first = path.read_bytes()
    for content in (first, gzip.compress(gzip.decompress(first), compresslevel=1), first):
        path.write_bytes(content)
        assert len(late_nights(tomorrow, lambda night: False, 10, Provenance())) == 1
        run(store.root, nights=NIGHTS[:1])
        assert late_nights(tomorrow, lambda night: False, 10, Provenance()) == []


def test_quarantine_for_a_read_that_came_short_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network disk gives other bytes than those of the file that the key names; the next try reads it anew."""
    with monkeypatch.context() as patch:
        patch.setattr("gammaops.physics.dl3._open_file", _refuse)
        patch.setattr("gammaops.runner.publishing.file_sha256", lambda _: "of what came over the network")
        assert ledger(tmp_path, run(tmp_path, obs_ids=[12]))[12][0] == "failed"
    assert ledger(tmp_path, run(tmp_path, obs_ids=[12]))[12] == ("done", "")


def test_rebuild_judges_a_quarantined_observation_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("gammaops.physics.dl3._open_file", _refuse)
        assert ledger(tmp_path, run(tmp_path, obs_ids=[12]))[12] == ("quarantined", "truncated")
    assert ledger(tmp_path, run(tmp_path, obs_ids=[12]))[12] == ("quarantined", "truncated")
    assert ledger(tmp_path, run(tmp_path, obs_ids=[12], reuse="rebuild"))[12] == ("done", "")
    assert ledger(tmp_path, run(tmp_path, obs_ids=[12]))[12] == ("reused", "")


def test_rebuild_that_refuses_what_was_good_is_red_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ledger(tmp_path, run(tmp_path, obs_ids=[12]))[12] == ("done", "")
    with monkeypatch.context() as patch:
        patch.setattr("gammaops.physics.dl3._open_file", _refuse)
        again = run(tmp_path, obs_ids=[12], reuse="rebuild")
    assert "was made from the same files, and now they are refused" in again.verdict.line
    assert not again.verdict.ok
    assert ledger(tmp_path, run(tmp_path, obs_ids=[12]))[12] == ("reused", "")


def _refuse(folder: Path, name: str) -> object:
    raise DamagedFile("truncated", "the second half is missing")


def test_an_earlier_record_that_cannot_be_read_harms_no_later_run(tmp_path: Path) -> None:
    store, config = ProductStore(tmp_path), parse_config(CONFIG, name="simulated", source="simulated.yaml")
    run(tmp_path, nights=NIGHTS[:1], label="first")
    (record,) = (tmp_path / "runs").rglob("run.json")
    record.write_bytes(record.read_bytes()[:100])
    assert run(tmp_path, nights=NIGHTS[1:], label="second").verdict.ok
    tomorrow = Run.open(begin(config, store, scheduled_scope(config, ["2026-11-04"]), name="tomorrow"))
    found = late_nights(tomorrow, lambda night: False, 10, Provenance())
    assert [night_of_row(store, row)[0] for row in found] == [NIGHTS[0]]


def test_an_observation_without_a_start_is_in_no_night_and_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=1, observations=3, duration_min=3, size="small"))
    index = tmp_path / "archive" / "obs-index.fits.gz"
    table = Table.read(index)
    table["TSTART"][1] = float("nan")
    table.write(index, overwrite=True)
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    found = run(tmp_path / "store", nights=NIGHTS[:1])
    assert ledger(tmp_path / "store", found) == {1: ("done", ""), 3: ("done", "")}


def test_withdrawn_observation_is_found_and_its_night_made_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=1, observations=3, duration_min=3, size="small"))
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    store, config = ProductStore(tmp_path / "store"), parse_config(CONFIG, name="simulated", source="simulated.yaml")
    run(store.root, nights=NIGHTS[:1])
    tomorrow = Run.open(begin(config, store, scheduled_scope(config, ["2026-11-04"]), name="tomorrow"))
    assert late_nights(tomorrow, lambda night: False, 10, Provenance()) == []
    _withdraw(tmp_path / "archive", 2)
    found = late_nights(tomorrow, lambda night: False, 10, Provenance())
    assert [night_of_row(store, row)[0] for row in found] == list(NIGHTS[:1])
    assert ledger(store.root, run(store.root, nights=NIGHTS[:1])) == {1: ("reused", ""), 3: ("reused", "")}
    assert late_nights(tomorrow, lambda night: False, 10, Provenance()) == []


@pytest.mark.parametrize("stops", [("", ""), ("2026-11-03T10:54:00", "2026-11-04T10:54:00")], ids=["all", "cumulative"])
def test_report_of_a_run_of_all_nights_names_what_the_archive_has_withdrawn_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: tuple[str, str]
) -> None:
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=2, observations=2, duration_min=3, size="small"))
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    store = ProductStore(tmp_path / "store")

    def page(label: str, stop: str) -> str:
        return store.files.read(store.relative(run(store.root, label=label, stop=stop).report)).decode()

    assert "any more" not in page("first", stops[0])
    _withdraw(tmp_path / "archive", 2)
    (before,) = (folder.relative for folder in RunFolder.all(store, "simulated"))
    told = f"2: used by the run before ({before}), and now neither in the index of the archive nor selected"
    assert told in page("second", stops[1])
    assert "any more" not in page("third", stops[1]), "it is told once"
    records = [folder.read("run.json") for folder in RunFolder.all(store, "simulated")]
    assert [b"any more" in record for record in records] == [False] * 3, "the record does not depend on other runs"


def _withdraw(archive: Path, obs_id: int) -> None:
    for name in ("obs-index.fits.gz", "hdu-index.fits.gz"):
        table = Table.read(archive / name)
        table[table["OBS_ID"] != obs_id].write(archive / name, overwrite=True)


@pytest.mark.parametrize(
    ("kind", "rule", "state"),
    [
        ("duplicate-copy", "block", ("done", "duplicate-copy")),
        ("duplicate-id", "block", ("quarantined", "duplicate-id")),
        ("duplicate-id", "first", ("done", "duplicate-resolved")),
        ("duplicate-id", "last", ("done", "duplicate-resolved")),
    ],
)
def test_duplicates_are_copies_or_resolved_by_rule_or_blocked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, rule: str, state: tuple[str, str]
) -> None:
    plan = ArchivePlan(nights=1, observations=2, duration_min=3, size="small", seed=1)
    simulate_archive(tmp_path / "plain" / "archive", plan)
    simulate_archive(tmp_path / "twice" / "archive", replace(plan, bad={2: kind}))
    text = CONFIG.replace("datastore: archive,", f"datastore: archive, duplicates: {rule},")
    found = {}
    for name in ("plain", "twice"):
        monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path / name))
        found[name] = ledger(tmp_path / f"{name}-store", run(tmp_path / f"{name}-store", text))
    assert found["plain"] == {1: ("done", ""), 2: ("done", "")}
    assert found["twice"] == {1: ("done", ""), 2: state}
    same = dataset_digests(tmp_path / "plain-store") == dataset_digests(tmp_path / "twice-store")
    assert same == (kind == "duplicate-copy" or rule == "first")


MASKED = CONFIG.replace(
    "steps: [{name: reduce, tag: data-reduction}]",
    """steps:
  - {name: maps, tag: data-reduction, config: {datasets: &maps}}
  - {name: sky, tag: excess-map, required_products: [maps]}
  - {name: mask, tag: exclusion-mask, required_products: [sky]}
  - {name: masked maps, tag: data-reduction, required_products: [mask], config: {datasets: &maps}}""",
).replace(
    "&maps",
    "{type: 3d, background: {method: ring, parameters: {r_in: 0.3 deg, width: 0.2 deg}},"
    " geom: {wcs: {skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}}}}",
)


def test_a_reduction_whose_mask_cannot_be_made_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise NoWorkFound("no pixel has data")

    monkeypatch.setattr("gammaops.steps.excess_map.science.run", nothing)
    result = run(tmp_path, MASKED, obs_ids=[12])
    assert not result.verdict.ok
    assert "masked maps listed no observation" in result.verdict.line


def test_late_observations_are_looked_for_where_a_step_reads_a_mask_too(tmp_path: Path) -> None:
    store, config = ProductStore(tmp_path), parse_config(MASKED, name="masked", source="masked.yaml")
    tomorrow = Run.open(begin(config, store, scheduled_scope(config, ["2026-11-04"]), name="tomorrow"))
    found = late_nights(tomorrow, lambda night: False, 10, Provenance())
    assert [night_of_row(store, path)[0] for path in found] == list(NIGHTS)


def test_quality_cuts_reject_and_are_named(tmp_path: Path) -> None:
    text = CONFIG.replace("required_irf: [aeff, edisp]", "required_irf: [aeff, edisp], quality: {livetime: {min: 1 h}}")
    result = run(tmp_path, text, nights=NIGHTS[:1])
    states = ledger(tmp_path, result)
    assert states[1] == states[7]
    assert states[1][0] == "rejected"
    assert "livetime" in states[1][1]
    assert not result.verdict.ok, "some were expected and none could be used"


@pytest.mark.requirement("A4.5", "R24")
def test_people_overrule_a_cut_and_the_report_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    (project / "include" / "overrides").mkdir(parents=True)
    decisions = project / "include" / "overrides" / "hess.yaml"
    decisions.write_text(
        "- {observation: 7, verdict: accept, author: B. Expert, comment: short but fine}\n"
        "- {observation: 9, verdict: reject, author: A. Shifter, comment: clouds}\n"
        "- {observation: 99, verdict: reject, author: A. Shifter, comment: a slip of the finger}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("GAMMAOPS_PROJECT", str(project))
    (project / "include" / "sites").symlink_to(Path(__file__).resolve().parents[2] / "include" / "sites")
    cuts = "required_irf: [aeff, edisp], quality: {livetime: {min: 1 h}, overrides: hess.yaml}"
    text = CONFIG.replace("required_irf: [aeff, edisp]", cuts).replace("datastore: archive", "datastore: mine")
    result = run(tmp_path, f"datastores: {{mine: archive}}\n{text}", obs_ids=[1, 7, 9])
    states = ledger(tmp_path, result)
    assert states == {1: ("rejected", "livetime"), 7: ("done", "accepted-by-hand"), 9: ("rejected", "by-hand")}
    folder = RunFolder.of(ProductStore(tmp_path), result.report)
    record = folder.read_json("run.json")
    assert {row["archive"] for row in record["ledger"]} == {"mine"}
    assert record["steps"][0]["cut_flow"] == [
        {"state": "rejected", "reason_class": "livetime", "removed": 1, "left": 2},
        {"state": "rejected", "reason_class": "by-hand", "removed": 1, "left": 1},
    ]
    page = folder.read("report.html").decode()
    for words in (
        "Cut flow",
        "1 of 3 observations are used",
        "rejected by A. Shifter: clouds",
        "accepted by B. Expert: short but",
        "decisions about 99 change nothing: the archive archive has no such observation",
    ):
        assert words in page
    (sidecar,) = (tmp_path / "products" / "dataset").rglob("*.json")
    assert "B. Expert" in sidecar.read_text(encoding="utf-8"), "the decision is part of the provenance"
    plain = run(tmp_path, obs_ids=[7])
    assert ledger(tmp_path, plain)[7] == ("reused", ""), "and not of the key: it changes no byte"
    assert len(dataset_digests(tmp_path)) == 1


def test_unknown_observation_that_was_asked_for_is_missing(tmp_path: Path) -> None:
    states = ledger(tmp_path, run(tmp_path, obs_ids=[1, 99]))
    assert states == {1: ("done", ""), 99: ("missing", "unknown-id")}


@pytest.mark.requirement("R12")
def test_night_without_observations_is_green_and_says_so(tmp_path: Path) -> None:
    result = run(tmp_path, nights=["2026-12-24"])
    assert result.verdict.ok
    assert "NO_DATA" in result.verdict.line
    assert "night 2026-12-24" in result.verdict.line


@pytest.mark.requirement("R26")
def test_alerts_of_a_light_curve_look_at_nothing_in_a_run_of_other_steps(tmp_path: Path) -> None:
    steps = "[{name: reduce, tag: data-reduction}, {tag: fit}, {tag: light-curve}]"
    text = CONFIG.replace("[{name: reduce, tag: data-reduction}]", steps) + (
        "general: {models_file: crab-1d.yaml}\n"
        "light_curve: {energy_edges: {min: 1 TeV, max: 10 TeV, nbins: 1}}\n"
        "alerts: {flare: {flux_above: 5e-11 cm-2 s-1, tell: shift}, lost: {quarantined_above: 0 %, tell: shift}}\n"
    )
    result = run(tmp_path, text, obs_ids=[1, 2], steps=("reduce",))
    (alert,) = RunFolder.of(ProductStore(tmp_path), result.report).read_json("run.json")["alerts"]
    assert alert["rule"] == "lost"


@pytest.mark.requirement("R12")
def test_run_whose_observations_are_of_another_night_says_so_where_it_says_that_it_had_no_work(tmp_path: Path) -> None:
    result = run(tmp_path, nights=["2026-12-24"], obs_ids=[1])
    note = "1: named by obs_ids, but not in the nights, times and targets of the run, in archive"
    assert result.verdict.line == (
        f"simulated, night 2026-12-24 observations 1: NO_DATA: no observation was expected; {note}"
    )
    assert result.without == {"reduce": f"none of the 0 observations can be used; {note}"}


@pytest.mark.requirement("A1.6", "A1.7", "A4.2", "A6.1", "R30")
def test_command_line_runs_and_tells_verdict_and_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "simulated.yaml"
    config.write_text(CONFIG)
    out = tmp_path / "out"
    assert main(["run", "--filename", str(config), "--out", str(out), "--obs-id", "1"]) == 0
    printed = capsys.readouterr().out
    assert "simulated, observations 1: GOOD: 1 expected: 1 done" in printed
    assert f"report: {out.as_uri()}" in printed
    assert main(["run", "--filename", str(config), "--out", str(out), "--obs-id", "2"]) == 2
    assert "RED: 1 of 1 quarantined or missing, more than 80 %" in capsys.readouterr().out


@pytest.mark.requirement("R30")
def test_command_line_refuses_bad_input_with_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "simulated.yaml"
    config.write_text(CONFIG.replace("nbins: 8", "nbinz: 8"))
    assert main(["lint", str(config)]) == 1
    assert f"{config}:7:" in capsys.readouterr().out
    assert main(["run", "--filename", str(config), "--out", str(tmp_path / "out")]) == 1
    assert "did you mean nbins?" in capsys.readouterr().err
    config.write_text(CONFIG)
    assert main(["lint", str(config)]) == 0
    assert main(["run", "--filename", str(config), "--out", str(tmp_path), "--step", "redcue"]) == 1
    assert "no step redcue; there are: reduce" in capsys.readouterr().err


def test_archive_that_is_not_there_is_told_by_the_run_not_by_lint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "simulated.yaml"
    config.write_text(CONFIG)
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    assert main(["lint", str(config)]) == 0
    assert main(["run", "--filename", str(config), "--out", str(tmp_path / "out")]) == 2
    assert "observations.datastore: 'archive' does not exist" in capsys.readouterr().out


POINTS = """
general: {models_file: demo.yaml}
flux_points: {energy: {min: 0.7 TeV, max: 30 TeV, nbins: 1}, source: crab}
light_curve: {energy_edges: {min: 1 TeV, max: 10 TeV, nbins: 1}, source: crab}
excess_map: {correlation_radius: 0.2 deg}
"""
STEPS = """
steps:
  - {name: reduce, tag: data-reduction, products: datasets}
  - {name: spectrum, tag: fit, required_products: [datasets]}
  - {name: points, tag: flux-points, required_products: [datasets, spectrum]}
  - {name: curve, tag: light-curve, required_products: [datasets, spectrum]}
  - name: maps
    tag: data-reduction
    config:
      datasets:
        type: 3d
        geom:
          wcs:
            skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}
            binsize: 0.1 deg
            width: {width: 2 deg, height: 2 deg}
        background: {method: none}
        safe_mask: {methods: [offset-max], parameters: {offset_max: 2 deg}}
  - {name: sky, tag: excess-map, required_products: [maps]}
"""


@pytest.mark.requirement("A2.5", "A3.9")
def test_every_step_gives_the_same_bytes_in_every_process(tmp_path: Path, data: Path) -> None:
    """Python's hash seed, gammapy's random names and the moment of writing differ from process to process."""
    config = tmp_path / "simulated.yaml"
    config.write_text(CONFIG.partition("steps:")[0] + POINTS + STEPS)
    names = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        command = [
            sys.executable,
            "-m",
            "gammaops",
            "run",
            "--filename",
            str(config),
            "--out",
            str(out),
            "--obs-id",
            "1",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "GAMMAOPS_DATA": str(data)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        names.append({path.parent.parent.name: path.name for path in (out / "products").rglob("*.*.*")})
    assert set(names[0]) >= {"dataset", "fit", "flux_points", "light_curve", "excess_map"}
    assert names[0] == names[1]
