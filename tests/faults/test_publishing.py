"""Whatever kills a writer, and however many there are: what exists in the store is whole, and a rerun repairs all."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable

import pytest

from gammaops.products import ProductStore, RunFolder, content_key
from gammaops.products.objects import ObjectFiles
from gammaops.runner.history import listed_runs

# Python's clean-up of children that are forked from a process with threads is not what is tested here.
pytestmark = [pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"), pytest.mark.requirement("R6")]
FORK = multiprocessing.get_context("fork")
NUMBERS = range(4)
SIDECAR = {"run": "runs/a/b/v001", "metrics": {}}
SIZE = 300_000


def key_of(number: int) -> str:
    return content_key({"number": number})


def content_of(number: int) -> bytes:
    return bytes([number]) * SIZE


def publish_all(root: str) -> None:
    """What tasks do: make a file for each number and publish it."""
    store = ProductStore(root)
    for number in NUMBERS:
        if store.find("fit", key_of(number)) is None:
            with store.scratch() as folder:
                path = folder / "payload.fits"
                path.write_bytes(content_of(number))
                store.publish("fit", key_of(number), path, SIDECAR)


def whole(root: str) -> int:
    """How many products exist, all of which are whole."""
    store = ProductStore(root)
    products = [store.open(store.uri_of(name)) for name in store.sidecars("fit")]
    contents = {key_of(number): content_of(number) for number in NUMBERS}
    assert all(product.path.read_bytes() == contents[product.key] for product in products)
    return len(products)


def killed_after(root: str, seconds: float) -> bool:
    """Whether a writer was still at work when it was killed."""
    process = FORK.Process(target=publish_all, args=(root,))
    process.start()
    time.sleep(seconds)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def _with_a_full_disk(root: str, most: int) -> None:
    """No file may grow beyond so many bytes: the write in which it would fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        publish_all(root)
    except OSError as error:
        os._exit(error.errno or 1)
    os._exit(0)


def duration(root: str) -> float:
    """How long an undisturbed writer takes here."""
    start = time.monotonic()
    process = FORK.Process(target=publish_all, args=(root,))
    process.start()
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - start


def check_kills(root_of: Callable[[int], str], moments: int) -> None:
    """Kill writers at random moments of their work; then everything is whole, and complete after a rerun."""
    chance = random.Random(1)  # noqa: S311 - moments, not secrets
    longest = max(duration(root_of(-number)) for number in (1, 2, 3))
    killed = unfinished = 0
    for attempt in range(20 * moments):
        root = root_of(attempt)
        killed += killed_after(root, chance.uniform(0, longest))
        unfinished += whole(root) < len(NUMBERS)
        publish_all(root)
        assert whole(root) == len(NUMBERS)
        assert list(ProductStore(root).files.names("damaged")) == []
        if killed == moments:
            break
    # They were killed at work, and before its end: otherwise nothing was tested.
    assert killed == moments
    assert unfinished > 0


