"""Where the HDUs of a FITS file lie, found without interpreting their data (FITS standard 4.0, sections 3 and 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BLOCK", "CARD", "Span", "StructureError", "padded", "walk"]

BLOCK = 2880
CARD = 80


class StructureError(ValueError):
    """The bytes are not a complete FITS file; the message says where and why."""


@dataclass(frozen=True)
class Span:
    """One HDU: its header cards (END included) and the bytes it takes, from `start` over `data` to `stop`."""

    cards: tuple[bytes, ...]
    start: int
    data: int
    stop: int

    @property
    def values(self) -> Mapping[str, str]:
        """Keyword to value as written, strings without quotes."""
        pairs = ((card[:8], card[10:]) for card in self.cards if card[8:10] == b"= ")
        return {name.decode("ascii", "replace").rstrip(): _value(text) for name, text in pairs}

    @property
    def name(self) -> str:
        """EXTNAME in capitals; ``PRIMARY`` without one."""
        return self.values.get("EXTNAME", "PRIMARY").upper()


def padded(size: int) -> int:
    """`size` in bytes rounded up to whole FITS blocks."""
    return -(-size // BLOCK) * BLOCK


def walk(content: bytes) -> Iterator[Span]:
    """The HDUs of a file's bytes in order.

    Raises
    ------
    StructureError
        If the file ends within an HDU or holds something else than HDUs.
    """
    if not content:
        raise StructureError("the file is empty")
    position = 0
    while position < len(content):
        cards, data = _header(content, position)
        span = Span(cards, position, data, data + padded(_data_size(cards, position)))
        if span.stop > len(content):
            missing = span.stop - len(content)
            raise StructureError(f"HDU {span.name} at byte {position} lacks its last {missing} bytes")
        yield span
        position = span.stop


def _header(content: bytes, start: int) -> tuple[tuple[bytes, ...], int]:
    first = content[start : start + 8]
    if first != (b"XTENSION" if start else b"SIMPLE  "):
        raise StructureError(f"no FITS header at byte {start} but {first!r}")
    cards = []
    for position in range(start, len(content), CARD):
        card = content[position : position + CARD]
        cards.append(card)
        if card.rstrip() == b"END":
            return tuple(cards), start + padded(position + CARD - start)
    raise StructureError(f"the header at byte {start} has no END")


def _value(text: bytes) -> str:
    decoded = text.decode("ascii", "replace").strip()
    if decoded.startswith("'"):
        return decoded[1:].split("'")[0].rstrip()
    return decoded.split("/")[0].strip()


def _data_size(cards: tuple[bytes, ...], start: int) -> int:
    """Bytes of the data unit without padding."""
    structural = {card[:8].rstrip(): _value(card[10:]) for card in cards if card.startswith(STRUCTURAL)}
    try:
        axes = [int(structural[b"NAXIS%d" % (axis + 1)]) for axis in range(int(structural[b"NAXIS"]))]
        elements = 1 if axes else 0
        for length in axes:
            elements *= length
        elements = int(structural.get(b"GCOUNT", "1")) * (int(structural.get(b"PCOUNT", "0")) + elements)
        size = elements * abs(int(structural[b"BITPIX"])) // 8
    except (KeyError, ValueError) as error:
        raise StructureError(f"the header at byte {start} does not give the size of its data: {error}") from error
    if size < 0:
        raise StructureError(f"the header at byte {start} gives its data a size of {size} bytes")
    return size


STRUCTURAL = (b"NAXIS", b"BITPIX", b"PCOUNT", b"GCOUNT")
