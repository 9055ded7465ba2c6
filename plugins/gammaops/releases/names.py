"""Names of releases, and who signs for what."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gammaops.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CURRENT", "RELEASES", "Signature", "checked_name", "release_path"]

RELEASES = "releases"
# Stands for the release that was promoted last, wherever one is named.
CURRENT = "current"
LONGEST_COMMENT = 2000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Signature:
    """Who did something with a release, when and why.

    Parameters
    ----------
    author : str
        A person, as people or Airflow call them.
    time : str
        ISO, UTC.
    comment : str
        In their words.
    who : mapping
        ``dag_id`` and ``run_id`` where it was done in Airflow.

    Raises
    ------
    ConfigError
        If nobody signs, or the comment is very long.
    """

    author: str
    time: str
    comment: str = ""
    who: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = []
        if not self.author.strip():
            problems.append(_problem("author", "is empty", "who answers for it"))
        if len(self.comment) > LONGEST_COMMENT:
            message = f"has {len(self.comment)} characters"
            problems.append(_problem("comment", message, f"at most {LONGEST_COMMENT}"))
        if problems:
            raise ConfigError(problems)


def checked_name(name: str) -> str:
    """The name of a release to be, if it may be one.

    Raises
    ------
    ConfigError
        If it may not.
    """
    if name == CURRENT or not _NAME.fullmatch(name):
        expected = f"letters, digits, '.', '_' and '-', at most 80, such as 2026-11-prod; not {CURRENT!r}"
        raise ConfigError([_problem("name", f"{name!r} is no name for a release", expected)])
    return name


def release_path(name: str) -> str:
    """Path of a release's record below the store's root."""
    return f"{RELEASES}/{name}.json"


def _problem(key: str, message: str, expected: str) -> Problem:
    return Problem("release", 0, 0, key, message, expected)
