from __future__ import annotations

from pathlib import Path

import pytest

import gammaops
from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.errors import ConfigError, NoWorkFound
from gammaops.products import ProductStore, RunFolder, rows_of
from gammaops.runner import LocalRun, Provenance, Run, begin, collect, finish, local_name, run_part, split, verdict
from gammaops.runner.failures import SPLIT, noting_failure
from gammaops.steps.base import Scope

pytestmark = pytest.mark.usefixtures("toys")

SUM = """
steps:
  - {name: first, tag: count, products: one}
  - {name: second, tag: count, products: two, config: {count: {number: 2}}}
  - {name: third, tag: total, required_products: [one, two], products: [sum, words]}
"""


def joined(first: int, second: int, more: str) -> str:
    """The sum of two numbers; one below nothing fails, nothing is no work."""
    counts = [
        f"{{name: {name}, tag: count, config: {{count: {{number: {number}}}}}}}"
        for name, number in (("a", first), ("b", second))
    ]
    return f"steps: [{', '.join(counts)}, {{name: c, tag: total, required_products: [a, b]{more}}}]"


def words(*values: str, more: str = "") -> str:
    return f"toy: {{words: [{', '.join(values)}]}}\n{more}steps: [{{name: reduce, tag: toy-reduce}}]"


def run(text: str, out: Path, **arguments: object) -> LocalRun:
    return gammaops.run(parse_config(text, name="toy", source="toy.yaml"), out, **arguments)


def record(out: Path, result: LocalRun) -> dict:
    return RunFolder.of(ProductStore(out), result.report).read_json("run.json")


def states(out: Path, result: LocalRun) -> dict[int, str]:
    return {row["obs_id"]: row["state"] for row in record(out, result)["ledger"]}


def product_files(out: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (out / "products").rglob("*") if path.is_file()}


@pytest.mark.requirement("A2.2", "A3.3", "A3.7")
def test_toy_sum_adds_what_two_steps_made(tmp_path: Path) -> None:
    result = run(SUM, tmp_path)
    products = {entry["name"]: entry for step in record(tmp_path, result)["steps"] for entry in step["products"]}
    assert result.verdict.ok
    assert (tmp_path / products["sum"]["path"]).read_text() == "3\n"
    assert (tmp_path / products["words"]["path"]).read_text() == "done\n"


def entry(out: Path, result: LocalRun, name: str) -> dict:
    return next(step for step in record(out, result)["steps"] if step["name"] == name)


@pytest.mark.parametrize(
    ("numbers", "rule", "status", "reason"),
    [
        ((1, 2), "", "ok", ""),
        ((1, 2), ", rule: strict", "ok", ""),
        ((1, 0), "", "ok", "partial: made from 1 of 2 inputs, nothing came from 'b'"),
        ((1, 0), ", rule: lenient", "ok", "partial: made from 1 of 2 inputs, nothing came from 'b'"),
        (
            (1, 0),
            ", rule: strict",
            "no_work",
            "it reads values of 'a', 'b', which had none to give, and it is strict",
        ),
        ((0, 0), ", rule: lenient", "no_work", "it reads values of 'a', 'b', which had none to give"),
        ((1, -1), "", "failed", "the step 'b' made no product"),
        ((1, -1), ", rule: strict", "failed", "the step 'b' made no product"),
        ((1, -1), ", rule: lenient", "ok", "partial: made from 1 of 2 inputs, nothing came from 'b'"),
    ],
)
@pytest.mark.requirement("A3.14", "R12")
def test_a_step_is_strict_or_lenient_about_its_inputs(
    tmp_path: Path, numbers: tuple[int, int], rule: str, status: str, reason: str
) -> None:
    result = run(joined(*numbers, rule), tmp_path)
    made = entry(tmp_path, result, "c")
    assert made["status"] == status
    assert made["reason"].startswith(reason) if reason else made["reason"] == ""
    assert result.verdict.ok is (min(numbers) >= 0), "a step that failed makes the run red, whoever goes on without it"


