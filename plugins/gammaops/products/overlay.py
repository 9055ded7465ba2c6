"""A store's files seen through a sheet: some are visible, none can be touched, what is written lands on the sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gammaops.products.local import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from gammaops.products.entries import Entry
    from gammaops.products.files import Files
    from gammaops.products.leftovers import Leftover

__all__ = ["OverlayFiles"]


class OverlayFiles:
    """`gammaops.products.files.Files` with the names and URIs of another store, written to a folder instead.

    Parameters
    ----------
    below : Files
        The store's own files; they are read only.
    folder : Path
        Where everything is written, on this machine.
    visible : collection of str
        Names of the store's files that can be seen; the others are as if they were not there.
    """

    def __init__(self, below: Files, folder: Path, visible: Collection[str]) -> None:
        self._below = below
        self._own = LocalFiles(folder)
        self._visible = frozenset(visible)
        self.uri = below.uri
        self.scratch = self._own.scratch
        self.digests = below.digests

    def _holder(self, name: str) -> Files:
        """Where a file is; where it is nowhere, the one that says so."""
        return self._below if name in self._visible and not self._own.exists(name) else self._own

    def uri_of(self, name: str) -> str:
        """URI of a file, as in the store."""
        return self._below.uri_of(name)

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return self._holder(name).read(name)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._holder(name).size(name)

    def sha256(self, name: str) -> str:
        """SHA-256 of a file."""
        return self._holder(name).sha256(name)

    def sha256_now(self, name: str) -> str:
        """SHA-256 of the bytes that are there now."""
        return self._holder(name).sha256_now(name)

    def create(self, name: str, content: bytes) -> None:
        """Write a file that is not there yet."""
        if self.exists(name):
            raise FileExistsError(name)
        self._own.create(name, content)

    def create_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a folder that has none to be seen."""
        if any(self.names(name)):
            raise FileExistsError(name)
        self._own.create_folder(name, files)

    def replace(self, name: str, content: bytes) -> None:
        """Write a file, before that of the store."""
        self._own.replace(name, content)

    def place(self, source: Path, name: str) -> None:
        """Give a finished file of the scratch area its name."""
        self._own.place(source, name)

    def fetch(self, name: str, sha256: str) -> Path:
        """The file as a local one."""
        return self._holder(name).fetch(name, sha256)

    def names(self, folder: str) -> Iterator[str]:
        """Every file below a folder that can be seen, in order."""
        seen = {name for name in self._visible if name.startswith(f"{folder}/")}
        yield from sorted(seen | set(self._own.names(folder)))

    def entries(self, folder: str) -> Iterator[Entry]:
        """Every file below a folder that was written here."""
        yield from self._own.entries(folder)

    def leftovers(self) -> Iterator[Leftover]:
        """What tries have left here."""
        yield from self._own.leftovers()

    def exists(self, name: str) -> bool:
        """Whether the file is there to be seen."""
        return self._own.exists(name) or (name in self._visible and self._below.exists(name))

    def move(self, name: str, target: str) -> None:
        """Give a file that was written here another name; one of the store is as if it were not there."""
        self._own.move(name, target)

    def copy(self, name: str, target: str) -> None:
        """Copy a file that was written here; one of the store stays where it is."""
        self._own.copy(name, target)

    def remove(self, name: str) -> None:
        """Delete a file that was written here."""
        self._own.remove(name)

    def free_bytes(self) -> int | None:
        """Room that is left where it is written."""
        return self._own.free_bytes()
