"""What is known of the releases of a store: their records, and what was decided of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductCorrupt, ProductMissing
from gammaops.ledger import USABLE
from gammaops.products import RunFolder
from gammaops.releases.checking import Inspection
from gammaops.releases.freezing import record_sha256
from gammaops.releases.names import CURRENT, RELEASES, release_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.products import ProductStore

__all__ = ["Release", "all_releases", "has_release", "open_release"]


@dataclass(frozen=True)
class Release:
    """A frozen set of run versions.

    Parameters
    ----------
    store : ProductStore
    document : mapping
        Its record, as in ``releases/<name>.json``.
    """

    store: ProductStore
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.document["release"])

    @property
    def uri(self) -> str:
        """URI of its record."""
        return self.store.uri_of(release_path(self.name))

    @property
    def folders(self) -> list[RunFolder]:
        """The folders of its runs."""
        return [RunFolder(self.store, entry["run"]) for entry in self.document["runs"]]

    def obs_ids(self, state: str) -> list[int]:
        """Observations that are in this state of the ledger in any of its runs."""
        rows = (row for entry in self.document["runs"] for row in entry["observations"])
        return sorted({row["obs_id"] for row in rows if row["state"] == state})

    def observations_of(self, analysis: str) -> list[int]:
        """Observations that its runs of an analysis have used."""
        runs = [entry for entry in self.document["runs"] if entry["run"].split("/")[1] == analysis]
        return sorted({row["obs_id"] for entry in runs for row in entry["observations"] if row["state"] in USABLE})

    def problems(self) -> list[str]:
        """In what it is not any more what was frozen; every payload is hashed now."""
        inspection = Inspection(self.store)
        found = []
        for entry, folder in zip(self.document["runs"], self.folders, strict=True):
            if not folder.ended or record_sha256(folder) != entry["record_sha256"]:
                found.append(f"{folder.uri_of('run.json')} is not the record that was frozen")
            paths = [one["path"] for one in entry["products"]]
            paths += [path for row in entry["observations"] for path in row["products"].values()]
            found += inspection.product_problems(paths)
        return found


def has_release(store: ProductStore, name: str) -> bool:
    """Whether there is a release of this name."""
    return "/" not in name and store.files.exists(release_path(name))


def open_release(store: ProductStore, name: str) -> Release:
    """A release by its name.

    Raises
    ------
    ProductMissing
        If there is none.
    ProductCorrupt
        If its record is not JSON.
    """
    if not has_release(store, name):
        known = ", ".join(_names(store)) or "none"
        hint = "; none was promoted yet" if name == CURRENT else ""
        raise ProductMissing(f"the store {store.uri} has no release {name!r}{hint}; it has: {known}")
    return _read(store, name)


def all_releases(store: ProductStore) -> list[Release]:
    """Every release of a store, the oldest first."""
    found = [_read(store, name) for name in _names(store)]
    return sorted(found, key=lambda release: (release.document["frozen"]["time"], release.name))


def _names(store: ProductStore) -> Iterator[str]:
    for path in map(PurePosixPath, store.files.names(RELEASES)):
        if len(path.parts) == 2 and path.suffix == ".json":
            yield path.stem


def _read(store: ProductStore, name: str) -> Release:
    try:
        document = json.loads(store.files.read(release_path(name)))
    except ValueError as error:
        raise ProductCorrupt(f"{store.uri_of(release_path(name))} is not JSON ({error}); mend it") from None
    return Release(store, document)
