from __future__ import annotations

import pytest

from gammaops.ledger import LedgerRow, StepOutcome, cut_flow, judge, merged, step_outcomes


def rows(**states: int) -> list[LedgerRow]:
    names = [state for state, count in states.items() for _ in range(count)]
    return merged(StepOutcome("reduce", "archive", obs_id, "2026-11-02", state) for obs_id, state in enumerate(names))


def verdict(ledger: list[LedgerRow], lost: tuple[str, ...] = (), percent: float = 20, fails: bool = False):
    return judge(ledger, lost, max_quarantined_percent=percent, quarantine_fails=fails)


@pytest.mark.parametrize(
    ("ledger", "start"),
    [
        (rows(), "NO_DATA"),
        (rows(done=3), "GOOD: 3 expected: 3 done"),
        (rows(done=1, reused=2), "GOOD"),
        (rows(done=2, rejected=5), "GOOD"),
        (rows(done=4, quarantined=1), "PARTIAL"),
        (rows(done=4, missing=1), "PARTIAL"),
    ],
)
def test_green_run_says_what_it_is(ledger: list[LedgerRow], start: str) -> None:
    judged = verdict(ledger)
    assert judged.ok
    assert judged.line.startswith(start)


@pytest.mark.parametrize(
    ("ledger", "reason"),
    [
        (rows(done=9, failed=1), "1 failed (9)"),
        (rows(done=3, quarantined=1), "1 of 4 quarantined or missing, more than 20 %"),
        (rows(done=7, quarantined=1, missing=1), "2 of 9 quarantined or missing, more than 20 %"),
        (rows(rejected=3), "3 expected, none could be used"),
        (merged([StepOutcome("a", "x", 7, "", "done")] * 2), "the ledger does not add up (twice: 7"),
        (rows(done=1, lost=1), "unknown states: ['lost']"),
    ],
)
def test_red_run_says_why(ledger: list[LedgerRow], reason: str) -> None:
    judged = verdict(ledger)
    assert not judged.ok
    assert judged.line.startswith("RED: ")
    assert reason in judged.line


def test_lost_product_makes_a_run_red_whatever_the_ledger() -> None:
    assert verdict(rows(done=3), ("fit: FitNotConverged",)).line.startswith("RED: fit: FitNotConverged")
    assert not verdict(rows(), ("fit: lost",)).ok


def test_share_at_the_limit_is_allowed() -> None:
    assert verdict(rows(done=4, quarantined=1), percent=20).ok
    assert not verdict(rows(done=4, quarantined=1), percent=19.9).ok


def test_analysis_that_allows_no_quarantine_is_red_with_one() -> None:
    assert not verdict(rows(done=99, quarantined=1), fails=True).ok


@pytest.mark.requirement("R13")
def test_expected_observation_without_outcome_is_failed_with_its_reason() -> None:
    expected = [
        {
            "label": str(number),
            "obs_id": number,
            "night": "2026-11-02",
            "status": status,
            "reason_class": word,
            "reason": text,
        }
        for number, status, word, text in [
            (1, "selected", "", ""),
            (2, "selected", "", ""),
            (3, "missing", "absent", "its file is not there"),
            (4, "selected", "", ""),
        ]
    ]
    done = {"1": {"state": "done", "path": "products/x"}}
    made = step_outcomes("reduce", "archive", expected, done, {"2": "OSError: disk full"})
    assert [(row.obs_id, row.state, row.reason) for row in made] == [
        (1, "done", ""),
        (2, "failed", "OSError: disk full"),
        (3, "missing", "its file is not there"),
        (4, "failed", "its task ended without an outcome; see the task's log"),
    ]


@pytest.mark.parametrize(
    ("states", "state", "reason"),
    [
        (("done", "done", "done"), "done", ""),
        (("done", "rejected", "done"), "done", ""),
        (("rejected", "rejected"), "rejected", "2 of 2 intervals: no good time"),
        (("done", "quarantined", "done"), "quarantined", "1 of 3 intervals: no OFF region"),
    ],
)
def test_observation_cut_into_intervals_is_one_row(states: tuple[str, ...], state: str, reason: str) -> None:
    reasons = {"done": "", "rejected": "no good time", "quarantined": "no OFF region"}
    labels = [f"7 20:{number}0" for number in range(len(states))]
    expected = [
        {"label": label, "obs_id": 7, "night": "", "status": "selected", "reason_class": "", "reason": ""}
        for label in labels
    ]
    made = {label: {"state": one, "reason": reasons[one]} for label, one in zip(labels, states, strict=True)}
    (outcome,) = step_outcomes("reduce", "archive", expected, made, {})
    assert (outcome.obs_id, outcome.state, outcome.reason) == (7, state, reason)
    lost = step_outcomes("reduce", "archive", expected, dict(list(made.items())[1:]), {labels[0]: "OSError: disk full"})
    assert (lost[0].state, lost[0].reason) == ("failed", f"1 of {len(states)} intervals: OSError: disk full")


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (("done", "quarantined"), "quarantined"),
        (("rejected", "reused"), "reused"),
        (("reused", "done"), "done"),
        (("missing", "failed"), "failed"),
        (("rejected", "rejected"), "rejected"),
    ],
)
def test_observation_that_two_steps_reduce_is_one_row(states: tuple[str, ...], state: str) -> None:
    outcomes = [StepOutcome(f"step{n}", "archive", 7, "2026-11-02", given) for n, given in enumerate(states)]
    (row,) = merged(outcomes)
    assert row.state == state
    assert {name: outcome["state"] for name, outcome in row.as_dict()["steps"].items()} == dict(
        zip(("step0", "step1"), states, strict=True)
    )


def test_equal_ids_of_two_archives_are_two_observations() -> None:
    assert len(merged(StepOutcome(name, name, 7, "2026-11-02", "done") for name in ("hess1", "hess1u"))) == 2


@pytest.mark.requirement("R24")
def test_cut_flow_goes_from_what_is_expected_to_what_is_used() -> None:
    states = [
        *[("done", "")] * 3,
        ("reused", "accepted-by-hand"),
        ("rejected", "columns.QUALITY"),
        *[("rejected", "zenith")] * 2,
        ("rejected", "by-hand"),
        ("quarantined", "truncated"),
        ("missing", "absent"),
    ]
    outcomes = [StepOutcome("reduce", "a", number, "", *state) for number, state in enumerate(states)]
    flow = cut_flow(outcomes, ["livetime", "zenith", "columns"])
    assert [tuple(line.values()) for line in flow] == [
        ("rejected", "zenith", 2, 8),
        ("rejected", "columns.QUALITY", 1, 7),
        ("rejected", "by-hand", 1, 6),
        ("quarantined", "truncated", 1, 5),
        ("missing", "absent", 1, 4),
    ]


def test_an_observation_that_somebody_accepted_is_used_and_says_so() -> None:
    said = {"status": "selected", "reason_class": "accepted-by-hand", "reason": "short; by B."}
    row = {"label": "1", "obs_id": 1, "night": "", **said}
    (outcome,) = step_outcomes("reduce", "a", [row], {"1": {"state": "done", "path": "p"}}, {})
    assert (outcome.state, outcome.reason_class, outcome.reason) == ("done", "accepted-by-hand", "short; by B.")
