"""What a listing of a store's files tells."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Entry"]


class Entry(NamedTuple):
    """A file by its name below the root: its bytes, and the time of its last change in seconds since 1970."""

    name: str
    size: int
    modified: float
