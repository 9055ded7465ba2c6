"""The record of a run, sorted and worded for the page: plain rows that the template only has to print."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammaops.report.advice import STATES, meaning, next_action

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Count",
    "LedgerRow",
    "StepRow",
    "VerdictView",
    "cost_in_words",
    "counts",
    "ledger_rows",
    "nights_in_words",
    "origin_rows",
    "product_rows",
    "step_rows",
    "verdict_view",
]

_TONES = {
    "failed": "bad",
    "quarantined": "warn",
    "missing": "warn",
    "rejected": "idle",
    "done": "good",
    "reused": "good",
}
_TOLD = ("obs_id", "night", "state", "reason_class", "reason")
_STEP_TONES = {
    "ok": "good",
    "done": "good",
    "success": "good",
    "reused": "good",
    "skipped": "idle",
    "no_work": "idle",
    "partial": "warn",
}
_VERDICTS = {
    "GOOD": ("GOOD", "✔", "good"),
    "PARTIAL": ("PARTIAL: usable, with observations to look at", "✔", "warn"),
    "NO_DATA": ("NO DATA", "○", "idle"),
}
# The first word after the analysis and what it took; later ones may stem from names that people chose.
_VERDICT_WORD = re.compile(r"(?:^|(?<=: ))(GOOD|PARTIAL|NO_DATA): ")
_STEP_WORDS = {"ok": "done", "success": "done", "no_work": "nothing to do"}
_NOT_ORIGIN = frozenset({"alerts", "analysis", "lineage", "plan", "verdict", "ledger", "steps", "provenance", "scope"})
_ORIGIN_WORDS = {"run": "run folder", "name": "run name", "who": "started by", "code": "version of"}
_MINUTE_S = 60.0
_HOUR_S = 3600.0
_GIGABYTE_MB = 1024.0
_LISTED_NIGHTS = 3


@dataclass(frozen=True)
class VerdictView:
    """The verdict as word, sign and colour, and its line."""

    word: str
    sign: str
    tone: str
    line: str


@dataclass(frozen=True)
class Count:
    """How many expected observations are in one state."""

    state: str
    meaning: str
    number: int
    tone: str


@dataclass(frozen=True)
class LedgerRow:
    """One expected observation: what became of it, why, and what to do."""

    obs_id: str
    night: str
    state: str
    tone: str
    why: str
    reason: str
    action: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class StepRow:
    """One step: how it ended, why, and what it cost."""

    name: str
    tag: str
    status: str
    tone: str
    reason: str
    products: str
    cpu: str
    memory: str


def verdict_view(record: Mapping[str, Any]) -> VerdictView:
    """The verdict line with its word set apart; a run that ended before it was judged is not green."""
    verdict = record.get("verdict") or {}
    line = str(verdict.get("line") or "")
    if "ok" not in verdict:
        return VerdictView("NO VERDICT", "✖", "bad", line or "The run ended before it was judged.")
    if not verdict["ok"]:
        return VerdictView("RED", "✖", "bad", line.replace("RED: ", "", 1) or "The record does not say why.")
    found = _VERDICT_WORD.search(line)
    if not found:
        return VerdictView("GOOD", "✔", "good", line)
    word, sign, tone = _VERDICTS[found.group(1)]
    return VerdictView(word, sign, tone, line[: found.start(1)] + line[found.end() :])


def nights_in_words(nights: Any) -> str:
    """``night of 2004-12-06``, or first to last of several; empty if the run names no night."""
    names = sorted(str(night) for night in nights or ())
    if not names:
        return ""
    if len(names) == 1:
        return f"night of {names[0]}"
    if len(names) <= _LISTED_NIGHTS:
        return "nights of " + ", ".join(names)
    return f"{len(names)} nights, {names[0]} to {names[-1]}"


def counts(ledger: Iterable[Mapping[str, Any]]) -> list[Count]:
    """Number of rows by state, known states first; they add up to the expected observations."""
    numbers = dict.fromkeys(STATES, 0)
    for row in ledger:
        state = str(row.get("state") or "unknown")
        numbers[state] = numbers.get(state, 0) + 1
    return [Count(state, STATES.get(state, ""), number, _TONES.get(state, "bad")) for state, number in numbers.items()]


def ledger_rows(ledger: Iterable[Mapping[str, Any]]) -> list[LedgerRow]:
    """The ledger for people: what needs someone first, then by night and observation."""
    order = list(STATES)

    def urgency(row: LedgerRow) -> tuple[int, str, int, str]:
        place = order.index(row.state) if row.state in order else -1
        return (place, row.night, int(row.obs_id) if row.obs_id.isdecimal() else -1, row.obs_id)

    return sorted((_ledger_row(row) for row in ledger), key=urgency)


def _ledger_row(row: Mapping[str, Any]) -> LedgerRow:
    obs_id, night, state, reason_class, reason = (_text(row.get(name)) for name in _TOLD)
    in_words = meaning(reason_class)
    steps = row.get("steps") or {}
    states = {name: _text(outcome.get("state")) for name, outcome in steps.items()}
    if len(set(states.values())) > 1:
        reason = "; ".join(filter(None, [reason, ", ".join(f"{name}: {state}" for name, state in states.items())]))
    return LedgerRow(
        obs_id=obs_id,
        night=night,
        state=state or "unknown",
        tone=_TONES.get(state, "bad"),
        why=f"{reason_class}: {in_words}" if in_words else reason_class,
        reason=reason,
        action=next_action(state, reason_class),
        paths=tuple(path for outcome in steps.values() if (path := _text(outcome.get("path")))),
    )


def step_rows(steps: Iterable[Mapping[str, Any]], run: str = "") -> list[StepRow]:
    """The steps in the order of the record; those whose products another run made are `reused`."""
    rows = []
    for step in steps:
        status = _step_status(step, run)
        names = [_text(product.get("name")) for product in step.get("products") or ()]
        rows.append(
            StepRow(
                name=_text(step.get("name")),
                tag=_text(step.get("tag")),
                status=_STEP_WORDS.get(status, status.replace("_", " ")),
                tone=_STEP_TONES.get(status, "bad"),
                reason=_text(step.get("reason")),
                products=", ".join(names),
                cpu=duration(step.get("cpu_seconds")),
                memory=memory(step.get("peak_memory_mb")),
            )
        )
    return rows


def _step_status(step: Mapping[str, Any], run: str) -> str:
    status = str(step.get("status") or "unknown")
    makers = {product.get("made_by") or run for product in step.get("products") or ()}
    return "reused" if status == "ok" and makers and run not in makers else status


def product_rows(steps: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Name, kind and path of every product that has a path."""
    return [
        (_text(product.get("name")), _text(product.get("kind")), _text(product["path"]))
        for step in steps
        for product in step.get("products") or ()
        if product.get("path")
    ]


