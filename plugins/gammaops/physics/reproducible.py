"""The same data give the same bytes: what records the moment of writing is taken out of a payload."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gammaops.errors import ProductError
from gammaops.physics.fits_structure import StructureError, padded, walk

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_reproducible"]

MOMENTS = (b"CREATED ", b"DATE    ")
YAML_SUFFIXES = (".yaml", ".yml")
YAML_DATE = re.compile(rb"^(?P<head>metadata:[ \t]*\n(?:[ \t]+.*\n)*?)[ \t]+date:.*\n", re.MULTILINE)
YAML_EMPTY_METADATA = re.compile(rb"^metadata:[ \t]*\n(?![ \t])", re.MULTILINE)


def make_reproducible(path: Path) -> None:
    """Remove ``CREATED``, ``DATE`` and ``metadata.date`` from a FITS or YAML file in place; its data are not touched.

    The file is rewritten only if something was found. Files with other suffixes are left alone.

    Raises
    ------
    ProductError
        If a file named ``.fits`` is not a complete FITS file.
    """
    if path.suffix not in (".fits", *YAML_SUFFIXES):
        return
    content = path.read_bytes()
    try:
        stripped = _without_moments(content) if path.suffix == ".fits" else _without_yaml_date(content)
    except StructureError as error:
        raise ProductError(f"{path.name} was not written completely ({error}); make it again") from error
    if stripped != content:
        path.write_bytes(stripped)


def _without_yaml_date(content: bytes) -> bytes:
    return YAML_EMPTY_METADATA.sub(b"", YAML_DATE.sub(rb"\g<head>", content))


def _without_moments(content: bytes) -> bytes:
    """Drop the cards from every header; the rest of the header moves up, the data units keep their bytes."""
    pieces: list[bytes | memoryview] = []
    view = memoryview(content)
    for span in walk(content):
        kept = b"".join(card for card in span.cards if not card.startswith(MOMENTS))
        pieces += [kept.ljust(padded(len(kept))), view[span.data : span.stop]]
    return b"".join(pieces)
