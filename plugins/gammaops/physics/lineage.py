"""Where a product comes from: the payloads of its inputs, as its sidecar names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gammaops.products.base import Product

__all__ = ["inputs_of"]

_DEPTH = 3  # <store>/products/<kind>/<two digits>/<payload>


def inputs_of(product: Product, role: str) -> list[Path]:
    """Files of the inputs in this role that are still in the store; only for showing them, they are not verified."""
    if product.path is None:
        return []
    root = product.path.parents[_DEPTH]
    named = product.sidecar.get("inputs", {}).get(role, ())
    return [path for entry in named if (path := root / entry["path"]).is_file()]
