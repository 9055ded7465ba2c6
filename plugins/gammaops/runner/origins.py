"""Where the products of a run come from, as plain data for its page: each with what it was made from, down to files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.lineage import MEMBER, PART, Lineage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.lineage import Origin
    from gammaops.products import Product, ProductStore

__all__ = ["origins_of"]

_SHOWN = 16  # digits of a SHA-256, as in names of payloads


def origins_of(store: ProductStore, products: Mapping[str, Product]) -> list[dict[str, Any]]:
    """These products, and after them those of other runs that they go back to.

    Parameters
    ----------
    store : ProductStore
    products : mapping of str to Product
        By name.

    Returns
    -------
    list of dict
        ``name``, ``kind``, ``path``, ``digest``, ``inputs`` (``role``, ``path``, ``digest``), ``files`` (``key`` of the
        config, ``name``, ``digest``) and ``parts``, each with its own ``files``. A part that is only ``listed`` was
        made with its index; the others were joined. Every input is itself in the list.
    """
    lineage = Lineage(store)
    lineage.remember(products.values())
    names = {store.relative(product.uri): name for name, product in products.items()}
    queue, entries = list(names), {}
    while queue:
        origin = lineage.origin(queue.pop(0))
        if origin.name not in entries:
            entries[origin.name] = _entry(lineage, origin, names.get(origin.name, ""))
            queue += [one["path"] for one in entries[origin.name]["inputs"] if one["path"]]
    return list(entries.values())


def _entry(lineage: Lineage, origin: Origin, name: str) -> dict[str, Any]:
    named = {"kind": origin.sidecar.get("kind", ""), "name": name, "path": origin.name}
    digest = (origin.sidecar.get("payload") or {}).get("sha256", "")[:_SHOWN]
    inputs = [
        {"role": one.role, "path": one.name, "digest": one.digest}
        for one in origin.references
        if one.role not in (MEMBER, PART)
    ]
    return {
        **named,
        "digest": digest,
        "inputs": inputs,
        "files": _files(origin),
        "parts": list(_parts(lineage, origin)),
    }


def _parts(lineage: Lineage, origin: Origin) -> Iterator[dict[str, Any]]:
    """What was joined; members of the index that are these same products are not listed twice."""
    joined = {one.name for one in origin.references if one.role == PART}
    for one in origin.references:
        if one.role == PART or (one.role == MEMBER and one.name not in joined):
            files = _files(lineage.origin(one.name)) if one.name else []
            yield {
                "label": one.label,
                "listed": one.role == MEMBER,
                "path": one.name,
                "digest": one.digest,
                "files": files,
            }


def _files(origin: Origin) -> list[dict[str, str]]:
    return [
        {"key": file.key.partition(": ")[0], "name": file.name, "digest": file.sha256[:_SHOWN]} for file in origin.files
    ]
