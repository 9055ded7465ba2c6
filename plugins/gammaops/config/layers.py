"""Config values in layers: what is given, laid over what it overrides, and the difference between two results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.schema.levels import Level

__all__ = ["difference", "given", "overlay", "value_of"]

KeyPath = tuple[str | int, ...]


def given(value: Any, level: Level | None = None) -> Any:
    """A mapping without the keys that are not given: null, ``[]``, ``{}``, unless they mean something in `level`."""
    if not isinstance(value, dict):
        return value
    inner = {key: given(item, level.below(key, value) if level else None) for key, item in value.items()}
    return {
        key: item
        for key, item in inner.items()
        if item not in (None, [], {}) or (item == [] and level is not None and level.means(key, item))
    }


def overlay(level: Level, base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over` laid over it, mapping by mapping.

    A null in `over`, or an empty list that means nothing else, takes the key back to what it is without `base`.
    """
    result = dict(base)
    for key in level.variants:
        by = level.variant_key(key)
        if by in over and over[by] != base.get(by):
            # Arguments of another method mean nothing to this one.
            result.pop(key, None)
    for key, value in over.items():
        if not level.means(key, value):
            result.pop(key, None)
        elif isinstance(value, dict):
            below = level.below(key, {**result, **over})
            under = result.get(key)
            under = under if isinstance(under, dict) else {}
            result[key] = overlay(below, under, value) if below is not None else {**under, **given(value)}
        else:
            result[key] = value
    return result


def difference(level: Level, base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What must be laid over the normalised `base` to get the normalised `values`."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if value == base.get(key):
            continue
        if key in level.children:
            result[key] = difference(level.children[key], base[key], value)
        else:
            result[key] = value
    # Only names of the author's choice can be in one and not in the other.
    return result | dict.fromkeys(key for key in base if key not in values)


def value_of(mapping: Any, path: KeyPath) -> Any:
    """The value at `path`, None where a part is missing."""
    for part in path:
        if not isinstance(mapping, dict):
            return None
        mapping = mapping.get(part)
    return mapping
