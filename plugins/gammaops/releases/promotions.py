"""Who let which release be the current one, or refused it: ``releases/decisions/<number>.json``, one by one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gammaops.errors import ConfigError, Problem
from gammaops.products import canonical_json
from gammaops.releases.frozen import FOLDER, Release, release_called, utc_now

if TYPE_CHECKING:
    from gammaops.products import ProductStore

__all__ = ["PROMOTED", "REJECTED", "Decision", "current_release", "decide", "decisions"]

PROMOTED, REJECTED = "promoted", "rejected"
_FOLDER = f"{FOLDER}/decisions"


@dataclass(frozen=True)
class Decision:
    """What a person decided about a release: ``promoted`` or ``rejected``, by whom, why, and when (UTC)."""

    release: str
    verdict: str
    author: str
    comment: str
    time: str


def decide(store: ProductStore, name: str, verdict: str, author: str, comment: str) -> tuple[Decision, str]:
    """Write a decision down; of two at the same moment one is the later.

    Returns
    -------
    decision : Decision
    uri : str
        Path of its file.

    Raises
    ------
    ProductMissing
        If there is no such release.
    ConfigError
        If nobody signs.
    """
    release_called(store, name)
    if not author.strip() or not comment.strip():
        problem = Problem("release", 0, 0, "comment", "a decision without author or comment", "who decides, and why")
        raise ConfigError([problem])
    decision = Decision(name, verdict, author, comment, utc_now())
    number = len(list(store.files.names(_FOLDER)))
    while True:
        number += 1
        file = f"{_FOLDER}/{number:04d}.json"
        try:
            store.files.create(file, canonical_json(asdict(decision)))
        except FileExistsError:
            continue
        return decision, store.uri_of(file)


def decisions(store: ProductStore) -> list[Decision]:
    """All decisions, the oldest first."""
    return [Decision(**json.loads(store.files.read(name))) for name in store.files.names(_FOLDER)]


def current_release(store: ProductStore) -> Release | None:
    """The release that was promoted last; None before the first."""
    promoted = [one.release for one in decisions(store) if one.verdict == PROMOTED]
    return release_called(store, promoted[-1]) if promoted else None
