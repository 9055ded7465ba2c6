"""The group of commands; exit codes: 0 good, 1 bad input, 2 the run is red, 3 flagged by diff, 70 internal error."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from gammaops.errors import ConfigError, GammaopsError, RunFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

# Sums of several threads come out in another order; numpy reads these when it is first imported, which comes later.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# What cannot be meant, a red run or a damaged product, what `diff` has flagged, a bug (as sysexits.h has it), Ctrl-C.
BAD_INPUT, RED, FLAGGED, INTERNAL, STOPPED = 1, 2, 3, 70, 130
COMMANDS = {
    "convert": "Make a config of ours from one of gammapy's.",
    "diff": "Compare runs or releases: counts, exposure, parameters in sigma.",
    "lint": "Check configs; print every problem.",
    "plan": "Show what would run, and where each value comes from.",
    "products": "List, show, verify and collect what is in the store.",
    "quarantine": "List observations that are set aside, and what to do.",
    "releases": "Freeze, promote and list releases.",
    "report": "Tell what a run has made and left out.",
    "reproduce": "Make products again and compare them byte for byte.",
    "run": "Run an analysis here, without Airflow.",
    "simulate": "Write a simulated DL3 archive with known truth.",
    "status": "Show what became of the newest runs.",
    "steps": "List the step types.",
    "toys": "Measure bias, coverage and goodness of an analysis' fits.",
}


class LazyGroup(click.Group):
    """Imports a command's module only when it is called, so that ``lint`` never waits for gammapy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"gammaops.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
@click.version_option(package_name="gammaops")
def gammaops(verbose: bool) -> None:
    """Process gamma-ray observations.

    Exit codes: 0 good, 1 bad input, 2 the run is red, 3 flagged by diff, 70 internal error.
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    try:
        code = gammaops.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except click.Abort:
        click.echo("stopped; what was published stays, and a rerun goes on from there", err=True)
        return STOPPED
    except RunFailed:
        return RED
    except (ConfigError, GammaopsError) as error:
        click.echo(str(error), err=True)
        return BAD_INPUT
    except OSError as error:
        click.echo(f"cannot read or write: {error}", err=True)
        return BAD_INPUT
    except Exception:
        logging.getLogger(__name__).exception("internal error; please report it with this traceback")
        return INTERNAL
    return code if isinstance(code, int) else 0
