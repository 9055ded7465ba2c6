"""What earlier runs of an analysis have made: to compare with, and to tell from what something will take."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError
from gammaops.products import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products import ProductStore

__all__ = ["EARLIER", "History", "age_of", "sidecars_of"]

# Enough for a median, and a look at a few hundred small files costs less than a second.
EARLIER = 50
LOOKED_AT = 500


class History:
    """The finished runs of an analysis, the latest first.

    Parameters
    ----------
    store : ProductStore
    analysis : str
    """

    def __init__(self, store: ProductStore, analysis: str) -> None:
        self._store, self._analysis = store, analysis

    @cached_property
    def _records(self) -> Sequence[Mapping[str, Any]]:
        folders = sorted((one for one in RunFolder.all(self._store, self._analysis) if one.ended), key=age_of)
        return [folder.read_json("run.json") for folder in reversed(folders)]

    def of_observation(self, step: str, obs_id: int) -> Mapping[str, Any]:
        """Sidecar of what a step has made of an observation last; empty if it never did."""
        rows = (row for record in self._records for row in record["ledger"] if row["obs_id"] == obs_id)
        return self._first(row["steps"].get(step, {}).get("path", "") for row in rows)

    def of_step(self, step: str) -> Mapping[str, Any]:
        """Sidecar of the product that a step has made last; empty if it never did."""
        steps = (one for record in self._records for one in record["steps"] if one["name"] == step)
        return self._first(product["path"] for one in steps for product in one["products"])

    def _first(self, paths: Iterator[str]) -> Mapping[str, Any]:
        for path in filter(None, paths):
            try:
                return self._store.sidecar_of(path)
            except ProductError:
                continue
        return {}


def age_of(folder: RunFolder) -> tuple[str, str, int]:
    """What later runs have more of: the moment at which they began; of one moment, name and version."""
    begun = folder.read_json("request.json").get("begun", "")
    return begun, folder.label, int(folder.version.removeprefix("v"))


def sidecars_of(store: ProductStore, kind: str, analysis: str, step: str) -> Iterator[Mapping[str, Any]]:
    """Sidecars of some products of this kind that a step of an analysis has computed."""

    def fitting() -> Iterator[Mapping[str, Any]]:
        for name in islice(store.sidecars(kind), LOOKED_AT):
            try:
                sidecar = store.sidecar(name)
            except ProductError:
                continue
            if (sidecar.get("analysis"), sidecar.get("step", {}).get("name")) == (analysis, step):
                yield sidecar

    return islice(fitting(), EARLIER)
