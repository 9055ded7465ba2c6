"""Tables of rows to be mapped over: written as ECSV, read back as plain Python rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astropy.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["read_rows", "write_rows"]

TEXT_COLUMNS = ("label", "status", "reason_class", "reason")


def write_rows(table: Table, path: Path) -> None:
    """Write a table of rows, and what its meta has as ``notes``; the same rows give the same bytes.

    Raises
    ------
    ValueError
        If a compulsory column is absent, or a label is there twice.
    """
    absent = [name for name in TEXT_COLUMNS if name not in table.colnames]
    if absent:
        raise ValueError(f"a table of rows needs the columns {', '.join(TEXT_COLUMNS)}; absent: {', '.join(absent)}")
    labels = list(table["label"])
    if len(set(labels)) != len(labels):
        raise ValueError(f"labels of rows must differ: {labels}")
    notes = {"notes": list(table.meta["notes"])} if table.meta.get("notes") else {}
    plain = Table({name: table[name] for name in table.colnames}, meta=notes)
    plain.write(path, format="ascii.ecsv", overwrite=True)


def read_rows(path: Path) -> Sequence[dict[str, Any]]:
    """The rows of such a table, in order, with values of Python's own types."""
    table = Table.read(path, format="ascii.ecsv")
    columns = {name: table[name].tolist() for name in table.colnames}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [{name: "" if value is None else value for name, value in row.items()} for row in rows]
