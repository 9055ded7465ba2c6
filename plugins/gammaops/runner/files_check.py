"""What can be said about the files that a config or the parameters of a run name, before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gammaops.config import is_allowed, is_elsewhere, resolve_data_path
from gammaops.errors import ConfigError, Problem
from gammaops.runner.named_files import MODELS_KEY, named_by
from gammaops.runner.science import check_exclusion, read_obs_ids, read_overrides
from gammaops.schema import value_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gammaops.config import AnalysisConfig
    from gammaops.plan import Plan, PlannedStep

__all__ = ["file_problems", "parameter_file_problems"]

OVERRIDES_KEY = "observations.quality.overrides"
EXCLUSION_KEY = "datasets.background.exclusion"
LIST_KEY = "observations.obs_file"
# What reads a file as its step will.
_READERS: dict[str, Callable[[Path], object]] = {
    MODELS_KEY: named_by,
    OVERRIDES_KEY: read_overrides,
    EXCLUSION_KEY: lambda path: check_exclusion(EXCLUSION_KEY, str(path)),
    LIST_KEY: lambda path: read_obs_ids(path, LIST_KEY),
}


def parameter_file_problems(config: AnalysisConfig, plan: Plan) -> list[Problem]:
    """Files and folders that parameters of the run name, and that are not there or must not be read.

    Those of the config itself are left to the step that needs them, because they may still be on their way.
    """
    problems: list[Problem] = []
    for step, key, text in _values(config, plan):
        if not isinstance(text, str) or config.origin(config.step(step.name), key) != "params":
            continue
        try:
            resolve_data_path(config.archive_path(text), key)
        except ConfigError as error:
            problems += [replace(problem, source="params") for problem in error.problems]
    return list(dict.fromkeys(problems))


def file_problems(config: AnalysisConfig, plan: Plan) -> list[Problem]:
    """Files that a config names, and that are absent, outside the allowed folders or unreadable; for whoever writes it.

    Nothing is said of what begins in a data folder that is not named here; of folders of data, which may still be on
    their way, only that they are outside.
    """
    problems: list[Problem] = []
    for step, key, value in _values(config, plan):
        try:
            if isinstance(value, str):
                _look(step, key, config.archive_path(value))
            elif key == EXCLUSION_KEY:
                check_exclusion(key, value)
        except ConfigError as error:
            problems += [_placed(one, config, step, key) for one in error.problems]
        except OSError as error:
            problems.append(Problem(config.source, *config.place(config.step(step.name), key), key, str(error)))
    return list(dict.fromkeys(problems))


def _placed(problem: Problem, config: AnalysisConfig, step: PlannedStep, key: str) -> Problem:
    """A problem of the config at its place in there; those of other files have theirs already."""
    if problem.source != "config":
        return problem
    line, column = config.place(config.step(step.name), key)
    return replace(problem, source=config.source, line=line, column=column)


def _look(step: PlannedStep, key: str, text: str) -> None:
    if is_elsewhere(text, key):
        return
    if key in step.spec.files or key in _READERS:
        path = resolve_data_path(text, key)
        if key in _READERS:
            _READERS[key](path)
    elif Path(text).is_absolute() and not is_allowed(Path(text)):
        resolve_data_path(text, key)


def _values(config: AnalysisConfig, plan: Plan) -> Iterator[tuple[PlannedStep, str, Any]]:
    """What each key of a step's config holds that may be a path: a path, a list of regions instead, or nothing."""
    for step in plan.steps:
        blocks = config.blocks(config.step(step.name))
        for key in (*step.spec.files, *step.spec.folders):
            yield step, key, value_at(blocks, key)
