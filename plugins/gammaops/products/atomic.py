"""Files that appear whole or not at all, on a local file system."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gammaops.products.exclusive import name_exclusively

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["create", "create_folder", "move_into_place", "replace"]


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_file(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


@contextmanager
def _temporary(target: Path, content: bytes) -> Iterator[Path]:
    """A complete, synced sibling of `target` that is gone afterwards unless it was renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{uuid.uuid4().hex}.{target.name}")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def create(target: Path, content: bytes) -> None:
    """Write a new file; of two that race exactly one succeeds.

    Raises
    ------
    FileExistsError
        If the file is there already.
    """
    with _temporary(target, content) as temporary:
        name_exclusively(temporary, target)
    _sync_folder(target.parent)


def create_folder(target: Path, files: Mapping[str, bytes], scratch: Path) -> None:
    """Write a new folder with files in it, by way of a scratch area of the same disk; of two exactly one succeeds.

    Raises
    ------
    FileExistsError
        If there is a folder already that is not empty.
    """
    staged = scratch / uuid.uuid4().hex
    try:
        for name, content in files.items():
            create(staged / name, content)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise FileExistsError(errno.EEXIST, "there is such a folder", str(target)) from error
        raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    _sync_folder(target.parent)


def replace(target: Path, content: bytes) -> None:
    """Write a file, putting it in the place of an older one at once."""
    with _temporary(target, content) as temporary:
        temporary.replace(target)
    _sync_folder(target.parent)


def move_into_place(source: Path, target: Path) -> None:
    """Rename a finished file of the same file system to `target`, after its bytes have reached the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sync_file(source)
    source.replace(target)
    _sync_folder(target.parent)
