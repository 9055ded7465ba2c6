"""``gammaops releases``: freeze, look at, promote."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from gammaops.cli.stores import existing_store, print_rows, wide_console
from gammaops.errors import RunFailed
from gammaops.products import ProductStore
from gammaops.releases.choosing import choose_runs
from gammaops.releases.decisions import PROMOTED, REJECTED, current_release, decide, decisions
from gammaops.releases.describing import listed, shown
from gammaops.releases.freezing import freeze as freeze_runs
from gammaops.releases.names import CURRENT, Signature
from gammaops.releases.records import all_releases, open_release

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["releases"]

WHY = "Why, for whoever looks at it later."


def _reason(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--comment", required=True, callback=_not_blank, help=WHY)(command)


def _not_blank(_context: click.Context, _option: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("is blank; say why, for whoever looks at it later")
    return text


@click.group()
def releases() -> None:
    """Freeze run versions as a release, promote one, list them."""


@releases.command()
@click.argument("name")
@click.option(
    "--runs",
    "selectors",
    multiple=True,
    required=True,
    help="An analysis (crab: the newest finished version of each of its runs), a run (crab/<run id>), or a version "
    "(crab/<run id>/v002). May be repeated.",
)
@click.option("--night", "nights", multiple=True, help="Of an analysis, only runs of this night. May be repeated.")
@click.option("--without", multiple=True, help="Leave out this run of an analysis. May be repeated.")
@click.option("--author", default=getpass.getuser, help="Who freezes it. [default: who is logged in]")
@click.option("--comment", default="", help=WHY)
@existing_store
def freeze(
    name: str,
    selectors: tuple[str, ...],
    nights: tuple[str, ...],
    without: tuple[str, ...],
    author: str,
    comment: str,
    root: str,
) -> None:
    """Write down for good which runs and products make the release NAME, after every product was hashed.

    Refuses runs that are red or have not ended, and damaged or missing products, naming each.
    """
    store = ProductStore(root)
    choice = choose_runs(store, selectors, nights, without)
    for note in choice.notes:
        wide_console().print(note, style="yellow")
    freeze_runs(store, name, choice.folders, _signed(author, comment))
    print_rows(shown(open_release(store, name), decisions(store))[0])


@releases.command("ls")
@existing_store
def list_releases(root: str) -> None:
    """List releases, the oldest first: state, size, who froze it, who decided on it, when and why."""
    store = ProductStore(root)
    rows = listed(all_releases(store), decisions(store))
    if rows:
        print_rows([("release", "state", "holds", "frozen", "decided"), *rows])
    wide_console().print(f"{len(rows)} releases, current: {current_release(store) or 'none'}")


@releases.command()
@click.argument("name")
@existing_store
def show(name: str, root: str) -> None:
    """Say what the release NAME holds: versions, runs, products with their digests. ``current``: the promoted one."""
    store = ProductStore(root)
    release = open_release(store, current_release(store) or name if name == CURRENT else name)
    about, runs = shown(release, decisions(store))
    print_rows(about)
    for run in runs:
        wide_console().print()
        wide_console().print(run.title, style="bold")
        print_rows(run.rows)


@releases.command()
@click.argument("name")
@existing_store
def verify(name: str, root: str) -> None:
    """Hash every product of the release NAME again. Exits 2 if anything is not what was frozen."""
    problems = open_release(ProductStore(root), name).problems()
    for problem in problems:
        wide_console().print(problem, style="red")
    wide_console().print(f"{name}: {len(problems)} problems")
    if problems:
        raise RunFailed(f"{name}: {len(problems)} problems")


@releases.command()
@click.argument("name")
@click.option("--author", required=True, help="Who answers for it.")
@_reason
@existing_store
def promote(name: str, author: str, comment: str, root: str) -> None:
    """Make the release NAME the current one, after its products were hashed again."""
    _decide(root, name, PROMOTED, _signed(author, comment))


@releases.command()
@click.argument("name")
@click.option("--author", required=True, help="Who answers for it.")
@_reason
@existing_store
def reject(name: str, author: str, comment: str, root: str) -> None:
    """Write down that the release NAME is not to be used; it stays as it is."""
    _decide(root, name, REJECTED, _signed(author, comment))


def _decide(root: str, name: str, verdict: str, signature: Signature) -> None:
    store = ProductStore(root)
    uri = decide(store, name, verdict, signature)
    wide_console().print(f"{name} is {verdict}: {uri}; current: {current_release(store) or 'none'}")


def _signed(author: str, comment: str) -> Signature:
    return Signature(author, datetime.now(UTC).isoformat(timespec="seconds"), comment)
