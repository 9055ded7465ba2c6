"""The lineage of a run's products for the page: what each was made from, linked, down to the files of the archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LineageRow", "LineageView", "lineage_views"]

_SUMMED_UP = 3


@dataclass(frozen=True)
class LineageRow:
    """Something that a product was made from: in words, with the place on the page that says more, path and digest."""

    words: str
    link: str
    path: str
    digest: str
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class LineageView:
    """A product with all that it was made from."""

    anchor: str
    title: str
    kind: str
    path: str
    digest: str
    summary: str
    rows: tuple[LineageRow, ...]


def lineage_views(entries: Sequence[Mapping[str, Any]]) -> list[LineageView]:
    """Products in the order of the record; an input of another run is named after its kind."""
    anchors = {entry["path"]: f"from-{number}" for number, entry in enumerate(entries, 1)}
    titles = {entry["path"]: entry["name"] or f"{entry['kind']} of another run" for entry in entries}
    return [_view(entry, anchors, titles) for entry in entries]


def _view(entry: Mapping[str, Any], anchors: Mapping[str, str], titles: Mapping[str, str]) -> LineageView:
    path = entry["path"]
    rows = [
        LineageRow(titles.get(one["path"], one["role"]), anchors.get(one["path"], ""), one["path"], one["digest"])
        for one in entry["inputs"]
    ]
    rows += [LineageRow(file["key"], "", file["name"], file["digest"]) for file in entry["files"]]
    rows += [
        LineageRow(_label(one), "", one["path"], one["digest"], tuple((f["name"], f["digest"]) for f in one["files"]))
        for one in entry["parts"]
    ]
    return LineageView(
        anchors[path], titles[path], entry["kind"], path, entry["digest"], _summary(entry, rows), tuple(rows)
    )


def _label(part: Mapping[str, Any]) -> str:
    return f"{part['label']} (lists it)" if part["listed"] else str(part["label"])


def _summary(entry: Mapping[str, Any], rows: Sequence[LineageRow]) -> str:
    """What it was made from, in one line."""
    parts, files = sum(not one["listed"] for one in entry["parts"]), sum(len(one["files"]) for one in entry["parts"])
    named = [row.words for row in rows[: len(rows) - len(entry["parts"])]]
    words = named[:_SUMMED_UP] + ([f"{len(named) - _SUMMED_UP} more"] if len(named) > _SUMMED_UP else [])
    if parts:
        words.append(f"{parts} part{'s' if parts > 1 else ''}")
    if files:
        words.append(f"{files} file{'s' if files > 1 else ''} of the archive")
    return ", ".join(words) or "nothing that the store knows of"
