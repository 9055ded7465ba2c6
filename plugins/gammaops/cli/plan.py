"""``gammaops plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from gammaops.config import load_config
from gammaops.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.config import AnalysisConfig, StepConfig
    from gammaops.plan import Plan, PlannedStep

__all__ = ["plan"]


@click.command()
@click.option(
    "--filename", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The analysis YAML."
)
@click.option("--values", is_flag=True, help="Also list every value of each step, and where it comes from.")
def plan(filename: Path, values: bool) -> None:
    """Show the steps of an analysis, what each reads and makes, and on request where each value comes from."""
    config = load_config(filename)
    planned = make_plan(config)
    console = Console(soft_wrap=True)
    by_name = {step.name: step for step in config.steps}
    console.print(_steps_table(planned))
    for step in planned.steps:
        size = step.spec.size(config.blocks(by_name[step.name])) if step.spec.size else ""
        if size:
            console.print(f"{step.name}: each dataset has {size}", markup=False, highlight=False)
    if values:
        for step in planned.steps:
            console.print(_values_table(config, by_name[step.name], step))


def _steps_table(planned: Plan) -> Table:
    table = Table("step", "tag", "reads", "makes", "tasks", title=planned.analysis)
    for step in planned.steps:
        sources = [source for role in step.inputs.values() for source in role]
        names = [planned[source.step].products[source.output] for source in sources]
        reads = ", ".join([*names, *(path for paths in step.external.values() for path in paths)])
        tasks = f"one per {step.spec.fan_out.over}" if step.spec.fan_out and step.parallel else "one"
        table.add_row(step.name, step.spec.tag, reads or "-", ", ".join(step.products.values()), tasks)
    return table


def _values_table(config: AnalysisConfig, given: StepConfig, step: PlannedStep) -> Table:
    table = Table("key", "value", "from", title=step.name)
    blocks = config.blocks(given)
    for block in sorted({*step.spec.reads, *step.spec.schema}):
        for key, value in _leaves(block, blocks.get(block)):
            table.add_row(key, str(value), config.origin(given, key))
    return table


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Dotted keys of a nested mapping, with the values that are given."""
    if isinstance(value, dict):
        mapping: Mapping[str, Any] = value
        for name, inner in mapping.items():
            yield from _leaves(f"{key}.{name}", inner)
    elif value is not None:
        yield key, value
