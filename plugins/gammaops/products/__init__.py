"""Products: immutable payloads, their sidecars, and the store that alone writes them."""

from __future__ import annotations

from gammaops.products.base import IndexDraft, Member, Product, Sum
from gammaops.products.damaged import set_aside
from gammaops.products.keys import canonical_json, content_key, file_sha256, member_key, science_versions
from gammaops.products.paths import rows_of, with_rows
from gammaops.products.runs import RunFolder
from gammaops.products.store import ProductStore

__all__ = [
    "IndexDraft",
    "Member",
    "Product",
    "ProductStore",
    "RunFolder",
    "Sum",
    "canonical_json",
    "content_key",
    "file_sha256",
    "member_key",
    "rows_of",
    "science_versions",
    "set_aside",
    "with_rows",
]
