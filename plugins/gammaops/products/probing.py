"""Whether an object store does what everything here rests on: of two conditional puts of one name the second fails.

A server that knows no conditions may ignore them without a word. Then a second try would write over a sidecar.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gammaops.errors import ProductError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PROBE", "refuse_without_conditions"]

PROBE = "conditional-put"
CONTENT = b"This object is here to be refused when it is written again.\n"


def refuse_without_conditions(uri: str, create: Callable[[str, bytes], None], remove: Callable[[str], None]) -> None:
    """Write a tiny object that is there already, or is after the first time; it costs one request.

    Parameters
    ----------
    uri : str
        Of the store, for the message.
    create, remove : callable
        The conditional put and the deletion of an object by its name.

    Raises
    ------
    ProductError
        If the store takes it twice.
    """
    with suppress(FileExistsError):
        create(PROBE, CONTENT)
        create(PROBE, CONTENT)
        remove(PROBE)
        raise ProductError(
            f"the object store at {uri} ignores the condition of a put (If-None-Match: *): two tries could both "
            "publish one product, and what is published could change. Nothing was written. Use a server that keeps the "
            "condition, as AWS S3 does (ask its operators, or update it), or a store in a folder"
        )
