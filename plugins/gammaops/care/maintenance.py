"""What is done for a store every night: it is measured, a sample verified, garbage collected by rule.

Each leaves a file: ``maintenance/<label>/growth.json``, ``verify.json`` and ``garbage.json`` in the store.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gammaops.care.ages import size_in_words
from gammaops.care.checking import choose, lonely_payloads, troubles_of
from gammaops.care.garbage import delete, find_garbage
from gammaops.care.growth import GROWTH, MAINTENANCE, measured, with_growth
from gammaops.errors import ProductError, RunFailed
from gammaops.products import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.care.runs_kept import Rules
    from gammaops.products import ProductStore

__all__ = ["collect_garbage", "report_growth", "verify_sample"]

_NAMED = 1000


def report_growth(store: ProductStore, label: str) -> tuple[str, str]:
    """Write down what the store holds.

    Returns
    -------
    tuple of str
        Path of the file, and what it says in one line.
    """
    found = with_growth(store, label, measured(store))
    words = f"{size_in_words(found['bytes'])} in the store"
    if "grown" in found:
        sign = "more" if found["grown"]["bytes"] >= 0 else "less"
        words += f", {size_in_words(abs(found['grown']['bytes']))} {sign} than on {found['grown']['since']}"
    if found["free_bytes"] is not None:
        words += f", {size_in_words(found['free_bytes'])} free"
    return _write(store, label, GROWTH, found), words


def verify_sample(store: ProductStore, label: str, number: int, grace: float) -> tuple[str, str]:
    """Verify so many products, chosen by the label; look for lonely payloads everywhere.

    These harm nobody: killed tries leave them, and garbage collection takes them.

    Returns
    -------
    tuple of str
        Path of the file, and what it says in one line.

    Raises
    ------
    RunFailed
        If a product is damaged; the file is written before.
    """
    seed = int(hashlib.sha256(label.encode()).hexdigest()[:8], 16)
    chosen = choose(store, number, seed)
    troubles = [trouble for name in chosen for trouble in troubles_of(store, name)]
    lonely = [one.name for one in lonely_payloads(store, time.time() - grace)]
    found = {"verified": len(chosen), "problems": [asdict(one) for one in troubles], "lonely": lonely}
    uri = _write(store, label, "verify.json", found)
    words = f"{len(chosen)} products verified, {len(troubles)} problems"
    words += f", {len(lonely)} payloads without a sidecar" if lonely else ""
    if troubles:
        raise RunFailed(f"{words}, the first: {troubles[0].name}: {troubles[0].problem}; all are in {uri}")
    return uri, words


def collect_garbage(store: ProductStore, label: str, rules: Rules) -> tuple[str, str]:
    """Delete what the rules let go and nothing needs; without a rule nothing, it is only told.

    Returns
    -------
    tuple of str
        Path of the file, and what it says in one line.
    """
    garbage = find_garbage(store, rules, time.time())
    notes, deleted = list(garbage.notes), rules.collects_runs
    if deleted:
        try:
            delete(store, garbage)
        except ProductError as busy:  # the next night finds it again
            notes, deleted = [*notes, str(busy)], False
    document = {
        "rules": asdict(rules),
        "deleted": deleted,
        "bytes": garbage.size,
        "number": len(garbage.names),
        "names": garbage.names[:_NAMED],
        "notes": notes,
    }
    uri = _write(store, label, "garbage.json", document)
    done = "freed" if deleted else "could be freed"
    if not rules.collects_runs:
        done += "; no rule is given, so nothing is"
    return uri, "; ".join([f"{len(garbage.names)} files, {size_in_words(garbage.size)} {done}", *notes])


def _write(store: ProductStore, label: str, name: str, document: Mapping[str, Any]) -> str:
    path = f"{MAINTENANCE}/{label}/{name}"
    store.files.replace(path, canonical_json(document))
    return store.uri_of(path)
