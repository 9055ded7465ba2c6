"""What people have decided about single observations, whatever the cuts say: a YAML list that is kept in git.

- observation: 23523
verdict: reject          # or: accept
author: A. Shifter
comment: clouds from 23:10 on
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from gammaops.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammaops.physics.archive import Archive

__all__ = ["KEY", "Override", "decisions_about", "read_overrides"]

log = logging.getLogger(__name__)
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


def decisions_about(archive: Archive, name: str | None) -> dict[int, Override]:
    """The decisions of a file, if one is named; the log tells of those about observations that the archive has not."""
    if not name:
        return {}
    decisions = read_overrides(Path(name))
    unknown = sorted(decisions.keys() - set(archive.obs_ids.tolist()))
    if unknown:
        ids = ", ".join(map(str, unknown))
        log.warning("%s decides about %s: the archive %s has no such observation", name, ids, archive.folder.name)
    return decisions


def read_overrides(path: Path) -> dict[int, Override]:
    """The decisions of a file, by observation.

    Raises
    ------
    ConfigError
        With every entry that is not whole, and every observation that is decided twice, with its line.
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
        wrong = _wrong(entry, decisions)
        if wrong:
            problems.append(_problem(path, node, *wrong))
        else:
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


def _wrong(entry: list[tuple[str, str]], known: Mapping[int, Override]) -> tuple[str, str] | None:
    """What is wrong with an entry, and what would be right."""
    if sorted(name for name, _ in entry) != sorted(FIELDS):
        return f"a decision with {', '.join(name for name, _ in entry) or 'nothing'}", f"once each: {', '.join(FIELDS)}"
    given = dict(entry)
    observation = given["observation"]
    if not OBS_ID.fullmatch(observation):
        return f"observation is {observation!r}", "an obs_id without leading zeros, such as 23523"
    if given["verdict"] not in VERDICTS:
        return f"verdict is {given['verdict']!r}", " or ".join(VERDICTS)
    if not all(given[name].strip() for name in ("author", "comment")):
        return f"observation {observation} without author or comment", "who decided it, and why"
    if int(observation) in known:
        return f"observation {observation} is decided twice", "one decision"
    return None


def _problem(path: Path, node: yaml.Node, message: str, expected: str) -> Problem:
    mark = node.start_mark
    return Problem(str(path), mark.line + 1, mark.column + 1, KEY, message, expected)
