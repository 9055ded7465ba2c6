"""A comparison as JSON types: for programs, and for the page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from gammaops.comparison.words import change_in_words, number
from gammaops.physics.notation import unit_text

if TYPE_CHECKING:
    from gammaops.comparison.comparing import Comparison, ProductPair
    from gammaops.comparison.sides import Side
    from gammaops.physics.differences import Difference

__all__ = ["as_document", "verdict_line"]


def as_document(comparison: Comparison) -> dict[str, Any]:
    """All of a comparison; what is worth a look comes first among the products."""
    ordered = sorted(comparison.products, key=lambda pair: not pair.flagged)
    return {
        "verdict": verdict_line(comparison),
        "flags": comparison.flags,
        "a": _side(comparison.before),
        "b": _side(comparison.after),
        "tolerances": vars(comparison.tolerances),
        "runs": [{"title": title, "a": before, "b": after} for title, before, after in comparison.runs],
        "observations": [dict(vars(one)) for one in comparison.moved],
        "flagged_obs_ids": flagged_obs_ids(comparison),
        "results": dict(Counter(pair.result for pair in comparison.products)),
        "products": [_product(pair) for pair in ordered],
    }


def flagged_obs_ids(comparison: Comparison) -> list[int]:
    """Observations whose outcome or whose dataset is worth a look."""
    found = {one.obs_id for one in comparison.moved}
    keys = (key for pair in comparison.products if pair.flagged for key in pair.keys)
    return sorted(found | {key.obs_id for key in keys if key.obs_id is not None})


def verdict_line(comparison: Comparison) -> str:
    """How many products are as they were, and how much is worth a look, in one line."""
    results = Counter(pair.result for pair in comparison.products)
    words = []
    if results:
        shown = ", ".join(f"{count} {word}" for word, count in sorted(results.items()))
        words.append(f"{_number(len(comparison.products), 'product')}: {shown}")
    alone = sum(None in pair[1:] for pair in comparison.runs)
    if alone:
        words.append(f"{alone} of {_number(len(comparison.runs), 'run')} on one side alone")
    if comparison.moved:
        words.append(f"{_number(len(comparison.moved), 'observation')} with another outcome")
    observations = flagged_obs_ids(comparison)
    if observations:
        shown = ", ".join(map(str, observations[:8])) + (" …" if len(observations) > 8 else "")
        words.append(f"observations to look at: {shown}")
    flags = _number(comparison.flags, "flag") if comparison.flags else "No flags"
    return f"{flags}. {'; '.join(words)}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _side(side: Side) -> dict[str, Any]:
    return {
        "title": side.title,
        "store": side.store.uri,
        "runs": [run.folder.relative for run in side.runs],
        "notes": list(side.notes),
    }


def _product(pair: ProductPair) -> dict[str, Any]:
    return {
        "run": pair.run,
        "name": pair.keys[0].name,
        "steps": [key.step for key in pair.keys],
        "archive": pair.keys[0].archive,
        "obs_id": pair.keys[0].obs_id,
        "kind": pair.kind,
        "a": pair.before,
        "b": pair.after,
        "result": pair.result,
        "flagged": pair.flagged,
        "problem": pair.problem,
        "causes": list(pair.causes),
        "differences": [_difference(one) for one in pair.differences],
    }


def _difference(one: Difference) -> dict[str, Any]:
    words = {"before": number(one.pair[0]), "after": number(one.pair[1]), "unit": unit_text(one.unit)}
    told = {**words, "change": change_in_words(one)}
    return {**one.as_dict(), "in_words": told}
