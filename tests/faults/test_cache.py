"""The cache of a store on object storage stays within its bound, and takes nothing from under a reader."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gammaops.errors import ProductError
from gammaops.products import Product, ProductStore, cached, content_key
from gammaops.products.cached import PayloadCache

pytestmark = [pytest.mark.s3, pytest.mark.requirement("A2.3")]
SIZE = 100_000
READER = """
import sys, time
from gammaops.products import ProductStore
product = ProductStore(sys.argv[1]).open(sys.argv[2])
print(product.path, flush=True)
time.sleep(60)
"""


def publish(store: ProductStore, number: int) -> Product:
    with store.scratch() as folder:
        (folder / "payload.fits").write_bytes(bytes([number]) * SIZE)
        key = content_key({"number": number})
        return store.publish("fit", key, folder / "payload.fits", {"run": "runs/a/b/v001", "metrics": {}})


@pytest.fixture
def uris(bucket: str) -> list[str]:
    """Eight products, 0.8 MB, of which nothing is kept here."""
    store = ProductStore(bucket)
    made = [publish(store, number).uri for number in range(8)]
    for path in kept():
        path.unlink()
    return made


@pytest.fixture
def half_a_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound of the cache; what was used a moment ago may go."""
    monkeypatch.setenv("GAMMAOPS_CACHE_GB", "0.0005")
    monkeypatch.setattr(cached, "RECENT_S", 0.0)


def kept() -> list[Path]:
    """Copies in the cache, the least recently used first."""
    found = (Path(os.environ["GAMMAOPS_CACHE"]) / "payloads").glob("*/*/*.fits")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def numbers() -> set[int]:
    return {path.read_bytes()[0] for path in kept()}


def read(place: str, uri: str) -> int:
    """Read a payload with a store of its own, as a task does that then ends."""
    path = ProductStore(place).open(uri).path
    assert path.stat().st_size == SIZE
    first = path.read_bytes()[0]
    gc.collect()
    return first


def test_the_least_recently_used_copies_go(bucket, uris, half_a_megabyte):
    for uri in uris[:4]:
        read(bucket, uri)
    read(bucket, uris[0])
    for uri in uris[4:6]:
        read(bucket, uri)
    assert numbers() == {0, 3, 4, 5}
    assert sum(path.stat().st_size for path in kept()) <= 500_000


def test_what_was_made_here_counts_too(bucket, half_a_megabyte):
    store = ProductStore(bucket)
    for number in range(8):
        publish(store, number)
    assert numbers() == {4, 5, 6, 7}


def test_what_a_reader_was_given_stays_as_long_as_it_lives(bucket, uris, half_a_megabyte):
    store = ProductStore(bucket)
    opened = [store.open(uri) for uri in uris]
    paths = [product.path for product in opened]
    assert [path.read_bytes() for path in paths] == [bytes([number]) * SIZE for number in range(8)]
    read(bucket, uris[7])
    assert numbers() == set(range(8))
    del store, opened
    gc.collect()
    publish(ProductStore(bucket), 9)
    assert len(numbers()) <= 5
    assert 9 in numbers()


def test_another_process_that_reads_keeps_its_copy_until_it_is_killed(bucket, uris, half_a_megabyte):
    command = [sys.executable, "-c", READER, bucket, uris[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            path = Path(process.stdout.readline().strip())
            os.utime(path, (0, 0))
            for uri in uris[1:7]:
                read(bucket, uri)
            assert path.read_bytes() == bytes(SIZE)
            assert len(kept()) <= 5
        finally:
            process.kill()
    os.utime(path, (0, 0))
    read(bucket, uris[1])
    read(bucket, uris[7])
    read(bucket, uris[2])
    assert not path.exists()
    assert read(bucket, uris[0]) == 0, "and is fetched again"


def test_what_was_used_a_moment_ago_stays_for_whoever_has_only_its_path(bucket, uris, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_CACHE_GB", "0.0002")
    for uri in uris:
        read(bucket, uri)
    assert numbers() == set(range(8))
    for path in kept()[:7]:
        os.utime(path, (time.time() - 700,) * 2)
    publish(ProductStore(bucket), 9)
    assert numbers() == {7, 9}


def test_readers_and_those_who_make_room_do_not_meet(tmp_path, monkeypatch):
    """Copies are given and taken at random by processes at once; whoever was given one finds it."""
    command = [sys.executable, "-c", MEETING, str(tmp_path)]
    workers = [subprocess.Popen([*command, str(seed)]) for seed in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    copies = list((tmp_path / "payloads").glob("*/*/*"))
    assert copies
    monkeypatch.setattr(cached, "RECENT_S", 0.0)
    PayloadCache(tmp_path, 0).keep(made(tmp_path / "last"), "last", "ff" * 32)
    assert list((tmp_path / "payloads").glob("*/*/*")) == []
    assert list((tmp_path / "readers").iterdir()) == []


def made(path: Path) -> Path:
    path.write_bytes(b"1" * 1000)
    return path


MEETING = """
import random, sys
from pathlib import Path
from gammaops.products import cached
from gammaops.products.cached import PayloadCache
cached.RECENT_S = 0.0
folder, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
for turn in range(60):
    cache = PayloadCache(folder, 5000.0)
    for number in chance.sample(range(20), 4):
        sha256 = f"{number:02x}" * 32
        path = cache.given("a.fits", sha256)
        if not path.exists():
            copy = folder / f"{sys.argv[2]}-{turn}-{number}"
            copy.write_bytes(b"1" * 1000)
            cache.keep(copy, "a.fits", sha256)
        assert path.read_bytes() == b"1" * 1000
"""


@pytest.mark.parametrize("text", ["much", "-1", "nan"])
def test_a_bound_that_is_none_is_refused(bucket, monkeypatch, text):
    monkeypatch.setenv("GAMMAOPS_CACHE_GB", text)
    with pytest.raises(ProductError) as told:
        ProductStore(bucket)
    assert str(told.value) == f"GAMMAOPS_CACHE_GB is {text!r}; expected a number of gigabytes, such as 20"


def test_looking_for_room_is_not_dear(tmp_path):
    """A task lists the cache once and then only after one per cent of the bound was added."""
    for number in range(2000):
        path = tmp_path / "payloads" / f"{number % 256:02x}" / f"{number:064x}" / "a.fits"
        path.parent.mkdir(parents=True)
        path.touch()
    cache = PayloadCache(tmp_path, 1e9)
    spent = []
    for number in range(20):
        begin = time.process_time()
        cache.keep(made(tmp_path / "copy"), "a.fits", f"{number:02x}" * 32)
        spent.append(time.process_time() - begin)
    assert sum(spent[1:]) < spent[0] * 19 / 2
