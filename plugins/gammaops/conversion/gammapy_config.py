"""From gammapy's ``AnalysisConfig`` or ``WorkflowConfig`` as YAML to a config of ours.

Block names and keys are the same, so most of it stays as it is. What gammapy leaves to Python or to its defaults is
written out, and what means nothing here is left out; both are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import yaml

from gammaops.config import parse_config
from gammaops.config.blocks import block_levels
from gammaops.config.chain import listed_steps, obvious_chain, unknown_steps
from gammaops.config.layers import given
from gammaops.config.writing import compact_yaml_text
from gammaops.conversion.energies import cover_energies
from gammaops.errors import ConfigError, Problem
from gammaops.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Converted", "convert"]

GAMMAPY_DATASTORE = "$GAMMAPY_DATA/hess-dl3-dr1"
BLOCKS = ("general", "observations", "datasets", "fit", "flux_points", "excess_map", "light_curve")
NEED_MODELS = {"fit", "flux-points", "light-curve"}
UNKNOWN = "unknown key"
# Each round takes out every key that is not known; below them there may be more.
ROUNDS = 20


@dataclass(frozen=True)
class Converted:
    """A config of ours.

    Parameters
    ----------
    text : str
        YAML, with the notes as comments on top.
    notes : tuple of str
        What was changed, added or left out, one sentence each.
    problems : tuple of Problem
        What still keeps it from being accepted; empty if `text` is a valid config.
    """

    text: str
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


def convert(text: str, source: str, *, models_file: str = "") -> Converted:
    """Make a config of ours from one of gammapy's.

    Parameters
    ----------
    text : str
        YAML of an ``AnalysisConfig`` or a ``WorkflowConfig``.
    source : str
        What notes and messages call it: its file.
    models_file : str
        File of models below ``include/models/``; gammapy's `Analysis` is given them in Python.

    Raises
    ------
    ConfigError
        If it is no YAML mapping, or one of its blocks is none.
    """
    data = _read(text, source)
    notes: list[str] = []
    _general(data, notes, models_file)
    _observations(data, notes)
    cover_energies(data, notes)
    steps = _steps(data, notes)
    _joint_fit(data, steps, notes)
    problems: Sequence[Problem] = ()
    for _ in range(ROUNDS):
        document = {"description": f"Converted from {source}", **data, "steps": steps}
        body = compact_yaml_text(document)
        problems = _problems(body, source)
        unknown = [problem for problem in problems if problem.message == UNKNOWN]
        if not unknown:
            break
        for problem in unknown:
            hint = f"; did you mean {problem.suggestion}?" if problem.suggestion else ""
            notes.append(f"{problem.key} is left out: gammaops does not know it{hint}")
            _remove(data, problem.key.split("."))
    head = [f"# Converted from {source} by `gammaops convert`.", *(f"# - {note}" for note in notes)]
    return Converted("\n".join([*head, body]), tuple(notes), tuple(problems))


def _read(text: str, source: str) -> dict[str, Any]:
    """The document as gammapy reads it, without what is not given."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([Problem(source, 0, 0, "", f"not YAML: {error}", "a config of gammapy")]) from error
    if not isinstance(data, dict):
        raise ConfigError([Problem(source, 0, 0, "", "no keys and values", "a config of gammapy")])
    wrong = [
        Problem(source, 0, 0, str(name), f"not keys and values but {value!r:.40}", "a block of a config of gammapy")
        for name, value in data.items()
        if name in BLOCKS and value is not None and not isinstance(value, dict)
    ]
    if wrong:
        raise ConfigError(wrong)
    blocks = {name: given(value, block_levels().get(name)) for name, value in _plain(data).items()}
    return {name: block for name, block in blocks.items() if block not in (None, [], {}) and name != "metadata"}


