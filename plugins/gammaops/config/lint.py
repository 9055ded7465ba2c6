"""Checking many configs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammaops.config.parse import load_config
from gammaops.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gammaops.errors import Problem

__all__ = ["lint"]


def lint(paths: Iterable[Path | str]) -> list[Problem]:
    """Everything that is wrong with these configs, file by file; the wiring of their steps is the plan's matter."""
    problems: list[Problem] = []
    for path in paths:
        try:
            load_config(path)
        except ConfigError as error:
            problems.extend(error.problems)
    return problems
