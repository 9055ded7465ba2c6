"""A release that is frozen while garbage is collected is whole, or is not frozen; at every moment of either."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gammaops
from gammaops.care import announcing
from gammaops.care.garbage import Garbage, delete, find_garbage
from gammaops.care.runs_kept import Rules
from gammaops.config import parse_config
from gammaops.errors import ProductError
from gammaops.products import ProductStore, RunFolder
from gammaops.releases.freezing import freeze
from gammaops.releases.names import Signature
from gammaops.releases.records import has_release, open_release

pytestmark = [pytest.mark.usefixtures("toys"), pytest.mark.requirement("R23", "R34")]
DAY = 86400.0
NAME = "2026-11-prod"
ANN = Signature("Ann", "2026-11-10T08:00:00+00:00")
SUM = """
steps:
  - {{name: a, tag: count}}
  - {{name: b, tag: count, config: {{count: {{number: {number}}}}}}}
  - {{name: c, tag: total, required_products: [a, b], products: [sum, words]}}
"""
BUSY_COLLECTING = r"garbage is being collected in \S+ just now, says \S+/announced/collecting\.\w+ \(last renewed "
BUSY_FREEZING = r"a release is being frozen in \S+ just now, says \S+/announced/freezing\.\w+ \(last renewed "


class Interrupted:
    """The files of a store, with something else done in the store before one of their operations."""

    def __init__(self, store: ProductStore, moment: int, other: Callable[[], object]) -> None:
        self._files = store.files
        self._left = moment
        self._other = other

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._files, name)
        return self._counted(found) if callable(found) else found

    def _counted(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == -1:
                self._other()
            return operation(*arguments)

        return done

    @property
    def passed(self) -> bool:
        """Whether there was such a moment."""
        return self._left < 0


def versions(place: str) -> ProductStore:
    """A store with two versions of a run, of which a rule lets the first go."""
    for number in (2, 3):
        config = parse_config(SUM.format(number=number), name="toy", source="toy.yaml")
        result = gammaops.run(config, place, label="night")
        assert result.verdict.ok
    return ProductStore(place)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Folder of such a store."""
    versions((tmp_path / "two").as_uri())
    return tmp_path / "two"


def first_version(store: ProductStore) -> list[RunFolder]:
    return [next(RunFolder.all(store, "toy"))]


def found_in(store: ProductStore) -> Garbage:
    garbage = find_garbage(store, Rules(keep_runs=1), time.time() + 2 * DAY)
    assert garbage.entries
    return garbage


def tried(work: Callable[[], object]) -> str:
    try:
        work()
    except ProductError as error:
        return str(error)
    return "done"


def outcome(store: ProductStore, before: set[str], freezing: str, collecting: str) -> str:
    """What became of both; a release is whole, and half a collection does not happen."""
    after = set(store.files.names(""))
    if has_release(store, NAME):
        assert freezing == "done"
        assert open_release(store, NAME).problems() == []
        assert before - after == set(), "nothing was deleted beside it"
        return "frozen"
    assert freezing != "done"
    if collecting == "done":
        assert before - after
        return "collected"
    assert before - after == set()
    return "neither"


def names(store: ProductStore) -> set[str]:
    return set(store.files.names(""))


def both(folder: Path, copy: Path, interrupted: str, moment: int) -> tuple[str, bool]:
    """One of the two with the other in the middle of it, in a copy of the store."""
    shutil.copytree(folder, copy)
    store = ProductStore(copy)
    garbage, before, told = found_in(store), names(store), {}

    def frozen(where: ProductStore) -> None:
        told["freezing"] = tried(lambda: freeze(where, NAME, first_version(where), ANN))

    def collected(where: ProductStore) -> None:
        told["collecting"] = tried(lambda: delete(where, garbage))

    one, other = (frozen, collected) if interrupted == "freezing" else (collected, frozen)
    files = Interrupted(store, moment, lambda: other(store))
    one(ProductStore.of(files))
    if not files.passed:
        other(store)
    return outcome(store, before, told["freezing"], told["collecting"]), files.passed


@pytest.mark.parametrize("interrupted", ["freezing", "collecting"])
def test_at_no_moment_of_either_a_release_loses_anything(two: Path, tmp_path: Path, interrupted: str):
    seen: Counter[str] = Counter()
    passed, moment = True, 0
    while passed:
        result, passed = both(two, tmp_path / f"{moment}", interrupted, moment)
        seen[result] += 1
        moment += 1
    assert moment > 8, "there were moments to look at"
    assert seen["frozen"] > 0
    assert seen["collected"] > 0


