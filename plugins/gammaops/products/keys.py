"""Content keys and digests: what a product was made from, and what it is."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["canonical_json", "content_key", "file_sha256", "member_key", "science_versions"]

KEY_LENGTH = 32
DIGEST_LENGTH = 16
SCIENCE_PACKAGES = ("astropy", "gammapy", "iminuit", "numpy", "regions", "scipy")


def canonical_json(document: Any) -> bytes:
    """The one way in which a document of JSON types is written, whatever the order of its keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def content_key(ingredients: Mapping[str, Any]) -> str:
    """32 hex digits that name everything a product is made from."""
    return hashlib.sha256(canonical_json(ingredients)).hexdigest()[:KEY_LENGTH]


def member_key(index_key: str, name: str) -> str:
    """The key of a product that was made to be a member of an index."""
    return content_key({"index": index_key, "member": name})


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits; its first 16 are the digest of a payload."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def science_versions(further: tuple[str, ...] = ()) -> Mapping[str, str]:
    """Versions of the packages whose change can change a number, and of `further` ones that a step type names."""
    found = {}
    for name in sorted({*SCIENCE_PACKAGES, *further}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
