"""Runs as people name them: an analysis, one of its runs, or one version of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammaops.config.parse import NAME
from gammaops.errors import ProductMissing
from gammaops.products import RunFolder
from gammaops.products.keys import canonical_json
from gammaops.products.runs import run_label
from gammaops.runner.history import age_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gammaops.products import ProductStore

__all__ = ["Choice", "choose_runs"]

RUNS = "runs/"
RECORD = "run.json"
HOW = "name an analysis (crab), a run of it (crab/<run id>) or a version of that (crab/<run id>/v002)"
_VERSION = re.compile(r"(?P<run>.*)/(?P<version>v\d+)")


@dataclass(frozen=True)
class Choice:
    """Run folders that were chosen, and notes of those that were passed over.

    Parameters
    ----------
    folders : tuple of RunFolder
        In order of their paths, none twice. One may not have ended: that is for the reader to refuse.
    notes : tuple of str
        Sentences.
    """

    folders: tuple[RunFolder, ...]
    notes: tuple[str, ...] = ()


def choose_runs(
    store: ProductStore, selectors: Sequence[str], nights: Sequence[str] = (), without: Sequence[str] = ()
) -> Choice:
    """The run folders that these selectors name.

    Parameters
    ----------
    store : ProductStore
    selectors : sequence of str
        ``crab``: the newest finished version of each of its runs, but for runs with another config or with some of the
        steps alone; of runs that took the same observations, the one that ended last. ``crab/<run id>``: the newest
        finished version of that one. ``crab/<run id>/v002``: exactly this. The run may be named by its folder as well,
        and ``runs/`` may precede it.
    nights : sequence of str
        Of a whole analysis, only runs that took one of these nights (ISO dates of the evenings).
    without : sequence of str
        Selectors of runs to be left out.

    Raises
    ------
    ProductMissing
        If a selector names nothing.
    """
    chosen: dict[str, RunFolder] = {}
    notes: list[str] = []
    dropped = {_parent(folder) for text in without for folder in _named(store, text)}
    for text in selectors:
        found = _named(store, text)
        if "/" not in text.removeprefix(RUNS).strip("/"):
            found = [folder for folder in found if _parent(folder) not in dropped]
            found = _official(found, nights, notes)
        chosen |= {folder.relative: folder for folder in found}
    return Choice(tuple(chosen[name] for name in sorted(chosen)), tuple(notes))


def _named(store: ProductStore, text: str) -> list[RunFolder]:
    """Newest finished version of each run that a selector names, or else the newest; or the version that it names."""
    analysis, _, run = text.removeprefix(RUNS).strip("/").partition("/")
    if not NAME.fullmatch(analysis):
        raise ProductMissing(f"{text!r} names no run; {HOW}")
    versions: dict[str, list[RunFolder]] = {}
    for folder in RunFolder.all(store, analysis):
        versions.setdefault(folder.label, []).append(folder)
    if not versions:
        raise ProductMissing(f"the store {store.uri} has no run of an analysis {analysis!r}; {HOW}")
    if not run:
        return [_newest(folders) for folders in versions.values()]
    match = _VERSION.fullmatch(run)
    name = match["run"] if match else run
    label = name if name in versions else run_label(name)
    if label not in versions:
        raise ProductMissing(f"{analysis} has no run {name!r}; it has: {', '.join(sorted(versions))}")
    if not match:
        return [_newest(versions[label])]
    found = [folder for folder in versions[label] if folder.version == match["version"]]
    if not found:
        known = ", ".join(folder.version for folder in versions[label])
        raise ProductMissing(f"{analysis}/{label} has no version {match['version']}; it has: {known}")
    return found


def _newest(folders: Sequence[RunFolder]) -> RunFolder:
    ended = [folder for folder in folders if folder.ended]
    return max(ended or folders, key=lambda folder: int(folder.version[1:]))


def _official(folders: Sequence[RunFolder], nights: Sequence[str], notes: list[str]) -> list[RunFolder]:
    """Those that speak for their analysis; of several that took the same observations, the last that began."""
    last: dict[bytes, RunFolder] = {}
    # One that has not ended gives way to any that has, and is for the reader to refuse where there is none.
    for folder in sorted(folders, key=lambda one: (one.ended, age_of(one))):
        request = folder.read_json("request.json")
        if nights and not set(nights) & set(_nights(folder, request)):
            continue
        reason = "; ".join(_own_way(request))
        if reason:
            notes.append(f"{folder.relative} is left out: {reason}; name it to take it")
            continue
        scope = canonical_json(request["scope"])
        if scope in last:
            notes.append(f"{last[scope].relative} is left out: {folder.relative} took the same and began later")
        last[scope] = folder
    return list(last.values())


def _own_way(request: dict[str, Any]) -> Iterator[str]:
    """Why a run does not speak for its analysis."""
    if request["params"].get("dry_run"):
        yield "it was a dry run"
    if request["params"].get("config"):
        yield "it ran with another config"
    if request["steps"]:
        yield f"it ran the steps {', '.join(request['steps'])} alone"


def _nights(folder: RunFolder, request: dict[str, Any]) -> list[str]:
    found = folder.read_json(RECORD)["nights"] if folder.ended else request["scope"]["nights"]
    return [str(night) for night in found]


def _parent(folder: RunFolder) -> str:
    return folder.relative.rpartition("/")[0]
