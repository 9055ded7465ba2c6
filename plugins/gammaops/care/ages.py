"""Ages as people give them: ``90d``, ``12h``; and sizes as people read them."""

from __future__ import annotations

import re

__all__ = ["seconds_of", "size_in_words"]

_AGE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>min|h|d|w)")
_SECONDS = {"min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_STEP = 1000.0


def seconds_of(text: str) -> float:
    """Seconds of an age: a number with ``min``, ``h``, ``d`` or ``w``.

    Raises
    ------
    ValueError
        If it is none.
    """
    match = _AGE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no age; expected a number with min, h, d or w, such as 90d")
    return float(match["number"]) * _SECONDS[match["unit"]]


def size_in_words(size: float) -> str:
    """``0 bytes``, ``44.3 MB``."""
    if size < _STEP:
        return f"{size:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        size /= _STEP
        if size < _STEP:
            return f"{size:.1f} {unit}"
    return f"{size / _STEP:.1f} TB"
