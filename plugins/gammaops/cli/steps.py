"""``gammaops steps``."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from gammaops.cli.stores import print_rows
from gammaops.steps import step_specs
from gammaops.steps.base import StepSpec

__all__ = ["steps"]


@click.command()
def steps() -> None:
    """List the step types: what they read and make."""
    header = ("tag", "reads", "makes", "fans out over", "what it does")
    rows = [_row(tag, spec) for tag, spec in sorted(step_specs().items())]
    console = Console()
    if not console.is_terminal:
        # Nothing is cut for whoever searches in it.
        print_rows([header, *rows])
        return
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _row(tag: str, spec: StepSpec) -> tuple[str, ...]:
    over = spec.fan_out.over if spec.fan_out else "-"
    return tag, _reads(spec), ", ".join(spec.produces) or "-", over, spec.doc


def _reads(spec: StepSpec) -> str:
    return ", ".join("/".join(port.kinds) for port in spec.consumes.values()) or "-"
