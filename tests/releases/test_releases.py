"""What a release holds, what it refuses, who decides on it, and that nothing of it ever changes."""

from __future__ import annotations

import json
import threading

import pytest

from gammaops.care.garbage import find_garbage
from gammaops.care.runs_kept import Rules
from gammaops.errors import ConfigError, ProductError, ProductMissing
from gammaops.products import ProductStore, RunFolder
from gammaops.releases.choosing import choose_runs
from gammaops.releases.decisions import PROMOTED, REJECTED, current_release, decide, decisions
from gammaops.releases.freezing import freeze
from gammaops.releases.names import Signature
from gammaops.releases.records import open_release

pytestmark = pytest.mark.requirement("R23")
ANN = Signature("Ann", "2026-11-10T08:00:00+00:00", "the first one")
BEN = Signature("Ben", "2026-11-11T08:00:00+00:00", "agrees with the last one")


def frozen(store: ProductStore, name: str = "2026-11-prod", *selectors: str) -> str:
    return freeze(store, name, choose_runs(store, selectors or ["crab"]).folders, ANN)


def changed_record(store: ProductStore, change) -> RunFolder:
    """A further version of the only run, with another record."""
    (folder,) = RunFolder.all(store, "crab")
    record = folder.read_json("run.json")
    change(record)
    after = folder.successor()
    after.create_json("run.json", {**record, "run": after.relative, "version": after.version})
    return after


def test_a_release_names_runs_products_digests_versions_and_who_froze_it(observatory):
    store = observatory.store
    uri = frozen(store)
    document = json.loads((store.root / "releases" / "2026-11-prod.json").read_text(encoding="utf-8"))
    (run,) = document["runs"]
    record = RunFolder(store, run["run"]).read_json("run.json")
    assert uri == (store.root / "releases" / "2026-11-prod.json").as_uri()
    assert document["frozen"] == {"author": "Ann", "comment": "the first one", "time": ANN.time, "who": {}}
    assert document["states"] == {"done": 4}
    assert document["packages"]["gammapy"] == ["2.1"]
    assert run["config_digest"] == record["config_digest"]
    assert [one["name"] for one in run["products"]] == ["datasets", "stack", "spectrum", "points", "curve"]
    assert all(f".{one['digest']}." in one["path"] for one in run["products"])
    assert [row["obs_id"] for row in run["observations"]] == [1, 2, 3, 4]
    assert all((store.root / row["products"]["reduce"]).is_file() for row in run["observations"])


def test_a_release_is_never_written_again(observatory):
    frozen(observatory.store)
    before = (observatory.store.root / "releases" / "2026-11-prod.json").read_bytes()
    with pytest.raises(ProductError, match=r"there is a release 2026-11-prod already.*take another name"):
        frozen(observatory.store)
    assert (observatory.store.root / "releases" / "2026-11-prod.json").read_bytes() == before


def test_of_two_that_freeze_the_same_name_one_succeeds(observatory):
    results: list[object] = []

    def work() -> None:
        try:
            results.append(frozen(observatory.store))
        except ProductError as error:
            results.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in results) == ["ProductError"] * 3 + ["str"]


@pytest.mark.parametrize("name", ["", "current", "../x", ".hidden", "a/b", "a b", "x" * 81, "decisions/0001"])
def test_names_that_would_mislead_or_leave_the_folder_are_refused(observatory, name):
    with pytest.raises(ConfigError, match="is no name for a release; expected letters, digits"):
        frozen(observatory.store, name)
    assert list(observatory.store.files.names("releases")) == []


def test_a_red_run_is_refused_with_its_verdict(observatory):
    changed_record(observatory.store, lambda record: record.update(verdict={"line": "crab: RED: no fit", "ok": False}))
    with pytest.raises(ProductError, match=r"runs/crab/local-\w+/v002 is red: crab: RED: no fit"):
        frozen(observatory.store)


def test_a_run_that_has_not_ended_is_refused_by_name_and_passed_over_for_one_that_has(observatory):
    (folder,) = RunFolder.all(observatory.store, "crab")
    open_run = folder.successor()
    with pytest.raises(ProductError, match=r"v002 has not ended"):
        frozen(observatory.store, "a", open_run.relative)
    frozen(observatory.store, "b")
    assert [one.relative for one in open_release(observatory.store, "b").folders] == [folder.relative]


