"""Care of a store on a disk and in an object store: what is damaged is found, what nothing needs goes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import gammaops
from gammaops.care.checking import choose, lonely_payloads, lost_products, troubles_of
from gammaops.care.garbage import delete, find_garbage
from gammaops.care.maintenance import collect_garbage, report_growth, verify_sample
from gammaops.care.reproducing import IDENTICAL, reproduce
from gammaops.care.runs_kept import Rules
from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.errors import ProductCorrupt, ProductError, RunFailed
from gammaops.lineage import Lineage
from gammaops.products import ProductStore, RunFolder
from gammaops.products.paths import sidecar_of
from gammaops.products.probing import PROBE
from gammaops.runner import Provenance, Run, begin
from gammaops.runner.attempts import attempt
from gammaops.steps.base import Scope

pytestmark = [pytest.mark.usefixtures("toys"), pytest.mark.requirement("R34")]
DAY = 86400.0
SUM = """
steps:
  - {{name: a, tag: count}}
  - {{name: b, tag: count, config: {{count: {{number: {number}}}}}}}
  - {{name: c, tag: total, required_products: [a, b], products: [sum, words]}}
"""


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.s3)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Root of an empty store."""
    return request.getfixturevalue("bucket") if request.param == "s3" else (tmp_path / "st").as_uri()


def run(place: str, number: int, label: str = "night", **more: object) -> str:
    """One version of a run: the sum of 1 and a number; its folder below the store."""
    config = parse_config(SUM.format(number=number), name="toy", source="toy.yaml")
    result = gammaops.run(config, place, label=label, **more)
    assert result.verdict.ok, result.verdict.line
    return RunFolder.of(ProductStore(place), result.report).relative


def files(store: ProductStore) -> dict[str, int]:
    return {entry.name: entry.size for entry in store.files.entries("") if not entry.name.startswith(("cache/", PROBE))}


def products_of(store: ProductStore, relative: str) -> set[str]:
    record = RunFolder(store, relative).read_json("run.json")
    return {entry["path"] for step in record["steps"] for entry in step["products"]}


def check_whole(store: ProductStore) -> None:
    """Nothing is wrong, and every product can be made again."""
    assert [trouble for name in choose(store, None, 0) for trouble in troubles_of(store, name)] == []
    assert list(lonely_payloads(store, time.time() + DAY)) == []
    lineage = Lineage(store)
    assert {reproduce(lineage, name).result for name in store.sidecars()} == {IDENTICAL}


@pytest.fixture
def three(place: str) -> tuple[ProductStore, list[str]]:
    """Three versions of a run; the second and third take one product of the first."""
    return ProductStore(place), [run(place, number) for number in (2, 3, 4)]


def test_without_a_rule_nothing_is_garbage(three):
    store, _ = three
    assert find_garbage(store, Rules(), time.time() + 1000 * DAY).names == []


def test_old_versions_go_with_what_they_alone_need_and_a_dry_run_says_exactly_that(three, place):
    store, (first, second, third) = three
    before = files(store)
    garbage = find_garbage(store, Rules(keep_runs=1), time.time() + 2 * DAY)
    assert files(store) == before
    delete(store, garbage)
    after = files(store)
    assert set(before) - set(after) == set(garbage.names)
    assert sum(before.values()) - sum(after.values()) == garbage.size > 0
    assert {name: after[name] for name in after} == {name: before[name] for name in after}
    # What the third needs was made by the first: it can still be made again.
    assert sorted(name for name in after if name.startswith(first)) == [f"{first}/config.yaml", f"{first}/request.json"]
    assert [name for name in after if name.startswith(second)] == []
    assert products_of(store, third) <= set(after)
    check_whole(store)
    assert run(place, 4, reuse="only") == third.replace("v003", "v004")
    again = find_garbage(store, Rules(keep_runs=2), time.time() + 2 * DAY)
    assert again.names == []
    assert run(place, 2) == third.replace("v003", "v005"), "what is gone is made again"
    check_whole(store)


