"""Digests of files, remembered as long as a file stays what it was.

A night's archive is read by every analysis of that night, and each wants the SHA-256 of each file. What is remembered
belongs to the size, inode, modification and change time of the file; a file that was written to in the last moments is
hashed anew, since a second write within the clock's tick would go unseen.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gammaops.products import atomic
from gammaops.products.keys import canonical_json, file_sha256

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Digests", "signature"]

# Longer than the tick of any file system's clock (FAT: 2 s), and than clocks of a mounted one are apart.
SETTLED_SECONDS = 10.0


class Digests:
    """Digests that were computed before, one small file for each.

    Parameters
    ----------
    folder : Path
        May be deleted at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sha256(self, path: Path) -> str:
        """SHA-256 of a local file, 64 hex digits."""
        before = signature(path)
        known = self.known(str(path.absolute()), before)
        if known:
            return known
        found = file_sha256(path)
        if signature(path) == before and time.time() - path.stat().st_ctime > SETTLED_SECONDS:
            self.remember(str(path.absolute()), before, found)
        return found

    def known(self, name: str, mark: str) -> str:
        """The digest of what is called so, if it still has this signature; empty if nobody knows."""
        try:
            entry = json.loads(self._entry(name).read_bytes())
            return str(entry["sha256"]) if (entry["name"], entry["signature"]) == (name, mark) else ""
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return ""

    def remember(self, name: str, mark: str, sha256: str) -> None:
        """Keep a digest; where the folder cannot be written to, it is computed again next time."""
        with suppress(OSError):
            document = {"name": name, "signature": mark, "sha256": sha256}
            atomic.replace(self._entry(name), canonical_json(document))

    def _entry(self, name: str) -> Path:
        word = hashlib.sha256(name.encode()).hexdigest()
        return self._folder / word[:2] / f"{word[2:34]}.json"


def signature(path: Path) -> str:
    """A text that changes whenever a local file does.

    No program can set the change time, so that a copy which keeps the modification time is seen all the same.
    """
    found = path.stat()
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"
