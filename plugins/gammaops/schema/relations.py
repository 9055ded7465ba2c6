"""Rules between the keys of one block, checked on its effective values (defaults and overrides applied).

A relation is a function of the normalised block. It gives one `Finding` per broken rule, with its path in the block.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Finding",
    "Relation",
    "at_most_one",
    "covers",
    "exactly_one",
    "increasing",
    "near",
    "needs",
    "needs_too",
    "same_length",
    "several",
    "together",
    "value_at",
]


@dataclass(frozen=True)
class Finding:
    """Something wrong with the value at `path` (keys and list indices), without the place in a file.

    `missing`: the value is not there, and an override may still give it.
    """

    path: tuple[str | int, ...]
    message: str
    expected: str = ""
    suggestion: str = ""
    missing: bool = False


Relation = Callable[[Mapping[str, Any]], Iterator[Finding]]


def near(word: object, words: Iterable[str]) -> str:
    """The nearest of `words`, empty if none is near."""
    found = difflib.get_close_matches(str(word), list(words), n=1, cutoff=0.6)
    return found[0] if found else ""


def value_at(block: Mapping[str, Any], dotted: str) -> Any:
    """The value at ``a.b.c``, None where a part is missing."""
    value: Any = block
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _size(quantity: str) -> float:
    # Normalised quantities of one block are in the unit of the schema: their numbers compare.
    return float(quantity.split(" ", 1)[0])


def together(*keys: str) -> Relation:
    """All of `keys` or none."""

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        missing = [key for key in keys if value_at(block, key) is None]
        if missing and len(missing) < len(keys):
            given = [key for key in keys if key not in missing]
            yield Finding(
                (), f"{_names(missing)} not given", f"all of {_names(keys)}, or none (given: {_names(given)})"
            )

    return check


def increasing(low: str, high: str) -> Relation:
    """Quantity `low` is smaller than quantity `high`."""

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        first, second = value_at(block, low), value_at(block, high)
        if first is not None and second is not None and not _ordered(first, second):
            yield Finding((*low.split("."),), f"{first} is not below {high} ({second})", f"{low} < {high}")

    return check


def _ordered(first: str, second: str) -> bool:
    try:
        return _size(first) < _size(second)
    except ValueError:
        # ISO times compare as they stand.
        return first < second


def covers(outer: str, inner: str) -> Relation:
    """The range {min, max} of `outer` includes that of `inner`."""

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        ends = [value_at(block, f"{axis}.{end}") for axis in (outer, inner) for end in ("min", "max")]
        if None in ends:
            return
        low, high, inner_low, inner_high = (_size(end) for end in ends)
        if low > inner_low:
            yield Finding(
                (*outer.split("."), "min"), f"{ends[0]} is above {inner}.min ({ends[2]})", f"{outer} to cover {inner}"
            )
        if high < inner_high:
            yield Finding(
                (*outer.split("."), "max"), f"{ends[1]} is below {inner}.max ({ends[3]})", f"{outer} to cover {inner}"
            )

    return check


def needs(
    key: str, expected: str, when: Mapping[str, tuple[object, ...]] | None = None, among: tuple[object, ...] = ()
) -> Relation:
    """`key` is given (or is one of `among`) when every key of `when` has one of the values listed there."""

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        conditions = when or {}
        if any(value_at(block, name) not in values for name, values in conditions.items()):
            return
        value = value_at(block, key)
        if (value in among) if among else (value is not None):
            return
        because = " and ".join(f"{name} is {value_at(block, name)}" for name in conditions)
        what = "not given" if value is None else f"{value} does not fit"
        yield Finding((*key.split("."),), f"{what}: {because}" if because else what, expected)

    return check


def needs_too(key: str, other: str) -> Relation:
    """`other` is given where `key` is."""

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        if value_at(block, key) is not None and value_at(block, other) is None:
            yield Finding((key,), f"given without {other}", f"{other} too, or neither")

    return check


def at_most_one(*keys: str) -> Relation:
    """`keys` exclude each other."""

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        given = [key for key in keys if value_at(block, key) is not None]
        if len(given) > 1:
            yield Finding((given[-1],), f"given together with {_names(given[:-1])}", f"only one of {_names(keys)}")

    return check


def exactly_one(*keys: str) -> Relation:
    """One of `keys` is given, and no other; messages name the blocks in which they stand."""
    names = [key.split(".")[0] for key in keys]

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        given = [name for name, key in zip(names, keys, strict=True) if value_at(block, key) is not None]
        if len(given) != 1:
            what = f"{_names(given)} given together" if given else f"none of {_names(names)} given"
            yield Finding((given[-1],) if given else (), what, f"one of {_names(names)}")

    return check


def several(key: str) -> Relation:
    """`key`, a list, has two items or more; of one item, it is that item."""

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        value = value_at(block, key)
        if value is not None and not isinstance(value, list):
            yield Finding((key,), f"one value only, {value}", "two or more")

    return check


def same_length(first: str, second: str) -> Relation:
    """Lists `first` and `second` have as many items, where both are given."""

    def check(block: Mapping[str, Any]) -> Iterator[Finding]:
        left, right = value_at(block, first), value_at(block, second)
        if left is not None and right is not None and len(left) != len(right):
            yield Finding((second,), f"{len(right)} values, but {first} has {len(left)}", "one for each")

    return check


def _names(keys: tuple[str, ...] | list[str]) -> str:
    return ", ".join(keys)
