"""A schema, compiled once: it checks mappings, normalises them, and checks the rules between their keys.

Cerberus sees one level at a time, with validators that are built once: its own handling of nested schemas builds and
checks a validator per nested mapping, which made reading a config several times as slow.
"""

from __future__ import annotations

import re
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from gammaops.schema.phases import canonical_phases
from gammaops.schema.quantities import canonical_date, canonical_quantity, canonical_time
from gammaops.schema.relations import Finding
from gammaops.schema.validator import AnalysisValidator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.schema.fragments import Rules

__all__ = ["Level"]

Path = tuple[str | int, ...]
_VALUE = "value"


class Level:
    """One mapping of a config and those below it.

    Parameters
    ----------
    keys : mapping of str to rules
        As in a Cerberus schema.
    relations : sequence of Relation
        Rules between the keys.
    """

    def __init__(self, keys: Mapping[str, Rules], relations: tuple[Any, ...] = ()) -> None:
        self.keys = keys
        self._relations = relations
        flat = {key: {name: rule for name, rule in rules.items() if name != "schema"} for key, rules in keys.items()}
        self._validator = AnalysisValidator(flat)
        # A validator keeps the state of the document it last saw.
        self._lock = Lock()
        self.children: dict[str, Level] = {
            key: Level(rules["schema"], rules.get("meta", {}).get("relations", ()))
            for key, rules in keys.items()
            if rules.get("type") == "dict" and "schema" in rules
        }
        self.children |= {
            key: NamedLevel(rules["meta"]["each"], rules["meta"]["names"])
            for key, rules in keys.items()
            if "each" in rules.get("meta", {})
        }
        self.items = {
            key: Level(rules["meta"]["item"]) for key, rules in keys.items() if "item" in rules.get("meta", {})
        }
        self.variants = {
            key: {value: Level(inner) for value, inner in rules["meta"]["variants"]["schemas"].items()}
            for key, rules in keys.items()
            if "variants" in rules.get("meta", {})
        }

    def variant_key(self, key: str) -> str:
        """The sibling that decides which keys the mapping `key` has."""
        return str(self.keys[key]["meta"]["variants"]["by"])

    def means(self, key: str, value: Any) -> bool:
        """Whether a value says something: null does not, and an empty list only where it stands for none at all."""
        return value is not None and (value != [] or "none" in self.keys.get(key, {}).get("meta", {}))

    def below(self, key: str, mapping: Mapping[str, Any]) -> Level | None:
        """The level of the mapping under `key`; None if it has none there."""
        if key in self.children:
            return self.children[key]
        if key not in self.variants:
            return None
        by = self.variant_key(key)
        value = mapping.get(by)
        return self.variants[key].get(_leaf(self.keys[by], value)) if isinstance(value, str) else None

    def findings(self, raw: Mapping[str, Any], path: Path = ()) -> list[Finding]:
        """What is wrong with the keys that are given, apart from the rules between them."""
        with self._lock:
            found = [replace(finding, path=(*path, *finding.path)) for finding in self._validator.findings(raw)]
        for key, value in raw.items():
            if key in self.items and isinstance(value, list):
                found += self._item_findings(key, value, path)
            if not isinstance(value, dict):
                continue
            level = self.below(key, raw)
            if level is not None:
                found += level.findings(value, (*path, key))
            elif key in self.variants and value and self._has_no_variant(key, raw):
                found.append(self._without_variant(key, raw, path))
        # A key that must be there and is not is found only where its mapping is.
        for key in self.variants:
            level = self.below(key, raw)
            if level is not None and key not in raw:
                found += level.findings({}, (*path, key))
        return found

    def _item_findings(self, key: str, items: list[Any], path: Path) -> list[Finding]:
        """What is wrong with the mappings in a list."""
        mappings = [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]
        return [finding for index, item in mappings for finding in self.items[key].findings(item, (*path, key, index))]

    def _has_no_variant(self, key: str, raw: Mapping[str, Any]) -> bool:
        """Whether the deciding sibling is not given; a wrong one is complained of where it stands."""
        rules = self.keys[self.variant_key(key)]
        value = _leaf(rules, raw.get(self.variant_key(key)))
        return value is None or (value in rules.get("allowed", ()) and value not in self.variants[key])

    def _without_variant(self, key: str, raw: Mapping[str, Any], path: Path) -> Finding:
        by = self.variant_key(key)
        value = raw.get(by)
        what = f"{by} is not given" if value is None else f"{by} is {value}"
        return Finding((*path, key), f"keys given, but {what}", f"no keys, or {by}: {' or '.join(self.variants[key])}")

    def normalised(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Every key of the schema with its canonical value or default; what is wrong counts as not given."""
        result: dict[str, Any] = {}
        for key, rules in self.keys.items():
            value = raw.get(key)
            if rules.get("type") == "dict":
                inner = value if isinstance(value, dict) else {}
                level = self.below(key, raw)
                result[key] = level.normalised(inner) if level is not None else {}
                continue
            value = None if value is None else self._value(key, value)
            result[key] = _copy(rules.get("default")) if value is None else value
        return result

    def _value(self, key: str, value: Any) -> Any:
        if key in self.items and isinstance(value, list):
            below = self.items[key]
            return [below.normalised(item) if isinstance(item, dict) else item for item in value] or None
        return _leaf(self.keys[key], value)

    def canonical(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The keys that are given, in canonical spelling; None stays None."""
        result: dict[str, Any] = {}
        for key, value in raw.items():
            level = self.below(key, raw)
            if isinstance(value, dict):
                result[key] = level.canonical(value) if level is not None else dict(value)
            else:
                result[key] = None if value is None or key not in self.keys else _leaf(self.keys[key], value)
        return result

    def broken_relations(self, values: Mapping[str, Any], bad: frozenset[Path], path: Path = ()) -> Iterator[Finding]:
        """Broken rules between keys of a normalised mapping; those above a `bad` value are not asked."""
        below: list[Finding] = []
        for key, level in self.children.items():
            below += level.broken_relations(values[key], bad, (*path, key))
        yield from below
        if not self._relations or any(place[: len(path)] == path for place in bad):
            return
        for relation in self._relations:
            for finding in relation(values):
                whole = (*path, *finding.path)
                # What is wrong in there has been said already.
                if not any(whole[: len(said.path)] == said.path for said in below):
                    yield replace(finding, path=whole)


class NamedLevel(Level):
    """A mapping whose keys are names that match `regex`, each with a value after the same `rules`."""

    def __init__(self, rules: Rules, regex: str) -> None:
        super().__init__({})
        self._one = Level({_VALUE: rules})
        self._regex = regex

    def below(self, key: str, mapping: Mapping[str, Any]) -> Level | None:
        """The level of the mapping under any name."""
        return self._one.below(_VALUE, {_VALUE: mapping.get(key)})

    def findings(self, raw: Mapping[str, Any], path: Path = ()) -> list[Finding]:
        """Names that do not match, and what is wrong with the values."""
        found = []
        for name, value in raw.items():
            if re.fullmatch(self._regex, name):
                inner = self._one.findings({_VALUE: value})
                found += [replace(finding, path=(*path, name, *finding.path[1:])) for finding in inner]
            else:
                found.append(Finding((*path, name), f"{name!r} does not fit", f"a name that matches {self._regex}"))
        return found

    def normalised(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The names that are given, each with its canonical value."""
        return {name: self._one.normalised({_VALUE: value})[_VALUE] for name, value in raw.items()}

    def canonical(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The values in canonical spelling."""
        return {name: self._one.canonical({_VALUE: value})[_VALUE] for name, value in raw.items()}

    def broken_relations(self, values: Mapping[str, Any], bad: frozenset[Path], path: Path = ()) -> Iterator[Finding]:
        """Broken rules inside the values."""
        for name, value in values.items():
            here = (*path, name)
            wrong = frozenset((_VALUE, *place[len(here) :]) for place in bad if place[: len(here)] == here)
            for finding in self._one.broken_relations({_VALUE: value}, wrong):
                yield replace(finding, path=(*here, *finding.path[1:]))


def _copy(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _leaf(rules: Rules, value: Any) -> Any:
    """The canonical spelling of a value; None for one that is wrong."""
    if isinstance(value, dict):
        return dict(value)
    if not isinstance(value, str | list | int | float):
        return None
    if isinstance(value, str):
        return _text_leaf(rules, value)
    if isinstance(value, list):
        return _list_leaf(rules, value)
    return float(value) if rules.get("type") == "float" and abs(value) < 1e300 else value


def _text_leaf(rules: Rules, value: str) -> Any:
    if "quantity" in rules:
        found = canonical_quantity(value, rules["quantity"]["unit"])
        return None if isinstance(found, Finding) else found
    if "time" in rules or "date" in rules:
        found = canonical_time(value) if "time" in rules else canonical_date(value)
        return None if isinstance(found, Finding) else found
    if rules.get("type") in ("text_list", "time_list"):
        return _list_leaf(rules, list(rules["choices"]) if value == "all" and "choices" in rules else [value])
    aliases = rules.get("meta", {}).get("aliases", {})
    return aliases.get(value, value)


def _list_leaf(rules: Rules, value: list[Any]) -> Any:
    if "quantity" in rules:
        sizes = [canonical_quantity(str(item), rules["quantity"]["unit"]) for item in value]
        if any(isinstance(item, Finding) for item in sizes):
            return None
        return sizes[0] if len(sizes) == 1 else sizes or None
    if "integers" in rules:
        return sorted(item for item in value if isinstance(item, int)) or None
    if "times" in rules:
        found = [canonical_time(str(item)) for item in value]
        return None if any(isinstance(item, Finding) for item in found) else found
    if "phases" in rules:
        return canonical_phases(value)
    if "choices" in rules:
        none = rules["meta"].get("none")
        if none and value in ([], [none]):
            return [none]
        return [option for option in rules["choices"] if option in value] or None
    return list(value)
