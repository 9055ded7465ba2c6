"""Why a product is not what the store has: what it would be made from, against what an earlier one was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["changes_of", "leaves", "said"]


def changes_of(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs in two sidecars of one step: versions first, then config, files, inputs, and the row's own files.

    Of the second one only what its task knows before it has run need be there.
    """
    notes = list(_versions(before, now))
    notes += [f"config {note}" for note in _changed(before.get("config", {}), now.get("config", {}))]
    notes += [f"the file of {key} has changed" for key in _different(before.get("files", {}), now.get("files", {}))]
    inputs = [
        {role: [one["digest"] for one in given] for role, given in one.get("inputs", {}).items()}
        for one in (before, now)
    ]
    notes += [f"input {role} has changed" for role in _different(*inputs)]
    if "sources" in now:
        sources = [{one["name"]: one["sha256"] for one in given.get("sources", ())} for given in (before, now)]
        notes += [f"{name} is another file" for name in _different(*sources)]
    if "item" in now:
        rows = [given.get("item", {}).get("row", {}) for given in (before, now)]
        notes += [f"its row says another {name}" for name in _different(*rows)]
    return notes


def _versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    versions = [one["step"]["version"] for one in (before, now)]
    if versions[0] != versions[1]:
        yield f"step type {now['step']['tag']}: version {versions[0]} → {versions[1]}"
    yield from _changed(before.get("packages", {}), now.get("packages", {}), " ")


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], colon: str = ": ") -> list[str]:
    """Names of values that are not the same, with both."""
    one, two = dict(leaves("", before)), dict(leaves("", now))
    return [f"{name}{colon}{said(one.get(name))} → {said(two.get(name))}" for name in _different(one, two)]


def _different(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted({*one, *two}) if one.get(name) != two.get(name)]


def leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Dotted names of the values in a nested mapping."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, value


def said(value: Any) -> str:
    """A value in words."""
    return "absent" if value is None else str(value)
