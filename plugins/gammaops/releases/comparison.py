"""Two sets of runs, product by product: what has changed, and what of it somebody should look at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError
from gammaops.ledger import USABLE
from gammaops.products import canonical_json
from gammaops.runner.science import changes_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products import Product, RunFolder
    from gammaops.releases.selection import Side

__all__ = ["Comparison", "Difference", "Tolerances", "compared"]


@dataclass(frozen=True)
class Tolerances:
    """Up to which change of a number nobody needs to look: relative ones in percent, others in σ."""

    percent: float = 1.0
    sigma: float = 0.5

    def exceeded(self, size: float | None, scale: str) -> bool:
        """Whether a change is to be looked at; one that cannot be put in numbers is."""
        return size is None or abs(size) > (self.percent if scale == "%" else self.sigma)


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was.

    Parameters
    ----------
    where : str
        The analysis and its nights or run.
    item : str
        The observation or product, and the step.
    what : str
        The number, or what has happened in words.
    before, after : str
    size : float, optional
        In `scale`.
    scale : str
    flagged : bool
        Whether it exceeds the tolerances.
    """

    where: str
    item: str
    what: str
    before: str = ""
    after: str = ""
    size: float | None = None
    scale: str = ""
    flagged: bool = True


@dataclass(frozen=True)
class Comparison:
    """What two sides have in common, and in what they differ; flagged differences first, the largest of each first."""

    first: str
    second: str
    tolerances: Tolerances
    same: int
    differences: Sequence[Difference] = field(default=())

    @property
    def flagged(self) -> list[Difference]:
        """What somebody should look at."""
        return [one for one in self.differences if one.flagged]

    @property
    def headline(self) -> str:
        """The whole in one line."""
        within = len(self.differences) - len(self.flagged)
        return f"{len(self.flagged)} flagged, {within} changed within the tolerances, {self.same} products the same"

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {**asdict(self), "flags": len(self.flagged), "headline": self.headline}


def compared(first: Side, second: Side, tolerances: Tolerances) -> Comparison:
    """Compare run by run: those of one analysis that were asked for the same, or have the same name."""
    found: list[Difference] = []
    same = 0
    for before, after in _paired(first, second):
        if before is None or after is None:
            side = first.name if after is None else second.name
            found.append(Difference(_where((before or after).record), "run", f"only in {side}"))  # type: ignore[union-attr]
            continue
        found += _ledger_differences(before, after)
        for item, *paths in _products(before, after):
            changes = list(_differences(before, after, item, paths, tolerances))
            same += not changes
            found += changes
    found.sort(key=lambda one: (not one.flagged, one.scale, -abs(one.size or 0.0), one.where, one.item))
    return Comparison(first.name, second.name, tolerances, same, tuple(found))


@dataclass(frozen=True)
class _Recorded:
    folder: RunFolder
    record: Mapping[str, Any]

    def open(self, path: str) -> Product:
        return self.folder.store.open(self.folder.store.uri_of(path))


def _paired(first: Side, second: Side) -> Iterator[tuple[_Recorded | None, _Recorded | None]]:
    ours, theirs = ([_Recorded(run, run.read_json("run.json")) for run in side.runs] for side in (first, second))
    if len(ours) == len(theirs) == 1:
        yield ours[0], theirs[0]
        return
    for key in (_asked, _named):
        known: dict[Any, list[_Recorded]] = defaultdict(list)
        for one in theirs:
            known[key(one)].append(one)
        for one in list(ours):
            if len(known[key(one)]) == 1 and sum(key(other) == key(one) for other in ours) == 1:
                (match,) = known[key(one)]
                yield one, match
                ours.remove(one)
                theirs.remove(match)
    yield from ((one, None) for one in ours)
    yield from ((None, one) for one in theirs)


def _asked(one: _Recorded) -> tuple[str, bytes]:
    return one.record["analysis"], canonical_json(one.record["scope"])


def _named(one: _Recorded) -> tuple[str, str]:
    return one.record["analysis"], one.folder.label


def _where(record: Mapping[str, Any]) -> str:
    return f"{record['analysis']}, {', '.join(record['nights']) or record['name']}"


def _observations(one: _Recorded) -> dict[tuple[str, str, int], tuple[str, str]]:
    """State and path of what each step made of each observation."""
    return {
        (step, row["archive"], row["obs_id"]): (outcome["state"], outcome["path"])
        for row in one.record["ledger"]
        for step, outcome in row["steps"].items()
    }


def _ledger_differences(before: _Recorded, after: _Recorded) -> Iterator[Difference]:
    """Observations that are used in one of the two only, or are not used for another reason."""
    one, two = _observations(before), _observations(after)
    for key in sorted({*one, *two}):
        found = [recorded.get(key, ("absent", ""))[0] for recorded in (one, two)]
        then, now = ("used" if state in USABLE else state for state in found)
        if then != now:
            yield Difference(_where(after.record), _observation(key), "state", then, now)


def _observation(key: tuple[str, str, int]) -> str:
    step, _, obs_id = key
    return f"observation {obs_id} ({step})"


def _products(before: _Recorded, after: _Recorded) -> Iterator[tuple[str, str, str]]:
    """What is to be compared: a name, and the paths; empty where one of the two has no such product."""
    one, two = _observations(before), _observations(after)
    for key in sorted(one.keys() & two.keys()):
        if one[key][0] in USABLE and two[key][0] in USABLE:
            yield _observation(key), one[key][1], two[key][1]
    known = {path for recorded in (one, two) for _, path in recorded.values()}
    ours, theirs = (dict(_outputs(recorded, known)) for recorded in (before, after))
    for name in dict.fromkeys([*ours, *theirs]):
        yield name, ours.get(name, ""), theirs.get(name, "")


def _outputs(one: _Recorded, known: set[str]) -> Iterator[tuple[str, str]]:
    """The products of the steps; of an index its members, without those that are an observation's."""
    for step in one.record["steps"]:
        for product in step["products"]:
            opened = one.open(product["path"])
            if not opened.members:
                yield f"{product['kind']} ({step['name']})", product["path"]
            for member in opened.members:
                path = one.folder.store.relative(member.uri)
                if path not in known:
                    yield f"{product['kind']} {member.row['name']} ({step['name']})", path


def _differences(
    before: _Recorded, after: _Recorded, item: str, paths: Sequence[str], tolerances: Tolerances
) -> Iterator[Difference]:
    where = _where(after.record)
    if not all(paths):
        yield Difference(where, item, "is new" if paths[1] else "is not made any more")
        return
    try:
        products = before.open(paths[0]), after.open(paths[1])
        if products[0].digest == products[1].digest:
            return
        changes = changes_between(*products)
    except ProductError as error:
        yield Difference(where, item, str(error))
        return
    for change in changes:
        then, now = _text(change.before, change.unit), _text(change.after, change.unit)
        flagged = tolerances.exceeded(change.size, change.scale)
        yield Difference(where, item, change.what, then, now, change.size, change.scale, flagged)


def _text(value: float | None, unit: str) -> str:
    return "none" if value is None else f"{value:.5g} {unit}".strip()
