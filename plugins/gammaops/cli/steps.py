"""``gammaops steps``."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from gammaops.steps import step_specs
from gammaops.steps.base import StepSpec

__all__ = ["steps"]


@click.command()
def steps() -> None:
    """List the step types: what they read and make."""
    table = Table("tag", "reads", "makes", "fans out over", "what it does")
    for tag, spec in sorted(step_specs().items()):
        table.add_row(
            tag, _reads(spec), ", ".join(spec.produces) or "-", spec.fan_out.over if spec.fan_out else "-", spec.doc
        )
    Console().print(table)


def _reads(spec: StepSpec) -> str:
    return ", ".join("/".join(port.kinds) for port in spec.consumes.values()) or "-"
