"""File systems without hard links, or without renames that replace nothing: the kernel refuses the calls here as there.

A filter of system calls makes it answer as such a file system does, for one process.
"""

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import platform
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gammaops.products import ProductStore, content_key, exclusive
from gammaops.products.leftovers import temporaries

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.requirement("R6"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="numbers of system calls"),
]
FORK = multiprocessing.get_context("fork")
CALLS = {"x86_64": {"link": (86, 265), "rename": (316,)}, "aarch64": {"link": (37,), "rename": (276,)}}
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
