"""What the store asks of the place where its files are, whether a disk or an object store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from gammaops.errors import ProductError
from gammaops.products.local import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.products.digests import Digests
    from gammaops.products.entries import Entry
    from gammaops.products.leftovers import Leftover

__all__ = ["Files", "files_at"]

# Kept here too, so that nobody imports fsspec for a store on a disk; a test compares.
OBJECT_STORES = ("s3", "gs", "abfs")


class Files(Protocol):
    """Files by their names below a root, with ``/`` between folders.

    A file appears whole or not at all. Reading, fetching, moving or copying an absent one raises `FileNotFoundError`,
    creating one that is there `FileExistsError`.
    """

    uri: str
    scratch: Path
    digests: Digests

    def uri_of(self, name: str) -> str:
        """URI of a file."""

    def read(self, name: str) -> bytes:
        """The bytes of a file."""

    def size(self, name: str) -> int:
        """Bytes of a file."""

    def sha256(self, name: str) -> str:
        """SHA-256 of a file, from memory as long as nothing has touched the file."""

    def sha256_now(self, name: str) -> str:
        """SHA-256 of the bytes that are there now, whatever is remembered or kept of them; nothing of them is kept."""

    def create(self, name: str, content: bytes) -> None:
        """Write a file that is not there yet; of two that race exactly one succeeds."""

    def create_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a folder that has none yet; of two that race exactly one succeeds.

        Whoever is killed in between leaves nothing, or on an object store some of the files but not the last.
        """

    def replace(self, name: str, content: bytes) -> None:
        """Write a file, in the place of an older one at once."""

    def place(self, source: Path, name: str) -> None:
        """Give a finished file of the scratch area its name; it is gone from there."""

    def fetch(self, name: str, sha256: str) -> Path:
        """The file as a local one, to be read only; its bytes are the caller's to verify."""

    def names(self, folder: str) -> Iterator[str]:
        """Every file below a folder, in order."""

    def entries(self, folder: str) -> Iterator[Entry]:
        """The same with sizes and times; a file that goes meanwhile is left out."""

    def leftovers(self) -> Iterator[Leftover]:
        """What tries have left on this machine that were killed, or are still at work: look at the times."""

    def exists(self, name: str) -> bool:
        """Whether the file is there."""

    def move(self, name: str, target: str) -> None:
        """Give a file another name."""

    def copy(self, name: str, target: str) -> None:
        """Give a file a second name that has its bytes as they are now."""

    def remove(self, name: str) -> None:
        """Delete a file that may be gone already."""

    def free_bytes(self) -> int | None:
        """Room that is left; None where nobody knows."""


def files_at(root: str | Path, cache: Path | None = None) -> Files:
    """The files below a folder, a ``file://`` URI, or a URI of an object store.

    Raises
    ------
    ProductError
        If nobody here can write to such a place.
    """
    parts = urlsplit(str(root))
    if parts.scheme in ("", "file"):
        return LocalFiles(Path(unquote(parts.path)).absolute(), cache)
    if parts.scheme in OBJECT_STORES:
        from gammaops.products.objects import ObjectFiles

        return ObjectFiles(str(root), cache)
    known = ", ".join(f"{scheme}://" for scheme in ("file", *OBJECT_STORES))
    raise ProductError(f"a store cannot be at {root}; give a folder or a URI that begins with {known}")
