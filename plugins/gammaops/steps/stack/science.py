"""Stack: datasets of many observations to one for each instrument, night or band of zenith angle."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import astropy.units as u

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import NoWorkFound
from gammaops.physics.dataset_metrics import row_of_sum
from gammaops.physics.datasets_io import named_members
from gammaops.physics.datasets_section import datasets_section
from gammaops.physics.groups import Grouping
from gammaops.physics.stacking import write_union

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.products.base import IndexDraft, Product
    from gammaops.steps.base import Section

__all__ = ["prepare", "report", "run"]

ONE_BY_INSTRUMENT = ("instrument",)


def prepare(config: Mapping[str, Any]) -> Grouping:
    """What is stacked together."""
    block = config["stack"]
    edges = u.Quantity([u.Quantity(edge) for edge in block["zenith_edges"]]).to_value("deg")
    return Grouping(tuple(block["by"]), tuple(sorted(edges.tolist())))


def run(prepared: Grouping, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, IndexDraft]) -> dict[str, Any]:
    """Stack in the order of obs_id, one dataset in memory beside the sum."""
    groups: dict[tuple[str, ...], list[Product]] = {}
    for _, member in named_members(inputs["datasets"]):
        groups.setdefault(tuple(prepared.of(member).values()), []).append(member)
    if not groups:
        raise NoWorkFound("no observation left a dataset")
    alone = len(groups) == 1 and prepared.by == ONE_BY_INSTRUMENT
    for facts, members in sorted(groups.items()):
        name = "stacked" if alone else "-".join(("stacked", *facts))
        members.sort(key=lambda member: (member.row["obs_ids"], member.row["gti"]))
        row = row_of_sum(name, [member.row for member in members])
        common = dict(zip(prepared.by, facts, strict=True))
        out["datasets"].sum(row | common, members, partial(write_union, name, members))
    rows = out["datasets"].rows
    return {"datasets": len(rows), "livetime_s": sum(row["livetime_s"] for row in rows)}


def report(product: Product) -> Section:
    """What was stacked."""
    return datasets_section(product)
