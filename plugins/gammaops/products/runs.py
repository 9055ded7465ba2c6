"""Run folders: what one execution of an analysis was asked for, and what became of it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductMissing
from gammaops.products import atomic
from gammaops.products.keys import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gammaops.products.store import ProductStore

__all__ = ["RunFolder", "run_label"]

LABEL_LENGTH = 60


def run_label(name: str) -> str:
    """A folder name for any run id: harmless, readable, and different for different ids."""
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:LABEL_LENGTH].lstrip(".")
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _next_version(parent: Path) -> Path:
    """Make the folder after the newest ``v<NNN>``; of two that race each gets one of its own."""
    parent.mkdir(parents=True, exist_ok=True)
    version = max((int(path.name[1:]) for path in parent.glob("v[0-9]*")), default=0)
    while True:
        version += 1
        path = parent / f"v{version:03d}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path


@dataclass(frozen=True)
class RunFolder:
    """``runs/<analysis>/<run label>/v<NNN>``: one execution of one run.

    Its files are written once. Of what the first task writes ``config.yaml`` comes last: a folder without it is no run.
    """

    store: ProductStore
    path: Path

    @classmethod
    def new(cls, store: ProductStore, analysis: str, name: str) -> RunFolder:
        """Claim the next version of the run called `name`."""
        parent = store.root / "runs" / analysis / run_label(name)
        return cls(store, _next_version(parent))

    @classmethod
    def of(cls, store: ProductStore, uri: str) -> RunFolder:
        """The folder of a file that lies in it, such as the frozen ``config.yaml``."""
        return cls(store, store.local(uri).parent)

    @classmethod
    def all(cls, store: ProductStore, analysis: str) -> Iterator[RunFolder]:
        """All executions of an analysis, of each run the oldest first."""
        for path in sorted((store.root / "runs" / analysis).glob("*/v*")):
            yield cls(store, path)

    @property
    def relative(self) -> str:
        """Path below the store's root; what sidecars call the run."""
        return self.path.relative_to(self.store.root).as_posix()

    def uri_of(self, name: str) -> str:
        """Product path of one of its files."""
        return self.store.uri_of(self.path / name)

    def create(self, name: str, content: bytes) -> None:
        """Write one of its files, once."""
        atomic.create(self.path / name, content)

    def create_json(self, name: str, document: Mapping[str, Any]) -> None:
        """Write one of its files as canonical JSON, once."""
        self.create(name, canonical_json(document))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of its JSON files.

        Raises
        ------
        ProductMissing
            If the run has not written it.
        """
        try:
            document: dict[str, Any] = json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            raise ProductMissing(f"{self.uri_of(name)} was not written") from None
        return document

    def successor(self) -> RunFolder:
        """A further version of the same run, same request and config: tasks were cleared after it had ended."""
        folder = RunFolder(self.store, _next_version(self.path.parent))
        for name in ("request.json", "config.yaml"):
            folder.create(name, (self.path / name).read_bytes())
        return folder

    def point_latest(self) -> None:
        """Let ``latest`` beside the versions name this one."""
        atomic.replace(self.path.parent / "latest", f"{self.path.name}\n".encode())
