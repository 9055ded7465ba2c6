"""What can be said about an analysis' models before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.config import resolve_data_path
from gammaops.errors import AlgorithmError, ConfigError, Problem
from gammaops.runner.named_files import MODELS_KEY, components_of, mappings_in, named_by
from gammaops.runner.science import has_free_parameters
from gammaops.schema.relations import near, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gammaops.config import AnalysisConfig
    from gammaops.plan import Plan, PlannedStep

__all__ = ["model_problems"]

SOURCE = "source"
SKY_MODEL = ("SkyModel", "sky-model")
# Of maps the background is fitted as well.
SPECTRA = "1d"
# Frozen by default.
REFERENCE = "reference"


def model_problems(config: AnalysisConfig, plan: Plan) -> list[Problem]:
    """Models files without models or without anything to fit, and steps that ask for a source that they do not have.

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
    problems += [
        _problem(
            config, step, MODELS_KEY, f"every parameter of the models of {step.name!r} is frozen: nothing to fit",
            "frozen: false for at least one",
        )
        for step in plan.steps
        if MODELS_KEY in step.spec.files and step.dataset_type == SPECTRA and names.get(step.name)
        and _all_frozen(_models_path(config, step))
    ]  # fmt: skip
    return list(dict.fromkeys(problems))


def _sources(config: AnalysisConfig, step: PlannedStep) -> list[str] | None:
    """Names of the sky models of a step's models file, none if it is empty; None if there is nothing to say."""
    if MODELS_KEY not in step.spec.files:
        return None
    try:
        path = _models_path(config, step)
        components = components_of(path) if path else None
    except (ConfigError, OSError):
        return None
    if not isinstance(components, list):
        return None
    found = [str(one.get("name")) for one in components if isinstance(one, dict) and one.get("type") in SKY_MODEL]
    return found if found or not components else None


def _models_path(config: AnalysisConfig, step: PlannedStep) -> Path | None:
    given = value_at(config.blocks(config.step(step.name)), MODELS_KEY)
    return resolve_data_path(given, MODELS_KEY) if given else None


def _all_frozen(path: Path | None) -> bool:
    """Whether no parameter can be fitted; gammapy is only asked where nothing that is written says otherwise."""
    written = _parameters(components_of(path)) if path else []
    if path is None or not written or not all(_is_fixed(one) for one in written):
        return False
    try:
        return not has_free_parameters(path, named_by(path))
    except (AlgorithmError, ConfigError, OSError):
        return False  # told where the file is read


def _is_fixed(parameter: Mapping[str, Any]) -> bool:
    return parameter.get("frozen") is True or parameter.get("name") == REFERENCE


def _parameters(components: Any) -> list[Mapping[str, Any]]:
    """The parameters that a models file writes out, however deep; gammapy adds the others with their defaults."""
    listed = [one["parameters"] for one in mappings_in(components) if isinstance(one.get("parameters"), list)]
    return [parameter for parameters in listed for parameter in parameters if isinstance(parameter, dict)]


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
