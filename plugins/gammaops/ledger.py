"""The ledger: one row per expected observation of a run, and the verdict that follows from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "STATES", "TERMINAL", "USABLE", "LedgerRow", "StepOutcome", "Taken", "Verdict", "cut_flow", "judge",
    "merged", "step_outcomes",
]  # fmt: skip

USABLE = ("done", "reused")
TERMINAL = frozenset({"done", "reused", "rejected", "quarantined"})  # later runs ask again for the others
STATES = ("done", "reused", "rejected", "quarantined", "missing", "failed")
# Of several steps that reduce an observation, the first of these states that one of them gives it is its own.
PRECEDENCE = ("failed", "quarantined", "missing", "done", "reused", "rejected")


@dataclass(frozen=True)
class StepOutcome:
    """What one data-reduction step made of one expected observation.

    Parameters
    ----------
    step : str
        Name of the step.
    archive : str
        The data store as the config names it; observations of two archives may have the same obs_id.
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
    archive: str
    obs_id: int
    night: str
    state: str
    reason_class: str = ""
    reason: str = ""
    path: str = ""


@dataclass(frozen=True)
class LedgerRow:
    """What became of one expected observation: its state, and what each step that reduces it gave."""

    state: str
    outcomes: tuple[StepOutcome, ...]

    @property
    def obs_id(self) -> int:
        """GADF ``OBS_ID``."""
        return self.outcomes[0].obs_id

    @property
    def night(self) -> str:
        """ISO date of the evening, or empty."""
        return self.outcomes[0].night

    @property
    def deciding(self) -> StepOutcome:
        """The outcome that gives the row its state."""
        return next((outcome for outcome in self.outcomes if outcome.state == self.state), self.outcomes[0])

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON types."""
        told = ("state", "reason_class", "reason", "path")
        steps = {outcome.step: {name: getattr(outcome, name) for name in told} for outcome in self.outcomes}
        return {
            "obs_id": self.obs_id,
            "archive": self.deciding.archive,
            "night": self.night,
            "state": self.state,
            "reason_class": self.deciding.reason_class,
            "reason": self.deciding.reason,
            "steps": steps,
        }


@dataclass(frozen=True)
class Taken:
    """What a step took of data that are no observations, such as datasets that somebody has written.

    Parameters
    ----------
    step, over : str
        Its name, and what its rows are (plural noun).
    expected : int
        How many there were.
    left_out : sequence of str
        For each that cannot be used its name and why.
    """

    step: str
    over: str
    expected: int
    left_out: Sequence[str]

    def __str__(self) -> str:
        words = f"{self.expected - len(self.left_out)} of {self.expected} {self.over} of {self.step!r} used"
        return f"{words} (not {'; '.join(self.left_out)})" if self.left_out else words

    def exceeds(self, percent: float) -> bool:
        """Whether more than that share, or all of them, cannot be used."""
        lost = len(self.left_out)
        return lost * 100 > percent * self.expected or (lost > 0 and lost == self.expected)


@dataclass(frozen=True)
class Verdict:
    """A run's one-line judgement in words, and whether the run may be green."""

    line: str
    ok: bool


def step_outcomes(
    step: str,
    archive: str,
    expected: Sequence[Mapping[str, Any]],
    made: Mapping[str, Mapping[str, Any]],
    failures: Mapping[str, str],
) -> list[StepOutcome]:
    """One outcome per observation that a step expects.

    Parameters
    ----------
    step, archive : str
        Name of the data-reduction step, and its data store.
    expected : sequence of mapping
        Rows of its observation table: ``label``, ``obs_id``, ``night``, ``status``, ``reason_class``, ``reason``. An
        observation that was cut into intervals has several; the worst of them is its outcome, one that is rejected
        among others that are not says nothing.
    made : mapping
        What the reduction of a row left, by label: ``state``, ``reason_class``, ``reason``, ``path``.
    failures : mapping
        Why the last try at a row failed, by label.
    """

    def outcome(row: Mapping[str, Any]) -> StepOutcome:
        about = (step, archive, int(row["obs_id"]), str(row["night"]))
        if row["status"] != "selected":
            return StepOutcome(*about, row["status"], row["reason_class"], row["reason"])
        if row["label"] in made:
            # What was said of it when it was selected: that somebody accepts it although it fails a cut.
            said = {"reason_class": row["reason_class"], "reason": row["reason"]}
            return StepOutcome(*about, **{**said, **made[row["label"]]})
        reason = failures.get(row["label"], "its task ended without an outcome; see the task's log")
        return StepOutcome(*about, "failed", "infrastructure", reason)

    found: dict[int, list[StepOutcome]] = {}
    for row in expected:
        found.setdefault(int(row["obs_id"]), []).append(outcome(row))
    return [_worst(outcomes) for outcomes in found.values()]


