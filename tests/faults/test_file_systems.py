"""File systems without hard links, locks, or renames that replace nothing: the kernel refuses the calls here as there.

A filter of system calls makes it answer as such a file system does, for one process.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import multiprocessing
import os
import platform
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gammaops.products import ProductStore, cached, content_key, exclusive
from gammaops.products.cached import PayloadCache
from gammaops.products.leftovers import temporaries

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.requirement("R6"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="numbers of system calls"),
]
FORK = multiprocessing.get_context("fork")
CALLS = {
    "x86_64": {"link": (86, 265), "rename": (316,), "flock": (73,), "utime": (132, 235, 261, 280), "unlink": (87, 263)},
    "aarch64": {"link": (37,), "rename": (276,), "flock": (32,), "utime": (88,), "unlink": (35,)},
}
KEYS = [content_key({"number": number}) for number in range(4)]
SIDECAR = {"run": "runs/a/b/v001", "metrics": {}}
# What a file system does not know, and how it says so.
WITHOUT = [
    (("link",), errno.EPERM),
    (("link",), errno.EOPNOTSUPP),
    (("rename",), errno.EINVAL),
    (("rename",), errno.ENOSYS),
    (("link", "rename"), errno.EPERM),
    (("link", "rename"), errno.ENOSYS),
]


def refuse(names: tuple[str, ...], number: int) -> None:
    """Let the kernel answer these calls of this process with an error (seccomp)."""
    calls = [call for name in names for call in CALLS[platform.machine()][name]]
    load, allow = (0x20, 0, 0, 0), (0x06, 0, 0, 0x7FFF0000)
    tests = [step for call in calls for step in ((0x15, 0, 1, call), (0x06, 0, 0, 0x50000 | number))]
    code = b"".join(struct.pack("=HBBI", *step) for step in (load, *tests, allow))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(held := ctypes.create_string_buffer(code, len(code))))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0, os.strerror(ctypes.get_errno())
    assert held


def inside(names: tuple[str, ...], number: int, work: Callable[[], None]) -> FORK.Process:
    """Start a process on such a file system."""

    def run() -> None:
        refuse(names, number)
        work()

    process = FORK.Process(target=run)
    process.start()
    return process


def publish(root: Path, writer: int) -> None:
    """Each writer makes other bytes for the same keys, so that it can be told who was first."""
    store = ProductStore(root)
    for key in KEYS:
        with store.scratch() as folder:
            (folder / "payload.fits").write_bytes(bytes([writer]) * 1000)
            made = store.publish("fit", key, folder / "payload.fits", {**SIDECAR, "writer": writer})
            assert len(set(made.path.read_bytes())) == 1


@pytest.mark.parametrize(("names", "number"), WITHOUT)
def test_of_eight_writers_the_first_wins_and_nothing_else_is_left(tmp_path: Path, names, number):
    writers = [inside(names, number, lambda writer=writer: publish(tmp_path, writer)) for writer in range(8)]
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    store = ProductStore(tmp_path)
    opened = [store.open(store.uri_of(name)) for name in store.sidecars()]
    assert sorted(one.key for one in opened) == sorted(KEYS)
    assert [set(one.path.read_bytes()) for one in opened] == [{one.sidecar["writer"]} for one in opened]
    assert len(list(store.files.names("products"))) == 2 * len(KEYS)
    assert list(temporaries(tmp_path)) == []


@pytest.mark.parametrize(("names", "number"), WITHOUT)
def test_a_name_that_is_taken_stays_what_it_is(tmp_path: Path, names, number):
    files = ProductStore(tmp_path).files
    files.create("a/b.json", b"first")

    def second() -> None:
        with pytest.raises(FileExistsError):
            files.create("a/b.json", b"second")

    process = inside(names, number, second)
    process.join()
    assert process.exitcode == 0
    assert files.read("a/b.json") == b"first"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.json"]


def test_a_full_disk_is_no_missing_call(tmp_path: Path):
    files = ProductStore(tmp_path).files

    def full() -> None:
        with pytest.raises(OSError, match="No space left on device"):
            files.create("a/b.json", b"first")

    process = inside(("link",), errno.ENOSPC, full)
    process.join()
    assert process.exitcode == 0
    assert list((tmp_path / "a").iterdir()) == []


def test_a_claim_that_a_killed_writer_has_left_is_named_and_collected(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(exclusive, "WAITED_S", 0.1)
    files = ProductStore(tmp_path).files
    claim = tmp_path / "a" / f"{exclusive.CLAIM}b.json"
    claim.parent.mkdir()
    claim.touch()

    def late() -> None:
        with pytest.raises(TimeoutError, match=rf"^{claim} was left by a writer that was killed.*delete it"):
            files.create("a/b.json", b"late")

    process = inside(("link", "rename"), errno.EPERM, late)
    process.join()
    assert process.exitcode == 0
    assert not (tmp_path / "a" / "b.json").exists()
    (leftover,) = files.leftovers()
    assert leftover.path == claim
    assert time.time() - leftover.modified < 60
    leftover.remove()
    process = inside(("link", "rename"), errno.EPERM, lambda: files.create("a/b.json", b"again"))
    process.join()
    assert files.read("a/b.json") == b"again"


def full_cache(folder: Path) -> PayloadCache:
    """A cache with room for three copies of a thousand bytes, which holds two that nobody reads."""
    for number in range(2):
        keep(PayloadCache(folder, 3500.0), number)
    return PayloadCache(folder, 3500.0)


def keep(cache: PayloadCache, number: int) -> Path:
    copy = cache.given("a.fits", f"{number:02x}" * 32).parents[3] / f"copy-{number}"
    copy.write_bytes(bytes([number]) * 1000)
    cache.keep(copy, "a.fits", f"{number:02x}" * 32)
    return cache.given("a.fits", f"{number:02x}" * 32)


def copies(folder: Path) -> set[int]:
    return {path.read_bytes()[0] for path in (folder / "payloads").glob("*/*/*")}


def of_process(process: FORK.Process) -> int | None:
    process.join()
    return process.exitcode


@pytest.mark.requirement("A2.3")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF])
def test_where_nothing_can_be_locked_the_cache_serves_and_makes_no_room(tmp_path: Path, monkeypatch, number):
    monkeypatch.setattr(cached, "RECENT_S", 0.0)
    cache = full_cache(tmp_path)

    def more() -> None:
        for name in (2, 3, 4):
            assert keep(cache, name).read_bytes() == bytes([name]) * 1000

    assert of_process(inside(("flock",), number, more)) == 0
    assert copies(tmp_path) == {0, 1, 2, 3, 4}
    keep(PayloadCache(tmp_path, 3500.0), 5)
    assert copies(tmp_path) == {3, 4, 5}, "and here again"


@pytest.mark.requirement("A2.3")
def test_copies_of_another_user_are_read_and_may_have_to_stay(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cached, "RECENT_S", 0.0)
    full_cache(tmp_path)
    copy = tmp_path / "payloads" / "00" / ("00" * 32) / "a.fits"

    def reads() -> None:
        assert PayloadCache(tmp_path, 3500.0).given("a.fits", "00" * 32) == copy

    def makes_room() -> None:
        PayloadCache(tmp_path, 0.0).keep(made, "b.fits", "99" * 32)

    assert of_process(inside(("utime",), errno.EPERM, reads)) == 0
    made = tmp_path / "made"
    made.write_bytes(b"9" * 1000)
    assert of_process(inside(("unlink",), errno.EACCES, makes_room)) == 0
    assert copies(tmp_path) == {0, 1, ord("9")}


@pytest.mark.requirement("A2.3")
def test_what_another_user_has_open_counts_though_it_cannot_be_written(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cached, "RECENT_S", 0.0)
    cache = full_cache(tmp_path)
    cache.given("a.fits", "00" * 32)
    opened = Path.open

    def refused(path: Path, mode: str = "r"):
        if "+" in mode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", refused)
    PayloadCache(tmp_path, 1500.0).given("a.fits", "11" * 32)
    other = PayloadCache(tmp_path, 1500.0)
    with other._locked(fcntl.LOCK_EX) as alone:
        assert alone
        other._make_room()
    assert copies(tmp_path) == {0}


@pytest.mark.requirement("A2.3")
def test_what_is_locked_is_open_for_both_as_nfs_wants_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cached, "RECENT_S", 0.0)
    flock, asked = fcntl.flock, []

    def by_ranges(file, how: int) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        asked.append(how)
        if mode == (os.O_WRONLY if how & fcntl.LOCK_SH else os.O_RDONLY):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", by_ranges)
    reader = full_cache(tmp_path)
    reader.given("a.fits", "00" * 32)
    for number in (2, 3, 4):
        keep(PayloadCache(tmp_path, 3500.0), number)
    assert copies(tmp_path) == {0, 3, 4}
    assert set(asked) == {fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_EX | fcntl.LOCK_NB}
