"""What killed tries leave on a disk: folders of the scratch area, and temporary files that never got their names."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Leftover", "scratch_leftovers", "temporaries"]

_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\..+")  # as `gammaops.products.atomic` names them


@dataclass(frozen=True)
class Leftover:
    """A file or folder on this machine's disk: its bytes, and the time of its last change in seconds since 1970."""

    path: Path
    size: int
    modified: float

    def remove(self) -> None:
        """Delete it; it may be gone already."""
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def scratch_leftovers(scratch: Path) -> Iterator[Leftover]:
    """What lies in a scratch area, in order: one folder, or one file, for each try."""
    for path in sorted(scratch.glob("*")):
        with suppress(FileNotFoundError):  # the try has ended meanwhile
            found = [one.stat() for one in (path, *path.rglob("*"))]
            yield Leftover(path, sum(one.st_size for one in found), max(one.st_mtime for one in found))


def temporaries(root: Path) -> Iterator[Leftover]:
    """Temporary files below a folder, in order."""
    for path in sorted(root.rglob(".*")):
        if _TEMPORARY.fullmatch(path.name):
            with suppress(FileNotFoundError):
                found = path.stat()
                yield Leftover(path, found.st_size, found.st_mtime)
