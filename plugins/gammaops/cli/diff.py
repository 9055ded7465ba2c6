"""``gammaops diff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from gammaops.config import store_root
from gammaops.errors import RunFailed
from gammaops.products import ProductStore
from gammaops.releases import Tolerances, compared, side_called
from gammaops.report import render_comparison

if TYPE_CHECKING:
    from gammaops.releases import Comparison

__all__ = ["diff"]


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--store", "root", default=store_root, help="Root of the product store. [default: GAMMAOPS_STORE]")
@click.option("--second-store", "other", help="Root of the store of SECOND. [default: the same]")
@click.option(
    "--percent", type=click.FloatRange(min=0), default=1.0, show_default=True, help="Allowed relative change."
)
@click.option("--sigma", type=click.FloatRange(min=0), default=0.5, show_default=True, help="Allowed change in σ.")
@click.option("--json", "as_json", is_flag=True, help="Print all differences as JSON.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write the comparison as an HTML page.")
def diff(
    first: str,
    second: str,
    root: str,
    other: str | None,
    percent: float,
    sigma: float,
    as_json: bool,
    page: Path | None,
) -> None:
    """Compare two releases or runs, product by product, in physical terms. Exits 2 if anything is flagged.

    FIRST and SECOND are names of releases, or run folders such as runs/crab/local-25bf8e1a/v001.
    """
    store = ProductStore(root)
    theirs = ProductStore(other) if other else store
    found = compared(side_called(store, first), side_called(theirs, second), Tolerances(percent, sigma))
    if page:
        page.write_text(render_comparison(found.as_dict()), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False))
    else:
        _print(found)
    if found.flagged:
        raise RunFailed(found.headline)


def _print(found: Comparison) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for one in found.flagged:
        change = f" ({one.size:+.3g} {one.scale})" if one.size is not None else ""
        values = f": {one.before} → {one.after}" if one.before or one.after else ""
        console.print(f"{one.where}: {one.item}: {one.what}{values}{change}")
    console.print(f"{found.first} → {found.second}: {found.headline}")
