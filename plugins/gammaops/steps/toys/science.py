"""Toys: data drawn from fitted models and fitted in the same way, many times."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table, vstack

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import NoWorkFound
from gammaops.physics.bootstrap import Bootstrap, random_state
from gammaops.physics.datasets_io import named_members
from gammaops.physics.models_io import read_fit
from gammaops.physics.toy_section import toy_section
from gammaops.physics.toy_summary import summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammaops.products.base import Product
    from gammaops.steps.base import Scope, Section

__all__ = ["Prepared", "collect", "prepare", "report", "run", "split"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """How many toys, in chunks of how many, from which seed."""

    number: int
    per_task: int
    seed: int


def prepare(config: Mapping[str, Any]) -> Prepared:
    """The numbers of this config."""
    block = config["toys"]
    return Prepared(block["number"], block["per_task"], block["seed"])


def split(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], scope: Scope) -> Table:
    """One row per chunk of toys."""
    if not named_members(inputs["datasets"]):
        raise NoWorkFound("no observation left a dataset")
    firsts = range(1, prepared.number + 1, prepared.per_task)
    return Table(rows=[_row(first, min(first + prepared.per_task - 1, prepared.number)) for first in firsts])


def _row(first: int, last: int) -> dict[str, Any]:
    state = {"status": "selected", "reason_class": "", "reason": ""}
    return {"label": f"toys {first}-{last}", "first": first, "last": last, **state}


def run(
    prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Draw and fit the toys of one chunk."""
    (fit,) = inputs["fit"]
    bootstrap = Bootstrap.of(inputs["datasets"], fit)
    numbers = range(row["first"], row["last"] + 1)
    toys = {number: bootstrap.toy(random_state(prepared.seed, number)) for number in numbers}
    rows = []
    for number, toy in toys.items():
        errors = {f"{name}_err": error for name, error in toy.errors.items()}
        rows.append({"toy": number, "failed": toy.failed, "stat": toy.stat, **toy.values, **errors})
    table = Table(rows=rows, meta={"truth": dict(bootstrap.truth), "stat": _stat_of_data(fit)})
    table.write(out["toys_part"], format="ascii.ecsv", overwrite=True)
    return {"first": row["first"], "toys": len(table), "failed": int(np.sum(table["failed"] != ""))}


def _stat_of_data(fit: Product) -> float:
    return float(read_fit(fit.path)["total_stat"])  # type: ignore[arg-type]


def collect(
    prepared: Prepared,
    inputs: Mapping[str, Sequence[Product]],
    out: Mapping[str, Path],
    parts: Sequence[Product],
) -> dict[str, Any]:
    """Join the chunks in order."""
    if not parts:
        raise NoWorkFound("no toy was made")
    ordered = sorted(parts, key=lambda part: part.metrics["first"])
    tables = [_read(part) for part in ordered]
    toys = vstack(tables, metadata_conflicts="silent")
    toys.write(out["toys"], format="ascii.ecsv", overwrite=True)
    found = summary(toys)
    log.info("%s toys, %s of them without a good fit", found["toys"], found["failed"])
    return found


def _read(product: Product) -> Table:
    table = Table.read(product.path, format="ascii.ecsv", fill_values=[])
    # A column of empty texts is read back as one of missing values.
    table["failed"] = ["" if np.ma.is_masked(text) else str(text) for text in table["failed"]]
    return table


def report(product: Product) -> Section:
    """Bias, coverage and goodness in words, and the pulls."""
    return toy_section(_read(product))
