"""The product store: the only place that writes products.

``products/<kind>/<key[:2]>/<key>.<digest>.<suffix>`` is a payload, ``<key>.json`` beside it its sidecar. A payload gets
its name from its own bytes, and the sidecar is created exclusively and last: of two tries that race, the first wins and
the second publishes nothing, and a try that is killed leaves nothing that counts.
"""

from __future__ import annotations

import json
import logging
import shutil
import uuid
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gammaops.errors import ProductCorrupt, ProductError, ProductMissing
from gammaops.products.base import Product
from gammaops.products.damaged import set_aside
from gammaops.products.files import files_at
from gammaops.products.keys import DIGEST_LENGTH, canonical_json, file_sha256
from gammaops.products.local import LocalFiles
from gammaops.products.paths import bounded, sidecar_of
from gammaops.products.payloads import Payload, parsed_sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products.base import Member
    from gammaops.products.digests import Digests
    from gammaops.products.files import Files

__all__ = ["ProductStore"]

log = logging.getLogger(__name__)


class ProductStore:
    """All products below one root.

    Parameters
    ----------
    root : str or Path
        A folder, its ``file://`` URI, or a URI of an object store such as ``s3://bucket/folder``.
    cache : Path, optional
        Folder for digests, and for copies of what lies in an object store; may be deleted at any time. Not given: a
        folder of the store, or of the user.

    Raises
    ------
    ProductError
        If nobody here can write to the root.
    """

    def __init__(self, root: str | Path, cache: Path | None = None) -> None:
        self.files: Files = files_at(root, cache)

    @classmethod
    def of(cls, files: Files) -> ProductStore:
        """The store of these files."""
        store = cls.__new__(cls)
        store.files = files
        return store

    @property
    def uri(self) -> str:
        """URI of the root."""
        return self.files.uri

    @property
    def digests(self) -> Digests:
        """Digests of files of this machine, such as those of archives."""
        return self.files.digests

    @property
    def root(self) -> Path:
        """Folder of a store on a disk.

        Raises
        ------
        ProductError
            If it is elsewhere.
        """
        if not isinstance(self.files, LocalFiles):
            raise ProductError(f"the store {self.uri} is not a folder on a disk")
        return self.files.root

    def uri_of(self, name: str) -> str:
        """Product path of a file below the root.

        Raises
        ------
        ProductError
            If it is longer than what may travel between tasks.
        """
        return bounded(self.files.uri_of(name))

    def relative(self, uri: str) -> str:
        """A product path as indexes, sidecars and records name it: below the root, so that it holds in any store.

        Its fragment is left out.

        Raises
        ------
        ProductError
            If the path leads out of the store.
        """
        parts = urlsplit(uri)
        path, root = (PurePosixPath(unquote(text)) for text in (parts.path, urlsplit(self.uri).path))
        same = (parts.scheme or "file", parts.netloc) == urlsplit(self.uri)[:2]
        if not same or not path.is_relative_to(root) or ".." in path.parts:
            raise ProductError(f"{uri} is not in the store {self.uri}")
        return path.relative_to(root).as_posix()

    def complete(self, path: str) -> str:
        """The product path behind one that may be relative to the root."""
        return path if "://" in path else self.uri_of(path)

    def open(self, uri: str) -> Product:
        """A product, its payload there and its members too; whoever reads a payload has it verified then.

        Raises
        ------
        ProductMissing, ProductCorrupt
            If there is no such product, or if it is not what its sidecar says.
        """
        asked = self.relative(uri)
        product = self._read(sidecar_of(asked))
        if asked not in (sidecar_of(asked), self.relative(product.uri)):
            raise ProductMissing(f"{uri} is gone; what was made again in its place has other bytes: {product.uri}")
        return product

    def find(self, kind: str, key: str) -> Product | None:
        """The product with this key, if there is one; a damaged one is set aside, so that it gets made again."""
        sidecar = _sidecar_name(kind, key)
        with suppress(ProductError):
            return self._read(sidecar)
        try:
            judged = self.files.read(sidecar)
            return self._read(sidecar)  # another try has repaired it
        except FileNotFoundError:
            return None
        except ProductError as error:
            set_aside(self.files, sidecar, judged, str(error))
        return None

    def publish(self, kind: str, key: str, payload: Path, sidecar: Mapping[str, Any]) -> Product:
        """Publish a finished file of the scratch area; where the key exists already, the older product is returned.

        Parameters
        ----------
        kind, key : str
            What the product is, and what it is made from.
        payload : Path
            Complete file, as made in `scratch`; its suffix is kept.
        sidecar : mapping
            Provenance and ``metrics``; the store adds kind, key, status and payload.
        """
        found = self.find(kind, key)
        if found:
            return found
        sha256, size = file_sha256(payload), payload.stat().st_size
        name = f"{key}.{sha256[:DIGEST_LENGTH]}{payload.suffix}"
        target = f"{_folder(kind, key)}/{name}"
        self.files.place(payload, target)
        described = {"status": "ok", **sidecar, "payload": {"name": name, "sha256": sha256, "size": size}}
        product = self._commit(kind, key, described)
        if product.uri != self.uri_of(target):
            self.files.remove(target)
        return product

    def publish_index(self, kind: str, key: str, members: Sequence[Member], sidecar: Mapping[str, Any]) -> Product:
        """Publish a JSON index of products; every member must be published already."""
        found = self.find(kind, key)
        if found:
            return found
        if not all(member.product for member in members):
            raise ValueError(f"not every member of the index {kind} {key} is published")
        with self.scratch() as folder:
            rows = [{**member.row, **self._reference(member.product)} for member in members if member.product]
            path = folder / "index.json"
            path.write_bytes(canonical_json({"kind": kind, "members": rows}))
            return self.publish(kind, key, path, sidecar)

    def publish_outcome(self, kind: str, key: str, status: str, sidecar: Mapping[str, Any]) -> Product:
        """Publish an outcome without payload (``quarantined``, ``no_work``); `sidecar` holds its class and reason."""
        return self.find(kind, key) or self._commit(kind, key, {**sidecar, "status": status})

    def withdraw(self, outcome: Product, reason: str) -> None:
        """Set an outcome without payload aside, so that a product can take its place."""
        name = self.relative(outcome.uri)
        with suppress(FileNotFoundError):
            set_aside(self.files, name, self.files.read(name), reason)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A local folder for files in the making, on the store's own disk if it has one; gone afterwards."""
        folder = self.files.scratch / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def sidecars(self, kind: str = "") -> Iterator[str]:
        """Names of all sidecars below the root, or of those of one kind."""
        for name in self.files.names(f"products/{kind}".rstrip("/")):
            if name == sidecar_of(name):
                yield name

    def sidecar(self, name: str) -> dict[str, Any]:
        """A sidecar by its name below the root, whatever became of its payload.

        Raises
        ------
        ProductMissing, ProductCorrupt
            If it is not there, or not a sidecar.
        """
        try:
            return parsed_sidecar(self.files.read(name))
        except FileNotFoundError:
            raise ProductMissing(f"no product {self.uri_of(name)}; run the step that makes it") from None
        except ValueError as error:
            raise ProductCorrupt(
                f"the sidecar {self.uri_of(name)} {error}; run the step that makes it again"
            ) from error

    def sidecar_of(self, path: str) -> dict[str, Any]:
        """The sidecar of a product by its path below the root, whatever became of its payload.

        Raises
        ------
        ProductMissing, ProductCorrupt
            As in `sidecar`.
        """
        return self.sidecar(sidecar_of(path))

    def _reference(self, product: Product) -> dict[str, str]:
        """How an index names a member: relative to the root, so that equal indexes have equal bytes in any store."""
        return {"path": self.relative(product.uri), "digest": product.digest}

    def _commit(self, kind: str, key: str, sidecar: Mapping[str, Any]) -> Product:
        name = _sidecar_name(kind, key)
        try:
            self.files.create(name, canonical_json({**sidecar, "kind": kind, "key": key}))
        except FileExistsError:
            log.info("%s was published by another try first", name)
        return self._read(name)

    def _read(self, name: str) -> Product:
        sidecar = self.sidecar(name)
        payload = Payload.of(self.files, name, sidecar)
        if payload:
            payload.check()
        return Product(
            uri=self.uri_of(payload.name if payload else name),
            kind=sidecar["kind"],
            key=sidecar["key"],
            digest=payload.sha256[:DIGEST_LENGTH] if payload else "",
            status=sidecar["status"],
            payload=partial(self._verified, name, payload) if payload else None,
            beside=self._member,
            metrics=sidecar.get("metrics", {}),
            sidecar=sidecar,
            members=self._members(payload.verified()) if payload and sidecar.get("index") else (),
        )

    def _verified(self, sidecar: str, payload: Payload) -> Path:
        """The payload for a reader; a damaged one is set aside before the reader is told."""
        try:
            return payload.verified()
        except ProductCorrupt as error:
            with suppress(FileNotFoundError):
                set_aside(self.files, sidecar, self.files.read(sidecar), str(error))
            raise

    def _members(self, index: Path) -> tuple[Product, ...]:
        rows = json.loads(index.read_bytes())["members"]
        return tuple(self._member(row) for row in rows)

    def _member(self, row: Mapping[str, Any]) -> Product:
        product = self.open(self.uri_of(row["path"]))
        if product.digest != row["digest"]:
            raise ProductCorrupt(f"{product.uri} has the digest {product.digest}, its index says {row['digest']}")
        return replace(product, row=row)


def _folder(kind: str, key: str) -> str:
    return f"products/{kind}/{key[:2]}"


def _sidecar_name(kind: str, key: str) -> str:
    return f"{_folder(kind, key)}/{key}.json"