def test_what_latest_names_stays_even_if_a_newer_version_ended_before(three):
    store, (_, second, third) = three
    RunFolder(store, second).point_latest()
    names = find_garbage(store, Rules(keep_runs=1), time.time() + 2 * DAY).names
    assert not any(name.startswith((second, third)) for name in names)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_collection_that_was_killed_is_finished_by_the_next(three, part):
    store, (_, _, third) = three
    garbage = find_garbage(store, Rules(keep_runs=1), time.time() + 2 * DAY)
    for entry in garbage.entries[: int(part * len(garbage.entries))]:
        store.files.remove(entry.name)
    left = [trouble for name in choose(store, None, 0) for trouble in troubles_of(store, name)]
    assert left == [], "no sidecar without its payload, at any moment"
    rest = find_garbage(store, Rules(keep_runs=1), time.time() + 2 * DAY)
    assert set(rest.names) <= set(garbage.names)
    delete(store, rest)
    assert not set(files(store)) & set(garbage.names)
    assert products_of(store, third) <= set(files(store))
    check_whole(store)


def test_what_a_release_names_stays(three):
    store, (first, second, third) = three
    store.files.create("releases/2026-11-prod.json", json.dumps({"name": "x", "runs": [second]}).encode())
    needed = products_of(store, second)
    delete(store, find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY))
    left = set(files(store))
    assert needed <= left
    assert {f"{second}/{name}" for name in ("config.yaml", "request.json", "run.json", "report.html")} <= left
    assert {name for name in left if name.startswith((first, third))} == {
        f"{first}/config.yaml",
        f"{first}/request.json",
    }
    check_whole(store)


def test_a_released_product_whose_sidecar_is_lost_stops_the_collection(three):
    store, (_, second, _) = three
    released = sorted(products_of(store, second))
    document = {"name": "x", "runs": [second], "products": released}
    store.files.create("releases/2026-11-prod.json", json.dumps(document).encode())
    lost = released[0]
    store.files.remove(sidecar_of(lost))
    garbage = find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY)
    assert garbage.names == []
    assert garbage.notes[0].startswith("nothing is collected while products of releases have lost their sidecars: ")
    assert lost in garbage.notes[0]


def test_young_things_stay_whatever_the_rules(three):
    store, _ = three
    assert find_garbage(store, Rules(keep_runs=0, older_than=0), time.time()).names == []


def test_only_what_is_older_goes_and_the_newest_version_stays(three):
    store, (first, second, third) = three
    rules = Rules(older_than=90 * DAY)
    assert find_garbage(store, rules, time.time() + 89 * DAY).names == []
    names = find_garbage(store, rules, time.time() + 91 * DAY).names
    assert {name.rpartition("/")[0] for name in names if name.startswith("runs/")} == {first, second}
    assert not any(name.startswith(third) for name in names)


def test_nothing_is_kept_of_a_run_if_so_it_is_asked(three):
    store, _ = three
    delete(store, find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY))
    assert files(store) == {}


def test_a_version_that_never_ended_does_not_count_as_one_to_keep(three, place):
    store, (_, _, third) = three
    config = parse_config(SUM.format(number=5), name="toy", source="toy.yaml")
    begun = RunFolder.of(store, begin(config, store, Scope(), name="night")).relative
    names = find_garbage(store, Rules(keep_runs=1), time.time() + 2 * DAY).names
    assert {f"{begun}/config.yaml", f"{begun}/request.json"} <= set(names)
    assert not any(name.startswith(third) for name in names)


@pytest.mark.parametrize(("grace", "later"), [(DAY, DAY / 2), (0.0, 3600.0)])
def test_while_a_run_is_at_work_products_and_runs_stay(three, grace, later):
    store, _ = three
    config = parse_config(SUM.format(number=5), name="toy", source="toy.yaml")
    begun = RunFolder.of(store, begin(config, store, Scope(), name="other")).relative
    garbage = find_garbage(store, Rules(keep_runs=0, grace=grace), time.time() + later)
    assert garbage.names == []
    assert garbage.notes == (
        f"products and runs stay as long as a run is at work, which may take any of them: {begun}",
    )


def test_a_task_that_was_cleared_after_the_end_of_its_run_keeps_products_and_runs(three):
    store, (first, *_) = three
    found = find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY)
    opened = Run.open(RunFolder(store, first).uri_of("config.yaml"))
    with attempt(opened, opened.plan.steps[0].name, "task", Provenance()):
        pass
    garbage = find_garbage(store, Rules(keep_runs=0, grace=DAY), time.time() + DAY / 2)
    assert garbage.names == []
    assert garbage.notes[0].endswith(f"which may take any of them: {first}")
    with pytest.raises(ProductError, match=rf"meanwhile there is {first}, at work again since "):
        delete(store, found)
    assert find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY).names, "it is over some day"


