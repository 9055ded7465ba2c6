"""What nothing in a store needs any more.

A product stays as long as a run folder that stays made it or needs it, a release names it, or it is young; and with it
all that it was made from, and the frozen config of the run that made it, without which it could not be made again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

from gammaops.care.announcing import COLLECTING, FREEZING, announced
from gammaops.care.runs_kept import Rules, RunFiles, collectable, named_in, run_files
from gammaops.errors import ProductError
from gammaops.lineage import Lineage
from gammaops.products.paths import sidecar_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gammaops.lineage import Origin
    from gammaops.products import ProductStore
    from gammaops.products.entries import Entry
    from gammaops.products.leftovers import Leftover

__all__ = ["Garbage", "delete", "find_garbage"]

RELEASES, DAMAGED = "releases", "damaged"
_RECIPE = ("config.yaml", "request.json")


@dataclass(frozen=True)
class Garbage:
    """What may be deleted.

    Parameters
    ----------
    entries : tuple of Entry
        Files below the store, in the order in which they are to be deleted: no record, index or sidecar ever names what
        is gone already.
    leftovers : tuple of Leftover
        What killed tries have left on this machine.
    notes : tuple of str
        Why it is not more.
    witnesses : tuple of str
        The releases and run folders that it was found out from.
    """

    entries: tuple[Entry, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    notes: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = field(default=(), repr=False)

    @property
    def size(self) -> int:
        """Bytes that get free."""
        return sum(entry.size for entry in self.entries) + sum(leftover.size for leftover in self.leftovers)

    @property
    def names(self) -> list[str]:
        """What would be deleted, as people are told it."""
        return [*(entry.name for entry in self.entries), *(str(leftover.path) for leftover in self.leftovers)]


def find_garbage(store: ProductStore, rules: Rules, now: float) -> Garbage:
    """What the rules let go and nothing needs.

    Parameters
    ----------
    store : ProductStore
    rules : Rules
    now : float
        Seconds since 1970.

    Raises
    ------
    ProductCorrupt
        If a release or the record of a run cannot be read.
    """
    search = _Search(store, rules, now)
    leftovers = tuple(one for one in store.files.leftovers() if now - one.modified > rules.grace)
    damaged = tuple(search.damaged())
    busy = sorted(relative for relative, one in search.runs.items() if one.at_work(now, rules.grace))
    if busy:
        note = f"products and runs stay as long as a run is at work, which may take any of them: {', '.join(busy)}"
        return Garbage(damaged, leftovers, (note,), search.witnesses)
    if search.lost:
        note = f"nothing is collected while products of releases have lost their sidecars: {', '.join(search.lost)}"
        return Garbage(damaged, leftovers, (note,), search.witnesses)
    gone = search.left_by(collectable(search.runs, rules, now) - search.released)
    kept = search.needed(set(search.runs) - gone)
    entries = (*search.run_entries(gone, kept), *search.product_entries(kept), *damaged)
    return Garbage(entries, leftovers, tuple(search.notes), search.witnesses)


def delete(store: ProductStore, garbage: Garbage) -> None:
    """Delete exactly that.

    Raises
    ------
    ProductError
        If a run has begun or a release was made since it was found out, or one is being made; then nothing is deleted.
    """
    with announced(store, COLLECTING, against=FREEZING) as announcement:
        new = sorted(set(_witnesses(store)) - set(garbage.witnesses))
        if new:
            raise ProductError(
                f"meanwhile there is {', '.join(new)}, which may need some of it; nothing is deleted, try again"
            )
        for entry in garbage.entries:
            announcement.renew()
            store.files.remove(entry.name)
        for leftover in garbage.leftovers:
            leftover.remove()


def _witnesses(store: ProductStore) -> Iterable[str]:
    return (*store.files.names(RELEASES), *_begun(run_files(store)))


def _begun(runs: Mapping[str, RunFiles]) -> list[str]:
    """Run folders, and when those that were reopened were so last."""
    return [f"{name}{f', at work again since {one.reopened}' if one.reopened else ''}" for name, one in runs.items()]


class _Known(NamedTuple):
    """What is kept in mind of a product while there may be a hundred thousand others."""

    payload: str
    run: str
    needs: tuple[str, ...]
    readable: bool


def _known(origin: Origin) -> _Known:
    needs = tuple(one.name for one in origin.references if one.name)
    return _Known(origin.name, origin.sidecar.get("run", ""), needs, not origin.problem)


class _Search:
    """A store as it was when the search began."""

    def __init__(self, store: ProductStore, rules: Rules, now: float) -> None:
        self._store = store
        self._rules = rules
        self._now = now
        self.notes: list[str] = []
        self.runs = run_files(store)
        self._releases = list(store.files.names(RELEASES))
        self._products = {entry.name: entry for entry in store.files.entries("products")}
        self.witnesses = (*self._releases, *_begun(self.runs))
        named = {text for name in self._releases for text in named_in(store, name)}
        self.released = named & set(self.runs)
        self._roots = {text for text in named if text.startswith("products/")}
        lineage = Lineage(store)
        self._known = {name: _known(lineage.read(name)) for name in self._products if name == sidecar_of(name)}
        self._unreadable = {name for name, one in self._known.items() if not one.readable}
        self._date_runs()

    @property
    def lost(self) -> list[str]:
        """Products that a release names and that have no sidecar any more, which would say what they need."""
        return sorted(name for name in self._roots if sidecar_of(name) not in self._known)

    def _date_runs(self) -> None:
        """A run was last active when it made its last product."""
        for name, one in self._known.items():
            if one.run in self.runs:
                run = self.runs[one.run]
                run.active = max(run.active, self._products[name].modified)

    def left_by(self, gone: set[str]) -> set[str]:
        """Without those that a run's ``latest`` names, unless no version at all is to be kept."""
        if self._rules.keep_runs == 0:
            return gone
        labels = {relative.rpartition("/")[0] for relative in gone}
        there = (label for label in labels if self._store.files.exists(f"{label}/latest"))
        named = {f"{label}/{self._store.files.read(f'{label}/latest').decode().strip()}" for label in there}
        return gone - named

    def needed(self, runs: set[str]) -> set[str]:
        """Sidecars of the products that these runs, a release or a young try need."""
        queue = [*self._roots, *self._unreadable]
        queue += [text for run in runs if self.runs[run].ended for text in self._named_by(self.runs[run])]
        young = (name for name in self._known if self._is_young(self._products[name]))
        queue += [*young, *(name for name, one in self._known.items() if one.run in runs)]
        if self._unreadable:
            self.notes.append(f"{len(self._unreadable)} sidecars or indexes cannot be read and stay; see verify")
        found: set[str] = set()
        while queue:
            sidecar = sidecar_of(queue.pop())
            if sidecar in self._known and sidecar not in found:
                found.add(sidecar)
                queue += self._known[sidecar].needs
        return found

    def _named_by(self, run: RunFiles) -> Iterable[str]:
        texts = named_in(self._store, f"{run.relative}/run.json")
        return (text for text in texts if text.startswith("products/"))

    def _is_young(self, entry: Entry) -> bool:
        return self._now - entry.modified <= self._rules.grace

    def run_entries(self, gone: set[str], kept: set[str]) -> Iterable[Entry]:
        """Files of the run folders that go; what kept products were made by stays."""
        makers = {self._known[name].run for name in kept}
        for relative in sorted(gone):
            stay = [f"{relative}/{name}" for name in _RECIPE] if relative in makers else []
            found = [entry for entry in self.runs[relative].entries if entry.name not in stay]
            yield from sorted(found, key=lambda entry: entry.name.endswith(_RECIPE))
        labels = {relative.rpartition("/")[0] for relative in gone} - {
            relative.rpartition("/")[0] for relative in set(self.runs) - (gone - makers)
        }
        latest = {f"{label}/latest" for label in labels}
        yield from (entry for entry in self._store.files.entries("runs") if entry.name in latest)

    def product_entries(self, kept: set[str]) -> Iterable[Entry]:
        """Sidecars that go with their payloads, and payloads that no sidecar names."""
        for name in self._last_first([name for name in self._known if name not in kept]):
            payload = self._known[name].payload
            yield self._products[name]
            if payload != name and payload in self._products:
                yield self._products[payload]
        named = {one.payload for one in self._known.values()}
        for name, entry in self._products.items():
            lonely = name != sidecar_of(name) and name not in named and not self._is_young(entry)
            if lonely and sidecar_of(name) not in self._unreadable:
                yield entry

    def _last_first(self, names: Sequence[str]) -> list[str]:
        """What was made from others before these: an index before its members."""
        order, going = TopologicalSorter[str](), set(names)
        for name in names:
            sources = map(sidecar_of, self._known[name].needs)
            order.add(name, *(source for source in sources if source in going))
        return list(order.static_order())[::-1]

    def damaged(self) -> Iterable[Entry]:
        """What was set aside, once it is as old as the rules say."""
        if self._rules.older_than is not None:
            least = max(self._rules.grace, self._rules.older_than)
            yield from (one for one in self._store.files.entries(DAMAGED) if self._now - one.modified > least)
