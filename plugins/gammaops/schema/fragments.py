"""Pieces that step types build their config blocks from: Cerberus rules for one key each.

Every key has a default (None: not given) and a sentence for people. Quantities name the unit they are normalised to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.schema.relations import Relation

__all__ = [
    "Rules",
    "block",
    "choice",
    "choices",
    "date",
    "flag",
    "integer",
    "integers",
    "named",
    "number",
    "path",
    "path_or_list",
    "phases",
    "quantity",
    "quantity_list",
    "text",
    "texts",
    "time",
    "times",
    "variants",
]

Rules = dict[str, Any]


def _key(kind: str, doc: str, default: object, rules: Mapping[str, Any], **meta: object) -> Rules:
    given = {name: value for name, value in rules.items() if value is not None}
    return {"type": kind, "default": default, "meta": {"doc": doc, **meta}, **given}


def quantity(
    unit: str,
    doc: str,
    default: str | None = None,
    *,
    above: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Rules:
    """A number with a unit, normalised to `unit`; `above` (excluded), `low` and `high` are in that unit."""
    rule = {"unit": unit, "above": above, "low": low, "high": high}
    return _key("quantity", doc, default, {"quantity": rule}, unit=unit)


def quantity_list(unit: str, doc: str, default: str | list[str] | None = None, *, above: float | None = None) -> Rules:
    """A quantity or a list of different ones, each as in `quantity`; a list of one is normalised to that one."""
    rule = {"unit": unit, "above": above, "low": None, "high": None}
    return _key("quantity_list", doc, default, {"quantity": rule}, unit=unit)


def time(doc: str) -> Rules:
    """A moment in UTC, ISO 8601."""
    return _key("time", doc, None, {"time": True})


def date(doc: str) -> Rules:
    """A calendar date, ISO 8601."""
    return _key("time", doc, None, {"date": True})


def times(doc: str) -> Rules:
    """A moment, or a list of them, normalised to a list."""
    return _key("time_list", doc, None, {"times": True})


def integer(doc: str, default: int | None = None, *, low: int | None = None, high: int | None = None) -> Rules:
    """A whole number."""
    return _key("integer", doc, default, {"min": low, "max": high})


def integers(doc: str, *, low: int = 0) -> Rules:
    """A list of different whole numbers, such as obs_ids."""
    return _key("list", doc, None, {"integers": {"low": low}})


def number(doc: str, default: float | None = None, *, low: float | None = None, high: float | None = None) -> Rules:
    """A finite number without unit."""
    return _key("float", doc, default, {"min": low, "max": high})


def flag(doc: str, default: bool | None = None) -> Rules:
    """True or false."""
    return _key("boolean", doc, default, {})


def text(doc: str, default: str | None = None, *, regex: str | None = None) -> Rules:
    """Any text, or text that matches `regex` as a whole."""
    return _key("string", doc, default, {"regex": regex})


def texts(doc: str, *, regex: str | None = None) -> Rules:
    """A text or a list of them, normalised to a list."""
    return _key("text_list", doc, None, {"texts": {"regex": regex}})


def path(doc: str, default: str | None = None, *, home: str = "") -> Rules:
    """A file or folder; it need not exist when the config is read.

    A relative one is looked for in ``include/<home>/`` first, where `home` is given.
    """
    return _key("string", doc, default, {"path": True}, home=home)


def path_or_list(doc: str, item: Rules, regex: str, example: str) -> Rules:
    """A file, or a list of mappings (with the keys of `item`) and of texts that match `regex`, as `example` does."""
    rule = {"regex": regex, "example": example}
    return _key("path_or_list", doc, None, {"path_or_list": rule}, item=item)


def phases(doc: str) -> Rules:
    """An interval of phase, or a list of them; from 0 to 1, and through 1 where it ends below its start."""
    return _key("list", doc, None, {"phases": True})


def choice(
    options: Sequence[str], doc: str, default: str | None = None, aliases: Mapping[str, str | None] | None = None
) -> Rules:
    """One of `options`; `aliases` are other spellings that mean one of them (or None: not given)."""
    aliases = dict(aliases or {})
    return _key("string", doc, default, {"allowed": [*options, *aliases]}, aliases=aliases)


def choices(
    options: Sequence[str], doc: str, default: Sequence[str] | None = None, *, none: str | None = None
) -> Rules:
    """Some of `options`, as a list or as one text; ``all`` means all of them. Normalised to a list in their order.

    With `none`, an empty list is not the default but that word, alone in its list: none of the options.
    """
    ordered = None if default is None else [option for option in options if option in default]
    return _key("text_list", doc, ordered, {"choices": list(options)}, **({"none": none} if none else {}))


def block(doc: str, keys: Mapping[str, Rules], relations: Sequence[Relation] = ()) -> Rules:
    """A mapping of `keys`; `relations` are the rules between them."""
    return {"type": "dict", "schema": dict(keys), "meta": {"doc": doc, "relations": tuple(relations)}}


def variants(by: str, doc: str, schemas: Mapping[str, Mapping[str, Rules]]) -> Rules:
    """A mapping whose keys depend on the value of its sibling `by`; with none of the values named it must be empty."""
    return {"type": "dict", "meta": {"doc": doc, "variants": {"by": by, "schemas": dict(schemas)}}}


def named(doc: str, rules: Rules, *, regex: str) -> Rules:
    """A mapping whose keys are names of the author's choice that match `regex`, each with a value after `rules`."""
    return {"type": "dict", "meta": {"doc": doc, "each": rules, "names": regex}}
