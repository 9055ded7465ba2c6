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
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gammaops.errors import ProductCorrupt, ProductError, ProductMissing
from gammaops.products import atomic
from gammaops.products.base import Product
from gammaops.products.keys import DIGEST_LENGTH, KEY_LENGTH, canonical_json, file_sha256
from gammaops.products.paths import bounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products.base import Member

__all__ = ["ProductStore"]

log = logging.getLogger(__name__)


class ProductStore:
    """All products below one root.

    Parameters
    ----------
    root : str or Path
        A folder, or its ``file://`` URI.

    Raises
    ------
    ProductError
        If the root is on a kind of file system that cannot be used.
    """

    def __init__(self, root: str | Path) -> None:
        parts = urlsplit(str(root))
        if parts.scheme not in ("", "file"):
            raise ProductError(
                f"the store {root} is not on a local or mounted file system; give a folder or a file:// URI"
            )
        self.root = Path(unquote(parts.path)).absolute()

    @property
    def uri(self) -> str:
        """URI of the root."""
        return self.root.as_uri()

    def uri_of(self, path: Path) -> str:
        """Product path of a file below the root.

        Raises
        ------
        ProductError
            If it is longer than what may travel between tasks.
        """
        return bounded(path.as_uri())

    def relative(self, uri: str) -> str:
        """A product path as indexes, sidecars and records name it: below the root, so that it holds in any store."""
        return self.local(uri).relative_to(self.root).as_posix()

    def complete(self, path: str) -> str:
        """The product path behind one that may be relative to the root."""
        return path if "://" in path else self.uri_of(self.root / path)

    def local(self, uri: str) -> Path:
        """The file behind a product path; its fragment is left out.

        Raises
        ------
        ProductError
            If the path leads out of the store.
        """
        path = Path(unquote(urlsplit(uri).path))
        if not path.is_relative_to(self.root) or ".." in path.parts:
            raise ProductError(f"{uri} is not in the store {self.uri}")
        return path

    def open(self, uri: str) -> Product:
        """Read a product and verify size and digest of its payload, and of all members of an index.

        Raises
        ------
        ProductMissing, ProductCorrupt
            If there is no such product, or if it is not what its sidecar says.
        """
        path = self.local(uri)
        return self._read(path.with_name(f"{path.name[:KEY_LENGTH]}.json"))

    def find(self, kind: str, key: str) -> Product | None:
        """The product with this key, if there is one; a damaged one is set aside, so that it gets made again."""
        sidecar = self._folder(kind, key) / f"{key}.json"
        try:
            return self._read(sidecar)
        except ProductMissing:
            if not sidecar.exists():
                return None
            problem = "its payload is gone"
        except ProductCorrupt as error:
            problem = str(error)
        with suppress(ProductError):
            return self._read(sidecar)  # another try has repaired it
        self._set_aside(sidecar)
        log.warning("%s is set aside in %s, to be made again: %s", sidecar, self.root / "damaged", problem)
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
        target = self._folder(kind, key) / f"{key}.{sha256[:DIGEST_LENGTH]}{payload.suffix}"
        atomic.move_into_place(payload, target)
        described = {"status": "ok", **sidecar, "payload": {"name": target.name, "sha256": sha256, "size": size}}
        product = self._commit(kind, key, described)
        if product.path != target:
            target.unlink(missing_ok=True)
        return product

    def publish_index(self, kind: str, key: str, members: Sequence[Member], sidecar: Mapping[str, Any]) -> Product:
        """Publish a JSON index of products; every member must be published already."""
        found = self.find(kind, key)
        if found:
            return found
        with self.scratch() as folder:
            rows = [{**member.row, **self._reference(member.product)} for member in members if member.product]
            path = folder / "index.json"
            path.write_bytes(canonical_json({"kind": kind, "members": rows}))
            return self.publish(kind, key, path, sidecar)

    def publish_outcome(self, kind: str, key: str, status: str, sidecar: Mapping[str, Any]) -> Product:
        """Publish an outcome without payload (``quarantined``, ``no_work``); `sidecar` holds its class and reason."""
        return self.find(kind, key) or self._commit(kind, key, {**sidecar, "status": status})

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the store's file system for files in the making; gone afterwards."""
        folder = self.root / "scratch" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, kind: str, key: str) -> Path:
        return self.root / "products" / kind / key[:2]

    def _reference(self, product: Product) -> dict[str, str]:
        """How an index names a member: relative to the root, so that equal indexes have equal bytes in any store."""
        return {"path": self.relative(product.uri), "digest": product.digest}

    def _commit(self, kind: str, key: str, sidecar: Mapping[str, Any]) -> Product:
        path = self._folder(kind, key) / f"{key}.json"
        content = canonical_json({**sidecar, "kind": kind, "key": key})
        try:
            atomic.create(path, content)
        except FileExistsError:
            log.info("%s was published by another try first", path)
        return self._read(path)

    def _read(self, sidecar_path: Path) -> Product:
        try:
            sidecar = json.loads(sidecar_path.read_bytes())
        except FileNotFoundError:
            raise ProductMissing(f"no product {self.uri_of(sidecar_path)}; run the step that makes it") from None
        except ValueError as error:
            raise ProductCorrupt(f"the sidecar {self.uri_of(sidecar_path)} is not JSON: {error}") from error
        path = self._verified_payload(sidecar_path, sidecar) if "payload" in sidecar else None
        return Product(
            uri=self.uri_of(path or sidecar_path),
            kind=sidecar["kind"],
            key=sidecar["key"],
            digest=sidecar["payload"]["sha256"][:DIGEST_LENGTH] if path else "",
            status=sidecar["status"],
            path=path,
            metrics=sidecar.get("metrics", {}),
            sidecar=sidecar,
            members=self._members(path) if path and sidecar.get("index") else (),
        )

    def _verified_payload(self, sidecar_path: Path, sidecar: Mapping[str, Any]) -> Path:
        payload = sidecar["payload"]
        path = sidecar_path.with_name(payload["name"])
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise ProductMissing(f"the payload {self.uri_of(path)} is gone; run the step that makes it again") from None
        if size != payload["size"]:
            raise ProductCorrupt(f"{self.uri_of(path)} has {size} bytes, its sidecar says {payload['size']}")
        if file_sha256(path) != payload["sha256"]:
            raise ProductCorrupt(f"{self.uri_of(path)} has other bytes than its sidecar says (SHA-256 differs)")
        return path

    def _members(self, index: Path) -> tuple[Product, ...]:
        rows = json.loads(index.read_bytes())["members"]
        return tuple(self._member(row) for row in rows)

    def _member(self, row: Mapping[str, Any]) -> Product:
        relative = PurePosixPath(row["path"])
        product = self.open(self.uri_of(self.root / relative))
        if product.digest != row["digest"]:
            raise ProductCorrupt(f"{product.uri} has the digest {product.digest}, its index says {row['digest']}")
        return Product(**{**vars(product), "row": row})

    def _set_aside(self, sidecar_path: Path) -> None:
        """Move a sidecar and its payload out of the way, unless somebody else has repaired them meanwhile."""
        attic = self.root / "damaged" / uuid.uuid4().hex
        attic.mkdir(parents=True)
        moved = attic / sidecar_path.name
        with suppress(FileNotFoundError):
            sidecar_path.rename(moved)
        if not moved.exists():
            return
        with suppress(ValueError, KeyError, FileNotFoundError):
            payload = sidecar_path.with_name(json.loads(moved.read_bytes())["payload"]["name"])
            payload.rename(attic / payload.name)
