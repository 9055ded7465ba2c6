"""When a DAG runs, as text: the schedules that the config accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gammaops.schema.relations import Finding, near

__all__ = ["NIGHTLY", "PRODUCT", "schedule_finding"]

NIGHTLY = "nightly"
PRODUCT = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
_EXPECTED = "nightly, a cron expression in UTC such as '0 12 * * *', or {product: <analysis>/<name>}"
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day of week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
_PART = re.compile(r"(?:\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]+))?")


def schedule_finding(value: object) -> Finding | None:
    """What is wrong with a schedule."""
    if isinstance(value, Mapping):
        product = value.get("product")
        if set(value) == {"product"} and isinstance(product, str) and PRODUCT.fullmatch(product):
            return None
        return Finding((), f"{dict(value)!r} does not fit", _EXPECTED)
    text = str(value)
    if text == NIGHTLY or text in _PRESETS:
        return None
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return Finding((), f"{text!r} is not a schedule", _EXPECTED, near(text, (NIGHTLY, *_PRESETS)))
    for field, (name, low, high) in zip(fields, _FIELDS, strict=True):
        if not all(_fits(part, name, low, high) for part in field.lower().split(",")):
            return Finding(
                (), f"{field!r} is not a {name} of a cron expression", f"{low} to {high}, *, ranges, lists or steps"
            )
    return None


def _fits(part: str, name: str, low: int, high: int) -> bool:
    match = _PART.fullmatch(part)
    if match is None:
        return False
    numbers = [_number(text, name) for text in match.group(1, 2) if text]
    step = match.group(3)
    return all(low <= number <= high for number in numbers) and numbers == sorted(numbers) and step not in ("0", "00")


def _number(text: str, name: str) -> int:
    names = _NAMES.get(name, ())
    if text in names:
        return names.index(text) + (name == "month")
    return int(text) if text.isdigit() and len(text) <= 2 else -1
