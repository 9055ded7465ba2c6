"""Products in words: a line of a list, a sidecar as a table, the ancestry as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError
from gammaops.lineage import MEMBER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.lineage import Lineage, Origin, Reference, SourceFile
    from gammaops.products import ProductStore

__all__ = ["Branch", "Listed", "ancestry_tree", "in_words", "listed"]

_DIGEST = 16


@dataclass(frozen=True)
class Listed:
    """A product as a list shows it: path, kind, status, size in bytes, and by which step of which run it was made."""

    name: str
    kind: str
    status: str
    size: int
    analysis: str
    step: str
    label: str
    run: str


def listed(store: ProductStore, kind: str = "", analysis: str = "", status: str = "") -> Iterator[Listed]:
    """The products of a store, in order of their paths; of one kind, analysis or status where these are given."""
    for name in store.sidecars(kind):
        try:
            sidecar = store.sidecar(name)
        except ProductError:
            row = Listed(name, PurePosixPath(name).parts[1], "unreadable", 0, "", "", "", "")
        else:
            row = _listed(name, sidecar)
        if analysis in ("", row.analysis) and status in ("", row.status):
            yield row


def _listed(name: str, sidecar: Mapping[str, Any]) -> Listed:
    payload = sidecar.get("payload")
    return Listed(
        name=str(PurePosixPath(name).with_name(payload["name"])) if payload else name,
        kind=sidecar["kind"],
        status=sidecar["status"],
        size=payload["size"] if payload else 0,
        analysis=sidecar.get("analysis", ""),
        step=sidecar.get("step", {}).get("name", ""),
        label=sidecar.get("item", {}).get("label", ""),
        run=sidecar.get("run", ""),
    )


def in_words(origin: Origin) -> list[tuple[str, str]]:
    """What a sidecar says, as pairs of a word and its value, for people."""
    sidecar, payload = origin.sidecar, origin.sidecar.get("payload")
    step, who = sidecar.get("step", {}), sidecar.get("who", {})
    took = [f"{sidecar.get('cpu_seconds', 0)} s of CPU", f"{sidecar.get('peak_memory_mb', 0)} MB of memory"]
    rows = [
        ("product", origin.name),
        ("kind", sidecar["kind"]),
        ("status", " ".join(str(sidecar[name]) for name in ("status", "reason_class", "reason") if name in sidecar)),
        ("payload", f"{payload['size']} bytes, SHA-256 {payload['sha256']}" if payload else "none"),
        ("row", sidecar.get("item", {}).get("label", "")),
        ("made by", f"step {step['name']!r} ({step['tag']}, version {step['version']})" if step else ""),
        ("in", f"{sidecar.get('run', '')} of {sidecar.get('analysis', '')}".removesuffix(" of ")),
        ("as", " ".join(f"{name} {value}" for name, value in who.items() if value not in ("", -1))),
        ("on", f"{sidecar.get('host', '')} {sidecar.get('started', '')}".strip()),
        ("took", ", ".join(took)),
        ("with", _pairs({**sidecar.get("code", {}), **sidecar.get("packages", {})})),
    ]
    rows += [(f"from {_role(one)}", f"{one.name or 'gone'} ({one.digest})") for one in origin.references]
    rows += [("from file", f"{file.name} ({file.sha256[:_DIGEST]})") for file in origin.files]
    rows += [(f"metric {name}", str(value)) for name, value in sidecar.get("metrics", {}).items()]
    rows += [(f"config {name}", str(value)) for name, value in sidecar.get("config", {}).items()]
    return [row for row in rows if row[1]]


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value)


def _role(reference: Reference) -> str:
    return f"{reference.role} {reference.label}".strip()


@dataclass(frozen=True)
class Branch:
    """A line of a tree of products, and what it was made from."""

    words: str
    branches: tuple[Branch, ...] = ()


def ancestry_tree(lineage: Lineage, name: str) -> Branch:
    """The ancestry of a product down to the files of the archive; what came before is not unfolded twice."""
    return _branch(lineage, lineage.origin(name), "", set())


def _branch(lineage: Lineage, origin: Origin, role: str, seen: set[str]) -> Branch:
    payload = origin.sidecar.get("payload")
    words = [role, origin.name, f"sha256 {payload['sha256'][:_DIGEST]}" if payload else _outcome(origin)]
    line = "  ".join(word for word in words if word)
    again = origin.name in seen and bool(origin.references or origin.files)
    if again:
        return Branch(f"{line}  (as above)")
    seen.add(origin.name)
    files = [Branch(f"{_file(file)}  sha256 {file.sha256[:_DIGEST]}") for file in origin.files]
    return Branch(line, (*_references(lineage, origin, seen), *files))


def _file(file: SourceFile) -> str:
    return f"{file.key.partition(': ')[0] or 'archive'}  {file.name}"


def _outcome(origin: Origin) -> str:
    return origin.problem or f"{origin.sidecar['status']}: {origin.sidecar.get('reason', '')}"


def _references(lineage: Lineage, origin: Origin, seen: set[str]) -> Iterator[Branch]:
    joined = {reference.name for reference in origin.references if reference.role != MEMBER}
    for reference in origin.references:
        if reference.role == MEMBER and reference.name in joined:
            continue  # an index of the parts themselves
        if reference.name:
            yield _branch(lineage, lineage.origin(reference.name), _role(reference), seen)
        else:
            yield Branch(f"{_role(reference)}  in the store no more  sha256 {reference.digest}")
