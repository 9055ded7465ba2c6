"""``gammaops toys``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from gammaops.api import run as run_analysis
from gammaops.config import load_config, parse_config, store_root
from gammaops.errors import ConfigError, Problem, RunFailed
from gammaops.plan import make_plan
from gammaops.products import ProductStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.config import AnalysisConfig
    from gammaops.plan import Plan, PlannedStep

__all__ = ["toys", "with_toys"]

TOYS, FIT = "toys", "fit"


@click.command()
@click.argument("filename", metavar="CONFIG", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--number", type=click.IntRange(min=2), help="How many toys. [default: toys.number of the config, 100]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the random numbers. [default: toys.seed, 0]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Root of the product store. [default: general.outdir, else GAMMAOPS_STORE]",
)
@click.option("--night", "nights", multiple=True, help="Take this night (date of the evening). May be repeated.")
@click.option("--obs-id", "obs_ids", multiple=True, type=int, help="Take this observation. May be repeated.")
@click.option("--label", default="toys", show_default=True, help="Name of the run.")
def toys(
    filename: Path,
    number: int | None,
    seed: int | None,
    out: Path | None,
    nights: tuple[str, ...],
    obs_ids: tuple[int, ...],
    label: str,
) -> None:
    """Draw data from the fitted models of CONFIG, fit them in the same way, and tell bias, coverage and goodness.

    What the fits need is run first; what exists is reused, toys too: a larger number continues where a smaller one
    ended. Exits 2 if the run is red.
    """
    config = with_toys(load_config(filename))
    root = out or config.document["general"].get("outdir") or store_root()
    block = {key: value for key, value in (("number", number), ("seed", seed)) if value is not None}
    names = [step.name for step in make_plan(config).steps if step.spec.tag == TOYS]
    result = run_analysis(
        config, root, nights=nights, obs_ids=obs_ids, steps=names, label=label,
        overrides={TOYS: block} if block else None,
    )  # fmt: skip
    console = Console(soft_wrap=True, highlight=False)
    store = ProductStore(root)
    for name in names:
        if name in result.products:
            console.print(_table(name, store.open(result.products[name]).metrics))
    console.print(result.verdict.line, style="green" if result.verdict.ok else "bold red", markup=False)
    console.print(f"  report: {result.report}", markup=False)
    if not result.verdict.ok:
        raise RunFailed(result.verdict.line)


def with_toys(config: AnalysisConfig) -> AnalysisConfig:
    """The analysis with toys of each fit that has none.

    Raises
    ------
    ConfigError
        If it has no fit.
    """
    plan = make_plan(config)
    fits = [step for step in plan.steps if step.spec.tag == FIT]
    if not fits:
        problem = Problem(config.source, 0, 0, "steps", "there is no fit to make toys of", "a step with tag fit")
        raise ConfigError([problem])
    examined = {source.step for step in plan.steps if step.spec.tag == TOYS for source in step.inputs[FIT]}
    new = [_step(plan, fit) for fit in fits if fit.name not in examined]
    document = {**config.document, "steps": [*config.document["steps"], *new]}
    return parse_config(replace(config, document=document).to_yaml(), name=config.name, source=config.source)


def _step(plan: Plan, fit: PlannedStep) -> dict[str, Any]:
    """A step that makes toys of this fit from the datasets that it reads."""
    inputs = [plan[source.step].products[source.output] for source in fit.inputs["datasets"]]
    made = fit.products[FIT]
    return {
        "name": f"toys of {fit.name}",
        "tag": TOYS,
        "required_products": [*inputs, made],
        "products": [f"{made}_toys"],
    }


def _table(name: str, metrics: Mapping[str, Any]) -> Table:
    chance = "–" if metrics["p_value"] is None else f"{metrics['p_value']:.2g}"
    about = f"{metrics['toys']} toys, {metrics['failed']} failed, goodness of fit p = {chance}"
    table = Table("parameter", "bias [error]", "width of pulls", "coverage of 68 % [%]", title=f"{name}: {about}")
    for parameter, one in metrics["parameters"].items():
        bias = f"{one['bias']:+.2f} ± {one['bias_err']:.2f}"
        coverage = f"{one['coverage_percent']:.0f} ± {one['coverage_percent_err']:.0f}"
        table.add_row(parameter, bias, f"{one['pull_width']:.2f}", coverage)
    return table
