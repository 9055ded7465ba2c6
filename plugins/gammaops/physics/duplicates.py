"""Observations that an archive lists more than once: copies of one another, or versions of which one is right."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammaops.products import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammaops.physics.archive import Archive

__all__ = ["COPIES", "RESOLVED", "Chosen", "chosen"]

COPIES, RESOLVED = "duplicate-copy", "duplicate-resolved"
FIRST, LAST = "first", "last"


@dataclass(frozen=True)
class Chosen:
    """What is taken of an observation.

    Parameters
    ----------
    index : int
        Position of its row in the observation index.
    hdus : sequence of mapping
        Rows of the HDU index.
    refusal : str
        Why nobody can choose; empty if there was nothing to choose, or somebody did.
    note, note_class : str
        What was chosen, and in one word; empty for an observation that is listed once.
    """

    index: int
    hdus: Sequence[Mapping[str, Any]]
    refusal: str = ""
    note: str = ""
    note_class: str = ""


def chosen(archive: Archive, obs_id: int, indices: Sequence[int], rule: str) -> Chosen:
    """Which of several entries of an observation is taken.

    Parameters
    ----------
    archive : Archive
    obs_id : int
    indices : sequence of int
        Positions of its rows in the observation index.
    rule : {"block", "first", "last"}
        What is done about versions that are not the same. Copies are taken once whatever it says.
    """
    hdus = archive.hdu_rows.get(obs_id, [])
    events = sum(hdu["type"] == "events" for hdu in hdus)
    if len(indices) == 1 and events <= 1:
        return Chosen(indices[0], hdus)
    times = max(len(indices), events)
    twice = len(indices) > 1
    where = f"{times} times in the observation index" if twice else f"with {events} event lists in the HDU index"
    versions = _versions(hdus, times)
    rows = {str(archive.index_rows[index]) for index in indices}
    if not versions:
        return Chosen(indices[0], hdus, f"listed {where}, and their HDUs cannot be told apart; mend the index")
    if len(rows) == 1 and _alike(archive.folder, versions):
        return Chosen(indices[0], versions[0], "", f"listed {where}, all the same; taken once", COPIES)
    if rule not in (FIRST, LAST):
        said = "somebody must say which one is right (observations.duplicates: first or last, or the index)"
        return Chosen(indices[0], hdus, f"listed {where}, and not the same; {said}")
    place = 0 if rule == FIRST else -1
    note = f"listed {where}, and not the same; the {rule} one is taken, as observations.duplicates says"
    return Chosen(indices[place], versions[place], "", note, RESOLVED)


def _versions(hdus: Sequence[Mapping[str, Any]], times: int) -> list[list[Mapping[str, Any]]]:
    """The HDUs of each entry, in the order of the index; none if not every type is there as often, or once for all."""
    counts = Counter(hdu["type"] for hdu in hdus)
    if not hdus or counts["events"] not in (1, times) or set(counts.values()) > {1, times}:
        return []
    versions: list[list[Mapping[str, Any]]] = [[] for _ in range(times)]
    seen: Counter[str] = Counter()
    for hdu in hdus:
        kind = hdu["type"]
        places = range(times) if counts[kind] == 1 else [seen[kind]]
        for place in places:
            versions[place].append(hdu)
        seen[kind] += 1
    return versions


def _alike(folder: Path, versions: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether all have the same HDUs in files of the same bytes."""
    contents = [[(hdu["type"], hdu["hdu"], _digest(folder, hdu["file"])) for hdu in version] for version in versions]
    return all(content == contents[0] for content in contents)


def _digest(folder: Path, name: str) -> str:
    """Of a file that is there; one that is not is only like itself."""
    path = folder / name
    return file_sha256(path) if path.is_file() else name
