"""What of a run is compared: the dataset of each observation, and every product that a step has left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from gammaops.errors import ProductCorrupt
from gammaops.ledger import USABLE
from gammaops.products.paths import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.comparison.sides import RecordedRun

__all__ = ["Item", "ItemKey", "digest_of", "items_of"]


class ItemKey(NamedTuple):
    """What an item is called in any run of the analysis."""

    step: str
    name: str
    archive: str = ""
    obs_id: int | None = None


@dataclass(frozen=True)
class Item:
    """A product of a run, by its path below the store."""

    key: ItemKey
    kind: str
    path: str


def digest_of(path: str) -> str:
    """The digest in the name of a payload; empty for an outcome without one."""
    words = PurePosixPath(path).name.split(".")
    return words[1] if len(words) > 2 else ""


def items_of(run: RecordedRun) -> dict[ItemKey, Item]:
    """All items of a run, observations first.

    Raises
    ------
    ProductCorrupt
        If an index cannot be read.
    """
    found = {item.key: item for item in _observations(run.record)}
    shown = {item.path for item in found.values()}
    for step in run.record["steps"]:
        for product in step["products"]:
            for item in _of_product(run, step["name"], product):
                if item.path not in shown:
                    found[item.key] = item
    return found


def _observations(record: Mapping[str, Any]) -> Iterator[Item]:
    for row in record["ledger"]:
        for step, made in row["steps"].items():
            if made["state"] in USABLE and made["path"]:
                key = ItemKey(step, f"observation {row['obs_id']}", row["archive"], row["obs_id"])
                yield Item(key, kind_of(made["path"]), made["path"])


def _of_product(run: RecordedRun, step: str, product: Mapping[str, Any]) -> Iterator[Item]:
    """The product itself; of an index its members."""
    store = run.folder.store
    path, name = product["path"], product["name"]
    if not (digest_of(path) and store.sidecar_of(path).get("index")):
        yield Item(ItemKey(step, name), product["kind"], path)
        return
    try:
        rows = json.loads(store.files.read(path))["members"]
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise ProductCorrupt(f"the index {store.uri_of(path)} cannot be read: {error}") from error
    for row in rows:
        yield Item(ItemKey(step, f"{name}: {row['name']}"), kind_of(row["path"]), row["path"])
