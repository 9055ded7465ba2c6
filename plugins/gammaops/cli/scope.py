"""The options with which a command says what a run takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["scoped"]

_OPTIONS = (
    click.option("--step", "steps", multiple=True, help="Run this step and what it needs. May be repeated."),
    click.option("--night", "nights", multiple=True, help="Take this night (date of the evening). May be repeated."),
    click.option("--obs-id", "obs_ids", multiple=True, type=int, help="Take this observation. May be repeated."),
    click.option("--start", default="", help="Take observations that start from this time on (ISO, UTC)."),
    click.option("--stop", default="", help="Take observations that start before this time (ISO, UTC)."),
)


def scoped(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
