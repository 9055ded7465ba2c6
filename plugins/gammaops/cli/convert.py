"""``gammaops convert``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from gammaops.cli.lint import problems_of
from gammaops.config import load_config, parse_config
from gammaops.conversion import convert as converted

__all__ = ["convert"]


@click.command()
@click.argument("filename", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--models", default="", help="Models for fit, flux points and light curve: a file in include/models/.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it here, such as include/configs/crab.yaml."
)
@click.pass_context
def convert(ctx: click.Context, filename: Path, models: str, out: Path | None) -> None:
    """Make a config of ours from FILENAME, the YAML of gammapy's AnalysisConfig or WorkflowConfig.

    What could not be carried over, and what was added, is told on standard error and on top of the result. Exits 1 if
    the result still has problems, those in files that it names included: what `gammaops lint` will say of it.
    """
    result = converted(filename.read_text(encoding="utf-8-sig"), filename.name, models_file=models)
    if out is None:
        click.echo(result.text, nl=False)
    elif out.exists():
        raise click.ClickException(f"{out} exists; name another file, or remove it")
    else:
        out.write_text(result.text, encoding="utf-8")
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    # Those of a file are told with its lines, as `lint` will.
    read = partial(parse_config, result.text, "converted", filename.name) if out is None else partial(load_config, out)
    problems = problems_of(read, str(out or filename.name))
    for problem in problems:
        click.echo(f"to be mended: {problem}", err=True)
    if problems:
        ctx.exit(1)
