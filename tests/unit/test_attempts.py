"""Tries that are killed, and failures that repeat themselves: both end, and nothing is lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import gammaops
from gammaops.config import parse_config
from gammaops.errors import GivenUp, NoWorkFound
from gammaops.products import ProductStore, RunFolder
from gammaops.runner import Provenance, Run, begin, collect, finish, run_part, split, verdict
from gammaops.runner.attempts import attempt
from gammaops.runner.failures import SPLIT, noting_failure
from gammaops.steps.base import Scope

pytestmark = [pytest.mark.usefixtures("toys"), pytest.mark.requirement("R15")]

TRY = Provenance(map_index=0)


def text(*words: str, more: str = "observations_per_task: 10") -> str:
    return f"toy: {{words: [{', '.join(words)}]}}\ndag: {{{more}}}\nsteps: [{{name: reduce, tag: toy-reduce}}]"


def begun(out: Path, *words: str) -> tuple[Run, str]:
    """A run whose only mapped task takes all of these words."""
    config = parse_config(text(*words), name="toy", source="toy.yaml")
    run = Run.open(begin(config, ProductStore(out), Scope(), name="tasks"))
    (fragment,) = split(run, "reduce", {}, Provenance())
    return run, fragment


def killed(work: Callable[[], object]) -> bool:
    """Whether this work kills its process."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


def tried(run: Run, fragment: str, number: int, first: int = 1) -> bool:
    who = replace(TRY, try_number=number, first_try=first)
    return killed(lambda: run_part(run, "reduce", {}, fragment, who))


def markers(run: Run) -> list[str]:
    return [name for name in run.folder.names("") if name.startswith("attempt.")]


def judged(run: Run, fragment: str, parts: list[str]) -> tuple[bool, str, list[dict]]:
    """Verdict and ledger of the run."""
    tasks = {"fragments": [fragment], "parts": parts}
    try:
        tasks["product"] = collect(run, "reduce", {}, [fragment], parts, Provenance())
    except NoWorkFound:
        tasks["product"] = None
    report = finish(run, {"reduce": tasks}, Provenance())
    found = verdict(run, {"reduce": tasks}, report)
    return found.ok, found.line, RunFolder.of(run.store, report).read_json("run.json")["ledger"]


def test_a_try_that_ends_by_itself_leaves_no_marker(tmp_path):
    run, fragment = begun(tmp_path, "a", "disk")
    with pytest.raises(OSError, match="disk full"):
        run_part(run, "reduce", {}, fragment, TRY)
    assert markers(run) == []


def test_a_killed_try_says_which_row_it_was_at(tmp_path):
    run, fragment = begun(tmp_path, "a", "killed", "b")
    assert tried(run, fragment, 1)
    assert markers(run) == ["attempt.reduce.parts.0.1.json"]
    assert run.folder.read_json(markers(run)[0]) == {"label": "obs 1"}


@pytest.mark.requirement("R13")
def test_a_row_that_kills_twice_is_set_aside_and_the_others_go_on(tmp_path):
    run, fragment = begun(tmp_path, *"abcd", "killed", "e")
    assert tried(run, fragment, 1)
    assert tried(run, fragment, 2)
    outcome = run_part(run, "reduce", {}, fragment, replace(TRY, try_number=3))
    assert outcome.label == "obs 0…obs 5 (6, 1 not usable)"
    ok, line, ledger = judged(run, fragment, [outcome.path])
    assert ok
    assert "PARTIAL: 6 expected: 5 done, 1 quarantined (4: OOM)" in line
    assert ledger[4]["reason_class"] == "OOM"
    assert (
        "was killed while it worked on obs 4, 2 times, most likely because it needs more memory" in ledger[4]["reason"]
    )


def test_the_label_of_a_task_of_one_row_says_that_it_was_out_of_memory(tmp_path):
    run, fragment = begun(tmp_path, "killed")
    assert tried(run, fragment, 1)
    assert tried(run, fragment, 2)
    assert run_part(run, "reduce", {}, fragment, replace(TRY, try_number=3)).label == "obs 0 quarantined: OOM"


def test_a_row_that_kills_once_is_tried_again(tmp_path):
    run, fragment = begun(tmp_path, "a", "b")

    def dies() -> None:
        with attempt(run, "reduce", "parts", TRY) as one:
            one.at("obs 1")
            os.kill(os.getpid(), signal.SIGKILL)

    assert killed(dies)
    outcome = run_part(run, "reduce", {}, fragment, replace(TRY, try_number=2))
    assert judged(run, fragment, [outcome.path])[0]


def test_a_cleared_task_is_forgiven_what_was_before(tmp_path):
    run, fragment = begun(tmp_path, "killed")
    assert tried(run, fragment, 1)
    assert tried(run, fragment, 2)
    assert tried(run, fragment, 3, first=3), "whoever clears it wants it tried, on a larger machine perhaps"


def test_the_ledger_says_of_a_row_without_outcome_that_its_task_was_killed(tmp_path):
    run, fragment = begun(tmp_path, "a", "killed")
    assert tried(run, fragment, 1)
    ok, line, ledger = judged(run, fragment, [])
    assert not ok
    assert "2 failed" in line
    assert "killed while it worked on obs 1, most likely for want of memory" in ledger[1]["reason"]


def test_a_task_without_rows_that_is_killed_twice_is_given_up(tmp_path):
    run, _ = begun(tmp_path, "a")

    def dies() -> None:
        with attempt(run, "reduce", SPLIT, who) as one:
            one.at("")
            os.kill(os.getpid(), signal.SIGKILL)

    for number in (1, 2):
        who = Provenance(try_number=number)
        assert killed(dies)
    with pytest.raises(GivenUp, match="killed before it was done, 2 times, most likely because it needs more memory"):
        split(run, "reduce", {}, Provenance(try_number=3))