def test_nothing_is_deleted_if_a_release_was_made_or_a_run_began_meanwhile(three, place):
    store, (first, *_) = three
    garbage = find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY)
    before = files(store)
    store.files.create("releases/now.json", json.dumps({"runs": [first]}).encode())
    with pytest.raises(ProductError, match=r"meanwhile there is releases/now.json"):
        delete(store, garbage)
    assert set(files(store)) - set(before) == {"releases/now.json"}
    garbage = find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY)
    run(place, 2, label="other")
    with pytest.raises(ProductError, match=r"meanwhile there is runs/toy/other"):
        delete(store, garbage)


def test_a_release_that_cannot_be_read_stops_everything(three):
    store, _ = three
    store.files.create("releases/x.json", b"{")
    with pytest.raises(ProductCorrupt, match=r"releases/x.json is not JSON"):
        find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY)


def test_a_sidecar_that_cannot_be_read_stays_and_is_told(three):
    store, _ = three
    name = next(store.sidecars("value"))
    store.files.replace(name, b"{")
    garbage = find_garbage(store, Rules(keep_runs=0), time.time() + 2 * DAY)
    assert name not in garbage.names
    assert garbage.notes == ("1 sidecars or indexes cannot be read and stay; see verify",)


def test_a_payload_without_sidecar_is_found_and_goes_once_it_is_old(three):
    store, _ = three
    key = "ab" + "0" * 30
    name = f"products/value/ab/{key}.{'1' * 16}.yaml"
    with store.scratch() as folder:
        (folder / "x.yaml").write_bytes(b"3\n")
        store.files.place(folder / "x.yaml", name)
    assert list(lonely_payloads(store, time.time() - DAY)) == []
    (trouble,) = lonely_payloads(store, time.time() + DAY)
    assert (trouble.name, trouble.problem) == (name, "no sidecar names it: the try that made it was killed")
    assert find_garbage(store, Rules(), time.time()).names == []
    assert find_garbage(store, Rules(), time.time() + 2 * DAY).names == [name]


def verified(place: str, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = main(["products", "verify", "--store", place, *more])
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        (("sidecar",), "has lost its sidecar {key}.json"),
        (("sidecar", "payload"), "is gone"),
        (("payload",), "is gone, though its key has a sidecar"),
    ],
)
def test_a_product_that_a_run_names_and_that_is_lost_is_told_with_what_to_do(three, place, capsys, lost, what):
    store, (_, second, _) = three
    path = sorted(products_of(store, second))[0]
    assert verified(place, capsys)[0] == 0
    for name in lost:
        store.files.remove({"sidecar": sidecar_of(path), "payload": path}[name])
    code, told = verified(place, capsys)
    key = PurePosixPath(path).name[:32]
    assert code == 2
    (line,) = [line for line in told.splitlines() if line.startswith(f"{path}: ")]
    assert line.startswith(f"{path}: {what.format(key=key)}; named by runs/toy/")
    assert line.endswith(": run that again, which makes what is missing")
    run(place, 3)
    assert verified(place, capsys)[0] == 0


def test_a_lost_product_of_a_release_is_told_as_that(three, place, capsys):
    store, (_, second, _) = three
    released = sorted(products_of(store, second))
    document = {"name": "x", "runs": [second], "products": released}
    store.files.create("releases/2026-11-prod.json", json.dumps(document).encode())
    store.files.remove(sidecar_of(released[0]))
    code, told = verified(place, capsys)
    assert code == 2
    (line,) = [line for line in told.splitlines() if line.startswith(f"{released[0]}: has lost its sidecar ")]
    assert "named by releases/2026-11-prod.json" in line
    assert line.endswith("restore it from a backup, or run it again and see `gammaops releases verify`")


def number_of(store: ProductStore, relative: str) -> str:
    """The product of the step b of a run, which no index names."""
    (step,) = (step for step in RunFolder(store, relative).read_json("run.json")["steps"] if step["name"] == "b")
    return str(step["products"][0]["path"])


