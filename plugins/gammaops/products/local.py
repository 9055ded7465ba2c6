"""A store's files on a local or mounted file system."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gammaops.products import atomic
from gammaops.products.digests import Digests
from gammaops.products.entries import Entry
from gammaops.products.keys import file_sha256
from gammaops.products.leftovers import scratch_leftovers, temporaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.products.leftovers import Leftover

__all__ = ["LocalFiles"]


class LocalFiles:
    """`gammaops.products.files.Files` below a folder.

    Parameters
    ----------
    root : Path
        Absolute.
    cache : Path, optional
        Folder for what can be found out again; not given: ``cache/`` in the store.
    """

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root = root
        self.uri = root.as_uri()
        self.cache = cache or root / "cache"
        self.scratch = root / "scratch"
        self.digests = Digests(self.cache / "digests")

    def uri_of(self, name: str) -> str:
        """URI of a file."""
        return (self.root / name).as_uri()

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return (self.root / name).read_bytes()

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return (self.root / name).stat().st_size

    def sha256(self, name: str) -> str:
        """SHA-256 of a file, computed anew if the file has changed."""
        return self.digests.sha256(self.root / name)

    def sha256_now(self, name: str) -> str:
        """SHA-256 of the bytes that are there now."""
        return file_sha256(self.root / name)

    def create(self, name: str, content: bytes) -> None:
        """Write a file that is not there yet, whole or not at all."""
        atomic.create(self.root / name, content)

    def create_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a folder that has none yet, all at once."""
        atomic.create_folder(self.root / name, files, self.scratch)

    def replace(self, name: str, content: bytes) -> None:
        """Write a file, in the place of an older one at once."""
        atomic.replace(self.root / name, content)

    def place(self, source: Path, name: str) -> None:
        """Move a finished file of the scratch area to its name."""
        atomic.move_into_place(source, self.root / name)

    def fetch(self, name: str, sha256: str) -> Path:  # noqa: ARG002 - a cache elsewhere needs it
        """The file itself."""
        return self.root / name

    def names(self, folder: str) -> Iterator[str]:
        """Every file below a folder, in order; none if there is no such folder."""
        for path in sorted((self.root / folder).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self.root).as_posix()

    def entries(self, folder: str) -> Iterator[Entry]:
        """Every file below a folder with its size and the time of its last change."""
        for name in self.names(folder):
            with suppress(FileNotFoundError):
                found = (self.root / name).stat()
                yield Entry(name, found.st_size, found.st_mtime)

    def leftovers(self) -> Iterator[Leftover]:
        """What killed tries have left, and what others are making now."""
        yield from scratch_leftovers(self.scratch)
        for folder in sorted(self.root.glob("*/")):
            if folder != self.scratch:
                yield from temporaries(folder)

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return (self.root / name).is_file()

    def move(self, name: str, target: str) -> None:
        """Give a file another name."""
        place = self.root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).rename(place)

    def copy(self, name: str, target: str) -> None:
        """Copy a file, as it is now."""
        place = self.root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.root / name, place)

    def remove(self, name: str) -> None:
        """Delete a file that may be gone already, and the folders that it leaves empty."""
        path = self.root / name
        path.unlink(missing_ok=True)
        with suppress(OSError):
            for folder in path.relative_to(self.root).parents[:-2]:
                (self.root / folder).rmdir()

    def free_bytes(self) -> int | None:
        """Room that is left."""
        return shutil.disk_usage(next(path for path in (self.root, *self.root.parents) if path.exists())).free