def _plain(value: Any) -> Any:
    """Dates as text; the rest as it is."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def _general(data: dict[str, Any], notes: list[str], models_file: str) -> None:
    general = data.setdefault("general", {})
    if general.pop("overwrite", None) is not None:
        notes.append(
            "general.overwrite is left out: products never change; a run with `reuse: rebuild` makes them anew"
        )
    if models_file:
        general["models_file"] = models_file
    elif path := general.get("models_file"):
        notes.append(f"general.models_file: {path} must be below include/models/ or in a data folder")


def _observations(data: dict[str, Any], notes: list[str]) -> None:
    observations = data.setdefault("observations", {})
    if "datastore" not in observations:
        observations["datastore"] = GAMMAPY_DATASTORE
        notes.append(f"observations.datastore is {GAMMAPY_DATASTORE}, gammapy's default")
    if (interval := observations.pop("obs_time", None)) is not None:
        observations["time_intervals"] = interval
        notes.append(
            "observations.obs_time is observations.time_intervals: gammapy cuts observations to these times, where"
            " obs_time here takes whole observations that start in them"
        )
    if "obs_file" in observations:
        notes.append("observations.obs_file must hold one obs_id per line")


def _steps(data: dict[str, Any], notes: list[str]) -> list[dict[str, Any]]:
    """The steps of the file, else those that its blocks ask for, as far as there are models for them."""
    for finding in unknown_steps(data):
        notes.append(f"{'.'.join(map(str, finding.path))}: {finding.message}; {finding.expected}")
    steps = _with_given_datasets(data, obvious_chain(data), notes)
    data["general"].pop("steps", None)
    if not data.get("flux_points", {}).get("energy") and any(step["tag"] == "flux-points" for step in steps):
        notes.append("flux points are left out: flux_points.energy is not given, with which gammapy stops as well")
        steps = [step for step in steps if step["tag"] != "flux-points"]
    tags = {step["tag"].replace("-", "_") for step in steps}
    for name in ("excess_map", "flux_points", "light_curve"):
        if name in data and name not in tags:
            notes.append(f"no step reads {name}: it says too little for one, or general.steps does not list it")
    if data["general"].get("models_file"):
        return steps
    left_out = [step["name"] for step in steps if step["tag"] in NEED_MODELS]
    if left_out:
        notes.append(
            f"the steps {', '.join(left_out)} are left out: there are no models, which gammapy is given in Python "
            "(`set_models`); convert again with --models FILE"
        )
    if not data["general"]:
        del data["general"]
    return [step for step in steps if step["tag"] not in NEED_MODELS]


def _joint_fit(data: dict[str, Any], steps: Sequence[dict[str, Any]], notes: list[str]) -> None:
    """Gammapy fits datasets that are not stacked one by one, where we stack those with few OFF counts."""
    tags = {step["tag"] for step in steps}
    datasets = data.get("datasets", {})
    apart = "datasets-file" in tags or datasets.get("stack", True) is False
    if "fit" not in tags or "stack" in tags or not apart or datasets.get("type", "1d") != "1d":
        return
    data.setdefault("fit", {}).setdefault("datasets", "joint")
    notes.append(
        "fit.datasets is joint, as gammapy fits datasets that are not stacked; auto stacks those with few OFF counts"
        " before the fit, of which a joint fit is biased"
    )


def _with_given_datasets(data: dict[str, Any], steps: list[dict[str, Any]], notes: list[str]) -> list[dict[str, Any]]:
    """Datasets of a file instead of a reduction, where ``general.steps`` lists none."""
    path = data["general"].pop("datasets_file", None)
    if path is None:
        return steps
    listed = {str(name) for name in listed_steps(data)}
    if not listed or listed & {"data-selection", "observations", "datasets", "data-reduction"}:
        notes.append(
            f"general.datasets_file ({path}) is left out: the datasets are made anew, as products of the store"
        )
        return steps
    data["datasets_file"] = {"path": path}
    notes.append(f"general.datasets_file: the step 'given datasets' takes over those of {path}")
    given_datasets = {"name": "given datasets", "tag": "datasets-file", "products": ["datasets"]}
    return [given_datasets, *(step for step in steps if step["tag"] != "data-reduction")]


def _problems(text: str, source: str) -> tuple[Problem, ...]:
    try:
        make_plan(parse_config(text, "converted", source))
    except ConfigError as error:
        return error.problems
    return ()


def _remove(data: dict[str, Any], path: Sequence[str]) -> None:
    place: Any = data
    for key in path[:-1]:
        place = place.get(key) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place.pop(path[-1], None)
