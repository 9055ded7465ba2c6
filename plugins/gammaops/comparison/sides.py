"""The two sides of a comparison, as people name them, and which run of one belongs to which of the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductMissing
from gammaops.products.keys import canonical_json
from gammaops.releases.choosing import choose_runs
from gammaops.releases.decisions import current_release
from gammaops.releases.names import CURRENT
from gammaops.releases.records import has_release, open_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gammaops.products import ProductStore, RunFolder

__all__ = ["RecordedRun", "Side", "open_side", "paired"]


@dataclass(frozen=True)
class RecordedRun:
    """A run that has ended, with its record."""

    folder: RunFolder
    record: dict[str, Any]

    @property
    def title(self) -> str:
        """Analysis and nights, or how the run is called."""
        nights = self.record["nights"]
        when = self.record["name"] if not nights else nights[0] if len(nights) == 1 else f"{nights[0]} … {nights[-1]}"
        return f"{self.record['analysis']} {when}"


@dataclass(frozen=True)
class Side:
    """One side: a release, a run, or the runs of an analysis.

    Parameters
    ----------
    store : ProductStore
    title : str
        What it is, in words.
    runs : tuple of RecordedRun
    notes : tuple of str
        What is not part of it, and why.
    """

    store: ProductStore
    title: str
    runs: tuple[RecordedRun, ...]
    notes: tuple[str, ...] = ()


def open_side(store: ProductStore, text: str) -> Side:
    """What somebody calls a release (or ``current``), or else runs, as `choose_runs` understands them.

    Raises
    ------
    ProductMissing
        If it names nothing, or a run that has not ended.
    """
    if text == CURRENT or has_release(store, text):
        name = current_release(store) if text == CURRENT else text
        release = open_release(store, name or CURRENT)
        return Side(store, f"release {release.name}", tuple(map(_recorded, release.folders)))
    choice = choose_runs(store, [text])
    runs = tuple(map(_recorded, choice.folders))
    title = runs[0].folder.relative if len(runs) == 1 else f"{len(runs)} runs of {text}"
    return Side(store, title, runs, choice.notes)


def _recorded(folder: RunFolder) -> RecordedRun:
    if folder.trouble:
        raise ProductMissing(f"{folder.relative} {folder.trouble}; mend that, wait for it, or name another version")
    return RecordedRun(folder, folder.read_json("run.json"))


def paired(before: Side, after: Side) -> list[tuple[RecordedRun | None, RecordedRun | None]]:
    """Which runs are to be compared; None where a run has none that it belongs to.

    Two single runs belong together in any case; of several, those of one analysis that are called the same, that took
    the same observations, or the same nights, or that alone are left of their analysis.
    """
    if len(before.runs) == len(after.runs) == 1:
        return [(before.runs[0], after.runs[0])]
    left, right = list(before.runs), list(after.runs)
    pairs: list[tuple[RecordedRun | None, RecordedRun | None]] = []
    for key in (_label, _scope, _nights, _analysis):
        for one, other in _matches(left, right, key):
            pairs.append((one, other))
            left.remove(one)
            right.remove(other)
    pairs += [(one, None) for one in left] + [(None, other) for other in right]
    return sorted(pairs, key=lambda pair: next(run.title for run in pair if run))


def _matches(
    left: Sequence[RecordedRun], right: Sequence[RecordedRun], key: Callable[[RecordedRun], bytes]
) -> Iterable[tuple[RecordedRun, RecordedRun]]:
    """Pairs that share a key which no other run of their side has."""
    counts = [Counter(map(key, runs)) for runs in (left, right)]
    there = {key(run): run for run in right}
    return [(run, there[key(run)]) for run in left if counts[0][key(run)] == counts[1][key(run)] == 1]


def _label(run: RecordedRun) -> bytes:
    return canonical_json([run.record["analysis"], run.folder.label])


def _scope(run: RecordedRun) -> bytes:
    return canonical_json([run.record["analysis"], run.record["scope"]])


def _nights(run: RecordedRun) -> bytes:
    return canonical_json([run.record["analysis"], run.record["nights"]])


def _analysis(run: RecordedRun) -> bytes:
    return canonical_json([run.record["analysis"]])
