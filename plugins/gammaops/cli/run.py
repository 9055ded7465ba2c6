"""``gammaops run``."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gammaops.api import run as run_analysis
from gammaops.cli.logs import log_as_configured
from gammaops.cli.scope import scoped
from gammaops.config import load_config, store_root
from gammaops.errors import RunFailed
from gammaops.plan import make_plan
from gammaops.steps.base import REUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["run"]


@click.command()
@click.option(
    "--filename", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The analysis YAML."
)
@click.option(
    "--out",
    help="Root of the product store, such as out or s3://bucket/out. [default: general.outdir, else GAMMAOPS_STORE]",
)
@scoped
@click.option(
    "--reuse", type=click.Choice(REUSE), default="use", show_default=True, help="What to do with products that exist."
)
@click.option("--label", help="Name of the run. [default: local, with the night or what else was chosen]")
def run(
    filename: Path,
    out: str | None,
    steps: tuple[str, ...],
    nights: tuple[str, ...],
    obs_ids: tuple[int, ...],
    start: str,
    stop: str,
    reuse: str,
    label: str | None,
) -> None:
    """Run an analysis here, without Airflow; the same products as there. Exits 2 if the run is red."""
    config = load_config(filename)
    names = [step.name for step in make_plan(config).steps]
    unknown = sorted(set(steps) - set(names))
    if unknown:
        raise click.BadParameter(f"no step {', '.join(unknown)}; there are: {', '.join(names)}", param_hint="--step")
    root = out or config.document["general"].get("outdir") or store_root()
    log_as_configured(config, root)
    with _bars() as progress:
        result = run_analysis(
            config, root, nights=nights, obs_ids=obs_ids, start=start, stop=stop, steps=steps, reuse=reuse, label=label,
            progress=progress,
        )  # fmt: skip
    console = Console(soft_wrap=True, highlight=False)
    console.print(result.verdict.line, style="green" if result.verdict.ok else "bold red", markup=False)
    for name, path in result.products.items():
        console.print(f"  {name}: {path}", markup=False)
    for name, reason in result.without.items():
        console.print(f"  {name}: nothing made: {reason}", style="yellow", markup=False)
    console.print(f"  report: {result.report}", markup=False)
    if not result.verdict.ok:
        raise RunFailed(result.verdict.line)


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar per step, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total)
            progress.update(tasks[step], completed=done, total=total)

        yield tell
