"""What a plain (unquoted) YAML scalar means, without the surprises of YAML 1.1."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Trap", "plain_value"]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WORDS = re.compile(r"(?:yes|no|on|off)", re.IGNORECASE)
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
_EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_OTHER_BASE = re.compile(r"[-+]?0[xXbBoO][0-9a-fA-F_]+")
_UNDERSCORES = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)


@dataclass(frozen=True)
class Trap:
    """A plain scalar that YAML 1.1 reads as something else than it looks like."""

    message: str
    expected: str


def plain_value(text: str) -> object:
    """The value of an unquoted scalar, or the `Trap` that it is.

    Dates and times stay text, which is what config keys expect.
    """
    if text in _NULL:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    first = text[0]
    if not (first.isdigit() or first in "+-."):
        return _word(text) if len(text) <= 3 else text
    return _numeric(text)


def _word(text: str) -> str | Trap:
    if _WORDS.fullmatch(text):
        truth = "true" if text.lower() in ("yes", "on") else "false"
        return Trap(
            f"{text} is text for some YAML readers and a truth value for others", f'{truth}, or "{text}" in quotes'
        )
    return text


def _numeric(text: str) -> object:
    if _INTEGER.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    for pattern, explain in _TRAPS:
        if pattern.fullmatch(text):
            return explain(text)
    return text


def _whole(text: str) -> int | Trap:
    # Longer ones mean nothing here, and Python refuses to convert thousands of digits.
    if len(text) > 20:
        return Trap("a number of more than 20 digits", "a smaller number")
    return int(text)


def _exponent(text: str) -> Trap:
    mantissa, _, power = text.lower().partition("e")
    right = f"{mantissa if '.' in mantissa else mantissa + '.0'}e{power if power[0] in '+-' else '+' + power}"
    return Trap(f"{text} is text in YAML 1.1, not a number", right)


def _sexagesimal(text: str) -> Trap:
    value = 0.0
    for part in text.lstrip("+-").split(":"):
        value = 60 * value + float(part)
    sign = "-" if text.startswith("-") else ""
    return Trap(f"{text} is the base-60 number {sign}{value:.12g} in YAML 1.1", f'"{text}" in quotes')


def _octal(text: str) -> Trap:
    digits = text.lstrip("+-").replace("_", "")
    reading = f"the octal number {int(digits, 8)}" if set(digits) <= set("01234567") else "text"
    return Trap(f"{text} is {reading} in YAML 1.1", f'{digits.lstrip("0") or "0"}, or "{text}" in quotes')


def _other_base(text: str) -> Trap:
    return Trap(f"{text} is a number in another base", f'a decimal number, or "{text}" in quotes')


def _underscores(text: str) -> Trap:
    return Trap(f"{text} is a number for some YAML readers only", text.replace("_", ""))


def _not_finite(text: str) -> Trap:
    return Trap(f"{text} is not a finite number", "a finite number")


_TRAPS = (
    (_EXPONENT, _exponent),
    (_SEXAGESIMAL, _sexagesimal),
    (_OCTAL, _octal),
    (_OTHER_BASE, _other_base),
    (_UNDERSCORES, _underscores),
    (_NOT_FINITE, _not_finite),
)
