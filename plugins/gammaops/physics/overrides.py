"""What people have decided about single observations, whatever the cuts say: a YAML list that is kept in git.

- observation: 23523
verdict: reject          # or: accept
author: A. Shifter
comment: clouds from 23:10 on
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from gammaops.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KEY", "Override", "read_overrides"]

KEY = "observations.quality.overrides"
VERDICTS = ("accept", "reject")
FIELDS = ("observation", "verdict", "author", "comment")


@dataclass(frozen=True)
class Override:
    """A decision: ``accept`` or ``reject``, by whom, and why."""

    verdict: str
    author: str
    comment: str

    def __str__(self) -> str:
        return f"{self.verdict}ed by {self.author}: {self.comment}"


def read_overrides(path: Path) -> dict[int, Override]:
    """The decisions of a file, by observation.

    Raises
    ------
    ConfigError
        With every entry that is not whole, and every observation that is decided twice, with its line.
    """
    text = path.read_text(encoding="utf-8-sig")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError([Problem(str(path), 0, 0, KEY, f"not YAML: {error}", "a list of decisions")]) from error
    if root is None:
        return {}
    if not isinstance(root, yaml.SequenceNode):
        raise ConfigError([_problem(path, root, "not a list", f"a list of mappings with {', '.join(FIELDS)}")])
    decisions: dict[int, Override] = {}
    problems: list[Problem] = []
    for node in root.value:
        entry = yaml.SafeLoader("").construct_document(node)
        wrong = _wrong(entry, decisions)
        if wrong:
            problems.append(_problem(path, node, *wrong))
        else:
            decisions[entry["observation"]] = Override(*(str(entry[name]) for name in FIELDS[1:]))
    if problems:
        raise ConfigError(problems)
    return decisions


def _wrong(entry: Any, known: dict[int, Override]) -> tuple[str, str] | None:
    """What is wrong with an entry, and what would be right."""
    if not isinstance(entry, dict) or set(entry) != set(FIELDS):
        given = ", ".join(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        return f"a decision with {given or 'nothing'}", ", ".join(FIELDS)
    observation = entry["observation"]
    if not isinstance(observation, int) or isinstance(observation, bool):
        return f"observation is {observation!r}", "an obs_id"
    if entry["verdict"] not in VERDICTS:
        return f"verdict is {entry['verdict']!r}", " or ".join(VERDICTS)
    if not all(isinstance(entry[name], str) and entry[name].strip() for name in ("author", "comment")):
        return f"observation {observation} without author or comment", "who decided it, and why"
    if observation in known:
        return f"observation {observation} is decided twice", "one decision"
    return None


def _problem(path: Path, node: yaml.Node, message: str, expected: str) -> Problem:
    mark = node.start_mark
    return Problem(str(path), mark.line + 1, mark.column + 1, KEY, message, expected)
