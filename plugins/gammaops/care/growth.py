"""How much a store holds, and how much more than when somebody last looked."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.products.paths import sidecar_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.products import ProductStore

__all__ = ["MAINTENANCE", "measured", "with_growth"]

MAINTENANCE = "maintenance"
GROWTH = "growth.json"
_FOLDERS = ("runs", "releases", "damaged")


def measured(store: ProductStore) -> dict[str, Any]:
    """Number of products and bytes of each kind, bytes of everything else, and the room that is left."""
    kinds: dict[str, dict[str, int]] = defaultdict(lambda: {"products": 0, "bytes": 0})
    for entry in store.files.entries("products"):
        kind = kinds[PurePosixPath(entry.name).parts[1]]
        kind["products"] += entry.name == sidecar_of(entry.name)
        kind["bytes"] += entry.size
    others = {folder: sum(entry.size for entry in store.files.entries(folder)) for folder in _FOLDERS}
    leftovers = sum(leftover.size for leftover in store.files.leftovers())
    return {
        "kinds": dict(sorted(kinds.items())),
        "folders": {**others, "leftovers": leftovers},
        "bytes": sum(kind["bytes"] for kind in kinds.values()) + sum(others.values()) + leftovers,
        "free_bytes": store.files.free_bytes(),
    }


def with_growth(store: ProductStore, label: str, now: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with what has been added since the last measurement that is in the store.

    Parameters
    ----------
    store : ProductStore
    label : str
        Of this measurement; those before it in the alphabet are earlier ones.
    now : mapping
        From `measured`.
    """
    names = [name for name in store.files.names(MAINTENANCE) if PurePosixPath(name).name == GROWTH]
    earlier = [name for name in names if PurePosixPath(name).parts[1] < label]
    if not earlier:
        return dict(now)
    before = json.loads(store.files.read(earlier[-1]))
    kinds = {
        kind: held["bytes"] - before["kinds"].get(kind, {"bytes": 0})["bytes"] for kind, held in now["kinds"].items()
    }
    since = PurePosixPath(earlier[-1]).parts[1]
    return {**now, "grown": {"since": since, "bytes": now["bytes"] - before["bytes"], "kinds": kinds}}
