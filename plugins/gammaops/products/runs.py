"""Run folders: what one execution of an analysis was asked for, and what became of it."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductCorrupt, ProductMissing
from gammaops.products.keys import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.products.store import ProductStore

__all__ = ["BEGUN", "CONFIG", "REOPENED", "REQUEST", "RunFolder", "moment_of", "run_label"]

LABEL_LENGTH = 60
REQUEST = "request.json"
CONFIG = "config.yaml"
REOPENED = "reopened"
# A file whose name says when the run began, so that a listing tells the order of thousands of runs.
BEGUN = "begun."


def run_label(name: str) -> str:
    """A folder name for any run id: harmless, readable, and different for different ids."""
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:LABEL_LENGTH].lstrip(".")
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def moment_of(request: Mapping[str, Any]) -> str:
    """When a run began, as digits that sort like times; empty if its request does not say."""
    return re.sub(r"\D", "", str(request.get("begun", "")).partition("+")[0])


@dataclass(frozen=True)
class RunFolder:
    """``runs/<analysis>/<run label>/v<NNN>``: one execution of one run.

    Its files are written once, but for markers that are there only while something is going on. It begins with
    ``request.json`` and ``config.yaml``, on a disk at once; on an object store the first claims it and the other comes
    last. A folder without that is no version, for nobody.

    Parameters
    ----------
    store : ProductStore
    relative : str
        Path below the store's root; what sidecars call the run.
    """

    store: ProductStore
    relative: str

    @classmethod
    def new(
        cls, store: ProductStore, analysis: str, name: str, request: Mapping[str, Any], config: bytes = b""
    ) -> RunFolder:
        """Claim the next version of the run called `name`; of two that race each gets one of its own."""
        return cls._claimed(store, f"runs/{analysis}/{run_label(name)}", canonical_json(request), config)

    @classmethod
    def _claimed(cls, store: ProductStore, parent: str, request: bytes, config: bytes) -> RunFolder:
        version = max((int(folder.version[1:]) for folder in cls._below(store, parent)), default=0)
        files = {REQUEST: request, f"{BEGUN}{moment_of(json.loads(request))}": b"", CONFIG: config}
        while True:
            version += 1
            folder = cls(store, f"{parent}/v{version:03d}")
            with suppress(FileExistsError):
                store.files.create_folder(folder.relative, files)
                return folder

    @classmethod
    def of(cls, store: ProductStore, uri: str) -> RunFolder:
        """The folder of a file that lies in it, such as the frozen ``config.yaml``."""
        return cls(store, str(PurePosixPath(store.relative(uri)).parent))

    @classmethod
    def all(cls, store: ProductStore, analysis: str) -> Iterator[RunFolder]:
        """All executions of an analysis, of each run the oldest first."""
        yield from cls._below(store, f"runs/{analysis}")

    @classmethod
    def _below(cls, store: ProductStore, folder: str) -> list[RunFolder]:
        paths = [PurePosixPath(name) for name in store.files.names(folder)]
        found = [path.parent for path in paths if path.name == CONFIG and re.fullmatch(r"v\d+", path.parent.name)]
        return [cls(store, str(path)) for path in sorted(found, key=lambda path: (path.parent, int(path.name[1:])))]

    @classmethod
    def beside(cls, store: ProductStore, analysis: str, name: str, what: str) -> RunFolder:
        """A folder beside the versions of the run called `name`, for what belongs to none of them."""
        return cls(store, f"runs/{analysis}/{run_label(name)}/{what}")

    def same_execution(self) -> list[RunFolder]:
        """The versions that were begun as one: this, and those before and after tasks of it were cleared at its end."""
        if not self.has(REQUEST):
            return [self]
        request, parent = self.read(REQUEST), str(PurePosixPath(self.relative).parent)
        return [folder for folder in self._below(self.store, parent) if folder.read(REQUEST) == request]

    @property
    def version(self) -> str:
        """Which execution of its run: ``v001``, ``v002``, …, the last is the newest."""
        return PurePosixPath(self.relative).name

    @property
    def label(self) -> str:
        """The run's name as a folder."""
        return PurePosixPath(self.relative).parent.name

    @property
    def ended(self) -> bool:
        """Whether its record is written."""
        return self.has("run.json")

    @property
    def trouble(self) -> str:
        """Why nobody can say what became of it, as a predicate; empty if its record is there and its own."""
        if not self.has(REQUEST):
            return "is not there: its folder was renamed or deleted"
        name = str(self.read_json(REQUEST).get("name", ""))
        if name and run_label(name) != self.label:
            asked = f"its request.json is that of the run {name!r}, whose folder is called {run_label(name)}"
            return f"is not what its folder says: {asked}; rename it back"
        return "" if self.ended else "has not ended"

    def uri_of(self, name: str) -> str:
        """Product path of one of its files."""
        return self.store.uri_of(f"{self.relative}/{name}")

    def has(self, name: str) -> bool:
        """Whether one of its files is there."""
        return self.store.files.exists(f"{self.relative}/{name}")

    def names(self, folder: str) -> list[str]:
        """Its files in a folder of its own, such as ``failures``."""
        found = self.store.files.names(f"{self.relative}/{folder}")
        return [name.removeprefix(f"{self.relative}/") for name in found]

    def create(self, name: str, content: bytes) -> None:
        """Write one of its files, once."""
        self.store.files.create(f"{self.relative}/{name}", content)

    def replace(self, name: str, content: bytes) -> None:
        """Write a marker, in the place of an older one."""
        self.store.files.replace(f"{self.relative}/{name}", content)

    def remove(self, name: str) -> None:
        """Take a marker away; it may be gone already."""
        self.store.files.remove(f"{self.relative}/{name}")

    def create_json(self, name: str, document: Mapping[str, Any]) -> None:
        """Write one of its files as canonical JSON, once."""
        self.create(name, canonical_json(document))

    def read(self, name: str) -> bytes:
        """Read one of its files.

        Raises
        ------
        ProductMissing
            If the run has not written it.
        """
        try:
            return self.store.files.read(f"{self.relative}/{name}")
        except FileNotFoundError:
            raise ProductMissing(f"{self.uri_of(name)} was not written") from None

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of its JSON files.

        Raises
        ------
        ProductMissing, ProductCorrupt
            If the run has not written it, or if it is not JSON.
        """
        try:
            document: dict[str, Any] = json.loads(self.read(name))
        except ValueError as error:
            raise ProductCorrupt(f"{self.uri_of(name)} is not JSON: {error}") from error
        return document

    def reopen(self) -> None:
        """Say that a task which was cleared after the run had ended is at work: what it takes must not be collected."""
        self.replace(REOPENED, b"")

    def successor(self) -> RunFolder:
        """A further version of the same run, same request and config: tasks were cleared after it had ended."""
        parent = str(PurePosixPath(self.relative).parent)
        return self._claimed(self.store, parent, self.read(REQUEST), self.read(CONFIG))

    def point_latest(self) -> None:
        """Let ``latest`` beside the versions name this one."""
        parent = PurePosixPath(self.relative).parent
        self.store.files.replace(f"{parent}/latest", f"{self.version}\n".encode())
