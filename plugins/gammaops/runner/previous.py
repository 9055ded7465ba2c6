"""What the run before this one found for the same product: for the report alone, never for the science."""

from __future__ import annotations

from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from gammaops.products import RunFolder
from gammaops.runner.history import age_of, latest_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.runner.run import Run

__all__ = ["with_previous"]

FIT = "fit"
LOOKED_AT = 200


def with_previous(run: Run, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps of a record; each fit with ``previous``, the parameters of the same product one run earlier.

    That is the run whose last night is the latest that is not after this one's; of several the one that began last. One
    that took the very same fit from the store tells nothing and is passed over.
    """
    steps = [dict(step) for step in record["steps"]]
    if not any(product["kind"] == FIT for step in steps for product in step["products"]):
        return steps
    earlier = list(_records(run, record))
    for step in steps:
        step["products"] = [_compared(product, earlier) for product in step["products"]]
    return steps


def _records(run: Run, record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Records of the runs before, the latest first; among those that began last, so that old stores cost no more."""
    newest = islice(latest_runs(run.store, run.config.name), LOOKED_AT)
    others = [one for one in newest if one.folder.relative != record["run"]]
    known = [(_age(one.folder, one.record), one.record) for one in others]
    ours = _age(RunFolder(run.store, record["run"]), record)
    before = [(age, other) for age, other in known if age < ours]
    return (other for _, other in sorted(before, key=itemgetter(0), reverse=True))


def _age(folder: RunFolder, record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What later runs have more of: last night, then the moment at which they began."""
    return max(record["nights"], default=""), *age_of(folder)


def _compared(product: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if product["kind"] != FIT:
        return dict(product)
    for record in earlier:
        for other in (one for step in record["steps"] for one in step["products"]):
            if (other["name"], other["kind"]) == (product["name"], FIT) and other["digest"] != product["digest"]:
                nights = ", ".join(record["nights"])
                parameters = other["metrics"].get("parameters", {})
                return {**product, "previous": {"run": nights or record["run"], "parameters": parameters}}
    return dict(product)