def test_a_step_that_made_nothing_is_in_the_verdict_and_says_why_on_the_command_line(tmp_path, capsys) -> None:
    config = tmp_path / "toy.yaml"
    config.write_text(joined(1, 0, ""))
    assert main(["run", "--filename", str(config), "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("; nothing made by b")
    assert [line for line in lines if "nothing made:" in line] == ["  b: nothing made: nothing to count"]


@pytest.mark.parametrize(("more", "total"), [("", 43), (", extend: false", 40)])
@pytest.mark.requirement("A3.4")
def test_products_of_other_runs_join_or_replace(tmp_path: Path, more: str, total: int) -> None:
    earlier = run("steps: [{name: x, tag: count, config: {count: {number: 40}}}]", tmp_path)
    (made,) = entry(tmp_path, earlier, "x")["products"]
    for path in (made["path"], (tmp_path / made["path"]).as_uri()):
        result = run(joined(1, 2, f", inputs: [{path}]{more}"), tmp_path)
        product = entry(tmp_path, result, "c")["products"][0]
        assert (tmp_path / product["path"]).read_text() == f"{total}\n"


def test_optional_input_that_is_named_is_not_done_without(tmp_path: Path) -> None:
    reduce = "{name: r, tag: toy-reduce, required_products: [a]}"
    for number, status in ((0, "no_work"), (1, "ok")):
        text = (
            f"toy: {{words: [x]}}\nsteps: [{{name: a, tag: count, config: {{count: {{number: {number}}}}}}}, {reduce}]"
        )
        made = entry(tmp_path, run(text, tmp_path), "r")
        assert (made["status"], made["reason"]) == (
            status,
            "" if number else "it reads values of 'a', which had none to give",
        )


def test_product_of_another_store_is_refused_in_words(tmp_path: Path) -> None:
    elsewhere = f"file:///elsewhere/products/value/ab/ab{'0' * 30}.yaml"
    result = run(joined(1, 2, f", inputs: ['{elsewhere}']"), tmp_path)
    assert (
        entry(tmp_path, result, "c")["reason"] == f"ProductError: {elsewhere} is not in the store {tmp_path.as_uri()}"
    )


@pytest.mark.requirement("A3.1", "A6.4")
def test_parallel_false_makes_one_task_of_all_rows(tmp_path: Path) -> None:
    text = words("a", "b", "c").replace("tag: toy-reduce", "tag: toy-reduce, parallel: false")
    _, tasks = by_tasks(tmp_path, text)
    assert [path.partition("#")[2] for path in tasks["reduce"]["fragments"]] == ["rows=0-2"]
    assert states(tmp_path, run(text, tmp_path)) == {0: "done", 1: "done", 2: "done"}


@pytest.mark.requirement("A2.6", "R7")
def test_rerun_writes_no_product_and_one_version(tmp_path: Path) -> None:
    first = run(words("aa", "b", "truncated"), tmp_path, label="night")
    before = product_files(tmp_path)
    second = run(words("aa", "b", "truncated"), tmp_path, label="night")
    assert product_files(tmp_path) == before
    assert record(tmp_path, first)["version"] == "v001"
    assert record(tmp_path, second)["version"] == "v002"
    assert ((tmp_path / ProductStore(tmp_path).relative(second.report)).parents[1] / "latest").read_text() == "v002\n"
    assert states(tmp_path, first) == {0: "done", 1: "done", 2: "quarantined"}
    assert states(tmp_path, second) == {0: "reused", 1: "reused", 2: "quarantined"}


@pytest.mark.parametrize("text", [SUM, words("a", "b", "truncated", more="dag: {observations_per_task: 2}\n"), words()])
def test_rerun_touches_no_index_either(tmp_path: Path, text: str) -> None:
    run(text, tmp_path)
    before = product_files(tmp_path)
    run(text, tmp_path)
    run(text, tmp_path, reuse="rebuild")
    assert product_files(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": ["nope"]}, "params: steps: no step 'nope'; expected one of: first, second, third"),
        ({"reuse": "bogus"}, "params: reuse: 'bogus' is no way to reuse"),
        ({"nights": ["04-12-2004"]}, "params: night: '04-12-2004' is no date"),
        ({"start": "yesterday"}, "params: start: 'yesterday' is no time"),
        ({"obs_ids": [-1]}, "params: obs_ids: -1 is no OBS_ID"),
        ({"obs_ids": [10**30]}, f"params: obs_ids: {10**30} is no OBS_ID"),
        ({"label": ""}, "params: label: is empty"),
    ],
)
def test_request_that_cannot_be_meant_is_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(SUM, tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


def by_tasks(out: Path, text: str) -> tuple[Run, dict]:
    """A run whose tasks are called one by one, as Airflow does."""
    config = parse_config(text, name="toy", source="toy.yaml")
    begun = Run.open(begin(config, ProductStore(out), Scope(), name="tasks"))
    return begun, {"reduce": {"fragments": split(begun, "reduce", {}, Provenance())}}


def test_tasks_that_were_killed_without_a_word_make_the_run_red(tmp_path: Path) -> None:
    begun, tasks = by_tasks(tmp_path, words("a", "b"))
    with pytest.raises(NoWorkFound):
        collect(begun, "reduce", {}, tasks["reduce"]["fragments"], [], Provenance())
    judged = verdict(begun, tasks, finish(begun, tasks, Provenance()))
    assert not judged.ok
    assert "2 failed" in judged.line


def test_note_of_a_try_that_was_mended_does_not_count(tmp_path: Path) -> None:
    begun, tasks = by_tasks(tmp_path, words())
    with pytest.raises(OSError, match="hiccup"), noting_failure(begun, "reduce", SPLIT, Provenance()):
        raise OSError("nfs hiccup")
    (fragment,) = tasks["reduce"]["fragments"]
    tasks["reduce"]["parts"] = [run_part(begun, "reduce", {}, fragment, Provenance()).path]
    with pytest.raises(NoWorkFound):
        collect(begun, "reduce", {}, [fragment], tasks["reduce"]["parts"], Provenance())
    judged = verdict(begun, tasks, finish(begun, tasks, Provenance()))
    assert judged.ok
    assert "NO_DATA" in judged.line


def test_product_damaged_before_the_end_is_lost_and_said_to_be(tmp_path: Path) -> None:
    begun, tasks = by_tasks(tmp_path, words("a"))
    (fragment,) = tasks["reduce"]["fragments"]
    part = run_part(begun, "reduce", {}, fragment, Provenance()).path
    product = collect(begun, "reduce", {}, [fragment], [part], Provenance())
    (begun.store.root / begun.store.relative(product)).write_bytes(b"{}")
    tasks["reduce"] |= {"parts": [part], "product": product}
    judged = verdict(begun, tasks, finish(begun, tasks, Provenance()))
    assert not judged.ok
    assert "its sidecar says" in judged.line


def test_report_that_failed_makes_the_record_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, tasks = by_tasks(tmp_path, words())

    def broken(*_: object) -> str:
        raise ValueError("no ink")

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="no ink"):
        patch.setattr("gammaops.runner.ending.render_report", broken)
        finish(begun, tasks, Provenance())
    judged = verdict(begun, tasks, None)
    assert not judged.ok
    assert begun.folder.read_json("run.json")["verdict"] == {"line": judged.line, "ok": False}
    assert "the report could not be written" in judged.line


def test_tasks_cleared_after_the_end_give_the_next_version(tmp_path: Path) -> None:
    begun, tasks = by_tasks(tmp_path, words("a"))
    first = finish(begun, tasks, Provenance())
    assert finish(begun, tasks, Provenance()) == first, "a second try of the report is the same version"
    (fragment,) = tasks["reduce"]["fragments"]
    part = run_part(begun, "reduce", {}, fragment, Provenance()).path
    product = collect(begun, "reduce", {}, [fragment], [part], Provenance())
    mended = finish(begun, {"reduce": {"fragments": [fragment], "parts": [part], "product": product}}, Provenance())
    assert first.endswith("v001/report.html")
    assert mended.endswith("v002/report.html")
    assert RunFolder.of(begun.store, mended).read_json("run.json")["ledger"][0]["state"] == "done"
    assert "v002" in (begun.store.root / begun.store.relative(mended)).read_text()


def test_two_stores_hold_the_same_payloads(tmp_path: Path) -> None:
    names = []
    for out in (tmp_path / "a", tmp_path / "b"):
        run(words("aa", "b"), out)
        names.append({path.name for path in (out / "products").rglob("*.*.*")})
    assert names[0] == names[1]
    assert len(names[0]) == 4  # table, two words, index


@pytest.mark.requirement("R13")
def test_bad_observation_is_quarantined_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    result = run(words("a", "truncated", "b", "c", "d"), tmp_path)
    row = record(tmp_path, result)["ledger"][1]
    assert result.verdict.ok
    assert "PARTIAL: 5 expected: 4 done, 1 quarantined (1: truncated)" in result.verdict.line
    assert (row["state"], row["reason_class"], row["reason"]) == ("quarantined", "truncated", "the file ends early")


@pytest.mark.requirement("R13")
def test_missing_observation_is_in_the_ledger(tmp_path: Path) -> None:
    result = run(words("a", "absent", "b", "c", "d"), tmp_path)
    assert states(tmp_path, result)[1] == "missing"
    assert result.verdict.ok


@pytest.mark.requirement("A7.3")
def test_infrastructure_failure_makes_the_run_red_and_keeps_the_others(tmp_path: Path) -> None:
    result = run(words("a", "disk", "b"), tmp_path)
    row = record(tmp_path, result)["ledger"][1]
    assert not result.verdict.ok
    assert "1 failed (1: infrastructure)" in result.verdict.line
    assert (row["state"], row["reason"]) == ("failed", "OSError: disk full")
    assert states(tmp_path, result) == {0: "done", 1: "failed", 2: "done"}


@pytest.mark.requirement("R12")
def test_run_without_observations_is_green_no_data(tmp_path: Path) -> None:
    result = run("steps: [{name: reduce, tag: toy-reduce}]", tmp_path)
    assert result.verdict.ok
    assert "NO_DATA: no observation was expected" in result.verdict.line
    assert record(tmp_path, result)["steps"][0]["status"] == "no_work"


@pytest.mark.requirement("R12")
def test_run_in_which_nothing_could_be_used_is_red(tmp_path: Path) -> None:
    result = run(words("truncated", more="dag: {max_quarantined: 100 %}\n"), tmp_path)
    assert not result.verdict.ok
    assert "1 expected, none could be used" in result.verdict.line


def test_analysis_that_forbids_bad_observations_is_red_with_one(tmp_path: Path) -> None:
    result = run(words("a", "b", "c", "d", "truncated", more="dag: {on_bad_observation: fail}\n"), tmp_path)
    assert not result.verdict.ok
    assert "allows no quarantined observation" in result.verdict.line


@pytest.mark.requirement("A7.1", "R10")
def test_chunks_name_rows_and_lose_nothing(tmp_path: Path) -> None:
    text = words(*"abcde", "truncated", more="dag: {observations_per_task: 4}\n")
    result = run(text, tmp_path)
    assert states(tmp_path, result) == {**dict.fromkeys(range(5), "done"), 5: "quarantined"}
    assert len(list((tmp_path / "products" / "outcomes").rglob("*.json"))) == 4  # two indexes with their sidecars


@pytest.mark.requirement("R10")
@pytest.mark.parametrize(("most", "sizes"), [(1024, [1] * 5), (2, [3, 2])])
def test_what_is_no_observation_is_chunked_only_where_the_map_would_get_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, sizes: list[int]
) -> None:
    monkeypatch.setattr("gammaops.runner.tasks.MAX_MAPPED", most)
    text = """
count: {number: 5}
dag: {observations_per_task: 4}
steps: [{name: five, tag: count}, {name: cut, tag: toy-slices}]
"""
    result = run(text, tmp_path)
    config = parse_config(text, name="toy", source="toy.yaml")
    begun = Run.open(begin(config, ProductStore(tmp_path), Scope(), name="by tasks"))
    fragments = split(begun, "cut", {"values": [result.products["five"]]}, Provenance())
    assert [len(rows_of(fragment)[1]) for fragment in fragments] == sizes


