"""Which runs are frozen, and which are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gammaops.errors import ProductMissing
from gammaops.products import RunFolder
from gammaops.releases.frozen import all_releases, release_called

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammaops.products import ProductStore

__all__ = ["Side", "finished_runs", "side_called"]


@dataclass(frozen=True)
class Side:
    """One side of a comparison: runs under a name."""

    name: str
    runs: Sequence[RunFolder]


def finished_runs(store: ProductStore, analyses: Sequence[str] = (), nights: Sequence[str] = ()) -> list[RunFolder]:
    """Of each run the newest version that has ended.

    Parameters
    ----------
    store : ProductStore
    analyses : sequence of str
        Of these analyses only; none: of all.
    nights : sequence of str
        Runs of any of these nights only; none: of all.
    """
    known = {PurePosixPath(name).parts[1] for name in store.files.names("runs")}
    newest: dict[tuple[str, str], RunFolder] = {}
    for analysis in sorted(known.intersection(analyses) if analyses else known):
        for folder in RunFolder.all(store, analysis):
            if folder.ended:
                newest[analysis, folder.label] = folder
    found = list(newest.values())
    return [one for one in found if set(nights) & set(one.read_json("run.json")["nights"])] if nights else found


def side_called(store: ProductStore, text: str) -> Side:
    """What somebody names: a release, a run folder (``runs/crab/local-25bf8e1a/v001``), or a file in one.

    Raises
    ------
    ProductMissing
        If there is neither.
    """
    name = store.relative(text) if "://" in text else text
    parts = PurePosixPath(name.removesuffix("/")).parts
    if len(parts) < 2:
        return Side(text, release_called(store, text).runs)
    folder = RunFolder(store, str(PurePosixPath(*parts[:4])))
    if parts[0] != "runs" or len(parts) < 4 or not folder.ended:
        known = ", ".join(one.name for one in all_releases(store)) or "none"
        raise ProductMissing(
            f"{store.uri} has no finished run {text}; name one as runs/<analysis>/<run>/v001, or a release: {known}"
        )
    return Side(folder.relative, [folder])