def test_a_run_whose_folder_was_renamed_is_called_that(observatory, call):
    store = observatory.store
    frozen(store)
    (folder,) = RunFolder.all(store, "crab")
    parent = (store.root / folder.relative).parent
    parent.rename(parent.with_name("mine"))
    asked = f"its request.json is that of the run 'local', whose folder is called {folder.label}"
    told = f"runs/crab/mine/v001 is not what its folder says: {asked}; rename it back"
    with pytest.raises(ProductError) as error:
        frozen(store, "b")
    assert str(error.value).endswith(told)
    code, _, err = call("diff", "2026-11-prod", "crab")
    assert (code, f"{folder.relative} is not there: its folder was renamed or deleted" in err) == (1, True)
    (parent.with_name("mine") / "v001" / "run.json").unlink()
    assert f"runs/crab/mine/v001  {told.partition(' ')[2]}" in call("status")[1]
    code, _, err = call("report", "crab/mine")
    assert (code, told in err) == (1, True)
    parent.with_name("mine").rename(parent)
    assert f"{folder.relative}  has not ended" in call("status")[1]


def test_observations_without_an_outcome_are_refused(observatory):
    changed_record(observatory.store, lambda record: record["ledger"][1].update(state="failed"))
    with pytest.raises(ProductError, match="has observations without an outcome: 2; run it again"):
        frozen(observatory.store)


def test_used_observations_without_a_product_are_refused(observatory):
    changed_record(observatory.store, lambda record: record["ledger"][2]["steps"]["reduce"].update(path=""))
    with pytest.raises(ProductError, match="uses observations without naming their products: 3"):
        frozen(observatory.store)


@pytest.mark.parametrize("kind", ["fit", "dataset", "light_curve"])
@pytest.mark.parametrize("harm", ["gone", "other bytes"])
def test_damaged_and_missing_products_are_refused_with_their_paths(observatory, kind, harm):
    payload = next(
        path for path in (observatory.store.root / "products" / kind).rglob("*") if path.suffix in (".fits", ".yaml")
    )
    if harm == "gone":
        payload.unlink()
    else:
        content = payload.read_bytes()
        payload.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ProductError, match=f"nothing is frozen.*(?s:.)*{payload.stem.partition('.')[0]}"):
        frozen(observatory.store)
    assert list(observatory.store.files.names("releases")) == []


def test_an_analysis_gives_the_newest_finished_version_of_each_run(observatory):
    observatory.run()
    found = choose_runs(observatory.store, ["crab"])
    assert [one.version for one in found.folders] == ["v002"]
    assert [one.version for one in choose_runs(observatory.store, ["crab/local/v001"]).folders] == ["v001"]
    label = found.folders[0].label
    assert choose_runs(observatory.store, [f"runs/crab/{label}/v002/"]).folders == found.folders


def test_of_runs_of_the_same_night_the_last_speaks_for_it(observatory):
    observatory.run("again")
    found = choose_runs(observatory.store, ["crab"])
    assert [one.label.partition("-")[0] for one in found.folders] == ["again"]
    assert "local" in found.notes[0]
    assert "took the same and began later" in found.notes[0]


def test_runs_with_another_config_are_taken_only_by_name(observatory):
    observatory.run("wide", obs_ids=[1], nights=[], overrides={"datasets": {"on_region": {"radius": "0.2 deg"}}})
    found = choose_runs(observatory.store, ["crab"])
    assert [one.label.partition("-")[0] for one in found.folders] == ["local"]
    assert "it ran with another config; name it to take it" in found.notes[0]
    assert len(choose_runs(observatory.store, ["crab", "crab/wide"]).folders) == 2


def test_nights_and_exceptions_choose_among_the_runs_of_an_analysis(observatory):
    observatory.run("one", obs_ids=[1], nights=[])
    labels = {one.label.partition("-")[0] for one in choose_runs(observatory.store, ["crab"]).folders}
    assert labels == {"local", "one"}
    assert choose_runs(observatory.store, ["crab"], nights=["2020-01-01"]).folders == ()
    left = choose_runs(observatory.store, ["crab"], nights=["2026-11-02"], without=["crab/one"]).folders
    assert [one.label.partition("-")[0] for one in left] == ["local"]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("vela", "has no run of an analysis 'vela'"),
        ("../crab", r"'\.\./crab' names no run"),
        ("crab/../..", "crab has no run '../..'; it has: local"),
        ("crab/local/v007", "has no version v007; it has: v001"),
    ],
)
def test_selectors_that_name_nothing_say_what_there_is(observatory, selector, message):
    with pytest.raises(ProductMissing, match=message):
        choose_runs(observatory.store, [selector])


