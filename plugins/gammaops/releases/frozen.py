"""What a release is: ``releases/<name>.json`` of the store, written once."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gammaops.errors import ConfigError, Problem, ProductError, ProductMissing
from gammaops.products import RunFolder, canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.products import Product, ProductStore

__all__ = ["FOLDER", "Release", "all_releases", "freeze", "release_called", "utc_now"]

FOLDER = "releases"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True)
class Release:
    """A frozen set of run versions.

    Parameters
    ----------
    store : ProductStore
    document : mapping
        ``name``, ``author``, ``comment``, ``created`` (UTC), and ``runs``: of each its ``run`` folder, ``analysis``,
        ``nights``, ``verdict``, ``config_digest``, ``code`` and ``products`` (``name``, ``kind``, ``path`` and
        ``digest`` of each).
    """

    store: ProductStore
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.document["name"])

    @property
    def uri(self) -> str:
        """Path of its file."""
        return self.store.uri_of(f"{FOLDER}/{self.name}.json")

    @property
    def runs(self) -> list[RunFolder]:
        """Its run folders."""
        return [RunFolder(self.store, run["run"]) for run in self.document["runs"]]


def freeze(
    store: ProductStore, name: str, runs: Sequence[RunFolder], author: str, comment: str, *, made_by: str = ""
) -> Release:
    """Give finished runs a name that stays theirs.

    Every product is read and verified. The file is created exclusively: of two that choose one name, one gets it.

    Parameters
    ----------
    store : ProductStore
    name : str
        Letters, digits, ``-`` and ``_``.
    runs : sequence of RunFolder
    author, comment : str
        Who, and what for.
    made_by : str
        The run of the DAG that does it.

    Raises
    ------
    ConfigError
        If the name cannot be one, is taken, or nobody signs.
    ProductError
        With every run that has not ended or is red, and every product that is absent or damaged.
    """
    if not _NAME.fullmatch(name):
        raise _refused("name", f"{name!r} cannot name a release", "letters, digits, - and _, such as 2026-11-prod")
    if not author.strip() or not comment.strip():
        raise _refused("comment", "a release without author or comment", "who made it, and what for")
    if not runs:
        raise _refused("runs", "no finished run to freeze", "run the analysis first, or name other runs")
    problems: list[str] = []
    entries = [entry for folder in runs if (entry := _entry(folder, problems))]
    if problems:
        raise ProductError(f"{name} cannot be frozen: {'; '.join(problems)}")
    signed = {"author": author, "comment": comment, "created": utc_now(), "made_by": made_by}
    document = {"name": name, **signed, "runs": entries}
    try:
        store.files.create(f"{FOLDER}/{name}.json", canonical_json(document))
    except FileExistsError:
        raise _refused("name", f"there is a release {name} already, and it stays as it is", "another name") from None
    return Release(store, document)


def _refused(key: str, message: str, expected: str) -> ConfigError:
    return ConfigError([Problem("release", 0, 0, key, message, expected)])


def utc_now() -> str:
    """ISO, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _entry(folder: RunFolder, problems: list[str]) -> dict[str, Any] | None:
    """What is kept of a run; None, with the reasons added to `problems`, if it cannot be released."""
    if not folder.ended:
        problems.append(f"{folder.relative} has not ended")
        return None
    record = folder.read_json("run.json")
    if not record["verdict"]["ok"]:
        problems.append(f"{folder.relative} is red: {record['verdict']['line']}")
        return None
    products = [product for step in record["steps"] for product in step["products"]]
    problems += [problem for product in products for problem in _problems(folder.store, product["path"])]
    return {
        "run": folder.relative,
        "analysis": record["analysis"],
        "nights": record["nights"],
        "verdict": record["verdict"]["line"],
        "config_digest": record["config_digest"],
        "code": record["provenance"]["code"],
        "products": [{key: product[key] for key in ("name", "kind", "path", "digest")} for product in products],
    }


def _problems(store: ProductStore, path: str) -> list[str]:
    """What is wrong with a product and its members, read to the last byte."""
    try:
        return _unreadable(store.open(store.uri_of(path)))
    except ProductError as error:
        return [str(error)]


def _unreadable(product: Product) -> list[str]:
    found = []
    for one in (product, *product.members):
        try:
            _ = one.path
        except ProductError as error:
            found.append(str(error))
    return found


def release_called(store: ProductStore, name: str) -> Release:
    """A release by its name.

    Raises
    ------
    ProductMissing
        If there is none; it says which there are.
    """
    file = f"{FOLDER}/{name}.json"
    if not _NAME.fullmatch(name) or not store.files.exists(file):
        known = ", ".join(one.name for one in all_releases(store)) or "none"
        raise ProductMissing(f"{store.uri} has no release {name!r}; there are: {known}")
    return Release(store, json.loads(store.files.read(file)))


def all_releases(store: ProductStore) -> list[Release]:
    """All releases of a store, the oldest first."""
    names = [name for name in store.files.names(FOLDER) if name.count("/") == 1 and name.endswith(".json")]
    found = [Release(store, json.loads(store.files.read(name))) for name in names]
    return sorted(found, key=lambda release: (release.document["created"], release.name))
