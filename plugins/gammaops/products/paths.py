"""Product paths: URIs of products, optionally with a fragment that names rows of a table."""

from __future__ import annotations

import re

from gammaops.errors import ProductError
from gammaops.products.keys import KEY_LENGTH

__all__ = ["MAX_LENGTH", "bounded", "kind_of", "rows_of", "sidecar_of", "with_rows"]

MAX_LENGTH = 256
_PRODUCT = re.compile(r"(?:.*/)?products/(?P<kind>\w+)/(?P<start>[0-9a-f]{2})/(?P=start)[0-9a-f]{30}\.[\w.]+")
_ROWS = re.compile(r"rows?=(?:(?P<first>\d+)(?:-(?P<last>\d+))?)?")


def bounded(path: str) -> str:
    """A product path, if it is short enough to travel between tasks.

    Raises
    ------
    ProductError
        If it is not.
    """
    if len(path.encode()) > MAX_LENGTH:
        raise ProductError(f"the product path {path} has more than {MAX_LENGTH} bytes; give the store a shorter root")
    return path


def kind_of(path: str) -> str:
    """The kind of a product, as its path tells: ``products/<kind>/ab/ab….fits``; empty if that is no product path."""
    match = _PRODUCT.fullmatch(path)
    return match["kind"] if match else ""


def sidecar_of(path: str) -> str:
    """The name of the sidecar beside a payload: ``products/fit/ab/ab….json``; a sidecar's own name stays as it is."""
    folder, _, name = path.partition("#")[0].rpartition("/")
    return f"{folder}/{name[:KEY_LENGTH]}.json"


def with_rows(uri: str, rows: range) -> str:
    """The product path of consecutive rows of a table: ``…#row=12``, ``…#rows=40-79``, or ``…#rows=`` for none."""
    if len(rows) == 0:
        path = f"{uri}#rows="
    elif len(rows) == 1:
        path = f"{uri}#row={rows[0]}"
    else:
        path = f"{uri}#rows={rows[0]}-{rows[-1]}"
    return bounded(path)


def rows_of(path: str) -> tuple[str, range]:
    """The URI of the table and the rows that a product path names.

    Raises
    ------
    ValueError
        If the fragment names no rows.
    """
    uri, _, fragment = path.partition("#")
    match = _ROWS.fullmatch(fragment)
    if not match:
        raise ValueError(f"{path} names no rows; expected a fragment such as #row=12 or #rows=40-79")
    if match["first"] is None:
        return uri, range(0)
    first = int(match["first"])
    return uri, range(first, int(match["last"] or first) + 1)