def cost_in_words(steps: Sequence[Mapping[str, Any]]) -> str:
    """CPU time of what this run computed, and the largest peak memory of any of its tasks."""
    cpu = [float(step["cpu_seconds"]) for step in steps if step.get("cpu_seconds") is not None]
    peaks = [float(step["peak_memory_mb"]) for step in steps if step.get("peak_memory_mb") is not None]
    words = []
    if sum(cpu):
        words.append(f"{duration(sum(cpu))} of CPU time")
    if any(peaks):
        words.append(f"with at most {memory(max(peaks))} of memory in one task")
    return ", ".join(words)


def duration(seconds: Any) -> str:
    """``0.4 s``, ``12 min 5 s``, ``3 h 20 min``; empty if nothing was measured."""
    if not seconds:
        return ""
    value = float(seconds)
    if value < _MINUTE_S:
        return f"{value:.1f} s"
    if value < _HOUR_S:
        return f"{int(value // _MINUTE_S)} min {int(value % _MINUTE_S)} s"
    return f"{int(value // _HOUR_S)} h {int(value % _HOUR_S // _MINUTE_S)} min"


def memory(megabytes: Any) -> str:
    """``240 MB`` or ``1.9 GB``; empty if nothing was measured."""
    if not megabytes:
        return ""
    value = float(megabytes)
    return f"{value:.0f} MB" if value < _GIGABYTE_MB else f"{value / _GIGABYTE_MB:.1f} GB"


def origin_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where the run comes from: config digest, versions, who ran it; one row per leaf of the record's provenance."""
    shown = [key for key in sorted(record) if key not in _NOT_ORIGIN]
    rows = [(_ORIGIN_WORDS.get(key, _worded(key)), _text(record[key])) for key in shown]
    rows = [row for row in rows if row[1]]
    return rows + _leaves("", {"taken": record.get("scope"), **(record.get("provenance") or {})})


def _leaves(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        known = {key: item for key, item in value.items() if not (key == "map_index" and item == -1)}
        return [
            row
            for key, item in sorted(known.items())
            for row in _leaves(f"{prefix} {_ORIGIN_WORDS.get(key, _worded(key))}", item)
        ]
    return [(prefix.strip(), _text(value))] if _text(value) else []


def _worded(key: Any) -> str:
    return str(key).replace("_", " ")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)
