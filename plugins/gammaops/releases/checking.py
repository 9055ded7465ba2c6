"""Whether a run may be part of a release: ended, green, every observation accounted for, every product whole."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.care.checking import troubles_of
from gammaops.errors import ProductError
from gammaops.ledger import STATES, USABLE
from gammaops.products.paths import sidecar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gammaops.products import ProductStore

__all__ = ["Inspection", "named_products"]

_SHOWN = 5


def named_products(record: Mapping[str, Any]) -> Iterator[str]:
    """Paths of the products that the record of a run names, those of its observations among them."""
    for step in record["steps"]:
        yield from (product["path"] for product in step["products"])
    for row in record["ledger"]:
        yield from (made["path"] for made in row["steps"].values() if made["path"])


class Inspection:
    """Looks through the runs of a release; a product that several of them share is hashed once.

    Parameters
    ----------
    store : ProductStore
    before_each : callable, optional
        Called before each product is looked at.
    """

    def __init__(self, store: ProductStore, before_each: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._before_each = before_each
        self._known: dict[str, tuple[str, ...]] = {}

    def run_problems(self, record: Mapping[str, Any]) -> list[str]:
        """Everything for which a run cannot be released, in sentences."""
        problems = [] if record["verdict"]["ok"] else [f"is red: {record['verdict']['line']}"]
        return [*problems, *_unaccounted(record["ledger"]), *self.product_problems(named_products(record))]

    def product_problems(self, paths: Iterable[str]) -> Iterator[str]:
        """What is wrong with these products and what they list; every payload is hashed now."""
        for path in dict.fromkeys(paths):
            if path not in self._known:
                self._before_each()
                self._known[path] = tuple(self._troubles(path))
            yield from self._known[path]

    def gone(self) -> list[str]:
        """Of all that was looked at, what is not there any more."""
        files = self._store.files
        return sorted(path for path in self._known if not all(files.exists(name) for name in {path, sidecar_of(path)}))

    def _troubles(self, path: str) -> Iterator[str]:
        sidecar = sidecar_of(path)
        found = [f"{path}: {trouble.problem}" for trouble in troubles_of(self._store, sidecar)]
        yield from found
        if found:
            return
        document = self._store.sidecar(sidecar)
        payload = document.get("payload")
        name = payload["name"] if payload else PurePosixPath(sidecar).name
        if name != PurePosixPath(path).name:
            yield f"{path} is another product now: {name}"
        elif payload and document.get("index"):
            yield from self.product_problems(self._members(path))

    def _members(self, path: str) -> list[str]:
        try:
            return [row["path"] for row in json.loads(self._store.files.read(path))["members"]]
        except (FileNotFoundError, ValueError, KeyError) as error:
            raise ProductError(f"the index {self._store.uri_of(path)} cannot be read: {error}") from error


def _unaccounted(ledger: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Observations of which nobody can say what became of them, or that are used without a product."""
    lost = [row["obs_id"] for row in ledger if row["state"] == "failed" or row["state"] not in STATES]
    if lost:
        yield f"has observations without an outcome: {_listed(lost)}; run it again"
    empty = [
        row["obs_id"]
        for row in ledger
        if any(made["state"] in USABLE and not made["path"] for made in row["steps"].values())
    ]
    if empty:
        yield f"uses observations without naming their products: {_listed(empty)}"
    named = Counter((row["archive"], row["obs_id"]) for row in ledger)
    twice = [obs_id for (_, obs_id), number in named.items() if number > 1]
    if twice:
        yield f"has observations twice in its ledger: {_listed(twice)}"


def _listed(obs_ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, obs_ids[:_SHOWN]))
    return f"{shown} and {len(obs_ids) - _SHOWN} more" if len(obs_ids) > _SHOWN else shown