def check_race(root: str) -> None:
    """Eight writers of the same keys."""
    writers = [FORK.Process(target=publish_all, args=(root,)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    assert whole(root) == len(NUMBERS)
    # Neither a second payload nor a copy in the making is left.
    assert len(list(ProductStore(root).files.names("products"))) == 2 * len(NUMBERS)


def claim(root: str) -> str:
    """Begin a run and tell its version."""
    request = {"begun": "2026-11-27T08:00:00.000000+00:00"}
    return RunFolder.new(ProductStore(root), "crab", "night", request, b"steps: []\n").version


def is_killed(work: Callable[[], object]) -> bool:
    """Whether this work kills its process."""
    process = FORK.Process(target=work)
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


def claim_killed_at(root: str, event: int) -> bool:
    """Whether a claim was killed as it began its so-manieth call on the file system."""
    left = iter(range(event))

    def hook(name: str, _: object) -> None:
        if name in {"open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir"} and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        sys.addaudithook(hook)
        claim(root)

    return is_killed(work)


def claim_killed_after(root: str, puts: int) -> bool:
    """Whether a claim in an object store was killed after so many objects."""
    left, put = iter(range(puts)), ObjectFiles.create

    def create(self: ObjectFiles, name: str, content: bytes) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        put(self, name, content)

    def work() -> None:
        ObjectFiles.create = create
        claim(root)

    return is_killed(work)


def versions(root: str) -> list[str]:
    """The versions that anybody is shown."""
    store = ProductStore(root)
    found = [folder.version for folder in RunFolder.all(store, "crab")]
    assert sorted(folder.version for _, folder, _ in listed_runs(store, "crab")) == found
    return found


def test_run_killed_at_any_moment_of_its_beginning_leaves_a_whole_version_or_none(tmp_path):
    whole = {"begun.20261127080000000000", "config.yaml", "request.json"}
    moment = 0
    while claim_killed_at(str(tmp_path / str(moment)), moment):
        root = tmp_path / str(moment)
        seen = sorted(root.glob("runs/crab/*/*"))
        assert [{path.name for path in folder.iterdir()} for folder in seen] == [whole] * len(seen)
        assert versions(str(root)) == [folder.name for folder in seen]
        assert claim(str(root)) == f"v{len(seen) + 1:03}"
        moment += 1
    assert moment > 10


def test_of_eight_runs_that_begin_at_once_each_has_a_version_of_its_own(tmp_path):
    starters = [FORK.Process(target=claim, args=(str(tmp_path),)) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert versions(str(tmp_path)) == [f"v{number:03}" for number in range(1, 9)]
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.s3
def test_run_killed_at_its_beginning_in_an_object_store_is_no_version(bucket):
    for puts in range(3):
        root = f"{bucket}/{puts}"
        assert claim_killed_after(root, puts)
        assert versions(root) == []
        claimed = claim(root)
        assert claimed == ("v002" if puts else "v001"), "the number may be somebody's who is slow"
        assert versions(root) == [claimed]


def test_writer_killed_at_a_hundred_moments_leaves_only_whole_products(tmp_path):
    check_kills(lambda moment: str(tmp_path / str(moment)), 100)


def test_full_disk_at_a_hundred_moments_leaves_only_whole_products(tmp_path):
    chance = random.Random(2)  # noqa: S311 - sizes, not secrets
    failed = []
    for moment in range(100):
        root = str(tmp_path / str(moment))
        process = FORK.Process(target=_with_a_full_disk, args=(root, chance.randrange(int(1.5 * SIZE))))
        process.start()
        process.join()
        failed.append(process.exitcode)
        whole(root)
        publish_all(root)
        assert whole(root) == len(NUMBERS)
        assert list((tmp_path / str(moment) / "scratch").iterdir()) == []
    assert set(failed) == {0, errno.EFBIG}


def test_eight_writers_of_the_same_keys_leave_one_product_of_each(tmp_path):
    check_race(str(tmp_path / "store"))


@pytest.mark.s3
def test_writer_to_s3_killed_at_a_hundred_moments_leaves_only_whole_products(bucket):
    check_kills(lambda moment: f"{bucket}/{moment}", 100)


@pytest.mark.s3
def test_eight_writers_to_s3_of_the_same_keys_leave_one_product_of_each(bucket):
    check_race(bucket)


@pytest.mark.s3
def test_full_disk_before_an_upload_leaves_only_whole_products(bucket):
    chance = random.Random(3)  # noqa: S311 - sizes, not secrets
    for moment in range(20):
        root = f"{bucket}/{moment}"
        process = FORK.Process(target=_with_a_full_disk, args=(root, chance.randrange(int(1.5 * SIZE))))
        process.start()
        process.join()
        assert process.exitcode in (0, errno.EFBIG)
        whole(root)
        publish_all(root)
        assert whole(root) == len(NUMBERS)
