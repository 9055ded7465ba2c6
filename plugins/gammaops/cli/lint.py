"""``gammaops lint``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gammaops.config import load_config
from gammaops.errors import ConfigError, Problem
from gammaops.plan import make_plan
from gammaops.runner.files_check import file_problems
from gammaops.runner.models_check import model_problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from gammaops.config import AnalysisConfig

__all__ = ["lint", "problems_of"]


def problems_of(read: Callable[[], AnalysisConfig], source: str) -> list[Problem]:
    """All that is wrong with the config that `read` gives: its values, its wiring, and the files that it names."""
    try:
        config = read()
        plan = make_plan(config)
        return [*file_problems(config, plan), *model_problems(config, plan)]
    except ConfigError as error:
        return list(error.problems)
    except OSError as error:
        return [Problem(source, 0, 0, "", f"cannot be read: {error.strerror}", "a readable file")]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_context
def lint(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """Check configs and print every problem as FILE:LINE:COLUMN: KEY: PROBLEM. Exits 1 if there is any.

    Files that configs name are looked into as well: models for the sources that steps ask for, people's decisions.
    """
    problems = [problem for path in files for problem in problems_of(partial(load_config, path), str(path))]
    for problem in problems:
        click.echo(str(problem))
    if problems:
        ctx.exit(1)
    click.echo(f"{len(files)} config{'s' if len(files) > 1 else ''} checked, no problem")
