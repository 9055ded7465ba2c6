"""What earlier runs of an analysis have made: to compare with, and to tell from what something will take."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError
from gammaops.products import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products import ProductStore

__all__ = ["EARLIER", "EndedRun", "History", "age_of", "ended_runs", "sidecars_of"]

log = logging.getLogger(__name__)

# Enough for a median, and a look at a few hundred small files costs less than a second.
EARLIER = 50
LOOKED_AT = 500


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended: its folder, what was asked for, and its record."""

    folder: RunFolder
    request: Mapping[str, Any]
    record: Mapping[str, Any]

    @property
    def official(self) -> bool:
        """Whether it says anything about others: not one with another config, or one that was not to compute."""
        params = self.request["params"]
        return not params.get("config") and not params.get("dry_run") and self.request["reuse"] != "only"


def ended_runs(store: ProductStore, analysis: str) -> list[EndedRun]:
    """The runs of an analysis that have ended, the first that began first.

    One that cannot be read any more is passed over: it is nothing that a later run has to end for.
    """
    found = []
    for folder in RunFolder.all(store, analysis):
        try:
            if folder.ended:
                found.append(EndedRun(folder, folder.read_json("request.json"), folder.read_json("run.json")))
        except ProductError as error:
            log.warning("passed over: %s", error)
    return sorted(found, key=lambda one: age_of(one.folder))


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
        return [one.record for one in reversed(ended_runs(self._store, self._analysis))]

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
