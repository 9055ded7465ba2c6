"""What earlier runs of an analysis have made: to compare with, and to tell from what something will take."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from gammaops.errors import ProductError
from gammaops.products import RunFolder
from gammaops.products.runs import BEGUN, CONFIG, REQUEST, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products import ProductStore

__all__ = ["EARLIER", "EndedRun", "History", "age_of", "latest_runs", "listed_runs", "sidecars_of"]

log = logging.getLogger(__name__)
Age: TypeAlias = tuple[str, str, int]

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


def latest_runs(store: ProductStore, analysis: str) -> Iterator[EndedRun]:
    """The runs of an analysis that have ended, the last that began first; each is read when it is asked for.

    One that cannot be read any more is passed over: it is nothing that a later run has to end for.
    """
    for _, folder, ended in listed_runs(store, analysis):
        if not ended:
            continue
        try:
            yield EndedRun(folder, folder.read_json("request.json"), folder.read_json("run.json"))
        except ProductError as error:
            log.warning("passed over: %s", error)


def listed_runs(store: ProductStore, analysis: str) -> list[tuple[Age, RunFolder, bool]]:
    """Age, folder and whether it has ended of every version of every run, the last that began first: of one listing."""
    files: dict[str, list[str]] = defaultdict(list)
    for name in store.files.names(f"runs/{analysis}"):
        relative, _, file = name.rpartition("/")
        files[relative].append(file)
    found = []
    for relative, names in files.items():
        if not {REQUEST, CONFIG} <= set(names):
            continue
        folder = RunFolder(store, relative)
        moments = [name.removeprefix(BEGUN) for name in names if name.startswith(BEGUN)]
        try:
            age = _age(folder, moments[0]) if moments else age_of(folder)
        except ProductError as error:
            log.warning("passed over: %s", error)
            continue
        found.append((age, folder, "run.json" in names))
    return sorted(found, key=itemgetter(0), reverse=True)


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
        return [one.record for one in latest_runs(self._store, self._analysis)]

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


def age_of(folder: RunFolder) -> Age:
    """What later runs have more of: the moment at which they began; of one moment, name and version."""
    return _age(folder, moment_of(folder.read_json("request.json")))


def _age(folder: RunFolder, moment: str) -> Age:
    return moment, folder.label, int(folder.version.removeprefix("v"))


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