class Beside:
    """The files of a store, with something done in it once a folder was listed for the first time."""

    def __init__(self, store: ProductStore, folder: str, work: Callable[[], object]) -> None:
        self._files = store.files
        self._folder, self._work = folder, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def names(self, folder: str) -> list[str]:
        found = list(self._files.names(folder))
        if folder == self._folder:
            self._folder = ""
            self._work()
        return found


@pytest.mark.parametrize("listed", ["products", "runs", "releases"])
def test_what_is_published_between_two_lists_is_not_lost(place, listed):
    run(place, 2)
    store = ProductStore(place)
    beside = ProductStore.of(Beside(store, listed, lambda: run(place, 3)))
    assert list(lost_products(beside)) == []
    assert len(list(RunFolder.all(store, "toy"))) == 2, "a run has ended meanwhile"


@pytest.mark.parametrize("lost", ["sidecar", "payload"])
def test_what_is_repaired_meanwhile_is_not_lost(place, lost):
    relative = run(place, 2)
    store = ProductStore(place)
    path = min(products_of(store, relative))
    name = sidecar_of(path) if lost == "sidecar" else path
    content = store.files.read(name)
    store.files.remove(name)
    assert [trouble.name for trouble in lost_products(store)] == [path]
    beside = ProductStore.of(Beside(store, "products", lambda: store.files.create(name, content)))
    assert list(lost_products(beside)) == []


def test_what_is_deleted_meanwhile_with_its_run_is_not_lost(place):
    relative = run(place, 2)
    store = ProductStore(place)

    def collect() -> None:
        for name in (*store.files.names(relative), *store.files.names("products")):
            store.files.remove(name)

    for folder in ("runs", "products"):
        assert list(lost_products(ProductStore.of(Beside(store, folder, collect)))) == []
        assert list(store.files.names("products")) == []
        run(place, 2)


def test_a_payload_that_has_lost_its_sidecar_is_never_set_aside_while_a_record_names_it(three, place, capsys):
    store, (_, second, _) = three
    path = number_of(store, second)
    document = {"name": "x", "runs": [second], "products": [path]}
    store.files.create("releases/2026-11-prod.json", json.dumps(document).encode())
    store.files.remove(sidecar_of(path))
    content = store.files.read(path)
    for more in ((), ("--grace", "0min"), ("--sample", "1")):
        code, told = verified(place, capsys, "--set-aside", *more)
        assert (code, told.count(path), "set aside" in told) == (2, 1, False)
    assert store.files.read(path) == content
    assert list(store.files.names("damaged")) == []


def made_again(store: ProductStore, path: str, content: bytes) -> str:
    """Put other bytes in the place of a product, as a run does that makes it anew; their path."""
    sidecar = sidecar_of(path)
    sha256 = hashlib.sha256(content).hexdigest()
    other = str(PurePosixPath(path).with_name(f"{PurePosixPath(sidecar).stem}.{sha256[:16]}.yaml"))
    payload = {"name": PurePosixPath(other).name, "sha256": sha256, "size": len(content)}
    document = {**store.sidecar(sidecar), "payload": payload}
    store.files.remove(path)
    store.files.create(other, content)
    store.files.replace(sidecar, json.dumps(document).encode())
    return other


def test_what_was_made_again_with_other_bytes_is_remarked_and_no_problem(three, place, capsys):
    store, (_, second, _) = three
    path = number_of(store, second)
    other = made_again(store, path, b"number: 33\n")
    before = set(store.files.names(""))
    code, told = verified(place, capsys, "--set-aside")
    what = f"{path}: is gone; what was made again in its place has other bytes: {other}"
    assert f"{what}; named by {second}/run.json\n" in told
    assert (code, told.splitlines()[-1]) == (0, "13 products looked at, 0 problems")
    assert set(store.files.names("")) == before


def test_that_is_a_problem_if_what_was_made_again_is_not_whole(three, place, capsys):
    store, (_, second, _) = three
    path = number_of(store, second)
    store.files.replace(made_again(store, path, b"number: 33\n"), b"number: 3")
    code, told = verified(place, capsys)
    assert (code, told.splitlines()[-1]) == (2, "13 products looked at, 2 problems")
    assert f"{path}: is gone, though its key has a sidecar; named by {second}/run.json: run that again" in told


