"""Airflow's pools that a step may name: ``include/pools.json``, in the format of ``airflow pools import``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gammaops.config.places import pools_file
from gammaops.errors import ConfigError, Problem
from gammaops.schema import Finding
from gammaops.schema.relations import near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.config.analysis import AnalysisConfig
    from gammaops.steps.base import StepSpec

__all__ = ["RUNNING", "check_pools", "known_pools", "running_findings"]

# Keys of a step that say how Airflow runs its tasks.
RUNNING = ("pool", "max_active_tasks", "queue")
# Airflow has made this one itself.
DEFAULT_POOL = "default_pool"


def known_pools() -> list[str]:
    """Names of the project's pools.

    Raises
    ------
    ConfigError
        If their file is not what Airflow imports.
    """
    path = pools_file()
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        listed = {}
    except ValueError as error:
        raise ConfigError(
            [Problem(str(path), 0, 0, "", f"not JSON: {error}", "what `airflow pools import` reads")]
        ) from error
    return sorted({DEFAULT_POOL, *listed})


def running_findings(step: Mapping[str, Any], spec: StepSpec) -> list[Finding]:
    """What is wrong with how a step of this type is to be run."""
    if step.get("max_active_tasks") is None or spec.fan_out is not None:
        return []
    return [
        Finding(("max_active_tasks",), f"a step {spec.tag} is a single task", "a step that fans out, or no such key")
    ]


def check_pools(config: AnalysisConfig) -> None:
    """Refuse pools that the project does not have.

    Airflow would never start a task of such a pool, and say so in the scheduler's log alone. Of a run's frozen config
    this is not asked: it must be read as long as its products are.

    Raises
    ------
    ConfigError
        With every step that names one.
    """
    problems = []
    for index, step in enumerate(config.steps):
        pool = step.running.get("pool")
        if pool is None or pool in (known := known_pools()):
            continue
        line, column = config.position("steps", index, "pool")
        expected = f"one of: {', '.join(known)}; or an entry in include/{pools_file().name}, imported into Airflow"
        message = f"{pool!r} is not a pool of this project"
        problems.append(
            Problem(config.source, line, column, f"steps[{index}].pool", message, expected, near(pool, known))
        )
    if problems:
        raise ConfigError(problems)