def _worst(outcomes: Sequence[StepOutcome]) -> StepOutcome:
    """The outcome that stands for the intervals of one observation, with how many of them share it."""
    state = _state(outcomes)
    alike = [outcome for outcome in outcomes if outcome.state == state]
    if len(outcomes) == 1 or not alike[0].reason:
        return alike[0]
    return replace(alike[0], reason=f"{len(alike)} of {len(outcomes)} intervals: {alike[0].reason}")


def cut_flow(outcomes: Sequence[StepOutcome], cuts: Sequence[str]) -> list[dict[str, Any]]:
    """How the observations that a step expects become those that it uses.

    Parameters
    ----------
    outcomes : sequence of StepOutcome
        Of one step.
    cuts : sequence of str
        Names of the cuts, in the order in which they are applied; of ``columns.QUALITY`` the first word counts.

    Returns
    -------
    list of dict
        ``state`` and ``reason_class`` of those removed, how many they are (``removed``), and how many are ``left``.
    """
    removed = Counter((outcome.state, outcome.reason_class) for outcome in outcomes if outcome.state not in USABLE)
    order = {cut: number for number, cut in enumerate(cuts)}

    def place(item: tuple[str, str]) -> tuple[int, int, str]:
        state, reason_class = item
        return STATES.index(state), order.get(reason_class.partition(".")[0], len(order)), reason_class

    left = len(outcomes)
    flow = []
    for state, reason_class in sorted(removed, key=place):
        number = removed[state, reason_class]
        left -= number
        flow.append({"state": state, "reason_class": reason_class, "removed": number, "left": left})
    return flow


def merged(outcomes: Iterable[StepOutcome]) -> list[LedgerRow]:
    """One row per observation, in order of night and obs_id, from what each step made of it."""
    found: dict[tuple[str, int, str], list[StepOutcome]] = {}
    for outcome in outcomes:
        found.setdefault((outcome.night, outcome.obs_id, outcome.archive), []).append(outcome)
    return [LedgerRow(_state(group), tuple(group)) for _, group in sorted(found.items(), key=lambda item: item[0])]


def _state(outcomes: Sequence[StepOutcome]) -> str:
    states = {outcome.state for outcome in outcomes}
    strange = sorted(states - set(STATES))
    return strange[0] if strange else next(state for state in PRECEDENCE if state in states)


def judge(
    rows: Sequence[LedgerRow],
    lost: Sequence[str],
    taken: Sequence[Taken] = (),
    *,
    max_quarantined_percent: float,
    quarantine_fails: bool,
) -> Verdict:
    """The verdict of a run.

    Parameters
    ----------
    rows : sequence of LedgerRow
        The ledger.
    lost : sequence of str
        Sentences, one for each product that is absent for any reason but "no work".
    taken : sequence of Taken
        What was taken beside observations.
    max_quarantined_percent : float
        Highest share of the expected observations, or of what else was to be taken, that may be lost.
    quarantine_fails : bool
        Whether any quarantined observation makes the run red.
    """
    counts = Counter(row.state for row in rows)
    problems = _problems(rows, counts, max_quarantined_percent, quarantine_fails)
    problems += [
        f"more than {max_quarantined_percent:g} % of the {one.over} of {one.step!r} cannot be used"
        for one in taken
        if one.exceeds(max_quarantined_percent)
    ]
    problems += lost
    summary = "; ".join([*([_summary(rows, counts)] if rows or not taken else []), *map(str, taken)])
    if problems:
        return Verdict(f"RED: {'; '.join(problems)}. {summary}", ok=False)
    if not rows and not any(one.expected for one in taken):
        return Verdict(f"NO_DATA: {summary}", ok=True)
    partial = counts["quarantined"] + counts["missing"] or any(one.left_out for one in taken)
    return Verdict(f"{'PARTIAL' if partial else 'GOOD'}: {summary}", ok=True)


def _problems(
    rows: Sequence[LedgerRow], counts: Counter[str], max_quarantined_percent: float, quarantine_fails: bool
) -> list[str]:
    problems = []
    repeated = [str(row.obs_id) for row in rows if len({outcome.step for outcome in row.outcomes}) < len(row.outcomes)]
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
    names = [f"{row.obs_id}: {row.deciding.reason_class}".removesuffix(": ") for row in rows if row.state == state]
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