def test_the_current_release_is_the_one_promoted_last(observatory):
    store = observatory.store
    frozen(store, "r1")
    frozen(store, "r2")
    assert current_release(store) == ""
    for name, verdict in (("r1", PROMOTED), ("r2", PROMOTED), ("r2", REJECTED), ("r1", PROMOTED)):
        decide(store, name, verdict, BEN)
    assert current_release(store) == "r1"
    assert [(one.release, one.verdict, one.signature) for one in decisions(store)][2] == ("r2", REJECTED, BEN)
    assert sorted(path.name for path in (store.root / "releases/decisions").iterdir()) == [
        f"{number:04d}.json" for number in (1, 2, 3, 4)
    ]


def test_of_two_that_promote_at_once_each_gets_a_number(observatory):
    frozen(observatory.store, "r1")
    threads = [
        threading.Thread(target=decide, args=(observatory.store, "r1", PROMOTED, Signature(f"P{number}", BEN.time)))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.signature.author for one in decisions(observatory.store)} == {"P0", "P1", "P2", "P3"}


def test_what_is_not_any_more_what_was_frozen_is_not_promoted(observatory):
    frozen(observatory.store, "r1")
    payload = next((observatory.store.root / "products" / "fit").rglob("*.yaml"))
    payload.write_bytes(b"x" + payload.read_bytes()[1:])
    with pytest.raises(ProductError, match=r"r1 is not promoted, for it is not what was frozen(?s:.)*SHA-256 differs"):
        decide(observatory.store, "r1", PROMOTED, BEN)
    assert decisions(observatory.store) == []


def test_nobody_signs_nothing(observatory):
    with pytest.raises(ConfigError, match="author: is empty; expected who answers for it"):
        Signature(" ", BEN.time)


def test_garbage_never_takes_what_a_release_names(observatory):
    store = observatory.store
    frozen(store, "r1")
    decide(store, "r1", PROMOTED, BEN)
    observatory.run()
    garbage = find_garbage(store, Rules(keep_runs=0, grace=0.0), now=3e9)
    names = set(garbage.names)
    assert any("/v002/" in name for name in names)
    assert not any("/v001/run.json" in name for name in names)
    assert not any(name.startswith(("releases/", "products/fit/", "products/dataset/")) for name in names)


def test_the_command_line_freezes_lists_shows_and_promotes(observatory, call):
    code, out, _ = call("releases", "freeze", "r1", "--runs", "crab", "--author", "Ann", "--comment", "first light")
    assert code == 0
    assert "crab: 1 runs, 4 observations" in out
    assert call("releases", "ls")[1].splitlines()[1].split()[:2] == ["r1", "frozen"]
    code, out, _ = call("releases", "promote", "r1", "--author", "Ben", "--comment", "as the paper")
    assert (code, "current: r1" in out) == (0, True)
    line = call("releases", "ls")[1].splitlines()[1]
    assert line.split()[:2] == ["r1", "current"]
    assert "by Ben: as the paper" in line
    out = call("releases", "show", "current")[1]
    assert "gammapy 2.1" in out
    assert "products/light_curve/" in out
    assert call("releases", "verify", "r1")[0] == 0
    assert call("releases", "reject", "r1", "--author", "Cy", "--comment", "wrong IRFs")[0] == 0
    (rejected,) = [one for one in call("releases", "ls")[1].splitlines() if one.startswith("r1")]
    assert rejected.split()[1] == "rejected"


def test_the_command_line_exits_1_for_what_is_refused_and_2_for_what_is_damaged(observatory, call):
    assert call("releases", "show", "nope")[0::2] == (
        1,
        f"the store {observatory.store.uri} has no release 'nope'; it has: none\n",
    )
    assert call("releases", "promote", "nope", "--author", "Ann", "--comment", "good")[0] == 1
    for blank in ((), ("--comment", " ")):
        code, _, said = call("releases", "promote", "nope", "--author", "Ann", *blank)
        assert (code, "--comment" in said) == (1, True)
    call("releases", "freeze", "r1", "--runs", "crab")
    next((observatory.store.root / "products" / "fit").rglob("*.yaml")).unlink()
    code, out, _ = call("releases", "verify", "r1")
    assert (code, "is gone" in out) == (2, True)


def test_a_record_of_a_run_that_was_changed_since_is_told(observatory):
    frozen(observatory.store, "r1")
    (folder,) = open_release(observatory.store, "r1").folders
    (observatory.store.root / folder.relative / "run.json").write_bytes(b"{}")
    assert open_release(observatory.store, "r1").problems()[0].endswith("is not the record that was frozen")
