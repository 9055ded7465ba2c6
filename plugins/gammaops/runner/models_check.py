"""What can be said about an analysis' models, and files that parameters name, before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gammaops.config import resolve_data_path
from gammaops.errors import ConfigError, Problem
from gammaops.runner.named_files import MODELS_KEY, components_of
from gammaops.schema.relations import near, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.config import AnalysisConfig
    from gammaops.plan import Plan, PlannedStep

__all__ = ["model_problems", "parameter_file_problems"]

SOURCE = "source"
SKY_MODEL = ("SkyModel", "sky-model")


def model_problems(config: AnalysisConfig, plan: Plan) -> list[Problem]:
    """Models files without models, and steps that ask for a source that the models do not have.

    A file that is not there is left to the step that needs it.
    """
    names = {step.name: found for step in plan.steps if (found := _sources(config, step)) is not None}
    problems = [
        _problem(
            config, ("general", "models_file"), f"the models file of {step!r} is empty", "components: with a SkyModel"
        )
        for step, sources in names.items()
        if not sources
    ]
    for step in plan.steps:
        fits = [source.step for sources in step.inputs.values() for source in sources if source.step in names]
        known = [name for fit in fits for name in names[fit]]
        problems += [
            _problem(
                config, (block, SOURCE), f"the fit has no source {wanted!r}", f"one of: {', '.join(known)}",
                near(wanted, known),
            )
            for block, wanted in _wanted(config, step)
            if known and wanted not in known
        ]  # fmt: skip
    return list(dict.fromkeys(problems))


def parameter_file_problems(config: AnalysisConfig, plan: Plan) -> list[Problem]:
    """Files and folders that parameters of the run name, and that are not there or must not be read.

    Those of the config itself are left to the step that needs them, because they may still be on their way.
    """
    problems: list[Problem] = []
    for step in plan.steps:
        given = config.step(step.name)
        for key in (*step.spec.files, *step.spec.folders):
            text = value_at(config.blocks(given), key)
            if not isinstance(text, str) or config.origin(given, key) != "params":
                continue
            try:
                resolve_data_path(config.archive_path(text), key)
            except ConfigError as error:
                problems += [replace(problem, source="params") for problem in error.problems]
    return list(dict.fromkeys(problems))


def _sources(config: AnalysisConfig, step: PlannedStep) -> list[str] | None:
    """Names of the sky models of a step's models file, none if it is empty; None if there is nothing to say."""
    if MODELS_KEY not in step.spec.files:
        return None
    given = value_at(config.blocks(config.step(step.name)), MODELS_KEY)
    try:
        components = components_of(resolve_data_path(given, MODELS_KEY)) if given else None
    except (ConfigError, OSError):
        return None
    if not isinstance(components, list):
        return None
    found = [str(one.get("name")) for one in components if isinstance(one, dict) and one.get("type") in SKY_MODEL]
    return found if found or not components else None


def _wanted(config: AnalysisConfig, step: PlannedStep) -> Iterator[tuple[str, str]]:
    blocks = config.blocks(config.step(step.name))
    for name in step.spec.schema:
        source = blocks.get(name, {}).get(SOURCE)
        if isinstance(source, str):
            yield name, source


def _problem(
    config: AnalysisConfig, path: tuple[str, ...], message: str, expected: str, suggestion: str = ""
) -> Problem:
    line, column = config.position(*path)
    return Problem(config.source, line, column, ".".join(path), message, expected, suggestion)
