"""Where products come from: what their sidecars name, from a number in a report down to the files of the archive."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError
from gammaops.products.keys import member_key
from gammaops.products.paths import sidecar_of
from gammaops.steps import step_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gammaops.products import Product, ProductStore
    from gammaops.steps.base import StepSpec

__all__ = ["MEMBER", "PART", "Lineage", "Origin", "Reference", "SourceFile"]

MEMBER, PART = "member", "part"
_PRODUCTS = "products/"


@dataclass(frozen=True)
class Reference:
    """A product that another one was made from.

    Parameters
    ----------
    role : str
        Of an input its role in the step; ``member`` of an index; ``part`` that a fan-out's collect has joined.
    name : str
        Its path below the store; empty if it is in the store no more.
    digest : str
        As the product that was made from it says.
    label : str
        What the index or the fan-out calls it.
    """

    role: str
    name: str
    digest: str
    label: str = ""


@dataclass(frozen=True)
class SourceFile:
    """A file outside the store: of the archive, or one that the config names under a key; with its SHA-256."""

    name: str
    sha256: str
    key: str = ""


@dataclass(frozen=True)
class Origin:
    """A product and what it was made from, as its sidecar says.

    Parameters
    ----------
    name : str
        Its path below the store.
    sidecar : mapping
        Empty if it cannot be read.
    references : tuple of Reference
        Products that it was made from.
    files : tuple of SourceFile
        Files outside the store that it was made from.
    problem : str
        Why the sidecar, or the index beside it, cannot be read.
    """

    name: str
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    files: tuple[SourceFile, ...] = ()
    problem: str = ""


class Lineage:
    """Origins of the products of a store; what is read once is remembered.

    Parameters
    ----------
    store : ProductStore
    """

    def __init__(self, store: ProductStore) -> None:
        self.store = store
        self._origins: dict[str, Origin] = {}
        self._sidecars: dict[str, Mapping[str, Any]] = {}
        self._listed: dict[str, list[str]] = {}
        self._digests: dict[str, dict[str, list[str]]] = {}

    def remember(self, products: Iterable[Product]) -> None:
        """Take the sidecars of products that are open already, and of their members, instead of reading them again."""
        for product in products:
            self._sidecars[sidecar_of(self.store.relative(product.uri))] = product.sidecar
            self.remember(product.members)

    def origin(self, name: str) -> Origin:
        """What the product with this path below the store was made from."""
        sidecar = sidecar_of(name)
        if sidecar not in self._origins:
            self._origins[sidecar] = self.read(name)
        return self._origins[sidecar]

    def ancestry(self, name: str) -> dict[str, Origin]:
        """The product and everything that it goes back to, by path, the nearest first."""
        first = self.origin(name)
        found, queue = {first.name: first}, [first]
        while queue:
            for reference in queue.pop(0).references:
                origin = self.origin(reference.name) if reference.name else None
                if origin and origin.name not in found:
                    found[origin.name] = origin
                    queue.append(origin)
        return found

    def index_of(self, sidecar: Mapping[str, Any]) -> str:
        """The sidecar's name of the index that a member was made for; empty for any other product."""
        spec = _spec(sidecar)
        name = sidecar.get("metrics", {}).get("name")
        if spec is None or {"item", "parts"} & sidecar.keys() or not isinstance(name, str):
            return ""
        kinds = {made.kind for made in spec.produces.values() if made.member == sidecar["kind"]}
        candidates = (index for kind in sorted(kinds) for index in self._sidecars_of(kind))
        return next((one for one in candidates if member_key(PurePosixPath(one).stem, name) == sidecar["key"]), "")

    def parts(self, sidecar: Mapping[str, Any]) -> tuple[Reference, ...]:
        """The parts that a collect has joined, or that a sum is the sum of, in its order."""
        spec = _spec(sidecar)
        if spec is None:
            return ()
        kind = spec.fan_out.part.kind if spec.fan_out else sidecar["kind"]
        return tuple(
            Reference(PART, self._part(kind, label, digest), digest, label)
            for label, digest, *_ in sidecar.get("parts") or ()
        )

    def _sidecars_of(self, kind: str) -> Sequence[str]:
        if kind not in self._listed:
            self._listed[kind] = list(self.store.sidecars(kind))
        return self._listed[kind]

    def read(self, name: str) -> Origin:
        """The same, read now and not remembered."""
        try:
            sidecar = self._sidecars.get(sidecar_of(name)) or self.store.sidecar(sidecar_of(name))
        except ProductError as error:
            return Origin(name, problem=str(error))
        payload = sidecar.get("payload")
        path = str(PurePosixPath(name).with_name(payload["name"])) if payload else sidecar_of(name)
        references, problem = [*_named(sidecar, ""), *self.parts(sidecar)], ""
        if sidecar.get("index") and payload:
            try:
                references += _members(self.store.files.read(path))
            except (FileNotFoundError, ValueError, KeyError) as error:
                problem = f"the index {self.store.uri_of(path)} cannot be read: {error}"
        elif index := self.index_of(sidecar):
            references += self.parts(self.store.sidecar(index))
        return Origin(path, sidecar, tuple(dict.fromkeys(references)), tuple(_files(sidecar)), problem)

    def _part(self, kind: str, label: str, digest: str) -> str:
        """The part with this digest; of several with the same bytes, the one with this label."""
        found = self._by_digest(kind).get(digest, [])
        if len(found) > 1:
            labels = {one: self.origin(one).sidecar.get("item", {}).get("label") for one in found}
            return next((one for one in found if labels[one] == label), found[0])
        return found[0] if found else ""

    def _by_digest(self, kind: str) -> Mapping[str, Sequence[str]]:
        if kind not in self._digests:
            names: dict[str, list[str]] = defaultdict(list)
            for name in self.store.files.names(f"{_PRODUCTS}{kind}"):
                words = PurePosixPath(name).name.split(".")
                if len(words) > 2:
                    names[words[1]].append(name)
            self._digests[kind] = names
        return self._digests[kind]


def _spec(sidecar: Mapping[str, Any]) -> StepSpec | None:
    """The step type that made a product, if there is still one of that name."""
    return step_specs().get(sidecar.get("step", {}).get("tag", ""))


def _named(value: Any, role: str) -> Iterator[Reference]:
    """Whatever a sidecar names by path and digest; the role is the key that it stands under."""
    if isinstance(value, dict):
        path, digest = value.get("path"), value.get("digest")
        if isinstance(path, str) and isinstance(digest, str) and path.startswith(_PRODUCTS):
            yield Reference(role, path, digest)
            return
        for key, item in value.items():
            yield from _named(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, role)


def _members(content: bytes) -> Iterator[Reference]:
    for row in json.loads(content)["members"]:
        yield Reference(MEMBER, row["path"], row["digest"], str(row["name"]))


def _files(sidecar: Mapping[str, Any]) -> Iterator[SourceFile]:
    names = sidecar.get("file_names", {})
    for key, sha256 in sorted(sidecar.get("files", {}).items()):
        yield SourceFile(names.get(key) or key.rpartition(": ")[2], sha256, key)
    for source in sidecar.get("sources", ()):
        yield SourceFile(source["name"], source["sha256"])
