"""Local copies of payloads, so many bytes of them: the least recently used go, but none that somebody may be reading.

Each reader notes what it was given in a file of its own, which it holds locked as long as it lives; what a killed one
has noted counts no more, since its lock is gone. Who keeps only the path of a copy has ten minutes to open it. A note
is made, and room is, under a lock of the whole cache.

NFS locks by ranges of bytes: what is locked must be open for writing (exclusive) or reading (shared), so that all is
open for both. Where nothing can be locked, no room is made. What another user of the cache owns may have to stay.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import uuid
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from gammaops.errors import ProductError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["PayloadCache", "bytes_allowed"]

LIMIT = "GAMMAOPS_CACHE_GB"
DEFAULT_GB = "20"
# Room is made for some time to come, and looked for after so much was added: looking lists every copy.
FILLED, LOOKED_AFTER = 0.9, 0.01
RECENT_S = 600.0
UNLOCKABLE = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF)


def bytes_allowed() -> float:
    """How large the cache may get.

    Raises
    ------
    ProductError
        If ``GAMMAOPS_CACHE_GB`` is no such number.
    """
    text = os.environ.get(LIMIT) or DEFAULT_GB
    with suppress(ValueError):
        if float(text) >= 0:
            return float(text) * 1e9
    raise ProductError(f"{LIMIT} is {text!r}; expected a number of gigabytes, such as {DEFAULT_GB}")


class _Copy(NamedTuple):
    used: float
    path: Path
    size: int


class PayloadCache:
    """Copies of payloads, each named after its digest: two stores may share a cache.

    Parameters
    ----------
    folder : Path
        May be deleted at any time.
    limit : float
        Bytes; more only of what is being read.
    """

    def __init__(self, folder: Path, limit: float) -> None:
        self._payloads = folder / "payloads"
        self._readers = folder / "readers"
        self._lock = folder / "lock"
        self._limit = limit
        self._added = limit  # what others have added is not known
        self._notes: int | None = None

    def given(self, name: str, sha256: str) -> Path:
        """Where the copy of a payload is, or will be, and stays as long as this object lives."""
        path = self._path(name, sha256)
        with self._locked(fcntl.LOCK_SH):
            self._note(path)
            with suppress(FileNotFoundError, PermissionError):
                os.utime(path)
        return path

    def keep(self, copy: Path, name: str, sha256: str) -> None:
        """Take over a finished copy of the same file system, and make room for it."""
        path = self._path(name, sha256)
        with self._locked(fcntl.LOCK_SH):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.utime(copy)
            copy.replace(path)
            self._added += path.stat().st_size
        if self._added > LOOKED_AFTER * self._limit:
            self._added = 0.0
            with self._locked(fcntl.LOCK_EX) as alone:
                if alone:
                    self._make_room()

    def _path(self, name: str, sha256: str) -> Path:
        return self._payloads / sha256[:2] / sha256 / name.rpartition("/")[2]

    def _note(self, path: Path) -> None:
        if self._notes is None:
            self._readers.mkdir(parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND
            self._notes = os.open(self._readers / uuid.uuid4().hex, flags, 0o666)
            weakref.finalize(self, os.close, self._notes)
            _lock(self._notes, fcntl.LOCK_SH)
        os.write(self._notes, f"{path.parent.name}\n".encode())

    def _make_room(self) -> None:
        copies = sorted(self._copies())
        size = sum(copy.size for copy in copies)
        if size <= self._limit:
            return
        held, recent = self._held(), time.time() - RECENT_S
        for copy in copies:
            if size <= FILLED * self._limit or copy.used > recent:
                return
            if copy.path.parent.name not in held:
                try:
                    copy.path.unlink(missing_ok=True)
                except PermissionError:
                    continue
                with suppress(OSError):
                    copy.path.parent.rmdir()
                size -= copy.size

    def _copies(self) -> Iterator[_Copy]:
        for path in self._payloads.glob("*/*/*"):
            with suppress(FileNotFoundError):
                found = path.stat()
                yield _Copy(found.st_mtime, path, found.st_size)

    def _held(self) -> set[str]:
        """What those who live have noted; notes of the dead are thrown away."""
        held: set[str] = set()
        for notes in self._readers.glob("*"):
            with _opened(notes, "r+b") as stream:
                try:
                    free = _lock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    free = False
                if free:
                    with suppress(FileNotFoundError, PermissionError):
                        notes.unlink()
                else:
                    held.update(stream.read().decode().split())
        return held

    @contextmanager
    def _locked(self, how: int) -> Iterator[bool]:
        """Whether the cache is locked, rather than unlockable; for a block."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with _opened(self._lock, "a+b") as stream:
            yield _lock(stream.fileno(), how)


def _opened(path: Path, mode: str) -> BinaryIO:
    """A file for reading and writing, or only for reading if it is another user's."""
    try:
        return cast("BinaryIO", path.open(mode))
    except PermissionError:
        return path.open("rb")


def _lock(descriptor: int, how: int) -> bool:
    """Lock an open file, if such a file can be locked here as it is open.

    Raises
    ------
    BlockingIOError
        If somebody else has locked it and `how` is not to wait.
    """
    try:
        fcntl.flock(descriptor, how)
    except OSError as error:
        if error.errno in UNLOCKABLE:
            return False
        raise
    return True
