"""Payloads as their sidecars describe them, compared with what is there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductCorrupt, ProductMissing
from gammaops.products.keys import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gammaops.products.files import Files

__all__ = ["Payload", "parsed_sidecar"]

PRODUCT = {"kind": str, "key": str, "status": str}
PAYLOAD = {"name": str, "sha256": str, "size": int}
MADE_AGAIN = "run the step that makes it again"


@dataclass(frozen=True)
class Payload:
    """A payload by its name below the store's root, with the size in bytes and the SHA-256 that its sidecar says."""

    files: Files
    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, files: Files, sidecar: str, document: Mapping[str, Any]) -> Payload | None:
        """The payload of the sidecar with this name; None for an outcome without one."""
        described = document.get("payload")
        if described is None:
            return None
        name = str(PurePosixPath(sidecar).with_name(described["name"]))
        return cls(files, name, described["size"], described["sha256"])

    def check(self) -> None:
        """Compare size and digest; bytes that nobody has touched since they were hashed are not read again.

        Raises
        ------
        ProductMissing, ProductCorrupt
            If it is gone, or other than its sidecar says.
        """
        self._check(self.files.sha256)

    def check_now(self) -> None:
        """Compare size and digest, hashed now whatever is remembered or kept of the bytes.

        Raises
        ------
        ProductMissing, ProductCorrupt
            As in `check`.
        """
        self._check(self.files.sha256_now)

    def verified(self) -> Path:
        """The payload as a local file, hashed now whatever is remembered of it.

        Raises
        ------
        ProductMissing, ProductCorrupt
            As in `check`.
        """
        try:
            path = self.files.fetch(self.name, self.sha256)
            self._compare(file_sha256(path))
        except FileNotFoundError:
            raise self._missing() from None
        return path

    def _check(self, sha256: Callable[[str], str]) -> None:
        try:
            size = self.files.size(self.name)
            if size != self.size:
                raise self._corrupt(f"has {size} bytes, its sidecar says {self.size}")
            self._compare(sha256(self.name))
        except FileNotFoundError:
            raise self._missing() from None

    def _compare(self, sha256: str) -> None:
        if sha256 != self.sha256:
            raise self._corrupt("has other bytes than its sidecar says (SHA-256 differs)")

    def _corrupt(self, what: str) -> ProductCorrupt:
        return ProductCorrupt(f"{self.files.uri_of(self.name)} {what}; {MADE_AGAIN}")

    def _missing(self) -> ProductMissing:
        return ProductMissing(f"the payload {self.files.uri_of(self.name)} is gone; {MADE_AGAIN}")


def parsed_sidecar(content: bytes) -> dict[str, Any]:
    """A sidecar from its bytes.

    Raises
    ------
    ValueError
        If it is not JSON, or lacks what every sidecar has; the message goes on after its name.
    """
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    _require(document, PRODUCT)
    if document.get("payload") is not None:
        _require(document["payload"], PAYLOAD)
        name = document["payload"]["name"]
        if PurePosixPath(name).name != name:
            raise ValueError(f"names a payload elsewhere: {name!r}")
    return dict(document)


def _require(document: object, keys: Mapping[str, type]) -> None:
    wrong = [
        key for key, kind in keys.items() if not isinstance(document, dict) or not isinstance(document.get(key), kind)
    ]
    if wrong:
        raise ValueError(f"lacks what every sidecar has: {', '.join(wrong)}")