def test_of_processes_that_begin_at_once_none_loses_anything(two: Path, tmp_path: Path):
    """Who is first is chance; what must hold is asserted of each outcome."""
    fork = multiprocessing.get_context("fork")
    for number in range(10):
        shutil.copytree(two, tmp_path / f"{number}")
        store = ProductStore(tmp_path / f"{number}")
        garbage, before, start, told = found_in(store), names(store), fork.Barrier(2), fork.SimpleQueue()

        def child(start=start, told=told, store=store) -> None:
            start.wait()
            told.put(tried(lambda: freeze(store, NAME, first_version(store), ANN)))

        process = fork.Process(target=child)
        process.start()
        start.wait()
        time.sleep(0.004 * number)
        collecting = tried(lambda garbage=garbage, store=store: delete(store, garbage))
        freezing = told.get()
        process.join()
        outcome(store, before, freezing, collecting)
        assert process.exitcode == 0
        assert list(store.files.names("announced")) == []


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ProductStore:
    """Two versions of a run, on a disk and in an object store."""
    return versions(request.getfixturevalue("bucket") if request.param == "s3" else (tmp_path / "st").as_uri())


def test_each_refuses_while_the_other_is_at_work_and_says_why(store: ProductStore):
    garbage, before = found_in(store), names(store)
    collecting, freezing = announcing.COLLECTING, announcing.FREEZING
    with (
        announcing.announced(store, collecting, against=freezing),
        pytest.raises(ProductError, match=BUSY_COLLECTING),
    ):
        freeze(store, NAME, first_version(store), ANN)
    with announcing.announced(store, freezing, against=collecting), pytest.raises(ProductError, match=BUSY_FREEZING):
        delete(store, garbage)
    assert names(store) == before, "nothing was done, and no announcement is left"
    freeze(store, NAME, first_version(store), ANN)
    assert open_release(store, NAME).problems() == []


def test_what_was_killed_is_in_the_way_for_an_hour_only(two: Path):
    store = ProductStore(two)
    announcing.Announcement(store, announcing.COLLECTING)
    (left,) = (two / "announced").iterdir()
    with pytest.raises(ProductError, match="this counts no more 60 minutes after that"):
        freeze(store, NAME, first_version(store), ANN)
    os.utime(left, (time.time() - 3700,) * 2)
    freeze(store, NAME, first_version(store), ANN)
    assert list((two / "announced").iterdir()) == []


def test_a_collection_that_was_at_rest_for_long_stops(two: Path, monkeypatch: pytest.MonkeyPatch):
    store = ProductStore(two)
    garbage, before = found_in(store), names(store)
    monkeypatch.setattr(announcing, "OVERDUE_S", 0.2)
    removals = [entry.name for entry in garbage.entries]

    class Sleepy(Interrupted):
        def __getattr__(self, name: str) -> Any:
            return self._counted(getattr(self._files, name)) if name == "remove" else getattr(self._files, name)

    asleep = ProductStore.of(Sleepy(store, 0, lambda: time.sleep(0.3)))
    with pytest.raises(ProductError, match=r"stopped: this was at rest for 0 s, and other work may have begun"):
        delete(asleep, garbage)
    assert before - names(store) == set(removals[:1])
    delete(store, Garbage(garbage.entries, garbage.leftovers, (), found_in(store).witnesses))


def test_long_work_renews_its_announcement(two: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(announcing, "RENEWED_EVERY_S", 0.0)
    store = ProductStore(two)
    with announcing.announced(store, announcing.FREEZING, against=announcing.COLLECTING) as work:
        (entry,) = store.files.entries("announced")
        os.utime(two / entry.name, (time.time() - 3700,) * 2)
        work.renew()
        with pytest.raises(ProductError, match=BUSY_FREEZING):
            delete(store, found_in(store))


def test_what_somebody_deletes_by_hand_meanwhile_takes_the_record_back(two: Path):
    store = ProductStore(two)
    (folder,) = first_version(store)
    lost = folder.read_json("run.json")["steps"][0]["products"][0]["path"]

    class Careless(Interrupted):
        def __getattr__(self, name: str) -> Any:
            return self._counted(getattr(self._files, name)) if name == "exists" else getattr(self._files, name)

    # Once the record is written, what it names is looked for again.
    for moment in range(30):
        files = Careless(store, moment, lambda: (two / lost).unlink() if has_release(store, NAME) else None)
        told = tried(lambda files=files: freeze(ProductStore.of(files), NAME, [folder], ANN))
        if told != "done":
            break
        (two / "releases" / f"{NAME}.json").unlink()
    assert told == (
        f"nothing is frozen: while the release {NAME} was written these were deleted; run them again:\n  {lost}"
    )
    assert not has_release(store, NAME)
