"""Releases in words: a line of a list, and what one holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammaops.releases.decisions import PROMOTED, current_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.releases.decisions import Decision
    from gammaops.releases.names import Signature
    from gammaops.releases.records import Release

__all__ = ["RunShown", "listed", "shown"]

FROZEN, CURRENT, PROMOTED_ONCE = "frozen", "current", "promoted before"


@dataclass(frozen=True)
class RunShown:
    """A run of a release: its verdict, and a row for each product: step, name, kind, digest, path."""

    title: str
    rows: tuple[tuple[str, ...], ...]


def listed(releases: Sequence[Release], decided: Sequence[Decision]) -> list[tuple[str, ...]]:
    """Name, state, size, who froze it and who decided on it, for each."""
    return [
        (
            release.name,
            _state(release.name, decided),
            _size(release.document),
            _signature(release.document["frozen"]),
            _decided(release.name, decided),
        )
        for release in releases
    ]


def shown(release: Release, decided: Sequence[Decision]) -> tuple[list[tuple[str, str]], list[RunShown]]:
    """What is known of a release as pairs of a word and its value, and its runs."""
    document = release.document
    pairs = [
        ("release", release.name),
        ("state", _state(release.name, decided)),
        ("frozen", _signature(document["frozen"])),
        *[(one.verdict, _signature(one.signature)) for one in decided if one.release == release.name],
        ("holds", _size(document)),
        ("observations", ", ".join(f"{number} {state}" for state, number in sorted(document["states"].items()))),
        ("missing", ", ".join(map(str, release.obs_ids("missing")))),
        ("quarantined", ", ".join(map(str, release.obs_ids("quarantined")))),
        ("with", ", ".join(f"{name} {' and '.join(used)}" for name, used in document["packages"].items())),
        ("code", "; ".join(" ".join(filter(None, code.values())) for code in document["code"])),
        ("record", release.uri),
    ]
    return [pair for pair in pairs if pair[1]], [_run(entry) for entry in document["runs"]]


def _run(entry: Mapping[str, Any]) -> RunShown:
    keys = ("step", "name", "kind", "digest", "path")
    rows = tuple(tuple(one[key] for key in keys) for one in entry["products"])
    return RunShown(f"{entry['run']}  {entry['verdict']}", rows or (("no product", "", "", "", ""),))


def _state(name: str, decided: Sequence[Decision]) -> str:
    if name == current_of(decided):
        return CURRENT
    own = [one.verdict for one in decided if one.release == name]
    if not own:
        return FROZEN
    return PROMOTED_ONCE if own[-1] == PROMOTED else own[-1]


def _size(document: Mapping[str, Any]) -> str:
    analyses = sorted({entry["analysis"] for entry in document["runs"]})
    number = sum(len(entry["observations"]) for entry in document["runs"])
    return f"{', '.join(analyses)}: {len(document['runs'])} runs, {number} observations"


def _decided(name: str, decided: Sequence[Decision]) -> str:
    own = [one for one in decided if one.release == name]
    return f"{own[-1].verdict} {_signature(own[-1].signature)}" if own else ""


def _signature(signed: Mapping[str, Any] | Signature) -> str:
    known = signed if isinstance(signed, dict) else vars(signed)
    comment = " ".join(known["comment"].split())
    return f"{known['time']} by {known['author']}{': ' if comment else ''}{comment}"
