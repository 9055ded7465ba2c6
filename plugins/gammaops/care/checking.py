"""A whole store looked through: whether what its sidecars say is there, and nothing else is."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.care.runs_kept import named_in
from gammaops.errors import ProductError
from gammaops.products.paths import kind_of, sidecar_of
from gammaops.products.payloads import Payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products import ProductStore
    from gammaops.products.entries import Entry

__all__ = ["Trouble", "choose", "lonely_payloads", "lost_products", "troubles_of", "verify_payload"]

PRODUCTS = "products"


@dataclass(frozen=True)
class Trouble:
    """A file of the store that is not what it must be, and why; or, a remark only, one that nothing can mend."""

    name: str
    problem: str
    remark: bool = False


def choose(store: ProductStore, number: int | None, seed: int) -> list[str]:
    """The sidecars to look at: all, or so many chosen at random; the same seed chooses the same."""
    names = list(store.sidecars())
    if number is None or number >= len(names):
        return names
    return sorted(random.Random(seed).sample(names, number))  # noqa: S311 - a choice, no secret


def troubles_of(store: ProductStore, sidecar: str) -> Iterator[Trouble]:
    """What is wrong with one product: its sidecar, its payload, which is hashed now, and the members that it lists."""
    try:
        document = store.sidecar(sidecar)
        problem = _misnamed(PurePosixPath(sidecar), document)
        if not problem:
            verify_payload(store, sidecar)
            problem = "; ".join(_absent_members(store, sidecar, document))
    except ProductError as error:
        problem = str(error)
    if problem:
        yield Trouble(sidecar, problem)


def verify_payload(store: ProductStore, sidecar: str) -> None:
    """Hash the payload of a sidecar where it lies, whatever is remembered or kept of it.

    Raises
    ------
    ProductMissing, ProductCorrupt
        If it is gone, or not what the sidecar says.
    """
    payload = Payload.of(store.files, sidecar, store.sidecar(sidecar))
    if payload:
        payload.check_now()


def _misnamed(path: PurePosixPath, document: Mapping[str, Any]) -> str:
    wanted = (path.parts[1], path.stem)
    found = (document["kind"], document["key"])
    return "" if found == wanted else f"it lies at {' '.join(wanted)} and says {' '.join(found)}"


def _absent_members(store: ProductStore, sidecar: str, document: Mapping[str, Any]) -> Iterator[str]:
    if not document.get("index") or not document.get("payload"):
        return
    payload = PurePosixPath(sidecar).with_name(document["payload"]["name"])
    for row in json.loads(store.files.read(str(payload)))["members"]:
        try:
            member = store.sidecar(sidecar_of(row["path"]))
        except ProductError as error:
            yield f"its member {row['name']} is gone: {error}"
            continue
        described = member.get("payload")
        name = described["name"] if described else PurePosixPath(sidecar_of(row["path"])).name
        if name != PurePosixPath(row["path"]).name:
            yield f"its member {row['name']} is another product now: {name}"


def lost_products(store: ProductStore) -> Iterator[Trouble]:
    """Products that a run or a release names and whose payload or sidecar is not there.

    Records are listed before products and come last when a run writes: what a record names was there when products are
    listed. What is not is asked for again, since its makers may have repaired it, or deleted it with all that names it.
    """
    namers: dict[str, list[str]] = {}
    records = [name for name in store.files.names("runs") if PurePosixPath(name).name == "run.json"]
    for record in [*store.files.names("releases"), *records]:
        try:
            named = {path.partition("#")[0] for path in named_in(store, record)}
        except FileNotFoundError:
            continue
        except ProductError as error:
            yield Trouble(record, str(error))
            continue
        for path in filter(kind_of, named):
            namers.setdefault(path, []).append(record)
    there = set(store.files.names(PRODUCTS))
    for path, names in sorted(namers.items()):
        if {path, sidecar_of(path)} <= there:
            continue
        needed_by = [name for name in names if store.files.exists(name)]
        if needed_by and not (store.files.exists(path) and store.files.exists(sidecar_of(path))):
            yield _lost(store, path, needed_by)


def _lost(store: ProductStore, path: str, namers: Sequence[str]) -> Trouble:
    """What a product has lost; no run brings back what was made again with other bytes, so that this is a remark."""
    sidecar = sidecar_of(path)
    if not store.files.exists(sidecar):
        what = f"has lost its sidecar {PurePosixPath(sidecar).name}" if store.files.exists(path) else "is gone"
        return Trouble(path, f"{what}; {_named_by(namers)}")
    now = _payload_of(store, sidecar)
    if now != path and not any(troubles_of(store, sidecar)):
        what = f"is gone; what was made again in its place has other bytes: {now}"
        if not namers[0].startswith("releases/"):
            return Trouble(path, f"{what}; named by {_all_of(namers)}", remark=True)
        return Trouble(path, f"{what}; {_named_by(namers)}")
    return Trouble(path, f"is gone, though its key has a sidecar; {_named_by(namers)}")


def _all_of(records: Sequence[str]) -> str:
    return f"{records[0]} and {len(records) - 1} more" if len(records) > 1 else records[0]


def _named_by(records: Sequence[str]) -> str:
    """Who needs a product, and what can be done: bytes that a release promises are not made anew in silence."""
    named = f"named by {_all_of(records)}"
    if records[0].startswith("releases/"):
        return f"{named}: restore it from a backup, or run it again and see `gammaops releases verify`"
    return f"{named}: run that again, which makes what is missing"


def lonely_payloads(store: ProductStore, before: float) -> Iterator[Trouble]:
    """Payloads that no sidecar names and that were there before a time (seconds since 1970).

    Sidecars are read only where there are several payloads of one key.
    """
    entries = list(store.files.entries(PRODUCTS))
    names = {entry.name for entry in entries}
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.name != sidecar_of(entry.name):
            groups.setdefault(sidecar_of(entry.name), []).append(entry)
    for sidecar, payloads in groups.items():
        old = [payload.name for payload in payloads if payload.modified < before]
        if sidecar not in names:
            yield from (Trouble(name, "no sidecar names it: the try that made it was killed") for name in old)
        elif len(payloads) > 1:
            named = _payload_of(store, sidecar)
            yield from (Trouble(name, f"its sidecar names another payload: {named}") for name in old if name != named)


def _payload_of(store: ProductStore, sidecar: str) -> str:
    try:
        described = store.sidecar(sidecar).get("payload")
    except ProductError:
        return "none, since it cannot be read"
    return str(PurePosixPath(sidecar).with_name(described["name"])) if described else "none"
