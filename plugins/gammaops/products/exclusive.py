"""A finished file gets its name unless the name is taken, in the first of three ways that the file system allows.

A hard link does it everywhere but where there are none (FAT, many FUSE and SMB mounts); a rename without replacement
does it on Linux, where the file system has been taught to. Creating a file exclusively works on all, and so a claim
can be one: whoever has it may look and then rename.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["name_exclusively"]

# How file systems say that they do not know a call, or not with these flags.
UNKNOWN = {errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
AT_FDCWD, RENAME_NOREPLACE = -100, 1
# Named as temporary files are, so that a claim of a killed writer is a leftover like them.
CLAIM = f".{'0' * 32}."
WAITED_S, LOOKED_EVERY_S = 10.0, 0.02


def name_exclusively(temporary: Path, target: Path) -> None:
    """Give a file another name; the old one may be left.

    Raises
    ------
    FileExistsError
        If there is such a file.
    """
    for way in (os.link, _rename_without_replacing):
        try:
            way(temporary, target)
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
        else:
            return
    _rename_under_claim(temporary, target)


def _rename_without_replacing(temporary: Path, target: Path) -> None:
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if rename(AT_FDCWD, os.fsencode(temporary), AT_FDCWD, os.fsencode(target), RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def _rename_under_claim(temporary: Path, target: Path) -> None:
    claim = target.with_name(f"{CLAIM}{target.name}")
    _take(claim)
    try:
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        temporary.rename(target)
    finally:
        claim.unlink(missing_ok=True)


def _take(claim: Path) -> None:
    """Wait for others, who have it for a moment; never take it from them, since nobody knows whether they live."""
    until = time.monotonic() + WAITED_S
    while time.monotonic() < until:
        with suppress(FileExistsError):
            os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            return
        time.sleep(LOOKED_EVERY_S)
    raise TimeoutError(
        f"{claim} was left by a writer that was killed, or stopped, before it could rename a file; this file system "
        "knows neither hard links nor renames without replacement. If nobody is at work, delete it; garbage collection "
        "does so after its grace period"
    )
