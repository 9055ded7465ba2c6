"""What the run before this one found for the same product: for the report alone, never for the science."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.products import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.runner.run import Run

__all__ = ["with_previous"]

FIT = "fit"


def with_previous(run: Run, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps of a record; each fit with ``previous``, the parameters of the same product one run earlier.

    That is the run whose last night is the latest that is not after this one's, or an earlier version of the same run.
    A run that took the very same fit from the store tells nothing and is passed over.
    """
    steps = [dict(step) for step in record["steps"]]
    if not any(product["kind"] == FIT for step in steps for product in step["products"]):
        return steps
    earlier = sorted(_records(run, record), key=_age, reverse=True)
    for step in steps:
        step["products"] = [_compared(product, earlier) for product in step["products"]]
    return steps


def _records(run: Run, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for folder in RunFolder.all(run.store, run.config.name):
        if folder.relative != record["run"] and folder.ended:
            other = folder.read_json("run.json")
            if _age(other) < _age(record):
                yield other


def _age(record: Mapping[str, Any]) -> tuple[str, str, int]:
    """What later runs have more of: last night, name, version."""
    last = max(record["nights"], default="")
    label, version = record["run"].rpartition("/")[::2]
    return last, label, int(version.removeprefix("v"))


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
