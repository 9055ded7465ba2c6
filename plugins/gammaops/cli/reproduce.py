"""``gammaops reproduce``."""

from __future__ import annotations

import click
from rich.console import Console

from gammaops.care.naming import product_name, store_of
from gammaops.care.reproducing import DIFFERS, IDENTICAL, IMPOSSIBLE, at_random
from gammaops.care.reproducing import reproduce as make_again
from gammaops.config import store_root
from gammaops.errors import RunFailed
from gammaops.lineage import Lineage

__all__ = ["reproduce"]

_STYLES = {IDENTICAL: "green", DIFFERS: "bold red", IMPOSSIBLE: "bold yellow"}


@click.command()
@click.argument("products", nargs=-1)
@click.option("--store", help="Root of the product store. [default: that of the product, else GAMMAOPS_STORE]")
@click.option("--random", "number", type=click.IntRange(min=1), help="Choose so many products of the store.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random choice.")
def reproduce(products: tuple[str, ...], store: str | None, number: int | None, seed: int) -> None:
    """Make PRODUCTS again from what their sidecars say, publish nothing, and compare byte for byte.

    A product is a path below the store (products/fit/ab/ab….yaml), or a whole path or URI. Exits 2 unless all are
    identical.
    """
    if bool(products) == bool(number):
        raise click.UsageError("name products, or give --random N")
    root = store or store_root()
    opened = store_of(products[0], root) if products and not store else store_of("", root)
    names = [product_name(opened, text) for text in products] or at_random(opened, number or 0, seed)
    lineage, console = Lineage(opened), Console(soft_wrap=True, highlight=False)
    results = []
    for name in names:
        found = make_again(lineage, name)
        results.append(found.result)
        console.print(f"{found.result:<10} {found.name}", style=_STYLES[found.result], markup=False)
        for note in found.notes:
            console.print(f"           {note}", markup=False)
    counts = ", ".join(f"{results.count(word)} {word}" for word in _STYLES if word in results)
    console.print(f"{len(names)} products made again: {counts}", markup=False)
    if set(results) != {IDENTICAL}:
        raise RunFailed(counts)
