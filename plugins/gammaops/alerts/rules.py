"""The rules of ``alerts:``, applied to what a run has found: pure functions of plain numbers.

Not more than one alert comes of a rule, however many bins of a light curve are above its threshold.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gammaops.alerts.tonight import within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammaops.steps.base import Measurement

__all__ = [
    "DEADLINE", "FAILED", "FLUX", "QUARANTINED", "Alert", "Facts", "failed_alert", "late_alert", "raised",
    "unread_alert",
]  # fmt: skip

FLUX = "flux"
QUARANTINED = "quarantined"
FAILED = "failed"
DEADLINE = "deadline"
# Errors that a flux must be away from zero: a bin with next to no exposure can have any flux.
DETECTED = 3.0
LOST = ("quarantined", "missing")
NAMES_SHOWN = 5


@dataclass(frozen=True)
class Alert:
    """What is to be told.

    Parameters
    ----------
    rule : str
        Its name in ``alerts:``.
    kind : str
        ``flux``, ``quarantined``, ``failed`` or ``deadline``.
    what : str
        One sentence.
    tell : tuple of str
        Names of Airflow connections.
    backfills : bool
        Whether a backfilled run tells it.
    value, error : float, optional
        The number that has raised it, in `unit`.
    unit, threshold : str
        The threshold with its unit, as in the config; empty where there is none.
    details : tuple of str
        Further sentences.
    """

    rule: str
    kind: str
    what: str
    tell: tuple[str, ...]
    backfills: bool = True
    value: float | None = None
    error: float | None = None
    unit: str = ""
    threshold: str = ""
    details: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The alert as JSON types."""
        return {**asdict(self), "tell": list(self.tell), "details": list(self.details)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Alert:
        """From what `as_dict` made."""
        return cls(**{**document, "tell": tuple(document["tell"]), "details": tuple(document["details"])})

    @property
    def digest(self) -> str:
        """16 hex digits that tell its content from another; whom it is for does not count."""
        content = {key: value for key, value in self.as_dict().items() if key not in ("tell", "backfills")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Facts:
    """What a run has found.

    Parameters
    ----------
    ok : bool
        Whether it is green.
    verdict : str
        Its line.
    states : sequence of tuple of str
        Number and state of each expected observation; two archives may have the same numbers.
    nights : tuple of str, optional
        The nights that are new in this run, by their ISO dates; None: all of time.
    longitude_deg : float, optional
        Of the site, east positive.
    measurements : mapping of str to sequence of Measurement
        What the product that a rule looks at has measured, by name of the rule.
    """

    ok: bool
    verdict: str
    states: Sequence[tuple[str, str]] = ()
    nights: tuple[str, ...] | None = None
    longitude_deg: float | None = None
    measurements: Mapping[str, Sequence[Measurement]] = field(default_factory=dict)


def raised(rules: Mapping[str, Mapping[str, Any]], facts: Facts) -> list[Alert]:
    """The alerts that a run raises, in the order of the rules.

    Parameters
    ----------
    rules : mapping
        ``alerts:`` of the config, normalised. Deadlines are not asked here: they pass while a run has not ended.
    facts : Facts
        What the run has found.
    """
    found = [_raised(name, rule, facts) for name, rule in rules.items()]
    return [alert for alert in found if alert is not None]


def _raised(name: str, rule: Mapping[str, Any], facts: Facts) -> Alert | None:
    if rule["flux_above"] is not None:
        return _flux_alert(name, rule, facts)
    if rule["quarantined_above"] is not None:
        return _quarantine_alert(name, rule, facts.states)
    return None if facts.ok or not rule["failed"] else failed_alert(name, rule, facts.verdict)


def failed_alert(name: str, rule: Mapping[str, Any], why: str) -> Alert:
    """A run is red."""
    return Alert(name, FAILED, why, **_whom(rule))


def late_alert(name: str, rule: Mapping[str, Any], due: str, state: str) -> Alert:
    """A run has not ended in time.

    Parameters
    ----------
    name : str
        Of the rule.
    rule : mapping
    due : str
        When it was to have ended, for people.
    state : str
        What it is doing: ``running`` or ``queued``.
    """
    what = f"no report yet: the run should have ended by {due} and is {state}"
    return Alert(name, DEADLINE, what, **_whom(rule), threshold=rule["deadline"])


def unread_alert(name: str, rule: Mapping[str, Any], product: str, why: str) -> Alert:
    """A product that a rule looks at cannot be read, so that nobody knows."""
    what = f"the fluxes of {product} could not be compared with {rule['flux_above']}: {why}"
    return Alert(name, FLUX, what, **_whom(rule), threshold=rule["flux_above"])


def _whom(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"tell": tuple(dict.fromkeys(rule["tell"])), "backfills": bool(rule["backfills"])}


def _quarantine_alert(name: str, rule: Mapping[str, Any], states: Sequence[tuple[str, str]]) -> Alert | None:
    lost = [f"{obs_id} {state}" for obs_id, state in states if state in LOST]
    if not lost or 100 * len(lost) <= _size(rule["quarantined_above"]) * len(states):
        return None
    share = 100 * len(lost) / len(states)
    threshold = rule["quarantined_above"]
    what = (
        f"{len(lost)} of {len(states)} observations are quarantined or missing ({share:.0f} %), more than {threshold}"
    )
    details = (f"These are {', '.join(lost[:NAMES_SHOWN])}{', …' if len(lost) > NAMES_SHOWN else ''}.",)
    return Alert(name, QUARANTINED, what, **_whom(rule), value=share, unit="%", threshold=threshold, details=details)


def _flux_alert(name: str, rule: Mapping[str, Any], facts: Facts) -> Alert | None:
    asked = list(_asked(rule, facts, facts.measurements.get(name, ())))
    limit = _size(rule["flux_above"])
    above = [one for one in asked if one.value is not None and one.value > limit and _detected(one, rule["n_sigma"])]
    if not above:
        return None
    highest = max(above, key=lambda one: one.value or 0.0)
    energies = f"{highest.energy_min_tev:.3g} to {highest.energy_max_tev:.3g} TeV"
    what = (
        f"flux of {highest.source} ({energies}) {with_error(highest.value, highest.error)} {highest.unit}"
        f" {_interval(highest.start, highest.stop)}, above {rule['flux_above']}"
    )
    first, last = min(one.start for one in above), max(one.stop for one in above)
    many = f"{len(above)} of {len(asked)} bins are above it, {_interval(first, last)}; this is the highest."
    alert = Alert(name, FLUX, what, **_whom(rule), threshold=rule["flux_above"])
    details = (many,) if len(asked) > 1 else ()
    return replace(alert, value=highest.value, error=highest.error, unit=highest.unit, details=details)


def _asked(rule: Mapping[str, Any], facts: Facts, measured: Sequence[Measurement]) -> Iterator[Measurement]:
    """The fluxes of the nights and of the energies that are asked for."""
    energy = None if rule["energy"] is None else _size(rule["energy"])
    for one in within(facts.nights, facts.longitude_deg, measured):
        if one.quantity == FLUX and (energy is None or one.energy_min_tev <= energy < one.energy_max_tev):
            yield one


def _detected(one: Measurement, n_sigma: float | None) -> bool:
    wanted = DETECTED if n_sigma is None else n_sigma
    if not wanted:
        return True
    return one.value is not None and one.error is not None and one.error > 0 and one.value >= wanted * one.error


def with_error(value: float | None, error: float | None) -> str:
    """A value with its error, both with the power of ten of the value: ``6.18e-10 ± 0.42e-10``."""
    if value is None:
        return "not known"
    if value == 0 or not error:
        return f"{value:.3g}"
    power = math.floor(math.log10(abs(value)))
    scale = 10.0**power
    return f"{value / scale:.2f}e{power:+03d} ± {error / scale:.2f}e{power:+03d}"


def _size(quantity: str) -> float:
    return float(quantity.split(" ", 1)[0])


def _interval(start: str, stop: str) -> str:
    """Both ends to the minute, the date of the second one only where it is another."""
    first, last = (time[:16].replace("T", " ") for time in (start, stop))
    return f"from {first} to {last[11:] if first[:10] == last[:10] else last} UTC"
