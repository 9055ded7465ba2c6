"""The configs that become DAGs."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gammaops.config import load_config, project_root
from gammaops.config.parse import NAME, NAME_HELP
from gammaops.errors import ConfigError, Problem
from gammaops.orchestration.factory import build_dag, build_tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

__all__ = ["config_files", "config_folder", "dag_of", "raise_config_errors"]

log = logging.getLogger(__name__)


def config_folder() -> Path:
    """Where configs are: ``GAMMAOPS_CONFIGS``, or ``include/configs`` of the project."""
    return Path(os.environ.get("GAMMAOPS_CONFIGS") or project_root() / "include" / "configs")


def config_files() -> list[Path]:
    """Files that become DAGs, in order of their names."""
    return [path for path in sorted(config_folder().glob("*.yaml")) if NAME.fullmatch(path.stem)]


def dag_of(path: Path) -> DAG:
    """The DAG of a config; if it is broken, the DAG that says so.

    Whatever goes wrong with one file stays with it: an exception in a DAG file takes all its DAGs out of service.
    """
    try:
        return build_dag(load_config(path))
    except ConfigError as error:
        return build_tombstone(path.stem, error)
    except Exception as error:
        log.exception("cannot make a DAG of %s", path)
        return build_tombstone(path.stem, ConfigError([_defect(path, error)]))


def raise_config_errors() -> None:
    """Check all configs.

    Raises
    ------
    ConfigError
        With the problems of all of them, if there are any.
    """
    problems = list(_misnamed())
    for path in config_files():
        try:
            build_dag(load_config(path))
        except ConfigError as error:
            problems.extend(error.problems)
        except Exception as error:  # noqa: BLE001 - the other files are to be checked all the same
            problems.append(_defect(path, error))
    if problems:
        raise ConfigError(problems)


def _defect(path: Path, error: Exception) -> Problem:
    """An error that the checks should have found."""
    message = f"no DAG can be made of it: {type(error).__name__}: {error}"
    return Problem(str(path), 0, 0, "", message, "a config, or a report of this as a defect of gammaops")


def _misnamed() -> Iterator[Problem]:
    """Files that look like configs and cannot become a DAG."""
    for path in sorted(config_folder().glob("*.y*ml")):
        if path.suffix != ".yaml" or not NAME.fullmatch(path.stem):
            yield Problem(str(path), 0, 0, "", "its name cannot be that of a DAG, so it is ignored", NAME_HELP)
