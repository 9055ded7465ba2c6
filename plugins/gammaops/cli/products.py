"""``gammaops products``: what is in a store, and the care of it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.tree import Tree

from gammaops.care.ages import seconds_of, size_in_words
from gammaops.care.checking import Trouble, choose, lonely_payloads, lost_products, troubles_of
from gammaops.care.describing import ancestry_tree, in_words, listed
from gammaops.care.garbage import delete, find_garbage
from gammaops.care.naming import product_name, store_of
from gammaops.care.prov import prov_json
from gammaops.care.runs_kept import Rules
from gammaops.cli.stores import existing_store, print_rows, wide_console
from gammaops.config import store_root
from gammaops.errors import ProductMissing, RunFailed
from gammaops.lineage import Lineage
from gammaops.products import ProductStore, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable

    from gammaops.care.describing import Branch

__all__ = ["products"]

SAMPLE = "Hash so many products only, chosen at random; lists of files and all records are read in any case."


class Age(click.ParamType[float]):
    """An age such as ``90d``, in seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        try:
            return seconds_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _grace(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "What is younger than this is left alone: somebody may be at work on it."
    return click.option("--grace", type=Age(), default="1d", show_default=True, help=text)(command)


@click.group()
def products() -> None:
    """List, show, verify, export and collect what is in a product store."""


@products.command("ls")
@existing_store
@click.option("--kind", default="", help="Only products of this kind.")
@click.option("--analysis", default="", help="Only products first made by this analysis.")
@click.option("--status", type=click.Choice(["ok", "quarantined", "no_work"]), help="Only those with this status.")
def list_products(root: str, kind: str, analysis: str, status: str | None) -> None:
    """List products, one a line: kind, status, size, step, row, path."""
    store = ProductStore(root)
    kinds = sorted({name.split("/")[1] for name in store.sidecars()}) if kind else []
    if kind not in ("", *kinds):
        raise click.BadParameter(f"no product of kind {kind!r}; there are: {', '.join(kinds)}", param_hint="--kind")
    found = list(listed(store, kind, analysis, status or ""))
    made_by = [f"{one.analysis}/{one.step}".strip("/") for one in found]
    rows = zip(found, made_by, strict=True)
    print_rows([(one.kind, one.status, size_in_words(one.size), by, one.label, one.name) for one, by in rows])
    wide_console().print(f"{len(found)} products, {size_in_words(sum(one.size for one in found))}")


@products.command()
@click.argument("product")
@click.option("--store", "root", help="Root of the product store. [default: that of the product, else GAMMAOPS_STORE]")
@click.option("--lineage", "tree", is_flag=True, help="Show the tree of all that it was made from.")
def show(product: str, root: str | None, tree: bool) -> None:
    """Say what PRODUCT is, what it was made from, with what and at what cost; or show its ancestry."""
    lineage, name = _product(product, root)
    if tree:
        branch = ancestry_tree(lineage, name)
        wide_console(_width(branch)).print(_drawn(branch))
        return
    print_rows(in_words(lineage.origin(name)))


@products.command()
@click.argument("product")
@click.option("--store", "root", help="Root of the product store. [default: that of the product, else GAMMAOPS_STORE]")
@click.option("--prov", is_flag=True, help="As W3C PROV (PROV-JSON): the whole ancestry of the product.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write. [default: standard output]"
)
def export(product: str, root: str | None, prov: bool, out: Path | None) -> None:
    """Write what is known of PRODUCT in a form that other programs read."""
    if not prov:
        raise click.UsageError("say in which form: --prov")
    text = prov_json(*_product(product, root))
    if out:
        out.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


@products.command()
@existing_store
@_grace
@click.option("--sample", type=click.IntRange(min=1), help=SAMPLE)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random choice.")
@click.option("--set-aside", "aside", is_flag=True, help="Move what is damaged to damaged/, to be made again.")
def verify(root: str, grace: float, sample: int | None, seed: int, aside: bool) -> None:
    """Hash every payload and compare it with its sidecar; look for absent members and lonely payloads.

    And for products that a run or a release names and that have lost payload or sidecar. Exits 2 if anything is wrong;
    that bytes of an old run were made again otherwise, which nothing can mend, is remarked only.
    """
    store, console = ProductStore(root), wide_console()
    chosen = choose(store, sample, seed)
    lost = list(lost_products(store))
    known = {trouble.name for trouble in lost}
    damaged: list[Trouble] = []
    for trouble in (
        *(trouble for name in chosen for trouble in troubles_of(store, name)),
        *(trouble for trouble in lonely_payloads(store, time.time() - grace) if trouble.name not in known),
    ):
        damaged.append(trouble)
        console.print(f"{trouble.name}: {trouble.problem}", style="red")
        if aside:
            with suppress(FileNotFoundError):
                set_aside(store.files, trouble.name, store.files.read(trouble.name), trouble.problem)
    # What is left of a lost product stays in its place: it may be all that there is of it, and its run completes it.
    for trouble in lost:
        console.print(f"{trouble.name}: {trouble.problem}", style="yellow" if trouble.remark else "red")
    problems = len(damaged) + sum(not trouble.remark for trouble in lost)
    verdict = f"{len(chosen)} products looked at, {problems} problems"
    console.print(f"{verdict}{f', {len(damaged)} set aside' if damaged and aside else ''}")
    if problems:
        raise RunFailed(verdict)


@products.command()
@existing_store
@_grace
@click.option("--keep-runs", type=click.IntRange(min=0), help="Collect all but so many newest versions of each run.")
@click.option("--older-than", type=Age(), help="Collect only what is older, such as 90d.")
@click.option("--delete", "act", is_flag=True, help="Delete; without it, only say what would be deleted.")
def gc(root: str, grace: float, keep_runs: int | None, older_than: float | None, act: bool) -> None:
    """Say what nothing needs any more, and with --delete delete exactly that.

    Without a rule (--keep-runs, --older-than) run folders stay, and so does all that they have made or need. What a
    release names stays in any case.
    """
    store, console = ProductStore(root), wide_console()
    garbage = find_garbage(store, Rules(keep_runs, older_than, grace), time.time())
    for name in garbage.names:
        console.print(name)
    if act:
        delete(store, garbage)
    done = "freed" if act else "would be freed; dry run, --delete deletes exactly these"
    for note in garbage.notes:
        console.print(note, style="yellow")
    console.print(f"{len(garbage.names)} files, {size_in_words(garbage.size)} {done}")


def _product(text: str, root: str | None) -> tuple[Lineage, str]:
    store = ProductStore(root) if root else store_of(text, store_root())
    lineage, name = Lineage(store), product_name(store, text)
    origin = lineage.origin(name)
    if not origin.sidecar:
        raise ProductMissing(origin.problem)
    return lineage, origin.name


def _width(branch: Branch) -> int:
    """Characters of the longest line of a tree."""
    return max([len(branch.words) + 1, *(4 + _width(below) for below in branch.branches)])


def _drawn(branch: Branch, tree: Tree | None = None) -> Tree:
    grown = Tree(branch.words) if tree is None else tree.add(branch.words)
    for below in branch.branches:
        _drawn(below, grown)
    return grown
