"""Two sides compared: observations by their outcomes, products by their digests, and where these differ by physics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gammaops.comparison.causes import causes_of
from gammaops.comparison.items import Item, ItemKey, digest_of, items_of
from gammaops.comparison.sides import paired
from gammaops.errors import GammaopsError
from gammaops.ledger import USABLE
from gammaops.physics.differences import Difference, Tolerances, unlike

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.comparison.sides import RecordedRun, Side
    from gammaops.products import Product, ProductStore

__all__ = ["Comparison", "Moved", "ProductPair", "compare"]

IDENTICAL, CLOSE, CHANGED = "identical", "within limits", "changed"
ONLY_BEFORE, ONLY_AFTER, UNREADABLE = "only in A", "only in B", "cannot be compared"
USED = "used"


@dataclass(frozen=True)
class Moved:
    """An observation whose outcome is another one, or that only one side expects.

    Parameters
    ----------
    run : str
        Title of the run.
    obs_id : int
    archive : str
        Data store as the config names it.
    before, after : str
        ``used``, ``quarantined``, …; empty where it is not expected.
    reason : str
        Of the outcome that is not good.
    """

    run: str
    obs_id: int
    archive: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class ProductPair:
    """A product on both sides.

    Parameters
    ----------
    run : str
        Title of the run.
    keys : tuple of ItemKey
        What it is called there; several where steps share it.
    kind : str
    before, after : str
        Paths below the stores; empty where there is none.
    result : str
        ``identical``, ``within limits``, ``changed``, ``only in A``, ``only in B`` or ``cannot be compared``.
    differences : tuple of Difference
        Where the bytes differ.
    causes : tuple of str
        What it was made from or with that is not the same.
    problem : str
        Why it cannot be compared.
    """

    run: str
    keys: tuple[ItemKey, ...]
    kind: str
    before: str
    after: str
    result: str
    differences: tuple[Difference, ...] = ()
    causes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def flagged(self) -> bool:
        """Whether it is worth a look."""
        return self.result not in (IDENTICAL, CLOSE)


@dataclass(frozen=True)
class Comparison:
    """What has changed from one side to the other.

    Parameters
    ----------
    before, after : Side
    tolerances : Tolerances
    runs : tuple of tuple
        Title, and the run folders of either side; None where there is none.
    moved : tuple of Moved
    products : tuple of ProductPair
    """

    before: Side
    after: Side
    tolerances: Tolerances
    runs: tuple[tuple[str, str | None, str | None], ...]
    moved: tuple[Moved, ...]
    products: tuple[ProductPair, ...]

    @property
    def flags(self) -> int:
        """How much is worth a look: runs of one side alone, outcomes of observations, products."""
        alone = sum(None in pair[1:] for pair in self.runs)
        return alone + len(self.moved) + sum(pair.flagged for pair in self.products)


def compare(before: Side, after: Side, tolerances: Tolerances | None = None) -> Comparison:
    """Compare two sides.

    Parameters
    ----------
    before, after : Side
        A and B: what was, and what is to be judged.
    tolerances : Tolerances, optional
        What is not worth a look.

    Raises
    ------
    ProductMissing, ProductCorrupt
        If an index of either side cannot be read.
    """
    limits = tolerances or Tolerances()
    runs, moved, products = [], [], []
    for one, other in paired(before, after):
        title = next(run.title for run in (other, one) if run)
        folders = [None if run is None else run.folder.relative for run in (one, other)]
        runs.append((title, folders[0], folders[1]))
        if one and other:
            moved += list(_moved(title, one.record, other.record))
            products += list(_products(title, one, other, limits))
    return Comparison(before, after, limits, tuple(runs), tuple(moved), tuple(products))


def _moved(title: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Moved]:
    rows = [{(row["archive"], row["obs_id"]): row for row in record["ledger"]} for record in (one, other)]
    for archive, obs_id in sorted({*rows[0], *rows[1]}):
        pair = [known.get((archive, obs_id), {}) for known in rows]
        states = [_outcome(row) for row in pair]
        if states[0] != states[1]:
            reasons = [row.get("reason", "") for row in reversed(pair)]
            yield Moved(title, obs_id, archive, states[0], states[1], next(filter(None, reasons), ""))


def _outcome(row: Mapping[str, Any]) -> str:
    """Whether a run has made a dataset or found it there says nothing of the observation."""
    state = str(row.get("state", ""))
    return USED if state in USABLE else " ".join(filter(None, (state, row.get("reason_class", ""))))


def _products(title: str, one: RecordedRun, other: RecordedRun, limits: Tolerances) -> Iterator[ProductPair]:
    items = items_of(one), items_of(other)
    found: dict[tuple[str, str], ProductPair] = {}
    for key in dict.fromkeys((*items[0], *items[1])):
        pair = items[0].get(key), items[1].get(key)
        paths = tuple("" if item is None else item.path for item in pair)
        known = found.get((paths[0], paths[1]))
        found[paths[0], paths[1]] = (
            replace(known, keys=(*known.keys, key)) if known else _compared(title, key, pair, (one, other), limits)
        )
    yield from found.values()


def _compared(
    title: str,
    key: ItemKey,
    pair: tuple[Item | None, Item | None],
    runs: tuple[RecordedRun, RecordedRun],
    limits: Tolerances,
) -> ProductPair:
    before, after = pair
    kind = next(item.kind for item in (after, before) if item)
    paths = ("" if before is None else before.path, "" if after is None else after.path)
    blank = ProductPair(title, (key,), kind, *paths, IDENTICAL)
    if not all(paths):
        return replace(blank, result=ONLY_BEFORE if paths[0] else ONLY_AFTER)
    if digest_of(paths[0]) == digest_of(paths[1]) != "":
        return blank
    try:
        products = tuple(_opened(run.folder.store, path) for run, path in zip(runs, paths, strict=True))
        differences = tuple(_differences(kind, products[0], products[1], limits))
    except (GammaopsError, AttributeError, KeyError, TypeError, ValueError) as error:
        return replace(blank, result=UNREADABLE, problem=f"{type(error).__name__}: {error}")
    result = CHANGED if any(one.flagged for one in differences) else CLOSE if differences else IDENTICAL
    causes = tuple(causes_of(products[0].sidecar, products[1].sidecar))
    return replace(blank, result=result, differences=differences, causes=causes)


def _opened(store: ProductStore, path: str) -> Product:
    return store.open(store.uri_of(path))


def _differences(kind: str, before: Product, after: Product, limits: Tolerances) -> list[Difference]:
    if before.path is None or after.path is None:
        told = [" ".join(filter(None, (one.status, one.sidecar.get("reason", "")))) for one in (before, after)]
        return [] if told[0] == told[1] else [unlike("outcome", told)]
    # Gammapy is loaded for what differs alone.
    compare_files = import_module("gammaops.physics.product_differences").product_differences
    found: list[Difference] = compare_files(kind, before.path, after.path, limits)
    return found
