"""Numbers as people in the field write them."""

from __future__ import annotations

import math

import astropy.units as u

__all__ = ["measured", "plain", "unit_text"]

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWEST, _HIGHEST = -3, 4


def plain(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits; ``–`` if it is not known."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if _LOWEST <= exponent < _HIGHEST + 1:
        return f"{value:.{max(0, digits - 1 - exponent)}f}"
    return f"{value / 10.0**exponent:.{digits - 1}f} × 10{_power(exponent)}"


def measured(value: float, error: float | None) -> str:
    """A value with its error to two significant digits: ``2.654 ± 0.077``, ``(1.60 ± 0.09) × 10⁻¹¹``.

    Without a known error the value stands alone.
    """
    if not math.isfinite(value):
        return "–"
    if error is None or not (math.isfinite(error) and error > 0):
        return plain(value, 4)
    exponent = math.floor(math.log10(max(abs(value), error)))
    if _LOWEST < exponent < _HIGHEST:
        digits = max(0, 1 - math.floor(math.log10(error)))
        return f"{value:.{digits}f} ± {error:.{digits}f}"
    scale = 10.0**exponent
    digits = max(0, 1 - math.floor(math.log10(error / scale)))
    return f"({value / scale:.{digits}f} ± {error / scale:.{digits}f}) × 10{_power(exponent)}"


def unit_text(unit: u.Unit | str) -> str:
    """A unit on one line: ``TeV⁻¹ s⁻¹ cm⁻²``; empty for a pure number."""
    text: str = u.Unit(unit).to_string("unicode", fraction=False)
    return text


def _power(exponent: int) -> str:
    return str(exponent).translate(_SUPERSCRIPTS)
