"""Known sites: ``include/sites/<site>.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gammaops.config.blocks import block_levels, dag_level, site_file_level
from gammaops.config.layers import given
from gammaops.config.loader import Document, dotted, load_yaml
from gammaops.config.places import sites_folder
from gammaops.errors import ConfigError, Problem
from gammaops.schema.relations import near

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gammaops.schema import Finding

__all__ = ["Site", "known_sites", "load_site"]

PLACE = ("lon", "lat", "height")


@dataclass(frozen=True)
class Site:
    """An observatory site: where it is, and defaults for the analyses that name it."""

    name: str
    place: Mapping[str, Any]
    defaults: Mapping[str, Any]


def known_sites() -> list[str]:
    """Names of the known sites."""
    return sorted(path.stem for path in sites_folder().glob("*.yaml"))


def load_site(name: str) -> Site:
    """A known site.

    Raises
    ------
    KeyError
        If there is none of this name.
    ConfigError
        If its file is wrong.
    """
    path = sites_folder() / f"{name}.yaml"
    if name not in known_sites():
        raise KeyError(name)
    # Keyed by the state of the file, so that an edit is seen without a restart.
    status = path.stat()
    return _load(path, name, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _load(path: Path, name: str, _mtime: int, _size: int) -> Site:
    document = load_yaml(path.read_text(encoding="utf-8"), str(path))
    raw = given(document.data)
    problems = [_problem(path, document, finding) for finding in site_file_level().findings(raw)]
    defaults = raw.get("defaults", {})
    levels = {"dag": dag_level(), **block_levels()}
    for block, value in (defaults if isinstance(defaults, dict) else {}).items():
        if block not in levels or not isinstance(value, dict):
            problems.append(_unknown(path, document, block, levels))
            continue
        found = levels[block].findings(value, ("defaults", block))
        problems += [_problem(path, document, finding) for finding in found if not finding.missing]
    if problems:
        raise ConfigError(problems)
    return Site(name, {key: raw[key] for key in PLACE}, defaults)


def _problem(path: Path, document: Document, finding: Finding) -> Problem:
    place = document.position(finding.path)
    return Problem(str(path), *place, dotted(finding.path), finding.message, finding.expected, finding.suggestion)


def _unknown(path: Path, document: Document, block: str, levels: Mapping[str, Any]) -> Problem:
    place = document.position(("defaults", block))
    expected = f"keys and values of one of: {', '.join(levels)}"
    return Problem(str(path), *place, f"defaults.{block}", "not a block", expected, near(block, levels))
