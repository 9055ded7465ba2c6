"""A store that is looked at and not touched: what is written goes to a sheet that is thrown away."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gammaops.products.digests import Digests
from gammaops.products.files import files_at
from gammaops.products.overlay import OverlayFiles
from gammaops.products.store import ProductStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.products.entries import Entry
    from gammaops.products.files import Files

__all__ = ["untouched"]


@contextmanager
def untouched(root: str | Path) -> Iterator[ProductStore]:
    """The store at a root for a look at it; not even what is found out about its files is kept there."""
    below = files_at(root)
    below.exists("products")  # where nobody may ask anything, that is said once and not of every step
    with TemporaryDirectory() as folder:
        yield ProductStore.of(_Sheet(below, Path(folder)))


class _Digests(Digests):
    """What was remembered, and what is found out now."""

    def __init__(self, below: Digests, folder: Path) -> None:
        super().__init__(folder)
        self._below = below

    def known(self, name: str, mark: str) -> str:
        return super().known(name, mark) or self._below.known(name, mark)


class _Sheet(OverlayFiles):
    """All of a store is visible; nothing of it can be moved, which is as if it were gone already."""

    def __init__(self, below: Files, folder: Path) -> None:
        super().__init__(below, folder, ())
        self.digests = below.digests = _Digests(below.digests, folder / "digests")

    def _holder(self, name: str) -> Files:
        return self._own if self._own.exists(name) else self._below

    def names(self, folder: str) -> Iterator[str]:
        yield from self._below.names(folder)

    def entries(self, folder: str) -> Iterator[Entry]:
        yield from self._below.entries(folder)

    def exists(self, name: str) -> bool:
        return self._own.exists(name) or self._below.exists(name)

    def free_bytes(self) -> int | None:
        return self._below.free_bytes()
