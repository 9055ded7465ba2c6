"""``gammaops plan``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from gammaops.cli.scope import scoped
from gammaops.config import load_config
from gammaops.plan import make_plan
from gammaops.products.sheet import untouched
from gammaops.runner import forecast, manual_scope
from gammaops.runner.dry import in_sum
from gammaops.runner.forecast import FAILS, RUNS, WAITS
from gammaops.steps.base import REUSE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.config import AnalysisConfig, StepConfig
    from gammaops.plan import Plan, PlannedStep
    from gammaops.runner import StepForecast

__all__ = ["plan"]

_SHOWN = 8


@click.command()
@click.option(
    "--filename", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The analysis YAML."
)
@click.option("--values", is_flag=True, help="Also list every value of each step, and where it comes from.")
@click.option(
    "--out", help="Root of a product store: tell which tasks would run with it, why, and what they will take."
)
@scoped
@click.option("--reuse", type=click.Choice(REUSE[:2]), default="use", show_default=True, help="As in gammaops run.")
@click.option("--json", "as_json", is_flag=True, help="With --out: print every task as JSON, and nothing else.")
def plan(
    filename: Path, values: bool, out: str | None, steps: tuple[str, ...], reuse: str, as_json: bool, **scope: Any
) -> None:
    """Show the steps of an analysis, what each reads and makes, and on request where each value comes from.

    With --out also what a run would do with that store: nothing is computed or written. Exits 1 if a step is sure to
    fail.
    """
    if as_json and not out:
        raise click.UsageError("--json needs --out")
    config = load_config(filename)
    planned = make_plan(config)
    found = _forecast(config, out, scope, reuse=reuse, steps=steps) if out else []
    if as_json:
        click.echo(json.dumps([asdict(step) for step in found], indent=1, ensure_ascii=False))
    else:
        _print(config, planned, found, values=values)
    if any(task.state == FAILS for step in found for task in step.tasks):
        click.get_current_context().exit(1)


def _print(config: AnalysisConfig, planned: Plan, found: Sequence[StepForecast], *, values: bool) -> None:
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
    for line in _forecast_lines(found):
        console.print(line, markup=False, highlight=False)


def _forecast(config: AnalysisConfig, root: str, scope: Mapping[str, Any], **how: Any) -> list[StepForecast]:
    with untouched(root) as store:
        return forecast(config, store, manual_scope(config, **scope), **how)


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


def _forecast_lines(steps: Sequence[StepForecast]) -> Iterator[str]:
    """What each step would do, the reasons, and the sum."""
    if not steps:
        return
    for step in steps:
        states = [task.state for task in step.tasks]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        yield f"{step.step}: {counts}{_cost(step)}"
        yield from _reasons(step)
    yield in_sum(steps)


def _cost(step: StepForecast) -> str:
    if not step.to_do:
        return ""
    if step.expected is None:
        return " (nothing was made before to tell from what it takes)"
    one = step.expected
    words = f"{one.cpu_seconds:.0f} s of CPU, {one.megabytes:.1f} MB of disk, {one.peak_memory_mb:.0f} MB of memory"
    return f" (about {words}, as {one.earlier} before)"


def _reasons(step: StepForecast) -> Iterator[str]:
    """Tasks with the same reasons on one line."""
    same: dict[tuple[str, ...], list[str]] = {}
    for task in step.tasks:
        if task.state in (RUNS, WAITS, FAILS):
            same.setdefault(task.reasons, []).append(task.name)
    for reasons, names in same.items():
        named = [name for name in names if name]
        shown = ", ".join(named[:_SHOWN]) + (f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else "")
        yield f"  {shown}{': ' if shown else ''}{'; '.join(reasons)}"