@pytest.mark.requirement("R7")
def test_reuse_only_refuses_to_compute(tmp_path: Path) -> None:
    assert not run(words("a"), tmp_path, reuse="only").verdict.ok
    run(words("a"), tmp_path)
    again = run(words("a"), tmp_path, reuse="only")
    assert again.verdict.ok
    assert states(tmp_path, again) == {0: "reused"}


@pytest.mark.requirement("R7")
def test_rebuild_computes_again_and_gets_the_same_bytes(tmp_path: Path) -> None:
    run(words("a"), tmp_path)
    before = product_files(tmp_path)
    again = run(words("a"), tmp_path, reuse="rebuild")
    assert states(tmp_path, again) == {0: "done"}
    assert product_files(tmp_path).keys() == before.keys()


@pytest.mark.requirement("A2.11")
def test_damaged_product_is_made_again(tmp_path: Path) -> None:
    run(words("a", "b"), tmp_path)
    damaged = next(path for path in (tmp_path / "products" / "word").rglob("*.yaml") if path.read_text() == "a\n")
    damaged.write_text("x\n")
    again = run(words("a", "b"), tmp_path)
    assert again.verdict.ok
    assert states(tmp_path, again) == {0: "done", 1: "reused"}
    assert damaged.read_text() == "a\n"


