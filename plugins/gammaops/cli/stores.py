"""The option that names a product store, and how commands write to the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from gammaops.config import store_root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["existing_store", "print_rows", "wide_console"]


def existing_store(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option ``--store``, a store that is there."""
    text = "Root of the product store. [default: GAMMAOPS_STORE]"
    return click.option("--store", "root", default=store_root, callback=_existing, help=text)(command)


def _existing(context: click.Context, param: click.Parameter, root: str) -> str:  # noqa: ARG001 - click gives them
    """Refuse a folder that is not there: a slip of the finger is no empty store without a problem."""
    if "://" not in root and not Path(root).is_dir():
        raise click.BadParameter(f"there is no store at {root}")
    return root


def wide_console(width: int | None = None) -> Console:
    """A console that cuts and wraps no line, because paths are there to be copied."""
    return Console(soft_wrap=True, highlight=False, markup=False, width=width)


def print_rows(rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    console = wide_console()
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        console.print("  ".join(cells).rstrip())
