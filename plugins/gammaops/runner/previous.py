"""What the run before this one found and took: for the report alone, never for the science."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from gammaops.ledger import USABLE
from gammaops.products import RunFolder
from gammaops.runner.history import age_of, latest_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gammaops.runner.history import Age, EndedRun
    from gammaops.runner.run import Run

__all__ = ["with_previous"]

FIT = "fit"
LOOKED_AT = 200
SHOWN = 10
"""Observations that a note names one by one."""


def with_previous(run: Run, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps of a record; each fit with ``previous``, the parameters of the same product one run earlier.

    That is the run whose last night is the latest that is not after this one's; of several the one that began last. One
    that took the very same fit from the store tells nothing and is passed over. Where the run takes all nights, or all
    up to one, the reason of a step also names the observations that the run before used and the archive lists no more.
    """
    steps = [dict(step) for step in record["steps"]]
    fits = any(product["kind"] == FIT for step in steps for product in step["products"])
    if not fits and record["scope"]["nights"]:
        return steps
    newest = islice(latest_runs(run.store, run.config.name), LOOKED_AT)
    others = [one for one in newest if one.folder.relative != record["run"]]
    ours = RunFolder(run.store, record["run"])
    earlier = list(_records(others, _age(ours, record))) if fits else []
    gone = {} if record["scope"]["nights"] else _withdrawn(record, others, age_of(ours))
    for step in steps:
        step["products"] = [_compared(product, earlier) for product in step["products"]]
        step["reason"] = "; ".join(filter(None, [step["reason"], gone.get(step["name"], "")]))
    return steps


def _records(others: Sequence[EndedRun], ours: tuple[Any, ...]) -> Iterator[Mapping[str, Any]]:
    """Records of the runs before, the latest first; among those that began last, so that old stores cost no more."""
    known = [(_age(one.folder, one.record), one.record) for one in others]
    before = [(age, other) for age, other in known if age < ours]
    return (other for _, other in sorted(before, key=itemgetter(0), reverse=True))


def _withdrawn(record: Mapping[str, Any], others: Sequence[EndedRun], ours: Age) -> dict[str, str]:
    """Which observations of the last run with this config that took no more the archive lists no more, by step."""
    before = next((one for one in others if _took_no_more(one, record) and age_of(one.folder) < ours), None)
    if before is None:
        return {}
    listed = {(step, row["obs_id"]) for row in record["ledger"] for step in row["steps"]}
    gone: dict[str, list[str]] = defaultdict(list)
    for row in before.record["ledger"]:
        for step, made in row["steps"].items():
            if made["state"] in USABLE and (step, row["obs_id"]) not in listed:
                gone[step].append(str(row["obs_id"]))
    # A step of which nothing is listed has not asked the archive, or says itself that there is nothing.
    asked = {step for step, _ in listed}
    run = before.folder.relative
    words = f"used by the run before ({run}), and now neither in the index of the archive nor selected"
    return {step: f"{_shown(ids)}: {words}" for step, ids in gone.items() if step in asked}


def _shown(ids: Sequence[str]) -> str:
    more = len(ids) - SHOWN
    return ", ".join(ids[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _took_no_more(one: EndedRun, record: Mapping[str, Any]) -> bool:
    """Whether a run took what this one takes, or ended with an earlier night."""
    theirs, ours = dict(one.record["scope"]), dict(record["scope"])
    last, stop = theirs.pop("stop"), ours.pop("stop")
    same = (theirs, one.record["config_digest"]) == (ours, record["config_digest"])
    return one.official and same and (not stop or "" < last <= stop)


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
