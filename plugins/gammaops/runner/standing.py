"""How things stand: the newest version of each run, and which observations are out of use according to them."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from gammaops.runner.history import listed_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.products import ProductStore, RunFolder
    from gammaops.runner.history import Age

__all__ = ["OutOfUse", "Standing", "analyses_of", "out_of_use", "standing"]


@dataclass(frozen=True)
class Standing:
    """The newest version of a run.

    Parameters
    ----------
    folder : RunFolder
    begun : str
        When it began (ISO, UTC).
    record : mapping
        Its ``run.json``; empty while it has not ended.
    """

    folder: RunFolder
    begun: str
    record: Mapping[str, Any]


@dataclass(frozen=True)
class OutOfUse:
    """An observation that the last run that expected it could not use.

    Parameters
    ----------
    row : mapping
        Its row of that run's ledger.
    analysis : str
    run : str
        Path of the run's folder below the store.
    """

    row: Mapping[str, Any]
    analysis: str
    run: str


def analyses_of(store: ProductStore) -> list[str]:
    """Names of the analyses that have runs in a store."""
    return sorted({name.split("/")[1] for name in store.files.names("runs")})


def standing(store: ProductStore, analyses: Sequence[str], number: int | None = None) -> list[Standing]:
    """The newest version of each run of these analyses, the last that began first; at most so many.

    Raises
    ------
    ProductCorrupt
        If a record cannot be read.
    """
    newest: dict[tuple[str, str], tuple[Age, RunFolder, bool]] = {}
    for name in analyses:
        for listed in listed_runs(store, name):
            newest.setdefault((name, listed[1].label), listed)
    shown = sorted(newest.values(), key=itemgetter(0), reverse=True)[:number]
    return [_standing(folder, ended=ended) for _, folder, ended in shown]


def _standing(folder: RunFolder, *, ended: bool) -> Standing:
    begun = str(folder.read_json("request.json").get("begun", ""))
    return Standing(folder, begun, folder.read_json("run.json") if ended else {})


def out_of_use(runs: Sequence[Standing], states: Sequence[str]) -> list[OutOfUse]:
    """Observations whose last ledger row is in one of these states, in order of night and number.

    Parameters
    ----------
    runs : sequence of Standing
        The last that began first; what an earlier one says of an observation of the same analysis does not count.
    states : sequence of str
    """
    last: dict[tuple[str, str, int], OutOfUse] = {}
    for run in runs:
        for row in run.record.get("ledger", ()):
            analysis = run.record["analysis"]
            last.setdefault((analysis, row["archive"], row["obs_id"]), OutOfUse(row, analysis, run.folder.relative))
    found = [one for one in last.values() if one.row["state"] in states]
    return sorted(found, key=lambda one: (one.row["night"], one.row["obs_id"], one.analysis))
