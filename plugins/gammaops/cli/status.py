"""``gammaops status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gammaops.cli.stores import existing_store, wide_console
from gammaops.errors import ProductMissing, RunFailed
from gammaops.products import ProductStore
from gammaops.runner.standing import analyses_of, standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammaops.runner.standing import Standing

__all__ = ["chosen_analyses", "status"]


@click.command()
@click.argument("analyses", nargs=-1)
@click.option("--number", type=click.IntRange(min=1), default=20, show_default=True, help="Show so many of the newest.")
@existing_store
def status(analyses: tuple[str, ...], number: int, root: str) -> None:
    """Show what became of the newest runs, of all ANALYSES or of these: when it began, where it is, its verdict.

    Exits 2 if one of those shown is red.
    """
    store = ProductStore(root)
    shown = standing(store, chosen_analyses(store, analyses), number)
    console = wide_console()
    for run in shown:
        console.print(f"{run.begun[:16]}  {run.folder.relative}  {_line(run)}", style=_style(run))
    red = [run.folder.relative for run in shown if run.record and not run.record["verdict"]["ok"]]
    console.print(f"{len(shown)} run{'' if len(shown) == 1 else 's'}, {len(red)} red")
    if red:
        raise RunFailed(f"red: {', '.join(red)}")


def chosen_analyses(store: ProductStore, asked: Sequence[str]) -> list[str]:
    """These analyses, or all that have runs.

    Raises
    ------
    ProductMissing
        If one has no run.
    """
    known = analyses_of(store)
    if unknown := sorted(set(asked) - set(known)):
        raise ProductMissing(f"{store.uri} has no run of {', '.join(unknown)}; it has: {', '.join(known) or 'none'}")
    return list(asked) or known


def _line(run: Standing) -> str:
    return str(run.record["verdict"]["line"]) if run.record else run.folder.trouble or "has ended just now"


def _style(run: Standing) -> str:
    if not run.record:
        return "yellow"
    return "green" if run.record["verdict"]["ok"] else "red"
