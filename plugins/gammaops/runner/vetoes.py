"""Vetoes: an observation that failed in the same way in two runs, or in any way in three, is not tried for ever.

Whoever wants it tried again names it in `obs_ids`, or runs with ``reuse: rebuild``; another config or another code
asks anew by itself. A run in which nothing at all could be used says something of the machines, not of observations:
it does not count towards the two; nor towards the three, if nothing could be used in the run before it either.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from contextlib import suppress
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductMissing
from gammaops.ledger import USABLE
from gammaops.runner.attempts import OOM
from gammaops.runner.history import latest_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.plan import PlannedStep
    from gammaops.runner.run import Run

__all__ = ["VETOED", "decide_vetoes", "veto_of"]

log = logging.getLogger(__name__)
VETOED = "vetoed"
SAME = 2
IN_A_ROW = 3
# An observation that did not come up for so many runs is tried again; in three nights fewer late runs are started.
LOOKED_AT = 50
# What of a message is another one each time: names of scratch folders and the like.
CHANGING = re.compile(r"[0-9a-f]{16,}")
RELEASE = "to have it tried again, start a run that names it in obs_ids, or one with reuse: rebuild"


def decide_vetoes(run: Run, step: PlannedStep) -> None:
    """Write down which observations this run is not to try, and which it tries because somebody asks for it."""
    vetoes = _standing(run, step)
    named = set(run.scope.obs_ids)
    lifted = {obs_id for obs_id in vetoes if run.request["reuse"] == "rebuild" or obs_id in named}
    for obs_id in sorted(lifted):
        log.warning("the veto on %s is lifted by this run: %s", obs_id, vetoes[obs_id])
    document = {
        "vetoed": {str(obs_id): why for obs_id, why in vetoes.items() if obs_id not in lifted},
        "lifted": {str(obs_id): vetoes[obs_id] for obs_id in lifted},
    }
    if vetoes:
        with suppress(FileExistsError):
            run.folder.create_json(_name(step), document)


def veto_of(run: Run, step: PlannedStep, obs_id: int) -> str:
    """Why an observation is not to be tried; empty where it is."""
    try:
        vetoed: Mapping[str, str] = run.folder.read_json(_name(step))["vetoed"]
    except ProductMissing:
        return ""
    return vetoed.get(str(obs_id), "")


def _name(step: PlannedStep) -> str:
    return f"vetoes.{step.group_id}.json"


def _standing(run: Run, step: PlannedStep) -> dict[int, str]:
    """Why an observation is vetoed, by obs_id, as earlier runs leave it."""
    records = list(islice(_comparable(run), LOOKED_AT))
    outcomes: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for found in _without_outages([_outcomes(record, step.name) for record in records]):
        for obs_id, outcome in found.items():
            outcomes[obs_id].append(outcome)
    whys = {obs_id: _why(found) for obs_id, found in outcomes.items()}
    return {obs_id: why for obs_id, why in sorted(whys.items()) if why}


def _comparable(run: Run) -> Iterator[Mapping[str, Any]]:
    """Records of earlier runs that tried what this one tries, the latest first."""
    for one in latest_runs(run.store, run.config.name):
        same = (one.record["config_digest"], one.request["code"]) == (run.config.digest, run.request["code"])
        if same and one.official and one.folder.relative != run.folder.relative:
            yield one.record


def _outcomes(record: Mapping[str, Any], step: str) -> dict[int, Mapping[str, Any]]:
    """What the step made of each observation, in which run, and whether it could use any (``among_good``)."""
    found = {row["obs_id"]: row["steps"][step] for row in record["ledger"] if step in row["steps"]}
    about = {"run": record["run"], "among_good": any(outcome["state"] in USABLE for outcome in found.values())}
    return {obs_id: {**outcome, **about} for obs_id, outcome in found.items()}


def _without_outages(runs: list[dict[int, Mapping[str, Any]]]) -> Iterator[Mapping[int, Mapping[str, Any]]]:
    """The outcomes of each run that could use some, comes after one that could, or tried less; the latest first."""
    tried = [found for found in runs if found]
    for found, before in pairwise([*tried, {}]):
        good = any(outcome["among_good"] for outcome in (*found.values(), *before.values()))
        if good or any(outcome["reason_class"] == VETOED for outcome in found.values()):
            yield found


def _why(outcomes: list[Mapping[str, Any]]) -> str:
    """Why an observation with these outcomes, the latest first, is vetoed; empty if it is not."""
    latest = outcomes[0]
    if latest["reason_class"] == VETOED:
        return str(latest["reason"])
    for number, words in ((SAME, "in the same way in two runs"), (IN_A_ROW, "in three runs in a row")):
        last = outcomes[:number]
        enough = len(last) == number and all(map(_is_nobodys, last))
        if enough and (number == IN_A_ROW or _alike(last)):
            runs = " and ".join(outcome["run"] for outcome in reversed(last))
            return f"failed {words} ({runs}), and is not tried again: {latest['reason']}; {RELEASE}"
    return ""


def _alike(outcomes: list[Mapping[str, Any]]) -> bool:
    """Whether others could be used each time, and the reason was the same."""
    reasons = {CHANGING.sub("…", outcome["reason"]) for outcome in outcomes}
    return len(reasons) == 1 and all(outcome["among_good"] for outcome in outcomes)


def _is_nobodys(outcome: Mapping[str, Any]) -> bool:
    """Whether an observation failed for another reason than its data."""
    return bool(outcome["state"] == "failed" or outcome["reason_class"] == OOM)
