"""Cerberus with the field's types, strict about truth values and numbers that are not finite."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import cerberus
from cerberus import errors

from gammaops.schema.phases import phases_finding
from gammaops.schema.quantities import (
    canonical_date,
    canonical_quantity,
    canonical_time,
    example,
    path_finding,
    size_in,
)
from gammaops.schema.relations import Finding, near
from gammaops.schema.schedules import schedule_finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["AnalysisValidator", "shown"]

MAX_ITEMS = 100_000
REQUIREMENT_KEYS = ("name", "step", "kind", "type", "tag")
_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "float": "a number",
    "boolean": "true or false",
    "dict": "keys and values",
    "list": "a list",
    "text_list": "a text or a list of texts",
    "path_or_list": "a path or a list",
    "time": "a UTC time such as 2006-07-29T20:30:00",
    "time_list": "a UTC time or a list of them",
    "quantity_list": "a quantity or a list of them",
}


def shown(value: object) -> str:
    """A value as an error message shows it: short, as YAML spells it."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


class AnalysisValidator(cerberus.Validator):  # type: ignore[misc]
    """Validator of one level of a config; levels below have validators of their own."""

    types_mapping = {  # noqa: RUF012 - Cerberus' own class attribute
        **cerberus.Validator.types_mapping,
        "integer": cerberus.TypeDefinition("integer", (int,), (bool,)),
        "float": cerberus.TypeDefinition("float", (int, float), (bool,)),
        "number": cerberus.TypeDefinition("number", (int, float), (bool,)),
        "quantity": cerberus.TypeDefinition("quantity", (str,), ()),
        "quantity_list": cerberus.TypeDefinition("quantity_list", (str, list), ()),
        "time": cerberus.TypeDefinition("time", (str,), ()),
        "text_list": cerberus.TypeDefinition("text_list", (str, list), ()),
        "time_list": cerberus.TypeDefinition("time_list", (str, list), ()),
        "path_or_list": cerberus.TypeDefinition("path_or_list", (str, list), ()),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.definitions = dict(self.schema) if self.schema else {}
        self.required = [key for key, rules in self.definitions.items() if rules.get("required")]

    def refuse(self, field: str, finding: Finding | None) -> None:
        """Note what is wrong with the value of `field`, if anything."""
        if finding is not None:
            self._error(field, errors.CUSTOM, finding)

    def _validate_quantity(self, rule: Mapping[str, Any], field: str, value: str | list[object]) -> None:
        """{'type': 'dict'}"""  # noqa: D400 - Cerberus reads the rule's schema here
        several = value if isinstance(value, list) else [value]
        found = [canonical_quantity(item if isinstance(item, str) else shown(item), rule["unit"]) for item in several]
        for item in found:
            finding = item if isinstance(item, Finding) else _out_of_range(item, rule)
            if finding is not None:
                self.refuse(field, finding)
                return
        self._refuse_repeated(field, found)

    def _validate_time(self, _rule: bool, field: str, value: str) -> None:
        """{'type': 'boolean'}"""  # noqa: D400
        self._each_time(field, [value])

    def _validate_date(self, _rule: bool, field: str, value: str) -> None:
        """{'type': 'boolean'}"""  # noqa: D400
        found = canonical_date(value)
        self.refuse(field, found if isinstance(found, Finding) else None)

    def _validate_times(self, _rule: bool, field: str, value: str | list[object]) -> None:
        """{'type': 'boolean'}"""  # noqa: D400
        self._each_time(field, [value] if isinstance(value, str) else value)

    def _each_time(self, field: str, values: Sequence[object]) -> None:
        for value in values:
            found = canonical_time(value if isinstance(value, str) else shown(value))
            if isinstance(found, Finding):
                self.refuse(field, found)
                return

    def _validate_texts(self, rule: Mapping[str, Any], field: str, value: str | list[object]) -> None:
        """{'type': 'dict'}"""  # noqa: D400
        items = [value] if isinstance(value, str) else value
        wrong = [item for item in items if not isinstance(item, str)]
        if not wrong and rule.get("regex"):
            wrong = [item for item in items if not re.fullmatch(rule["regex"], str(item))]
        if wrong:
            expected = f"text that matches {rule['regex']}" if isinstance(wrong[0], str) else "text"
            self.refuse(field, Finding((), f"{shown(wrong[0])} does not fit", expected))

    def _validate_choices(self, options: Sequence[str], field: str, value: str | list[object]) -> None:
        """{'type': 'list'}"""  # noqa: D400
        items = [value] if isinstance(value, str) else value
        none = self.definitions[field]["meta"].get("none")
        if value == "all" or (none is not None and items == [none]):
            return
        if none is not None and none in items:
            self.refuse(field, Finding((), f"{none} together with others", f"{none} alone, or only the others"))
            return
        options = [*options, none] if none else options
        wrong = [item for item in items if item not in options]
        for item in wrong[:3]:
            self.refuse(
                field, Finding((), f"{shown(item)} is unknown", f"some of: {', '.join(options)}", near(item, options))
            )
        if not wrong:
            self._refuse_repeated(field, items)

    def _validate_integers(self, rule: Mapping[str, Any], field: str, value: list[object]) -> None:
        """{'type': 'dict'}"""  # noqa: D400
        wrong = [item for item in value if not isinstance(item, int) or isinstance(item, bool) or item < rule["low"]]
        if len(value) > MAX_ITEMS:
            self.refuse(field, Finding((), f"{len(value)} items", f"at most {MAX_ITEMS}"))
        elif wrong:
            self.refuse(
                field, Finding((), f"{shown(wrong[0])} is not a whole number from {rule['low']} on", "whole numbers")
            )
        else:
            self._refuse_repeated(field, value)

    def _refuse_repeated(self, field: str, items: Sequence[object]) -> None:
        twice = [item for item, number in Counter(items).items() if number > 1]
        if twice:
            self.refuse(field, Finding((), f"{shown(twice[0])} is listed twice", "each once"))

    def _validate_schedule(self, _rule: bool, field: str, value: object) -> None:
        """{'type': 'boolean'}"""  # noqa: D400
        self.refuse(field, schedule_finding(value))

    def _validate_wanted(self, _rule: bool, field: str, value: object) -> None:
        """{'type': 'boolean'}"""  # noqa: D400
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            finding = _requirement_finding(item)
            if finding is not None:
                self.refuse(field, Finding((index,), finding.message, finding.expected, finding.suggestion))
                return

    def _validate_path(self, _rule: bool, field: str, value: str) -> None:
        """{'type': 'boolean'}"""  # noqa: D400
        self.refuse(field, path_finding(value))

    def _validate_path_or_list(self, rule: Mapping[str, Any], field: str, value: str | list[object]) -> None:
        """{'type': 'dict'}"""  # noqa: D400
        if isinstance(value, str):
            self.refuse(field, path_finding(value))
            return
        for index, item in enumerate(value):
            # What is in a mapping, the level below sees to.
            if not isinstance(item, dict) and not (isinstance(item, str) and re.fullmatch(rule["regex"], item)):
                expected = f"{', '.join(self.definitions[field]['meta']['item'])}; or text such as {rule['example']}"
                self.refuse(field, Finding((index,), f"{shown(item)} does not fit", expected))

    def _validate_phases(self, _rule: bool, field: str, value: list[object]) -> None:
        """{'type': 'boolean'}"""  # noqa: D400
        self.refuse(field, phases_finding(value))

    def findings(self, document: Mapping[str, Any]) -> list[Finding]:
        """What is wrong with a mapping at this level, with paths relative to it."""
        # `update`: what is required is looked for below; Cerberus would collect it anew for each document.
        self.validate(document, update=True, normalize=False)
        found = [_finding(error, self.definitions) for error in self._errors]
        found += [
            Finding((key,), f"{value} is not a finite number", "a finite number")
            for key, value in document.items()
            if isinstance(value, float) and not math.isfinite(value)
        ]
        missing = [key for key in self.required if key not in document]
        return found + [Finding((key,), "not given", "a value; there is no default", missing=True) for key in missing]


def _requirement_finding(item: object) -> Finding | None:
    """What is wrong with one entry of `required_products`: a name, or a mapping of facts about the product."""
    if isinstance(item, str):
        return None if item.strip() else Finding((), "an empty name", "the name of a product")
    if not isinstance(item, dict):
        return Finding((), f"{shown(item)} does not fit", "the name of a product")
    for key, value in item.items():
        if key not in REQUIREMENT_KEYS:
            return Finding(
                (), f"unknown key {key}", f"some of: {', '.join(REQUIREMENT_KEYS)}", near(key, REQUIREMENT_KEYS)
            )
        if not isinstance(value, str):
            return Finding((), f"{shown(value)} does not fit", "text")
    return None


def _out_of_range(quantity: str, rule: Mapping[str, Any]) -> Finding | None:
    size, unit = size_in(quantity), rule["unit"]
    if rule["above"] is not None and size <= rule["above"]:
        return Finding((), f"{quantity} is out of range", f"more than {rule['above']:g} {unit}")
    if rule["low"] is not None and size < rule["low"]:
        return Finding((), f"{quantity} is out of range", f"at least {rule['low']:g} {unit}")
    if rule["high"] is not None and size > rule["high"]:
        return Finding((), f"{quantity} is out of range", f"at most {rule['high']:g} {unit}")
    return None


def _finding(error: errors.ValidationError, schema: Mapping[str, Any]) -> Finding:
    """One of Cerberus' errors in our words."""
    path = error.document_path
    if error.code == errors.CUSTOM.code and isinstance(error.info[0], Finding):
        inner = error.info[0]
        return Finding((*path, *inner.path), inner.message, inner.expected, inner.suggestion)
    if error.code == errors.UNKNOWN_FIELD.code:
        return Finding(path, "unknown key", f"one of: {', '.join(schema)}", near(path[-1], schema))
    value, constraint = shown(error.value), error.constraint
    if error.code == errors.BAD_TYPE.code:
        return _wrong_type(path, error.value, constraint, schema[path[-1]])
    simple = {
        errors.MIN_VALUE.code: (f"{value} is out of range", f"at least {constraint}"),
        errors.MAX_VALUE.code: (f"{value} is out of range", f"at most {constraint}"),
        errors.REGEX_MISMATCH.code: (f"{value} does not fit", f"text that matches {constraint}"),
    }
    if error.code in simple:
        return Finding(path, *simple[error.code])
    if error.code in (errors.UNALLOWED_VALUE.code, errors.UNALLOWED_VALUES.code):
        return Finding(
            path, f"{value} is unknown", f"one of: {', '.join(map(str, constraint))}", near(error.value, constraint)
        )
    return Finding(path, f"{value} breaks the rule {error.rule}", str(constraint))


def _wrong_type(path: tuple[str | int, ...], value: object, wanted: str, rules: Mapping[str, Any]) -> Finding:
    if wanted not in ("quantity", "quantity_list"):
        names = [wanted] if isinstance(wanted, str) else wanted
        return Finding(path, f"{shown(value)} does not fit", " or ".join(_NAMES.get(name, name) for name in names))
    unit = rules["quantity"]["unit"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Finding(path, f"{shown(value)} has no unit", example(unit), f"{value} {unit}")
    return Finding(path, f"{shown(value)} does not fit", example(unit))
