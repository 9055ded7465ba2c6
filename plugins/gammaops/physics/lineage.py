"""Where a product comes from: the payloads of its inputs, as its sidecar names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammaops.errors import ProductError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gammaops.products.base import Product

__all__ = ["inputs_of"]


def inputs_of(product: Product, role: str) -> list[Path]:
    """Files of the inputs in this role that are still in the store, wherever that is."""
    return list(_files(product, role))


def _files(product: Product, role: str) -> Iterator[Path]:
    for entry in product.sidecar.get("inputs", {}).get(role, ()):
        try:
            path = product.beside(entry).path if product.beside else None
        except ProductError:
            continue
        if path:
            yield path