def test_an_unexpected_error_is_tried_twice_and_not_a_third_time(tmp_path):
    run, _ = begun(tmp_path, "a")
    with pytest.raises(KeyError), noting_failure(run, "reduce", SPLIT, Provenance()):
        raise KeyError("x")
    with (
        pytest.raises(GivenUp, match="the same error in two tries, so there is no third: KeyError: 'x'"),
        noting_failure(run, "reduce", SPLIT, Provenance(try_number=2)),
    ):
        raise KeyError("x")
    with pytest.raises(KeyError), noting_failure(run, "reduce", SPLIT, Provenance(try_number=3, first_try=3)):
        raise KeyError("x")


@pytest.mark.parametrize("second", [KeyError("y"), OSError("disk full")])
def test_another_error_or_one_of_the_machines_is_tried_as_often_as_allowed(tmp_path, second):
    run, _ = begun(tmp_path, "a")
    first = second if isinstance(second, OSError) else KeyError("x")
    for number, error in enumerate((first, second), 1):
        with (
            pytest.raises(type(error)),
            noting_failure(run, "reduce", SPLIT, Provenance(try_number=number)),
        ):
            raise error


class TestVeto:
    """An observation that fails in the same way in two runs, or in three in a row."""

    def run(self, out: Path, *words: str, **arguments: object) -> tuple[bool, dict[int, tuple[str, str, str]]]:
        config = parse_config(text(*words, more="max_quarantined: 50 %"), name="toy", source="toy.yaml")
        result = gammaops.run(config, out, **arguments)
        ledger = RunFolder.of(ProductStore(out), result.report).read_json("run.json")["ledger"]
        return result.verdict.ok, {row["obs_id"]: (row["state"], row["reason_class"], row["reason"]) for row in ledger}

    def failing(self, out: Path, monkeypatch: pytest.MonkeyPatch, *faults: str) -> list[str]:
        """States of a flaky observation in runs in which one of these faults befalls it, one run after the other."""
        found = []
        for fault in faults:
            monkeypatch.setenv("TOY_FAULT", fault)
            label = f"run {len(list(out.glob('runs/toy/*/v001/run.json')))}"
            found.append(self.run(out, "a", "flaky", label=label)[1][1][0])
        return found

    @pytest.fixture
    def twice(self, tmp_path: Path) -> Path:
        for label in ("one", "two"):
            green, rows = self.run(tmp_path, "a", "b", "disk", label=label)
            assert not green
            assert rows[2][0] == "failed"
        return tmp_path

    def test_it_is_not_tried_in_the_third_and_the_ledger_says_why(self, twice):
        for label in ("three", "four"):
            green, rows = self.run(twice, "a", "b", "disk", label=label)
            assert green
            assert rows[2][:2] == ("quarantined", "vetoed")
            assert "failed in the same way in two runs (runs/toy/one-" in rows[2][2]
            assert "OSError: disk full; to have it tried again, start a run that names it in obs_ids" in rows[2][2]

    @pytest.mark.parametrize("arguments", [{"obs_ids": [2]}, {"reuse": "rebuild"}])
    def test_whoever_asks_for_it_has_it_tried(self, twice, arguments):
        assert self.run(twice, "a", "b", "disk", label="three", **arguments)[1][2][0] == "failed"
        (lifted,) = twice.glob("runs/toy/three-*/v001/vetoes.reduce.json")
        assert '"lifted":{"2":"failed in the same way' in lifted.read_text()

    def test_another_config_asks_anew(self, twice):
        assert self.run(twice, "a", "b", "c", label="three")[1][2][0] == "done"

    def test_three_failures_in_a_row_veto_it_whatever_each_of_them_was(self, tmp_path, monkeypatch):
        assert self.failing(tmp_path, monkeypatch, "disk", "bug", "disk") == ["failed"] * 3
        monkeypatch.delenv("TOY_FAULT")
        for label in ("four", "five"):
            green, rows = self.run(tmp_path, "a", "flaky", label=label)
            assert green
            assert rows[1][:2] == ("quarantined", "vetoed")
            assert "failed in three runs in a row (runs/toy/run_0-" in rows[1][2]
            assert "OSError: disk full; to have it tried again, start a run that names it" in rows[1][2]
        assert self.run(tmp_path, "a", "flaky", label="six", reuse="rebuild")[1][1][0] == "done"
        assert self.run(tmp_path, "a", "flaky", label="seven")[1][1][0] == "reused"

    def test_a_run_that_could_use_it_begins_the_count_anew(self, tmp_path, monkeypatch):
        assert self.failing(tmp_path, monkeypatch, "disk", "bug", "none") == ["failed", "failed", "done"]
        (payload,) = (path for path in tmp_path.rglob("*.yaml") if path.read_bytes() == b"flaky\n")
        payload.unlink()
        assert self.failing(tmp_path, monkeypatch, "disk", "bug", "none") == ["failed", "failed", "done"]

    def test_an_outage_vetoes_nothing(self, tmp_path):
        for label in ("one", "two", "three", "four", "five"):
            assert self.run(tmp_path, "disk", "disk", label=label)[1][0][0] == "failed"

    def test_a_run_that_was_not_to_compute_says_nothing(self, tmp_path):
        assert self.run(tmp_path, "a", label="zero")[0]
        for label in ("one", "two"):
            assert self.run(tmp_path, "a", "b", label=label, reuse="only")[1][1][0] == "failed"
        assert self.run(tmp_path, "a", "b", label="three")[1][1][0] == "done"
