"""How things stand on the command line: newest runs, observations set aside, what a run has made."""

from __future__ import annotations

import json

import pytest

import gammaops
from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.products import ProductStore, RunFolder

pytestmark = pytest.mark.requirement("A1.7", "R30")


def the_run(store: ProductStore) -> RunFolder:
    (folder,) = RunFolder.all(store, "everything")
    return folder


def printed(capsys, *arguments: str, code: int = 0) -> list[str]:
    assert main(list(arguments)) == code
    return capsys.readouterr().out.splitlines()


def test_status_shows_the_newest_version_of_each_run_and_is_red_with_them(copied, capsys):
    out, place = copied.root, the_run(copied).relative
    (line, count) = printed(capsys, "status", "--store", str(out))
    assert line[4] == line[7] == "-"
    assert line[16:].startswith(f"  {place}  everything, ")
    assert "2 quarantined" in line or "1 quarantined" in line
    assert count == "1 run, 0 red"
    gone = f"products/datasets/ab/ab{'0' * 30}.json"
    config = parse_config(f"steps: [{{name: s, tag: stack, inputs: [{gone}]}}]", "other", "other.yaml")
    gammaops.run(config, out)
    red = printed(capsys, "status", "--store", str(out), code=2)
    assert [row.split()[1].split("/")[1] for row in red[:2]] == ["other", "everything"], "the last that began first"
    assert "RED" in red[0]
    assert red[2] == "2 runs, 1 red"
    assert printed(capsys, "status", "everything", "--store", str(out))[-1] == "1 run, 0 red"
    assert printed(capsys, "status", "--number", "1", "--store", str(out), code=2)[-1] == "1 run, 1 red"


def test_quarantine_names_observation_reason_product_and_remedy(copied, capsys):
    out = copied.root
    lines = printed(capsys, "quarantine", "--store", str(out))
    assert lines[0] == "2  night 2026-11-02  everything  archive"
    assert lines[1].startswith("  quarantined (truncated): data/sim_obs_000002.fits.gz: ")
    path = next(line.split()[-1] for line in lines if line.startswith("  reduce: "))
    assert copied.sidecar(path)["status"] == "quarantined"
    assert f"  said by {the_run(copied).relative}" in lines
    assert any(line.startswith("  Ask the data manager for a fresh copy") for line in lines)
    assert lines[-2] == "1 observation quarantined"
    assert "--obs-id ID --reuse rebuild" in lines[-1]
    assert printed(capsys, "quarantine", "--state", "missing", "--store", str(out)) == ["0 observations missing"]


def test_a_later_run_that_uses_an_observation_takes_it_off_the_list(copied, capsys):
    out, folder = copied.root, the_run(copied)
    record = folder.read_json("run.json")
    for row in record["ledger"]:
        row["state"] = "done"
    later = folder.successor()
    later.create_json("run.json", record)
    assert printed(capsys, "quarantine", "--store", str(out)) == ["0 observations quarantined"]


def test_report_tells_steps_products_what_is_left_out_and_the_page(copied, capsys):
    out, folder = copied.root, the_run(copied)
    record = folder.read_json("run.json")
    lines = printed(capsys, "report", "everything", "--store", str(out))
    assert lines[0] == record["verdict"]["line"]
    for step in record["steps"]:
        assert f"  {step['name']}: {step['status']}" in [line.split(": ok")[0] + ": ok" for line in lines]
        for product in step["products"]:
            assert f"    {product['name']}: {product['path']}" in lines
    assert any(line.startswith("  observation 2 quarantined (truncated): ") for line in lines)
    assert lines[-1] == f"  page: {folder.uri_of('report.html')}"
    assert main(["report", "everything", "--json", "--store", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == [record]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status", "nope"], "has no run of nope; it has: everything"),
        (["quarantine", "nope"], "has no run of nope; it has: everything"),
        (["report", "nope"], "has no run of an analysis 'nope'; name an analysis"),
        (["report", "everything/never"], "everything has no run 'never'; it has: local-"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(everything, capsys, arguments, words):
    out, _ = everything
    assert main([*arguments, "--store", str(out)]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["releases", "ls"], ["status"], ["quarantine"], ["report", "x"], ["products", "verify"], ["products", "gc"]],
)
def test_a_store_that_is_not_there_is_no_empty_store(tmp_path, capsys, command):
    assert main([*command, "--store", str(tmp_path / "other-store")]) == 1
    assert f"there is no store at {tmp_path / 'other-store'}" in capsys.readouterr().err
    assert not (tmp_path / "other-store").exists()


def test_words_that_are_no_kind_or_status_are_refused(everything, capsys):
    out, _ = everything
    assert main(["products", "ls", "--kind", "fitt", "--store", str(out)]) == 1
    assert "no product of kind 'fitt'; there are: " in capsys.readouterr().err
    assert main(["products", "ls", "--status", "bad", "--store", str(out)]) == 1
    assert "'bad' is not one of 'ok', 'quarantined', 'no_work'" in capsys.readouterr().err
