"""Freezing: what a release holds is written down once, after everything in it was looked at."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gammaops.care.announcing import COLLECTING, FREEZING, announced
from gammaops.errors import ProductError
from gammaops.products.keys import canonical_json
from gammaops.releases.checking import Inspection
from gammaops.releases.names import checked_name, release_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.products import ProductStore, RunFolder
    from gammaops.releases.names import Signature

__all__ = ["FORMAT", "freeze", "record_sha256"]

FORMAT = 1
RECORD = "run.json"


def freeze(store: ProductStore, name: str, folders: Sequence[RunFolder], signature: Signature) -> str:
    """Write ``releases/<name>.json``; there is no way to change it afterwards.

    What one run of a DAG has frozen it does not freeze again: the record that is there is returned.

    Parameters
    ----------
    store : ProductStore
    name : str
        Of the release to be.
    folders : sequence of RunFolder
        Its runs.
    signature : Signature
        Who freezes it, when and why.

    Returns
    -------
    str
        URI of the record.

    Raises
    ------
    ConfigError
        If it cannot be called so.
    ProductError
        With every reason for which some run cannot be released; if there is such a release already; or if garbage is
        being collected.
    """
    path = release_path(checked_name(name))
    if store.files.exists(path):
        return _existing(store, name, signature)
    if not folders:
        raise ProductError(f"the release {name} would hold no run; choose some")
    with announced(store, FREEZING, against=COLLECTING) as announcement:
        inspection = Inspection(store, announcement.renew)
        records = _inspected(inspection, folders)
        try:
            store.files.create(path, canonical_json(_document(store, name, records, signature)))
        except FileExistsError:
            return _existing(store, name, signature)
        _look_again(store, name, inspection, folders)
    return store.uri_of(path)


def _document(
    store: ProductStore, name: str, records: Sequence[tuple[RunFolder, dict[str, Any]]], signature: Signature
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "release": name,
        "frozen": asdict(signature),
        "runs": [_run_entry(folder, record) for folder, record in records],
        "states": dict(Counter(row["state"] for _, record in records for row in record["ledger"])),
        **_versions(store, [record for _, record in records]),
    }


def _look_again(store: ProductStore, name: str, inspection: Inspection, folders: Sequence[RunFolder]) -> None:
    """Take the record back if anything of it was deleted before it could protect it: by hand, or by an older version.

    Raises
    ------
    ProductError
        If so.
    """
    gone = [*(folder.relative for folder in folders if not folder.ended), *inspection.gone()]
    if gone:
        store.files.remove(release_path(name))
        lines = "\n  ".join(gone)
        raise ProductError(
            f"nothing is frozen: while the release {name} was written these were deleted; run them again:\n  {lines}"
        )


def record_sha256(folder: RunFolder) -> str:
    """SHA-256 of the record of a run, as a release names it."""
    return hashlib.sha256(folder.read(RECORD)).hexdigest()


def _existing(store: ProductStore, name: str, signature: Signature) -> str:
    """The release that is there already, if it is of the same run of a DAG.

    Raises
    ------
    ProductError
        If it is not.
    """
    uri = store.uri_of(release_path(name))
    frozen = json.loads(store.files.read(release_path(name)))["frozen"]
    if signature.who and frozen["who"] == signature.who:
        return uri
    raise ProductError(f"there is a release {name} already, {uri}; releases never change, take another name")


def _inspected(inspection: Inspection, folders: Sequence[RunFolder]) -> list[tuple[RunFolder, dict[str, Any]]]:
    """The runs with their records.

    Raises
    ------
    ProductError
        If any may not be released.
    """
    records, problems = [], []
    for folder in folders:
        if folder.trouble:
            problems.append(f"{folder.relative} {folder.trouble}")
            continue
        record = folder.read_json(RECORD)
        problems += [f"{folder.relative} {problem}" for problem in inspection.run_problems(record)]
        records.append((folder, record))
    if problems:
        lines = "\n  ".join(problems)
        raise ProductError(f"nothing is frozen; run these again, or choose other runs:\n  {lines}")
    return records


def _run_entry(folder: RunFolder, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run": folder.relative,
        "analysis": record["analysis"],
        "nights": record["nights"],
        "verdict": record["verdict"]["line"],
        "config_digest": record["config_digest"],
        "record_sha256": record_sha256(folder),
        "code": record["provenance"]["code"],
        "products": [
            {"step": step["name"], **{key: product[key] for key in ("name", "kind", "path", "digest")}}
            for step in record["steps"]
            for product in step["products"]
        ],
        "observations": [
            {
                **{key: row[key] for key in ("obs_id", "archive", "night", "state", "reason_class")},
                "products": {step: made["path"] for step, made in row["steps"].items() if made["path"]},
            }
            for row in record["ledger"]
        ],
    }


def _versions(store: ProductStore, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Versions of all that the products were made with: of each package those that were used, and of our own code."""
    packages: dict[str, set[str]] = {}
    code = set()
    for sidecar in _sidecars(store, records):
        for package, version in sidecar.get("packages", {}).items():
            packages.setdefault(package, set()).add(version)
        if "code" in sidecar:
            code.add(canonical_json(sidecar["code"]))
    used = {package: sorted(versions) for package, versions in sorted(packages.items())}
    return {"packages": used, "code": [json.loads(text) for text in sorted(code)]}


def _sidecars(store: ProductStore, records: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    paths = [product["path"] for record in records for step in record["steps"] for product in step["products"]]
    yield from (store.sidecar_of(path) for path in dict.fromkeys(paths))
