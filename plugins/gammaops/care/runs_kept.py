"""Which run folders stay: by rules that somebody gives, and whatever the rules say, releases and runs at work."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductCorrupt
from gammaops.products.runs import REOPENED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.products import ProductStore
    from gammaops.products.entries import Entry

__all__ = ["Rules", "RunFiles", "collectable", "named_in", "run_files"]

RUNS = "runs"
LEAST_AT_WORK = 6 * 3600.0
"""Seconds of silence after which a run that has not ended is dead, whatever the grace."""
_RECORD = "run.json"
_RUN = re.compile(r"runs/[^/]+/[^/]+/v\d+")


@dataclass(frozen=True)
class Rules:
    """What may be collected. Without the first two no run is.

    Parameters
    ----------
    keep_runs : int, optional
        So many of the newest finished versions of each run stay; 1 if only `older_than` is given.
    older_than : float, optional
        Only what is older (seconds) may go.
    grace : float
        What is younger (seconds) stays in any case: somebody may be at work on it. A run that has not ended is taken
        to be at work for `LEAST_AT_WORK` at least, since a step may write nothing for long.
    """

    keep_runs: int | None = None
    older_than: float | None = None
    grace: float = 86400.0

    @property
    def collects_runs(self) -> bool:
        """Whether any run folder may go."""
        return self.keep_runs is not None or self.older_than is not None


@dataclass
class RunFiles:
    """The files of a run folder, and the time of the last change of any of them, or of any product that it made."""

    relative: str
    entries: list[Entry] = field(default_factory=list)
    active: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether its record is written."""
        return any(entry.name == f"{self.relative}/{_RECORD}" for entry in self.entries)

    @property
    def reopened(self) -> float:
        """When a task of it was last at work again after its end; 0 if none was."""
        return max(
            (entry.modified for entry in self.entries if entry.name == f"{self.relative}/{REOPENED}"), default=0.0
        )

    def at_work(self, now: float, grace: float) -> bool:
        """Whether it has not ended, or was reopened, and has done something lately."""
        if self.ended:
            return now - self.reopened < grace
        return now - self.active < max(grace, LEAST_AT_WORK)


def run_files(store: ProductStore) -> dict[str, RunFiles]:
    """All run folders of a store by their paths."""
    folders: dict[str, RunFiles] = {}
    for entry in store.files.entries(RUNS):
        match = _RUN.match(entry.name)
        if match:
            folder = folders.setdefault(match[0], RunFiles(match[0]))
            folder.entries.append(entry)
            folder.active = max(folder.active, entry.modified)
    return folders


def collectable(folders: Mapping[str, RunFiles], rules: Rules, now: float) -> set[str]:
    """The run folders that the rules let go."""
    if not rules.collects_runs:
        return set()
    newest: dict[str, list[str]] = defaultdict(list)
    for relative in sorted(folders, key=_version, reverse=True):
        if folders[relative].ended:
            newest[relative.rpartition("/")[0]].append(relative)
    keep = 1 if rules.keep_runs is None else rules.keep_runs
    stay = {relative for versions in newest.values() for relative in versions[:keep]}
    least = max(rules.grace, rules.older_than or 0.0)
    stay |= {relative for relative, one in folders.items() if one.at_work(now, least)}
    return {relative for relative, one in folders.items() if relative not in stay and now - one.active > least}


def _version(relative: str) -> int:
    return int(PurePosixPath(relative).name.removeprefix("v"))


def named_in(store: ProductStore, name: str) -> Iterator[str]:
    """Products and run folders that a JSON file of the store names, wherever in it.

    Raises
    ------
    ProductCorrupt
        If it is not JSON: nobody can tell what it needs.
    """
    try:
        document = json.loads(store.files.read(name))
    except ValueError as error:
        raise ProductCorrupt(
            f"{store.uri_of(name)} is not JSON ({error}); mend it, nothing is collected before"
        ) from None
    yield from (text for text in _texts(document) if text.startswith("products/") or _RUN.fullmatch(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in (*value, *value.values()):
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
