"""Numbers and changes as people read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gammaops.physics.differences import ABSOLUTE, COUNTS, RELATIVE, SIGMA

if TYPE_CHECKING:
    from gammaops.physics.differences import Difference, Tolerances

__all__ = ["change_in_words", "limits_in_words", "number"]


def number(value: float | str | None) -> str:
    """A value with four digits, or more where it is a whole number; ``–`` where there is none."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "–"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.4g}"


def change_in_words(one: Difference) -> str:
    """``+10.00 %``, ``-0.30 σ``, ``12 events elsewhere``; empty where no number tells it."""
    if one.size is None:
        return ""
    if one.size == 0:
        return "none"
    if one.measure == RELATIVE:
        return f"{one.size * 100:+.2f} %" if abs(one.size) >= 5e-5 else f"{one.size * 100:+.1e} %"
    if one.measure == SIGMA:
        return f"{one.size:+.2f} σ" if abs(one.size) >= 5e-3 else f"{one.size:+.1e} σ"
    if one.measure == COUNTS:
        return f"{one.size:.0f} event{'' if one.size == 1 else 's'} elsewhere"
    return f"{one.size:+.4g}" if one.measure == ABSOLUTE else f"{one.size:.4g}"


def limits_in_words(tolerances: Tolerances) -> list[tuple[str, str]]:
    """What is not worth a look."""
    return [
        ("counts", "none may be elsewhere" if not tolerances.counts else f"{tolerances.counts:g} events"),
        ("exposure", _percent(tolerances.exposure)),
        ("energy dispersion, point spread function", f"{_percent(tolerances.response)} moved"),
        ("livetime", _percent(tolerances.livetime)),
        ("background, numbers without an error", _percent(tolerances.background)),
        ("parameters, flux points, light curves, significances", f"{tolerances.sigma:g} σ of the first"),
    ]


def _percent(part: float) -> str:
    return f"{part * 100:g} %"