@pytest.mark.requirement("A2.6", "R7")
def test_change_of_one_value_changes_only_what_depends_on_it(tmp_path: Path) -> None:
    first, second = run(SUM, tmp_path), run(SUM.replace("number: 2", "number: 3"), tmp_path)
    assert first.products["first"] == second.products["first"]
    assert first.products["second"] != second.products["second"]
    assert first.products["third"] != second.products["third"]


@pytest.mark.requirement("A1.1", "A3.8", "A6.1")
def test_chosen_step_runs_with_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    result = run(SUM, tmp_path, steps=["second"])
    assert set(result.products) == {"second"}
    assert result.verdict.ok


@pytest.mark.requirement("A3.8")
def test_override_is_checked_like_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"params: .*numbr"):
        run(SUM, tmp_path, overrides={"count": {"numbr": 3}})
    assert not (tmp_path / "runs").exists()


@pytest.mark.requirement("A1.9")
def test_frozen_config_is_complete(tmp_path: Path) -> None:
    config = parse_config(SUM, name="toy", source="toy.yaml")
    result = gammaops.run(config, tmp_path, overrides={"count": {"number": 7}})
    frozen = (tmp_path / ProductStore(tmp_path).relative(result.report)).with_name("config.yaml")
    again = parse_config(frozen.read_text(), name="toy", source="frozen")
    assert again.digest == config.with_params({"config": {"count": {"number": 7}}}).digest
    numbers = [again.blocks(step)["count"]["number"] for step in again.steps[:2]]
    assert numbers == [7, 7], "run parameters come before a step's own config"


def test_key_of_a_word_does_not_depend_on_where_it_stands(tmp_path: Path) -> None:
    """A dataset belongs to its observation: another selection around it makes no new product."""
    run(words("a", "b"), tmp_path)
    again = run(words("a", "b", "c"), tmp_path)
    assert states(tmp_path, again) == {0: "reused", 1: "reused", 2: "done"}


@pytest.mark.requirement("A1.7")
def test_runs_that_nobody_names_are_named_by_what_was_chosen():
    assert local_name(Scope(longitude_deg=16.5)) == "local"
    assert local_name(Scope(nights=("2026-11-02",), longitude_deg=16.5)) == "local-2026-11-02"
    others = [Scope(nights=("2026-11-02", "2026-11-03")), Scope(obs_ids=(3,)), Scope(obs_ids=(4,)), Scope(start="2026")]
    assert len({local_name(one) for one in others}) == 4
