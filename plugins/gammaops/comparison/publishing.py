"""The page that a person reads before a release is promoted: what it changes."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from gammaops.comparison.comparing import compare
from gammaops.comparison.document import as_document
from gammaops.comparison.sides import Side, open_side
from gammaops.comparison.words import limits_in_words
from gammaops.products.keys import DIGEST_LENGTH, canonical_json
from gammaops.releases.decisions import current_release
from gammaops.report import render_comparison

if TYPE_CHECKING:
    from gammaops.products import ProductStore

__all__ = ["COMPARISONS", "compare_with_current", "verdict_of"]

COMPARISONS = "comparisons"
NOTHING_YET = "no release (none is promoted yet)"


def compare_with_current(store: ProductStore, name: str) -> str:
    """Compare a release with the one that is promoted now, and keep page and JSON of it.

    Both lie in ``comparisons/<release>/`` under the digest of the page, so that neither is ever written over.

    Parameters
    ----------
    store : ProductStore
    name : str
        Of the release.

    Returns
    -------
    str
        URI of the page.

    Raises
    ------
    ProductError
        If there is no such release, or an index of either cannot be read.
    """
    current = current_release(store)
    before = open_side(store, current) if current else Side(store, NOTHING_YET, ())
    found = compare(before, open_side(store, name))
    document = as_document(found)
    page = render_comparison(document, limits_in_words(found.tolerances)).encode()
    digest = hashlib.sha256(page).hexdigest()[:DIGEST_LENGTH]
    path = f"{COMPARISONS}/{name}/{digest}"
    for suffix, content in ((".json", canonical_json(document)), (".html", page)):
        with suppress(FileExistsError):
            store.files.create(f"{path}{suffix}", content)
    return store.uri_of(f"{path}.html")


def verdict_of(store: ProductStore, page: str) -> tuple[str, str]:
    """With what a release was compared, and what came out in one line; from the JSON beside its page."""
    document = json.loads(store.files.read(f"{store.relative(page).removesuffix('.html')}.json"))
    return document["a"]["title"], document["verdict"]
