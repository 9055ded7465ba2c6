"""The ``alerts:`` block: what people are told about a run, and over which of Airflow's connections."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from gammaops.config.blocks import ALERTS, PRODUCT_NAME
from gammaops.config.layers import given
from gammaops.schema import Finding, block, flag, named, number, quantity, text, texts
from gammaops.schema.levels import Level
from gammaops.schema.validator import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.config.resolution import Resolution

__all__ = ["CONDITIONS", "alerts_level", "read_alerts"]

RULE_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}"
CONNECTION = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}"
CONDITIONS = ("flux_above", "quarantined_above", "failed", "deadline")
OF_A_FLUX = ("product", "energy", "n_sigma")


def _conditions(rule: Mapping[str, Any]) -> Iterator[Finding]:
    """One thing to tell of, and the keys that belong to it."""
    asked = [name for name in CONDITIONS if rule[name] not in (None, False)]
    if len(asked) != 1:
        message = f"{', '.join(asked)} given together" if asked else "says of nothing that it is to be told"
        yield Finding((asked[-1],) if asked else (), message, f"one of {', '.join(CONDITIONS)}")
    elif asked != ["flux_above"]:
        for name in OF_A_FLUX:
            if rule[name] is not None:
                yield Finding((name,), f"given, but the alert is {asked[0]}", "no such key, or flux_above")
    if not rule["tell"]:
        yield Finding(("tell",), "not given", "names of Airflow connections")


_RULE = {
    "flux_above": quantity(
        "cm-2 s-1", "A bin of a light curve in the run's night has a higher flux than this, in its energy band", above=0
    ),
    "product": text("The light curve that is meant, where the analysis makes several", regex=PRODUCT_NAME),
    "energy": quantity(
        "TeV", "Only the energy band of the light curve that holds this; not given: all of them", above=0
    ),
    "n_sigma": number(
        "A flux counts if it is this many times its error at least; 0: always; not given: 3", low=0, high=100
    ),
    "quarantined_above": quantity(
        "%", "More than this share of the expected observations is quarantined or missing", low=0, high=100
    ),
    "failed": flag("The run is red"),
    "deadline": quantity(
        "h", "A scheduled run has not ended so long after it was queued, which is when it is due", above=0, high=8760
    ),
    "tell": texts("Names of Airflow connections (mail, Slack, webhook); every rule needs some", regex=CONNECTION),
    "backfills": flag("Whether backfilled runs tell people, and not only their reports", default=True),
}


@cache
def alerts_level() -> Level:
    """The whole file, as far as ``alerts:`` goes."""
    rule = block("What is told, and to whom", _RULE, (_conditions,))
    return Level({ALERTS: named("Alerts by names of the author's choice", rule, regex=RULE_NAME)})


def read_alerts(resolution: Resolution, raw: Any, dag: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The ``alerts:`` block normalised, rules by name.

    Parameters
    ----------
    resolution : Resolution
        Takes what is wrong.
    raw : object
        The block as given.
    dag : mapping, optional
        The ``dag:`` block.
    """
    raw = given(raw)
    if raw is None or raw in ([], {}):
        return {}
    if not isinstance(raw, dict):
        resolution.complain((ALERTS,), Finding((), f"{shown(raw)} does not fit", "names and what is told"))
        return {}
    level = alerts_level()
    wrong = level.findings({ALERTS: raw})
    values = level.normalised({ALERTS: raw})
    broken = level.broken_relations(values, frozenset(finding.path for finding in wrong))
    for finding in (*wrong, *broken):
        resolution.complain(finding.path, finding)
    rules: dict[str, dict[str, Any]] = values[ALERTS]
    for name, rule in rules.items():
        if isinstance(rule, dict) and rule.get("deadline") and not (dag or {}).get("schedule"):
            late = Finding((), "without dag.schedule no run is ever due", "a schedule, or no such alert")
            resolution.complain((ALERTS, name, "deadline"), late)
    return rules
