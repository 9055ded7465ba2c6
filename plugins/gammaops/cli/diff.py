"""``gammaops diff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gammaops.cli.main import FLAGGED
from gammaops.comparison.comparing import compare
from gammaops.comparison.document import as_document, verdict_line
from gammaops.comparison.sides import open_side
from gammaops.comparison.words import change_in_words, limits_in_words, number
from gammaops.config import store_root
from gammaops.physics.differences import Tolerances
from gammaops.physics.notation import unit_text
from gammaops.products import ProductStore
from gammaops.report import render_comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.comparison.comparing import Comparison, ProductPair

__all__ = ["diff"]

# Of a table that goes into a file or a mail.
WIDTH = 180
_LIMITS = Tolerances()


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--store", "root", default=store_root, help="Root of the store of A and B. [default: GAMMAOPS_STORE]")
@click.option("--store-b", "other_root", help="Root of the store of B, if it is another one.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page here.")
@click.option("--counts", type=float, default=_LIMITS.counts, show_default=True, help="Events that may be elsewhere.")
@click.option("--exposure", type=float, default=_LIMITS.exposure, show_default=True, help="Relative change allowed.")
@click.option(
    "--response", type=float, default=_LIMITS.response, show_default=True, help="Share of IRFs that may move."
)
@click.option("--livetime", type=float, default=_LIMITS.livetime, show_default=True, help="Relative change allowed.")
@click.option(
    "--background", type=float, default=_LIMITS.background, show_default=True, help="The same; also without an error."
)
@click.option("--sigma", type=float, default=_LIMITS.sigma, show_default=True, help="Allowed, in errors of A.")
@click.pass_context
def diff(
    context: click.Context,
    /,
    before: str,
    after: str,
    root: str,
    other_root: str | None,
    as_json: bool,
    page: Path | None,
    **limits: float,
) -> None:
    """Compare the releases or runs A and B product by product: counts, exposure, parameters in sigma.

    Each is the name of a release, ``current`` for the promoted one, an analysis (crab), a run (crab/<run id>) or a
    version of it (crab/<run id>/v002). Equal bytes are equal; of others, what changed by more than a limit is flagged.
    Exits 0 without flags, 3 with any, 1 if A or B cannot be read.
    """
    sides = open_side(ProductStore(root), before), open_side(ProductStore(other_root or root), after)
    found = compare(*sides, Tolerances(**limits))
    document = as_document(found)
    if page:
        page.write_text(render_comparison(document, limits_in_words(found.tolerances)), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _tell(found)
    context.exit(FLAGGED if found.flags else 0)


def _tell(found: Comparison) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH, soft_wrap=True)
    console.print(f"A: {found.before.title}\nB: {found.after.title}", markup=False)
    for note in (*found.before.notes, *found.after.notes):
        console.print(note, style="yellow", markup=False)
    for title, one, other in found.runs:
        if not (one and other):
            console.print(f"run only in {'A' if one else 'B'}: {title}, {one or other}", style="yellow", markup=False)
    for moved in found.moved:
        words = f"{moved.before or 'not expected'} → {moved.after or 'not expected'}"
        console.print(f"observation {moved.obs_id}, {moved.run}: {words}  {moved.reason}", style="yellow", markup=False)
    flagged = [pair for pair in found.products if pair.flagged]
    if flagged:
        console.print(_table(flagged, many_runs=len(found.runs) > 1))
    console.print(verdict_line(found), style="yellow" if found.flags else "green", markup=False)


def _table(pairs: list[ProductPair], *, many_runs: bool) -> Table:
    columns = ("run", "product", "quantity", "A", "B", "change", "because")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns if many_runs else columns[1:]:
        table.add_column(name, overflow="fold")
    for pair in pairs:
        for row in _rows(pair):
            table.add_row(*map(Text, row if many_runs else row[1:]))
    return table


def _rows(pair: ProductPair) -> Iterator[tuple[str, ...]]:
    steps = ", ".join(key.step for key in pair.keys)
    name, because = f"{pair.keys[0].name} ({steps})", "; ".join(pair.causes)
    shown = [one for one in pair.differences if one.flagged]
    if not shown:
        yield pair.run, name, f"{pair.result} {pair.problem}".strip(), "", "", "", because
    for one in shown:
        quantity = f"{one.quantity} [{unit_text(one.unit)}]" if one.unit else one.quantity
        change = change_in_words(one) or "another one"
        yield pair.run, name, quantity, number(one.pair[0]), number(one.pair[1]), change, because
        name = because = ""
