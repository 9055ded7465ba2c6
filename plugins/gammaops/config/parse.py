"""Reading an analysis: all of it is checked here, before anything runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gammaops.config.alerts import read_alerts
from gammaops.config.analysis import AnalysisConfig, StepConfig
from gammaops.config.blocks import (
    ALERTS,
    ARCHIVE_NAME,
    DATASTORES,
    GENERAL,
    TOP_LEVEL,
    block_levels,
    dag_level,
    datastores_level,
    step_level,
)
from gammaops.config.chain import obvious_chain, unknown_steps
from gammaops.config.layers import difference, given, overlay
from gammaops.config.loader import Document, load_yaml
from gammaops.config.pools import RUNNING, check_pools, running_findings
from gammaops.config.resolution import Resolution
from gammaops.config.sites import known_sites, load_site
from gammaops.errors import ConfigError, Problem
from gammaops.schema import Finding, value_at
from gammaops.schema.relations import near
from gammaops.schema.validator import shown
from gammaops.steps import step_specs, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAME", "NAME_HELP", "load_config", "parse_config", "resolve"]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
MAX_STEPS = 500
NAME_HELP = "lower-case letters, digits, - and _, at most 80, ending in .yaml"


def load_config(path: Path | str) -> AnalysisConfig:
    """Read an analysis from its file, whose stem is its name.

    Raises
    ------
    ConfigError
        With every problem found.
    OSError
        If the file is there and cannot be read.
    """
    path = Path(path)
    if path.suffix != ".yaml" or not NAME.fullmatch(path.stem):
        raise ConfigError([Problem(str(path), 0, 0, "", f"{path.name!r} cannot be the name of an analysis", NAME_HELP)])
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConfigError([Problem(str(path), 0, 0, "", "no such file", "a config")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            [Problem(str(path), 0, 0, "", f"not text: {error.reason} at byte {error.start}", "UTF-8")]
        ) from error
    config = parse_config(text, path.stem, str(path))
    check_pools(config)
    return config


def parse_config(text: str, name: str, source: str) -> AnalysisConfig:
    """Read an analysis from text.

    Parameters
    ----------
    text : str
        YAML.
    name : str
        Name of the analysis.
    source : str
        What messages call it: its file.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    if not NAME.fullmatch(name):
        raise ConfigError([Problem(source, 0, 0, "", f"{name!r} cannot be the name of an analysis", NAME_HELP)])
    return resolve(name, source, text, load_yaml(text, source), {})


def resolve(name: str, source: str, text: str, document: Document, params: Mapping[str, Any]) -> AnalysisConfig:
    """The analysis of a document, with overrides of a run; see `parse_config`."""
    data = document.data
    blocks = {
        key: given(value, block_levels().get(key))
        for key, value in data.items()
        if key not in ("steps", "dag", "description", "metadata", DATASTORES, ALERTS)
    }
    blocks = {key: value for key, value in blocks.items() if value is not None and value != []}
    resolution = Resolution(source, document, blocks, params)
    _check_top_level(resolution, data)
    dag = _dag(resolution, given(data.get("dag")))
    resolution.check_blocks()
    steps = _steps(resolution, data)
    for index, step in enumerate(steps):
        resolution.add_step(index, step)
    resolution.check_params(steps)
    archives = _archives(resolution, given(data.get(DATASTORES)))
    for index, step in enumerate(steps):
        _check_archive(resolution, (index, step), archives)
    alerts = read_alerts(resolution, data.get(ALERTS), dag)
    for finding in resolution.shared(GENERAL).findings:
        resolution.complain((GENERAL, *finding.path), finding)
    if resolution.problems:
        raise ConfigError(resolution.problems)
    whole = _document(resolution, data.get("description"), dag, steps) | {DATASTORES: archives, ALERTS: alerts}
    return AnalysisConfig(name, source, text, whole, tuple(steps), resolution)


def _check_top_level(resolution: Resolution, data: Mapping[str, Any]) -> None:
    known = (*TOP_LEVEL, *block_levels())
    for key, value in data.items():
        if key not in known:
            expected = f"one of: {', '.join(dict.fromkeys(known))}"
            resolution.complain((key,), Finding((), "unknown key", expected, near(key, known)))
        elif key in block_levels() and value not in (None, []) and not isinstance(value, dict):
            resolution.complain((key,), Finding((), f"{shown(value)} does not fit", "keys and values"))
    description = data.get("description")
    if description is not None and not isinstance(description, str):
        resolution.complain(("description",), Finding((), f"{shown(description)} does not fit", "text"))


def _dag(resolution: Resolution, raw: Any) -> dict[str, Any] | None:
    """The ``dag:`` block, its site looked up."""
    if raw is None or raw == []:
        return None
    if not isinstance(raw, dict):
        resolution.complain(("dag",), Finding((), f"{shown(raw)} does not fit", "keys and values"))
        return None
    site = raw.get("site")
    if isinstance(site, str):
        raw = {**raw, "site": _site(resolution, site)}
    level = dag_level()
    raw = overlay(level, given(resolution.site_defaults.get("dag", {})), given(raw))
    findings = level.findings(raw)
    values = level.normalised(raw)
    for finding in (
        *findings,
        *level.broken_relations(values, frozenset(finding.path for finding in findings if not finding.missing)),
    ):
        if not (isinstance(site, str) and finding.path[:1] == ("site",)):
            resolution.complain(("dag", *finding.path), finding)
    return values


