"""What people call a product: its path, below the store or whole."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from gammaops.errors import ProductError
from gammaops.products import ProductStore
from gammaops.products.paths import kind_of

__all__ = ["product_name", "store_of"]

_BELOW = "/products/"


def store_of(text: str, default: str) -> ProductStore:
    """The store of a product that is named whole, by a URI or a path on this machine; else the default one."""
    if "://" not in text and Path(text).exists():
        text = Path(text).absolute().as_uri()
    root, below, _ = text.rpartition(_BELOW)
    return ProductStore(root if "://" in text and below else default)


def product_name(store: ProductStore, text: str) -> str:
    """The path of a product below its store.

    Raises
    ------
    ProductError
        If it is no product path of this store.
    """
    if "://" not in text and Path(text).exists():
        text = Path(text).absolute().as_uri()
    elif urlsplit(text).scheme == "" and Path(text).is_absolute():
        text = Path(text).as_uri()
    name = store.relative(store.complete(text))
    if not kind_of(name):
        raise ProductError(f"{text} is no product path; expected products/<kind>/ab/ab….json, or the payload beside it")
    return name
