"""What can be said about an analysis' models before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammaops.config import resolve_data_path
from gammaops.errors import ConfigError, Problem
from gammaops.runner.named_files import MODELS_KEY, components_of
from gammaops.schema.relations import near, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.config import AnalysisConfig
    from gammaops.plan import Plan, PlannedStep

__all__ = ["model_problems"]

SOURCE = "source"
SKY_MODEL = ("SkyModel", "sky-model")


def model_problems(config: AnalysisConfig, plan: Plan) -> list[Problem]:
    """Models files without models, and steps that ask for a source that the models do not have.

    A file that is not there is left to the step that needs it.
    """
    names = {step.name: found for step in plan.steps if (found := _sources(config, step)) is not None}
    problems = [
        _problem(
            config, plan[name], MODELS_KEY, f"the models file of {name!r} is empty", "components: with a SkyModel"
        )
        for name, sources in names.items()
        if not sources
    ]  # fmt: skip
    for step in plan.steps:
        fits = [source.step for sources in step.inputs.values() for source in sources if source.step in names]
        known = [name for fit in fits for name in names[fit]]
        problems += [
            _problem(
                config, step, f"{block}.{SOURCE}", f"the fit has no source {wanted!r}", f"one of: {', '.join(known)}",
                near(wanted, known),
            )
            for block, wanted in _wanted(config, step)
            if known and wanted not in known
        ]  # fmt: skip
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
    config: AnalysisConfig, step: PlannedStep, key: str, message: str, expected: str, suggestion: str = ""
) -> Problem:
    line, column = config.place(config.step(step.name), key)
    return Problem(config.source, line, column, key, message, expected, suggestion)