def _site(resolution: Resolution, name: str) -> dict[str, Any]:
    try:
        site = load_site(name)
    except KeyError:
        known = known_sites()
        expected = f"one of: {', '.join(known)}; or {{lon, lat, height}}"
        resolution.complain(
            ("dag", "site"), Finding((), f"{shown(name)} is not a known site", expected, near(name, known))
        )
        return {}
    except ConfigError as error:
        resolution.problems.extend(error.problems)
        return {}
    resolution.site, resolution.site_defaults = name, site.defaults
    return {"name": name, **site.place}


def _archives(resolution: Resolution, raw: Any) -> dict[str, str]:
    """The ``datastores:`` block: folders by name."""
    if raw is None or raw == []:
        return {}
    if not isinstance(raw, dict):
        resolution.complain((DATASTORES,), Finding((), f"{shown(raw)} does not fit", "names and folders"))
        return {}
    level = datastores_level()
    for finding in level.findings({DATASTORES: raw}):
        resolution.complain(finding.path, finding)
    archives: dict[str, str] = level.normalised({DATASTORES: raw})[DATASTORES]
    return archives


def _check_archive(resolution: Resolution, step: tuple[int, StepConfig], archives: Mapping[str, str]) -> None:
    """With ``datastores:`` in the file, a bare word must be one of its names."""
    index, entry = step
    word = value_at(dict(resolution.effective[index]), "observations.datastore")
    if not archives or word is None or word in archives or not re.fullmatch(ARCHIVE_NAME, word):
        return
    own = value_at(dict(entry.config), "observations.datastore") is not None
    path = (*(("steps", index, "config") if own else ()), "observations", "datastore")
    expected = f"one of: {', '.join(archives)}; or a path with a /"
    resolution.complain(path, Finding((), f"{word!r} is not among datastores", expected, near(word, archives)))


def _steps(resolution: Resolution, data: Mapping[str, Any]) -> list[StepConfig]:
    raw = data.get("steps")
    if raw is None or raw == []:
        for finding in unknown_steps(resolution.blocks):
            resolution.complain(finding.path, finding)
        raw = obvious_chain(resolution.blocks)
    if not isinstance(raw, list):
        resolution.complain(("steps",), Finding((), f"{shown(raw)} does not fit", "a list of steps"))
        return []
    if len(raw) > MAX_STEPS:
        resolution.complain(("steps",), Finding((), f"{len(raw)} steps", f"at most {MAX_STEPS}"))
        return []
    steps: list[StepConfig] = []
    for index, entry in enumerate(raw):
        step = _step(resolution, index, entry, {step.name for step in steps})
        if step is not None:
            steps.append(step)
    # Positions are by index: with a step left out, the others would be looked for in the wrong place.
    return steps if len(steps) == len(raw) else []


def _step(resolution: Resolution, index: int, entry: Any, taken: set[str]) -> StepConfig | None:
    path = ("steps", index)
    if not isinstance(entry, dict):
        resolution.complain(path, Finding((), f"{shown(entry)} does not fit", "a step with name, tag, products, …"))
        return None
    override = entry.get("config")
    raw = given({key: value for key, value in entry.items() if key != "config"})
    findings = step_level().findings(raw if override in (None, [], {}) else {**raw, "config": override})
    tag = raw.get("tag")
    known = isinstance(tag, str) and tag_of(tag) in step_specs()
    if isinstance(tag, str) and not known:
        tags = sorted(step_specs())
        findings.append(
            Finding(("tag",), f"{shown(tag)} is unknown", f"one of: {', '.join(tags)}", near(tag_of(tag), tags))
        )
    findings += running_findings(raw, step_specs()[tag_of(str(tag))]) if known else []
    for finding in findings:
        resolution.complain((*path, *finding.path), finding)
    if findings or not known:
        return None
    values = step_level().normalised(raw)
    wanted = values["required_products"] or []
    return StepConfig(
        name=values["name"] or _unused_name(tag_of(values["tag"]), taken),
        tag=tag_of(values["tag"]),
        products=tuple(values["products"] or ()),
        required_products=tuple(wanted if isinstance(wanted, list) else [wanted]),
        config=override or {},
        parallel=values["parallel"],
        inputs=tuple(values["inputs"] or ()),
        extend=values["extend"],
        rule=values["rule"] or "",
        running={key: values[key] for key in RUNNING if values[key] is not None},
    )


def _unused_name(tag: str, taken: set[str]) -> str:
    number = 1
    while (name := tag if number == 1 else f"{tag}_{number}") in taken:
        number += 1
    return name


def _document(
    resolution: Resolution, description: str | None, dag: dict[str, Any] | None, steps: list[StepConfig]
) -> dict[str, Any]:
    """The normalised document, with what differs for a step as that step's overrides."""
    blocks = {name: dict(resolution.shared(name).values) for name in block_levels()}
    entries = []
    for index, step in enumerate(steps):
        own = {
            block: difference(block_levels()[block], blocks[block], values)
            for block, values in resolution.effective[index].items()
        }
        entries.append(
            {
                "name": step.name,
                "tag": step.tag,
                "products": step.products,
                "required_products": step.required_products,
                "config": {block: values for block, values in own.items() if values},
                "parallel": step.parallel,
                "inputs": step.inputs,
                "extend": step.extend,
                "rule": step.rule or None,
                **step.running,
            }
        )
    document = {"description": description, "dag": dag, **blocks, "steps": entries}
    # A copy without shared parts: nobody can change the config through it, and YAML writers make no aliases.
    copied: dict[str, Any] = json.loads(json.dumps(document))
    return copied
