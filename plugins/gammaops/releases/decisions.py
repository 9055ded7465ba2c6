"""What people decide of releases: promotions and rejections, numbered, each written once.

The release that was promoted last is the current one; to go back to an older one is to promote it again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gammaops.errors import ProductError
from gammaops.products.keys import canonical_json
from gammaops.releases.names import RELEASES, Signature
from gammaops.releases.records import open_release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammaops.products import ProductStore

__all__ = ["PROMOTED", "REJECTED", "Decision", "current_of", "current_release", "decide", "decisions"]

DECISIONS = f"{RELEASES}/decisions"
PROMOTED, REJECTED = "promoted", "rejected"


@dataclass(frozen=True)
class Decision:
    """One decision of a person about a release.

    Parameters
    ----------
    path : str
        Of its file below the store's root.
    release : str
        Name.
    verdict : {"promoted", "rejected"}
        What was decided.
    signature : Signature
        Who, when and why.
    """

    path: str
    release: str
    verdict: str
    signature: Signature


def decisions(store: ProductStore) -> list[Decision]:
    """All of them, the first first."""
    return [_read(store, name) for name in sorted(store.files.names(DECISIONS), key=_number)]


def current_release(store: ProductStore) -> str:
    """Name of the release that was promoted last and not rejected since; empty if there is none."""
    return current_of(decisions(store))


def current_of(decided: Sequence[Decision]) -> str:
    """The same, of decisions in their order."""
    last = {one.release: one.verdict for one in decided}
    promoted = [one.release for one in decided if one.verdict == PROMOTED and last[one.release] == PROMOTED]
    return promoted[-1] if promoted else ""


def decide(store: ProductStore, name: str, verdict: str, signature: Signature) -> str:
    """Write down a decision.

    What one run of a DAG has decided it does not decide again: the decision that is there is returned.

    Parameters
    ----------
    store : ProductStore
    name : str
        Of the release.
    verdict : {"promoted", "rejected"}
    signature : Signature
        Who decides, when and why.

    Returns
    -------
    str
        URI of the decision.

    Raises
    ------
    ProductError
        If there is no such release, or if one to be promoted is not any more what was frozen.
    """
    release = open_release(store, name)
    for known in decisions(store):
        if signature.who and known.signature.who == signature.who:
            if known.verdict != verdict:
                done = f"this run has decided already: {known.release} is {known.verdict}"
                raise ProductError(f"{done}; start another run to decide again")
            return store.uri_of(known.path)
    problems = release.problems() if verdict == PROMOTED else []
    if problems:
        lines = "\n  ".join(problems)
        raise ProductError(f"the release {release.name} is not promoted, for it is not what was frozen:\n  {lines}")
    document = {"release": release.name, "verdict": verdict, "signature": asdict(signature)}
    return store.uri_of(_create(store, canonical_json(document)))


def _create(store: ProductStore, content: bytes) -> str:
    """Take the next number; of two that race each gets one of its own, so that they have an order."""
    number = max(map(_number, store.files.names(DECISIONS)), default=0)
    while True:
        number += 1
        path = f"{DECISIONS}/{number:04d}.json"
        try:
            store.files.create(path, content)
        except FileExistsError:
            continue
        return path


def _number(path: str) -> int:
    return int(PurePosixPath(path).stem)


def _read(store: ProductStore, path: str) -> Decision:
    document = json.loads(store.files.read(path))
    return Decision(path, document["release"], document["verdict"], Signature(**document["signature"]))
