"""Lists of observations in text files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammaops.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_obs_ids"]


def read_obs_ids(path: Path, key: str) -> list[int]:
    """Observations that a text file lists, one a line; what follows ``#`` is a comment.

    Raises
    ------
    ConfigError
        With each line that is no number.
    """
    # A file that is no text has lines that are no numbers either, and is refused for them.
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    words = [(number, line.split("#")[0].strip()) for number, line in enumerate(lines, start=1)]
    problems = [
        Problem(str(path), number, 1, key, f"{word[:40]!r} is not an observation", "one obs_id per line")
        for number, word in words
        if word and not (word.isascii() and word.isdigit())
    ]
    if problems:
        raise ConfigError(problems)
    return [int(word) for _, word in words if word]
