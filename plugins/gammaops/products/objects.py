"""A store's files in an object store, by fsspec: ``s3://bucket/folder`` and its like."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

from gammaops.errors import ProductError
from gammaops.products.cached import PayloadCache, bytes_allowed
from gammaops.products.digests import Digests
from gammaops.products.entries import Entry
from gammaops.products.keys import file_sha256
from gammaops.products.leftovers import scratch_leftovers
from gammaops.products.probing import refuse_without_conditions
from gammaops.products.spoken import Spoken, in_our_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.products.leftovers import Leftover

__all__ = ["PROTOCOLS", "ObjectFiles"]

# Protocol, and the package that speaks it with conditional puts: two writers of one name are told apart.
PROTOCOLS = {"s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs"}
CACHE = "GAMMAOPS_CACHE"


class ObjectFiles:
    """`gammaops.products.files.Files` below a URI of an object store.

    An object appears whole or not at all, so that nothing is needed for that. Payloads are read by way of a folder on
    the local disk, where each is named after its digest.

    Parameters
    ----------
    uri : str
        Such as ``s3://bucket/folder``; credentials and endpoint are the usual ones of its protocol (``AWS_…``).
    cache : Path, optional
        Where payloads lie that were read; not given: ``GAMMAOPS_CACHE``, else ``~/.cache/gammaops``.

    Raises
    ------
    ProductError
        If the package that speaks the protocol is not installed; at the first write, if the store ignores conditions.
    """

    def __init__(self, uri: str, cache: Path | None = None) -> None:
        protocol = uri.partition("://")[0]
        if find_spec(PROTOCOLS[protocol]) is None:
            raise ProductError(f"a store on {protocol}:// needs the package {PROTOCOLS[protocol]}: pip install it")
        self.uri = uri.rstrip("/")
        folder = cache or Path(os.environ.get(CACHE) or Path.home() / ".cache" / "gammaops")
        self._copies = PayloadCache(folder, bytes_allowed())
        self.scratch = folder / "scratch"
        self.digests = Digests(folder / "digests")
        self._probed = False
        # Other processes write too: what was listed once says nothing about now.
        try:
            system, self._root = fsspec.core.url_to_fs(self.uri, use_listings_cache=False)
        except Exception as error:  # of a library that is not imported here, as in `Spoken`
            raise in_our_words(error, self.uri) from error
        self._system = Spoken(system, self.uri)

    def uri_of(self, name: str) -> str:
        """URI of an object."""
        return f"{self.uri}/{name}"

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def read(self, name: str) -> bytes:
        """The bytes of an object."""
        content: bytes = self._system.cat_file(self._path(name))
        return content

    def _info(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._system.info(self._path(name))
        if found["type"] != "file":
            raise FileNotFoundError(self.uri_of(name))
        return found

    def size(self, name: str) -> int:
        """Bytes of an object."""
        return int(self._info(name)["size"])

    def sha256(self, name: str) -> str:
        """SHA-256 of an object: downloaded for it once, unless it was uploaded from here, and kept for its readers."""
        mark = _mark(self._info(name))
        known = self.digests.known(self.uri_of(name), mark)
        if known:
            return known
        with self._downloaded(name) as path:
            found = file_sha256(path)
            self._copies.keep(path, name, found)
        self.digests.remember(self.uri_of(name), mark, found)
        return found

    def sha256_now(self, name: str) -> str:
        """SHA-256 of the bytes that are there now: downloaded for it."""
        with self._downloaded(name) as path:
            return file_sha256(path)

    def create(self, name: str, content: bytes) -> None:
        """Write an object that is not there yet: a conditional put."""
        self._probe()
        self._create(name, content)

    def _create(self, name: str, content: bytes) -> None:
        self._system.pipe_file(self._path(name), content, mode="create")

    def create_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write the objects of a folder one after the other; a rival cannot write the first any more.

        So one of the others that is there already was put by us: the answer was lost, and the repeated put refused.
        """
        claimed = False
        for file, content in files.items():
            try:
                self.create(f"{name}/{file}", content)
            except FileExistsError:
                if not claimed or self.read(f"{name}/{file}") != content:
                    raise
            claimed = True

    def _probe(self) -> None:
        """Before anything is written, see that the store keeps the condition of a put."""
        if not self._probed:
            refuse_without_conditions(self.uri, self._create, self.remove)
            self._probed = True

    def replace(self, name: str, content: bytes) -> None:
        """Write an object, in the place of an older one."""
        self._probe()
        self._system.pipe_file(self._path(name), content)

    def place(self, source: Path, name: str) -> None:
        """Upload a finished file of the scratch area, and keep it in the cache: its makers' followers read it."""
        self._probe()
        sha256 = file_sha256(source)
        self._system.put_file(str(source), self._path(name))
        self.digests.remember(self.uri_of(name), _mark(self._info(name)), sha256)
        self._copies.keep(source, name, sha256)

    def fetch(self, name: str, sha256: str) -> Path:
        """A local copy, downloaded unless there is one with the right bytes."""
        kept = self._copies.given(name, sha256)
        if kept.exists() and file_sha256(kept) == sha256:
            return kept
        with self._downloaded(name) as path:
            self._copies.keep(path, name, sha256)
        return kept

    @contextmanager
    def _downloaded(self, name: str) -> Iterator[Path]:
        """A whole local copy that is gone afterwards unless it was renamed."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        path = self.scratch / uuid.uuid4().hex
        try:
            self._system.get_file(self._path(name), str(path))
            yield path
        finally:
            path.unlink(missing_ok=True)

    def names(self, folder: str) -> Iterator[str]:
        """Every object below a folder, in order."""
        yield from (entry.name for entry in self.entries(folder))

    def entries(self, folder: str) -> Iterator[Entry]:
        """Every object below a folder with its size and the time of its last change."""
        found: dict[str, dict[str, Any]] = self._system.find(self._path(folder), detail=True)
        for path in sorted(found):
            changed = found[path].get("LastModified") or found[path].get("mtime") or found[path].get("last_modified")
            yield Entry(path.removeprefix(f"{self._root}/"), int(found[path]["size"]), _seconds(changed))

    def leftovers(self) -> Iterator[Leftover]:
        """What tries of this machine have left in its scratch area, or are making there now."""
        yield from scratch_leftovers(self.scratch)

    def exists(self, name: str) -> bool:
        """Whether the object is there."""
        try:
            self._info(name)
        except FileNotFoundError:
            return False
        return True

    def move(self, name: str, target: str) -> None:
        """Give an object another name."""
        self.copy(name, target)
        self._system.rm_file(self._path(name))

    def copy(self, name: str, target: str) -> None:
        """Copy an object, as it is now."""
        self._system.copy(self._path(name), self._path(target))

    def remove(self, name: str) -> None:
        """Delete an object that may be gone already."""
        try:
            self._system.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def free_bytes(self) -> None:
        """Nobody knows."""
        return


def _seconds(changed: Any) -> float:
    """A time as any of the protocols gives it; one that nobody tells is now, so that nothing is taken for old."""
    if isinstance(changed, str):
        changed = datetime.fromisoformat(changed)
    return float(changed.timestamp()) if changed else time.time()


def _mark(info: dict[str, Any]) -> str:
    """What changes whenever the object does."""
    changed = info.get("ETag") or info.get("etag") or info.get("LastModified") or info.get("mtime")
    return f"{info['size']}-{changed}"
