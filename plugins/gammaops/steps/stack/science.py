"""Stack: datasets of many observations to one for each kind of dataset and instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import NoWorkFound
from gammaops.physics.datasets_io import named_members, read_dataset, write_dataset
from gammaops.physics.datasets_section import datasets_section
from gammaops.physics.stacking import common_geoms, empty_stack, stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.products.base import IndexDraft, Product
    from gammaops.steps.base import Section

__all__ = ["prepare", "report", "run"]


def prepare(config: Mapping[str, Any]) -> None:
    """Nothing to prepare: a stack has no settings."""


def run(prepared: None, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, IndexDraft]) -> dict[str, Any]:
    """Stack in the order of obs_id, one dataset in memory beside the sum."""
    groups: dict[str, list[Product]] = {}
    for _, member in named_members(inputs["datasets"]):
        groups.setdefault(str(member.row["instrument"]), []).append(member)
    if not groups:
        raise NoWorkFound("no observation left a dataset")
    for instrument, members in sorted(groups.items()):
        name = "stacked" if len(groups) == 1 else f"stacked-{instrument}"
        members.sort(key=lambda member: member.row["obs_ids"])
        paths = [member.path for member in members if member.path is not None]
        target = empty_stack(*common_geoms(paths), name)
        stack(target, (read_dataset(path) for path in paths))
        write_dataset(target, out["datasets"].new(_row(name, instrument, members)))
    rows = out["datasets"].rows
    return {"datasets": len(rows), "livetime_s": sum(row["livetime_s"] for row in rows)}


def _row(name: str, instrument: str, members: Sequence[Product]) -> dict[str, Any]:
    return {
        "name": name,
        "obs_ids": [obs_id for member in members for obs_id in member.row["obs_ids"]],
        "livetime_s": sum(member.row["livetime_s"] for member in members),
        "gti": [interval for member in members for interval in member.row["gti"]],
        "instrument": instrument,
    }


def report(product: Product) -> Section:
    """What was stacked."""
    return datasets_section(product)