def test_that_is_a_problem_if_a_release_names_the_old_bytes(three, place, capsys):
    store, (_, second, _) = three
    path = number_of(store, second)
    document = {"name": "x", "runs": [second], "products": [path]}
    store.files.create("releases/2026-11-prod.json", json.dumps(document).encode())
    other = made_again(store, path, b"number: 33\n")
    code, told = verified(place, capsys)
    assert (code, told.splitlines()[-1]) == (2, "13 products looked at, 1 problems")
    what = f"{path}: is gone; what was made again in its place has other bytes: {other}"
    assert f"{what}; named by releases/2026-11-prod.json and 1 more: restore it from a backup" in told


def test_a_record_that_cannot_be_read_is_told_and_never_set_aside(three, place, capsys):
    store, (first, *_) = three
    store.files.replace(f"{first}/run.json", b"{")
    code, told = verified(place, capsys, "--set-aside")
    assert code == 2
    assert f"{first}/run.json: " in told
    assert store.files.read(f"{first}/run.json") == b"{"


def test_a_second_payload_of_a_key_is_found(three):
    store, _ = three
    name = next(store.sidecars("value"))
    payload = store.relative(store.open(store.uri_of(name)).uri)
    other = f"{name.removesuffix('.json')}.{'1' * 16}.yaml"
    store.files.create(other, b"x")
    (trouble,) = lonely_payloads(store, time.time() + DAY)
    assert (trouble.name, trouble.problem) == (other, f"its sidecar names another payload: {payload}")


def spoil(store: ProductStore, damage: str) -> tuple[str, str]:
    """Damage a product; its sidecar, and what is to be said of it."""
    index = next(store.sidecars("outputs"))
    member = next(name for name in store.sidecars("value") if store.sidecar(name)["step"]["name"] == "c")
    payload = store.relative(store.open(store.uri_of(member)).uri)
    if damage == "bytes":
        store.files.replace(payload, b"9\n")
        return member, "has other bytes than its sidecar says"
    if damage == "size":
        store.files.replace(payload, b"")
        return member, "has 0 bytes, its sidecar says 2"
    if damage == "payload gone":
        store.files.remove(payload)
        return member, "is gone"
    if damage == "not JSON":
        store.files.replace(member, b"{")
        return member, "is not JSON"
    if damage == "empty":
        store.files.replace(member, b"{}")
        return member, "lacks what every sidecar has"
    if damage == "elsewhere":
        sidecar = store.sidecar(member)
        store.files.replace(member, json.dumps({**sidecar, "key": "0" * 32}).encode())
        return member, f"says value {'0' * 32}"
    store.files.remove(member)
    store.files.remove(payload)
    return index, "its member value is gone"


