"""``gammaops report``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from gammaops.cli.stores import existing_store, wide_console
from gammaops.errors import ProductMissing
from gammaops.products import ProductStore
from gammaops.releases.choosing import choose_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["report"]

USED = ("done", "reused")


@click.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the run's record as JSON, and nothing else.")
@existing_store
def report(run: str, as_json: bool, root: str) -> None:
    """Tell what RUN has made, what it left out and why, and where its page is.

    RUN is an analysis (crab: each of its runs), a run of it (crab/<run id>) or a version of that (crab/<run id>/v002).
    """
    folders = choose_runs(ProductStore(root), [run]).folders
    records = {folder: folder.read_json("run.json") for folder in folders if folder.ended}
    if not records:
        troubles = "; ".join(f"{folder.relative} {folder.trouble}" for folder in folders)
        raise ProductMissing(f"no run that {run!r} names has ended: {troubles}")
    if as_json:
        click.echo(json.dumps(list(records.values()), indent=1, ensure_ascii=False))
        return
    console = wide_console()
    for folder, record in records.items():
        console.print(record["verdict"]["line"], style="green" if record["verdict"]["ok"] else "bold red")
        for line in (*_steps(record), *_left_out(record)):
            console.print(f"  {line}")
        if folder.has("report.html"):
            console.print(f"  page: {folder.uri_of('report.html')}")


def _steps(record: Mapping[str, Any]) -> Iterator[str]:
    for step in record["steps"]:
        yield ": ".join(filter(None, (f"{step['name']}: {step['status']}", step["reason"])))
        for product in step["products"]:
            yield f"  {product['name']}: {product['path']}"


def _left_out(record: Mapping[str, Any]) -> Iterator[str]:
    for row in record["ledger"]:
        if row["state"] not in USED:
            yield f"observation {row['obs_id']} {row['state']} ({row['reason_class']}): {row['reason']}"
