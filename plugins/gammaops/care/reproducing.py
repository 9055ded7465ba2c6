"""Products made again and compared with what is in the store, to the byte."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from gammaops.care.checking import verify_payload
from gammaops.care.differences import content_differences, recipe_differences
from gammaops.care.remaking import Recipe
from gammaops.errors import AlgorithmError, ConfigError, NoWorkFound, ProductError
from gammaops.lineage import Lineage
from gammaops.products.paths import sidecar_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammaops.products import ProductStore

__all__ = ["DIFFERS", "IDENTICAL", "IMPOSSIBLE", "Reproduction", "at_random", "reproduce"]

OF_A_MOMENT = "it tells of a moment alone: which nights were late then, or that a file was still being copied"
IDENTICAL, DIFFERS, IMPOSSIBLE = "identical", "differs", "impossible"


@dataclass(frozen=True)
class Reproduction:
    """What came of making a product again.

    Parameters
    ----------
    name : str
        Its path below the store.
    result : {"identical", "differs", "impossible"}
        Whether it was made with the same bytes, or with others, or could not be made.
    notes : tuple of str
        What is not as it was, versions first; then in what the result differs, or why there is none.
    """

    name: str
    result: str
    notes: tuple[str, ...] = ()


def reproduce(lineage: Lineage, name: str) -> Reproduction:
    """Make a product again, in a scratch folder, and compare it with the one in the store.

    Parameters
    ----------
    lineage : Lineage
        Of its store.
    name : str
        Its path below the store.

    Raises
    ------
    ProductMissing, ProductCorrupt
        If there is no such sidecar.
    OSError
        For what is not the fault of the product.
    """
    store = lineage.store
    if not _lasts(store.sidecar(sidecar_of(name))):
        return Reproduction(name, IMPOSSIBLE, (OF_A_MOMENT,))
    with store.scratch() as folder:
        try:
            recipe = Recipe.of(store, lineage, name, folder)
            notes = recipe_differences(recipe.sidecar, recipe.task)
            changed = recipe.changed_files() + recipe.changed_sources()
        except (ConfigError, ProductError) as error:
            return Reproduction(name, IMPOSSIBLE, (str(error),))
        if changed:
            return Reproduction(name, IMPOSSIBLE, (*notes, *changed))
        return _compared(recipe, lineage.origin(name).name, notes)


def _compared(recipe: Recipe, name: str, notes: Sequence[str]) -> Reproduction:
    try:
        product = recipe.make()
    except (ConfigError, ProductError) as error:
        return Reproduction(name, IMPOSSIBLE, (*notes, str(error)))
    except (AlgorithmError, NoWorkFound) as error:
        return Reproduction(name, DIFFERS, (*notes, f"the step fails now: {type(error).__name__}: {error}"))
    found = content_differences(recipe.sidecar, product, lambda: _payload(recipe.lineage.store, name))
    return Reproduction(name, DIFFERS if found else IDENTICAL, (*notes, *found))


def _payload(store: ProductStore, name: str) -> Path | None:
    """The payload as it is in the store now, hashed for this."""
    verify_payload(store, sidecar_of(name))
    return store.open(store.complete(name)).path


def at_random(store: ProductStore, number: int, seed: int) -> list[str]:
    """So many products of steps, chosen at random; the same seed chooses the same of the same store.

    Raises
    ------
    ProductError
        If there are not as many.
    """
    names = list(store.sidecars())
    random.Random(seed).shuffle(names)  # noqa: S311 - a choice, no secret
    chosen = list(islice((name for name in names if _lasts(store.sidecar(name))), number))
    if len(chosen) < number:
        raise ProductError(f"the store {store.uri} has {len(chosen)} products that steps have made, not {number}")
    return chosen


def _lasts(sidecar: Mapping[str, Any]) -> bool:
    """Whether a product tells of more than a moment: what was late then, or a file that was still being copied."""
    return "step" in sidecar and sidecar["status"] != "missing"
