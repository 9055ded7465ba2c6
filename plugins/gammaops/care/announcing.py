"""Work on a whole store that must not be done beside other work: garbage collection, and the freezing of a release.

Each announces itself in the store and only then looks whether the other has: of two that begin at once at least one
sees the other. What was killed leaves its announcement, which counts no more once nobody has renewed it for an hour.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gammaops.errors import ProductError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.products import ProductStore

__all__ = ["COLLECTING", "FREEZING", "Announcement", "announced"]

# Files of one folder, which stays: one of their own would go with the last of them while another is being written.
FOLDER = "announced"
COLLECTING, FREEZING = "collecting", "freezing"
IN_WORDS = {COLLECTING: "garbage is being collected", FREEZING: "a release is being frozen"}
# Longer than clocks of machines are apart; work that was silent for half of it stops itself, so that one payload has
# half an hour to be hashed.
OVERDUE_S = 3600.0
RENEWED_EVERY_S = 60.0


class Announcement:
    """Work that is going on in a store.

    Parameters
    ----------
    store : ProductStore
    what : str
        `COLLECTING` or `FREEZING`.
    """

    def __init__(self, store: ProductStore, what: str) -> None:
        self._files = store.files
        self._name = f"{FOLDER}/{what}.{uuid.uuid4().hex}"
        self._renewed = time.time()
        self._files.create(self._name, b"")

    def renew(self) -> None:
        """Say that the work is still going on; to be called between any two pieces of it.

        Raises
        ------
        ProductError
            If the last time was so long ago that others may not believe it any more.
        """
        silent = time.time() - self._renewed
        if silent > OVERDUE_S / 2:
            raise ProductError(
                f"stopped: this was at rest for {silent:.0f} s, and other work may have begun in {self._files.uri} "
                "meanwhile; start it again"
            )
        if silent > RENEWED_EVERY_S:
            self._renewed = time.time()
            self._files.replace(self._name, b"")

    def end(self) -> None:
        """Take the announcement away."""
        self._files.remove(self._name)


@contextmanager
def announced(store: ProductStore, what: str, against: str) -> Iterator[Announcement]:
    """Announce work for the length of a block.

    Parameters
    ----------
    store : ProductStore
    what : str
        `COLLECTING` or `FREEZING`.
    against : str
        The work beside which it must not be done.

    Raises
    ------
    ProductError
        If that is going on.
    """
    announcement = Announcement(store, what)
    try:
        _refuse_beside(store, against)
        yield announcement
    finally:
        announcement.end()


def _refuse_beside(store: ProductStore, what: str) -> None:
    for entry in store.files.entries(FOLDER):
        silent = time.time() - entry.modified
        if not entry.name.startswith(f"{FOLDER}/{what}."):
            continue
        if silent > OVERDUE_S:
            store.files.remove(entry.name)
            continue
        last = datetime.fromtimestamp(entry.modified, UTC).isoformat(timespec="seconds")
        raise ProductError(
            f"{IN_WORDS[what]} in {store.uri} just now, says {store.uri_of(entry.name)} (last renewed {last}); try "
            f"again when that is done. If it was killed, this counts no more {OVERDUE_S / 60:.0f} minutes after that"
        )