DAMAGES = ["bytes", "size", "payload gone", "not JSON", "empty", "elsewhere", "member gone"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_found_and_what_is_set_aside_is_made_again(place, damage, capsys):
    run(place, 2)
    store = ProductStore(place)
    assert main(["products", "verify", "--store", place]) == 0
    assert "5 products looked at, 0 problems" in capsys.readouterr().out
    name, words = spoil(store, damage)
    assert main(["products", "verify", "--store", place]) == 2
    printed = capsys.readouterr().out
    assert f"{name}: " in printed
    assert words in printed
    assert main(["products", "verify", "--store", place, "--set-aside"]) == 2
    assert list(store.files.names("damaged")) != []
    run(place, 2)
    assert main(["products", "verify", "--store", place]) == 0


def test_a_sample_is_verified_and_another_one_by_another_seed(three):
    store, _ = three
    samples = [choose(store, 3, seed) for seed in range(5)]
    assert {len(sample) for sample in samples} == {3}
    assert len({tuple(sample) for sample in samples}) > 1
    assert choose(store, 3, 1) == samples[1]
    assert choose(store, 1000, 1) == list(store.sidecars())


def test_gc_on_the_command_line_is_a_dry_run_unless_told_otherwise(three, place, capsys):
    store, _ = three
    before = files(store)
    arguments = ["products", "gc", "--store", place, "--keep-runs", "1", "--grace", "0min"]
    assert main(arguments) == 0
    dry = capsys.readouterr().out.splitlines()
    assert dry[-1].endswith("would be freed; dry run, --delete deletes exactly these")
    assert files(store) == before
    assert main([*arguments, "--delete"]) == 0
    real = capsys.readouterr().out.splitlines()
    assert real[:-1] == dry[:-1] == sorted(set(before) - set(files(store)), key=dry.index)
    assert real[-1].endswith("freed")
    assert main(["products", "gc", "--store", place, "--older-than", "soon"]) == 1
    assert "'soon' is no age; expected a number with min, h, d or w, such as 90d" in capsys.readouterr().err


def test_maintenance_leaves_its_findings_in_the_store(three, place):
    store, _ = three
    label = "2026-11-02T120000"
    uri, words = report_growth(store, label)
    assert PurePosixPath(uri).parts[-2:] == (label, "growth.json")
    document = json.loads(store.files.read(store.relative(uri)))
    held = files(store)
    assert document["kinds"]["value"]["products"] == 7
    assert document["kinds"]["value"]["bytes"] == sum(held[name] for name in held if name.startswith("products/value/"))
    assert words.startswith(f"{document['bytes'] / 1e3:.1f} kB in the store")
    assert (document["free_bytes"] is None) == place.startswith("s3")
    run(place, 9)
    more = json.loads(store.files.read(store.relative(report_growth(store, "2026-11-03T120000")[0])))
    assert more["grown"]["since"] == label
    assert more["grown"]["bytes"] == more["bytes"] - document["bytes"] > 0
    assert verify_sample(store, label, 4, DAY)[1] == "4 products verified, 0 problems"
    before = files(store)
    uri, words = collect_garbage(store, label, Rules())
    assert words == "0 files, 0 bytes could be freed; no rule is given, so nothing is"
    spoil(store, "bytes")
    with pytest.raises(RunFailed, match="has other bytes than its sidecar says"):
        verify_sample(store, label, 1000, DAY)
    assert json.loads(store.files.read(f"maintenance/{label}/verify.json"))["verified"] == 17
    assert set(files(store)) - set(before) == {store.relative(uri)}


def test_maintenance_deletes_by_rule(three, place):
    store, _ = three
    before = files(store)
    uri, words = collect_garbage(store, "2026-11-02T120000", Rules(keep_runs=1, grace=0))
    document = json.loads(store.files.read(store.relative(uri)))
    assert (document["deleted"], document["rules"]["keep_runs"]) == (True, 1)
    assert set(document["names"]) == set(before) - set(files(store))
    assert words.endswith("freed")


def test_what_killed_tries_leave_on_this_machine_goes_once_it_is_old(place, tmp_path):
    run(place, 2)
    store = ProductStore(place)
    left = store.files.scratch / ("a" * 32)
    left.mkdir(parents=True)
    (left / "part.fits").write_bytes(b"x" * 100)
    assert find_garbage(store, Rules(), time.time()).leftovers == ()
    garbage = find_garbage(store, Rules(), time.time() + 2 * DAY)
    assert [leftover.path for leftover in garbage.leftovers] == [left]
    assert garbage.leftovers[0].size >= 100
    delete(store, garbage)
    assert not left.exists()


def test_temporary_files_go_once_they_are_old(tmp_path):
    run(tmp_path.as_uri(), 2)
    store = ProductStore(tmp_path)
    old = tmp_path / "products" / "value" / f".{'b' * 32}.x.json"
    young = old.with_name(f".{'c' * 32}.x.json")
    other = old.with_name(".nfs0001")
    for path in (old, young, other):
        path.write_bytes(b"half")
    os.utime(old, times=(time.time() - 2 * DAY,) * 2)
    garbage = find_garbage(store, Rules(), time.time())
    delete(store, garbage)
    assert garbage.names == [str(old)]
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)


def test_what_was_set_aside_goes_when_the_rules_say_so(place):
    run(place, 2)
    store = ProductStore(place)
    spoil(store, "bytes")
    run(place, 2)
    aside = list(store.files.names("damaged"))
    assert aside
    assert find_garbage(store, Rules(keep_runs=9), time.time() + 1000 * DAY).names == []
    assert set(aside) <= set(find_garbage(store, Rules(older_than=90 * DAY), time.time() + 91 * DAY).names)
