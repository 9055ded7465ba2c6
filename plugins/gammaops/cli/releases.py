"""``gammaops releases``: freeze, list, show, promote and reject."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from gammaops.config import store_root
from gammaops.products import ProductStore
from gammaops.releases import (
    all_releases,
    current_release,
    decide,
    decisions,
    finished_runs,
    freeze,
    release_called,
    side_called,
)
from gammaops.releases.promotions import PROMOTED, REJECTED

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["releases"]


def _store(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "Root of the product store. [default: GAMMAOPS_STORE]"
    return click.option("--store", "root", default=store_root, help=text)(command)


def _signed(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--comment", required=True, help="Why.")(command)
    return click.option("--author", default=getpass.getuser, help="Who. [default: your login name]")(command)


@click.group()
def releases() -> None:
    """Freeze finished runs under a name, and say which release is the current one."""


@releases.command("freeze")
@click.argument("name")
@_store
@click.option("--analysis", "analyses", multiple=True, help="Runs of this analysis. May be repeated. [default: all]")
@click.option("--night", "nights", multiple=True, help="Runs of this night. May be repeated. [default: all]")
@click.option("--run", "runs", multiple=True, help="This run folder, and none that is not named. May be repeated.")
@_signed
def freeze_runs(
    name: str,
    root: str,
    analyses: tuple[str, ...],
    nights: tuple[str, ...],
    runs: tuple[str, ...],
    author: str,
    comment: str,
) -> None:
    """Freeze the newest finished version of each run as NAME, after reading and verifying every product."""
    if runs and (analyses or nights):
        raise click.UsageError("name runs, or choose them by --analysis and --night")
    store = ProductStore(root)
    chosen = [folder for run in runs for folder in side_called(store, run).runs]
    release = freeze(store, name, chosen or finished_runs(store, analyses, nights), author, comment)
    click.echo(f"{release.uri}: {len(release.runs)} runs, frozen")


@releases.command("ls")
@_store
def list_releases(root: str) -> None:
    """List the releases, the current one marked, with what people decided."""
    store = ProductStore(root)
    current, decided = current_release(store), decisions(store)
    table = Table("release", "created", "runs", "author", "comment", "decision")
    for one in all_releases(store):
        last = next((decision for decision in reversed(decided) if decision.release == one.name), None)
        words = f"{last.verdict} by {last.author}, {last.time}: {last.comment}" if last else ""
        is_current = current is not None and current.name == one.name
        about = [str(one.document[key]) for key in ("author", "comment")]
        table.add_row(
            f"{one.name}{' (current)' if is_current else ''}",
            one.document["created"],
            str(len(one.runs)),
            *about,
            words,
        )
    Console(soft_wrap=True, highlight=False, markup=False).print(table)


@releases.command()
@click.argument("name")
@_store
def show(name: str, root: str) -> None:
    """Say what the release NAME holds."""
    release = release_called(ProductStore(root), name)
    about = release.document
    click.echo(f"{name}, frozen {about['created']} by {about['author']}: {about['comment']}")
    for run in about["runs"]:
        click.echo(f"{run['run']}: {run['verdict']}")
        for product in run["products"]:
            click.echo(f"  {product['name']}: {product['path']}")


def _decided(name: str, root: str, verdict: str, author: str, comment: str) -> None:
    decision, uri = decide(ProductStore(root), name, verdict, author, comment)
    click.echo(f"{name} {decision.verdict} by {decision.author}: {uri}")


@releases.command()
@click.argument("name")
@_store
@_signed
def promote(name: str, root: str, author: str, comment: str) -> None:
    """Let NAME be the current release."""
    _decided(name, root, PROMOTED, author, comment)


@releases.command()
@click.argument("name")
@_store
@_signed
def reject(name: str, root: str, author: str, comment: str) -> None:
    """Write down that NAME is not to be used; it stays frozen."""
    _decided(name, root, REJECTED, author, comment)
