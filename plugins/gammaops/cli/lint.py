"""``gammaops lint``."""

from __future__ import annotations

from pathlib import Path

import click

from gammaops.config import load_config
from gammaops.errors import ConfigError, Problem
from gammaops.plan import make_plan
from gammaops.runner.files_check import file_problems
from gammaops.runner.models_check import model_problems

__all__ = ["lint"]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_context
def lint(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """Check configs and print every problem as FILE:LINE:COLUMN: KEY: PROBLEM. Exits 1 if there is any.

    Files that configs name are looked into as well: models for the sources that steps ask for, people's decisions.
    """
    problems: list[Problem] = []
    for path in files:
        try:
            config = load_config(path)
            plan = make_plan(config)
            problems += file_problems(config, plan)
            problems += model_problems(config, plan)
        except ConfigError as error:
            problems += error.problems
        except OSError as error:
            problems.append(Problem(str(path), 0, 0, "", f"cannot be read: {error.strerror}", "a readable file"))
    for problem in problems:
        click.echo(str(problem))
    if problems:
        ctx.exit(1)
    click.echo(f"{len(files)} config{'s' if len(files) > 1 else ''} checked, no problem")
