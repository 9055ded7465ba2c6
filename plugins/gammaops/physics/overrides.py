"""What people have decided about single observations, whatever the cuts say: a YAML list that is kept in git.

- observation: 23523
verdict: reject          # or: accept
author: A. Shifter
comment: clouds from 23:10 on
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from gammaops.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gammaops.physics.archive import Archive

__all__ = ["KEY", "Override", "read_overrides", "unknown_decisions"]

KEY = "observations.quality.overrides"
VERDICTS = ("accept", "reject")
FIELDS = ("observation", "verdict", "author", "comment")
PLAIN = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp"))
OBS_ID = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Override:
    """A decision: ``accept`` or ``reject``, by whom, and why."""

    verdict: str
    author: str
    comment: str

    def __str__(self) -> str:
        return f"{self.verdict}ed by {self.author}: {self.comment}"


def unknown_decisions(decisions: Mapping[int, Override], archive: Archive) -> list[str]:
    """What is to be said of decisions about observations that the archive does not have."""
    unknown = sorted(decisions.keys() - set(archive.obs_ids.tolist()))
    if not unknown:
        return []
    ids = ", ".join(map(str, unknown))
    return [f"decisions about {ids} change nothing: the archive {archive.folder.name} has no such observation"]


def read_overrides(path: Path) -> dict[int, Override]:
    """The decisions of a file, by observation.

    Raises
    ------
    ConfigError
        With all that is wrong with every entry, and every observation that is decided twice, with its line.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError([Problem(str(path), 0, 0, KEY, f"not YAML: {error}", "a list of decisions")]) from error
    if root is None:
        return {}
    if not isinstance(root, yaml.SequenceNode):
        raise ConfigError([_problem(path, root, "not a list", f"a list of mappings with {', '.join(FIELDS)}")])
    decisions: dict[int, Override] = {}
    problems: list[Problem] = []
    for node in root.value:
        entry = _texts(node)
        faults = list(_faults(entry, decisions))
        problems += [_problem(path, node, *fault) for fault in faults]
        if not faults:
            values = dict(entry)
            decisions[int(values["observation"])] = Override(*(values[name].strip() for name in FIELDS[1:]))
    if problems:
        raise ConfigError(problems)
    return decisions


def _texts(node: yaml.Node) -> list[tuple[str, str]]:
    """Keys and values of an entry as they are written, nothing taken for a number; empty if they are not plain."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    plain = all(isinstance(part, yaml.ScalarNode) and part.tag in PLAIN for pair in pairs for part in pair)
    return [(key.value, value.value) for key, value in pairs] if plain else []


def _faults(entry: list[tuple[str, str]], known: Mapping[int, Override]) -> Iterator[tuple[str, str]]:
    """What is wrong with an entry, each with what would be right."""
    names, given = [name for name, _ in entry], dict(entry)
    whole = f"once each: {', '.join(FIELDS)}"
    if not entry:
        yield "not a decision", whole
        return
    absent = [name for name in FIELDS if not given.get(name, "").strip()]
    if absent:
        yield f"a decision without {' and '.join(absent)}", whole
    for name in sorted(set(names) - set(FIELDS)):
        yield f"unknown key {name!r}", whole
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} given twice", whole
    if given.get("verdict", VERDICTS[0]) not in VERDICTS and "verdict" not in absent:
        yield f"verdict is {given['verdict']!r}", " or ".join(VERDICTS)
    observation = given.get("observation", "")
    if "observation" not in absent and not OBS_ID.fullmatch(observation):
        yield f"observation is {observation!r}", "an obs_id without leading zeros, such as 23523"
    elif observation and int(observation) in known:
        yield f"observation {observation} is decided twice", "one decision"


def _problem(path: Path, node: yaml.Node, message: str, expected: str) -> Problem:
    mark = node.start_mark
    return Problem(str(path), mark.line + 1, mark.column + 1, KEY, message, expected)
