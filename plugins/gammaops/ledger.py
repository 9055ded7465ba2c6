"""The ledger: one row per expected observation of a run, and the verdict that follows from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["TERMINAL", "LedgerRow", "Verdict", "judge", "ledger_rows"]

USABLE = ("done", "reused")
TERMINAL = frozenset({"done", "reused", "rejected", "quarantined", "failed"})
STATES = ("done", "reused", "rejected", "quarantined", "missing", "failed")


@dataclass(frozen=True)
class LedgerRow:
    """What became of one expected observation.

    Parameters
    ----------
    step : str
        Name of the data-reduction step that expected it.
    obs_id : int
        GADF ``OBS_ID``.
    night : str
        ISO date of the evening, or empty where the analysis has no site.
    state : str
        ``done``, ``reused``, ``rejected``, ``quarantined``, ``missing`` or ``failed``.
    reason_class, reason : str
        One word for statistics, and a sentence; empty for good ones.
    path : str
        Path of its product below the store's root, or empty.
    """

    step: str
    obs_id: int
    night: str
    state: str
    reason_class: str = ""
    reason: str = ""
    path: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """A run's one-line judgement in words, and whether the run may be green."""

    line: str
    ok: bool


def ledger_rows(
    step: str,
    expected: Sequence[Mapping[str, Any]],
    outcomes: Mapping[int, Mapping[str, Any]],
    failures: Mapping[int, str],
) -> list[LedgerRow]:
    """One row per expected observation.

    Parameters
    ----------
    step : str
        Name of the data-reduction step.
    expected : sequence of mapping
        Rows of its observation table: ``obs_id``, ``night``, ``status``, ``reason_class``, ``reason``.
    outcomes : mapping
        What the reduction of an observation left, by obs_id: ``state``, ``reason_class``, ``reason``, ``path``.
    failures : mapping
        Why the last try at an observation failed, by obs_id.
    """
    return [_row(step, row, outcomes, failures) for row in expected]


def _row(
    step: str, row: Mapping[str, Any], outcomes: Mapping[int, Mapping[str, Any]], failures: Mapping[int, str]
) -> LedgerRow:
    obs_id, night = int(row["obs_id"]), str(row["night"])
    if row["status"] != "selected":
        return LedgerRow(step, obs_id, night, row["status"], row["reason_class"], row["reason"])
    if obs_id in outcomes:
        return LedgerRow(step, obs_id, night, **outcomes[obs_id])
    reason = failures.get(obs_id, "its task ended without an outcome; see the task's log")
    return LedgerRow(step, obs_id, night, "failed", "infrastructure", reason)


def judge(
    rows: Sequence[LedgerRow], lost: Sequence[str], *, max_quarantined_percent: float, quarantine_fails: bool
) -> Verdict:
    """The verdict of a run.

    Parameters
    ----------
    rows : sequence of LedgerRow
        The ledger.
    lost : sequence of str
        Sentences, one for each product that is absent for any reason but "no work".
    max_quarantined_percent : float
        Highest share of the expected observations that may be quarantined or missing.
    quarantine_fails : bool
        Whether any quarantined observation makes the run red.
    """
    counts = Counter(row.state for row in rows)
    problems = _problems(rows, counts, max_quarantined_percent, quarantine_fails) + list(lost)
    summary = _summary(rows, counts)
    if problems:
        return Verdict(f"RED: {'; '.join(problems)}. {summary}", ok=False)
    if not rows:
        return Verdict(f"NO_DATA: {summary}", ok=True)
    return Verdict(f"{'PARTIAL' if counts['quarantined'] + counts['missing'] else 'GOOD'}: {summary}", ok=True)


def _problems(
    rows: Sequence[LedgerRow], counts: Counter[str], max_quarantined_percent: float, quarantine_fails: bool
) -> list[str]:
    problems = []
    repeated = [str(obs) for (_, obs), n in Counter((row.step, row.obs_id) for row in rows).items() if n > 1]
    strange = sorted(set(counts) - set(STATES))
    if repeated or strange:
        problems.append(
            f"the ledger does not add up (twice: {', '.join(repeated) or 'none'}; unknown states: {strange})"
        )
    if counts["failed"]:
        problems.append(f"{counts['failed']} failed ({_names(rows, 'failed')})")
    unusable = counts["quarantined"] + counts["missing"]
    if rows and unusable * 100 > max_quarantined_percent * len(rows):
        problems.append(f"{unusable} of {len(rows)} quarantined or missing, more than {max_quarantined_percent:g} %")
    if quarantine_fails and counts["quarantined"]:
        problems.append("this analysis allows no quarantined observation")
    if rows and not any(counts[state] for state in USABLE):
        problems.append(f"{len(rows)} expected, none could be used")
    return problems


def _names(rows: Sequence[LedgerRow], state: str) -> str:
    names = [f"{row.obs_id} {row.reason_class}".strip() for row in rows if row.state == state]
    shown = ", ".join(names[:5])
    return f"{shown}, …" if len(names) > 5 else shown


def _summary(rows: Sequence[LedgerRow], counts: Counter[str]) -> str:
    if not rows:
        return "no observation was expected"
    words = []
    for state in STATES:
        if counts[state]:
            names = "" if state in USABLE else f" ({_names(rows, state)})"
            words.append(f"{counts[state]} {state}{names}")
    return f"{len(rows)} expected: {', '.join(words)}"
