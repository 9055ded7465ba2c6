"""Products made again from what their sidecars say are the same, or the reason why not is named."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import gammaops
from gammaops.care.reproducing import DIFFERS, IDENTICAL, IMPOSSIBLE, OF_A_MOMENT, Reproduction, at_random, reproduce
from gammaops.cli import main
from gammaops.cli.main import ONE_THREAD as ONE_THREAD_THERE
from gammaops.config import load_config
from gammaops.errors import ProductError, ProductMissing
from gammaops.lineage import Lineage
from gammaops.physics.environment import ONE_THREAD
from gammaops.products import ProductStore, canonical_json
from gammaops.products.paths import sidecar_of

ROOT = Path(__file__).resolve().parents[2]


def again(store: ProductStore, name: str) -> Reproduction:
    return reproduce(Lineage(store), name)


def tree(root: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and "cache" not in path.parts
    }


def one_of(store: ProductStore, kind: str, step: str) -> str:
    return next(name for name in store.sidecars(kind) if store.sidecar(name)["step"]["name"] == step)


def rewrite(store: ProductStore, name: str, **changes: object) -> None:
    store.files.replace(name, canonical_json({**store.sidecar(name), **changes}))


@pytest.mark.slow
@pytest.mark.requirement("R22")
def test_every_product_of_every_kind_is_made_again_to_the_byte_and_nothing_is_published(filled):
    before = tree(filled.root)
    names = list(filled.sidecars())
    kinds = {Path(name).parts[1] for name in names}
    assert kinds >= {
        "dataset", "datasets", "energy_bins", "excess_map", "fit", "flux_points", "flux_points_part", "light_curve",
        "light_curve_part", "observations", "time_intervals",
    }  # fmt: skip
    results = [again(filled, name) for name in names]
    assert {(one.result, one.notes) for one in results} == {(IDENTICAL, ())}
    assert tree(filled.root) == before


@pytest.mark.requirement("R22")
def test_products_chosen_at_random_are_bit_identical(filled, capsys):
    assert main(["reproduce", "--store", filled.uri, "--random", "20", "--seed", "7"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("identical  products/") == 20
    assert "20 products made again: 20 identical" in printed


@pytest.mark.slow
@pytest.mark.requires_data
@pytest.mark.requirement("R22", "R31")
def test_products_of_real_data_chosen_at_random_are_bit_identical(tmp_path):
    config = load_config(ROOT / "include" / "configs" / "pks2155-flare-lc.yaml")
    gammaops.run(config, tmp_path, nights=["2006-07-29"])
    store = ProductStore(tmp_path)
    results = [again(store, name) for name in at_random(store, 20, 1)]
    assert [(one.name, one.result) for one in results] == [(one.name, IDENTICAL) for one in results]


def test_the_same_seed_chooses_the_same_products(filled):
    assert at_random(filled, 5, 1) == at_random(filled, 5, 1) != at_random(filled, 5, 2)
    with pytest.raises(ProductError, match=r"has \d+ products that steps have made, not 1000"):
        at_random(filled, 1000, 0)


def test_a_changed_file_of_the_archive_is_named(copied, tmp_path):
    name = one_of(copied, "dataset", "reduce")
    (source,) = copied.sidecar(name)["sources"]
    path = tmp_path / "data" / "archive" / "data" / source["name"]
    path.write_bytes(path.read_bytes() + b"x")
    assert again(copied, name) == Reproduction(name, IMPOSSIBLE, (f"{path} has changed",))
    path.unlink()
    assert again(copied, name).notes == (f"{source['name']} is gone",)


def test_a_changed_models_file_is_named(copied, tmp_path):
    models = tmp_path / "data" / "demo.yaml"
    models.write_bytes((ROOT / "include" / "models" / "demo.yaml").read_bytes() + b"# better\n")
    (run,) = (tmp_path / "store" / "runs" / "everything").glob("*/v001")
    frozen = run / "config.yaml"
    frozen.write_text(frozen.read_text(encoding="utf-8").replace("demo.yaml", str(models)), encoding="utf-8")
    name = one_of(copied, "fit", "spectrum")
    found = again(copied, name)
    assert (found.result, found.notes[-1]) == (IMPOSSIBLE, f"{models}, the file of general.models_file, has changed")


def test_a_damaged_payload_is_told_from_one_that_cannot_be_made_again(copied):
    name = one_of(copied, "fit", "spectrum")
    path = copied.open(copied.uri_of(name)).path
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"#")
    found = again(copied, name)
    assert found.result == DIFFERS
    assert "made again, but the one in the store is damaged" in found.notes[0]
    assert path.read_bytes() == content[:-1] + b"#", "nothing is mended"


def test_other_bytes_are_told_versions_first(copied):
    """As if an earlier version had written other bytes: its sidecar and payload agree with each other."""
    name = one_of(copied, "fit", "spectrum")
    made = copied.open(copied.uri_of(name))
    content = made.path.read_bytes().replace(b"crab", b"crib", 1)
    sidecar = dict(made.sidecar)
    for path in (made.path, copied.root / name):
        path.unlink()
    with copied.scratch() as folder:
        (folder / "fit.yaml").write_bytes(content)
        packages = {**sidecar["packages"], "gammapy": "2.0"}
        metrics = {**sidecar["metrics"], "stat": 1.0}
        copied.publish("fit", made.key, folder / "fit.yaml", {**sidecar, "packages": packages, "metrics": metrics})
    found = again(copied, name)
    assert found.result == DIFFERS
    assert found.notes[0] == f"gammapy: 2.0 → {sidecar['packages']['gammapy']}"
    at = content.index(b"crib") + 2
    assert f"payload: {len(content)} → {len(content)} bytes, different from byte {at} on" in found.notes
    assert any(note.startswith("stat: 1.0 → ") for note in found.notes)


def test_another_outcome_is_told(copied):
    name = next(name for name in copied.sidecars("dataset") if copied.sidecar(name)["status"] == "quarantined")
    rewrite(copied, name, reason_class="missing-irf")
    found = again(copied, name)
    assert found.result == DIFFERS
    assert found.notes[0].startswith("outcome: quarantined missing-irf → quarantined truncated: ")


@pytest.mark.parametrize("gone", ["input", "part", "run"])
def test_what_is_gone_is_named(copied, gone):
    name = one_of(copied, "flux_points", "points")
    sidecar = copied.sidecar(name)
    if gone == "input":
        lost = sidecar["inputs"]["fit"][0]["path"]
        expected = f"no product {copied.uri_of(sidecar_of(lost))}"
    elif gone == "part":
        label, digest, _ = sidecar["parts"][0]
        lost = Lineage(copied).parts(sidecar)[0].name
        expected = f"products that are in the store no more: part {label} ({digest})"
    else:
        lost = f"{sidecar['run']}/config.yaml"
        expected = "the run that made it is in the store no more"
    for path in (lost, sidecar_of(lost)):
        copied.files.remove(path)
    found = again(copied, name)
    assert found.result == IMPOSSIBLE
    assert expected in found.notes[0]


def test_only_what_the_sidecar_names_is_seen(copied):
    """Products with the same bytes lie beside it, and are not taken instead of computing."""
    name = one_of(copied, "datasets", "stack")
    before = tree(copied.root)
    assert again(copied, name).result == IDENTICAL
    assert tree(copied.root) == before


def test_a_product_that_is_not_there_is_bad_input(filled, capsys):
    absent = f"products/fit/ab/ab{'0' * 30}.json"
    with pytest.raises(ProductMissing, match="no product"):
        again(filled, absent)
    assert main(["reproduce", "--store", filled.uri, absent]) == 1
    assert "no product" in capsys.readouterr().err
    assert main(["reproduce", "--store", filled.uri, "runs/x"]) == 1
    assert "is no product path" in capsys.readouterr().err
    assert main(["reproduce"]) == 1


def test_command_finds_the_store_of_a_path_and_exits_2_if_anything_differs(copied, capsys, monkeypatch):
    name = one_of(copied, "fit", "spectrum")
    path = copied.open(copied.uri_of(name)).path
    monkeypatch.chdir(copied.root.parent)
    for text in (str(path), path.as_uri(), str(path.relative_to(copied.root.parent))):
        assert main(["reproduce", text]) == 0
    rewrite(copied, name, run="runs/everything/gone/v001")
    assert main(["reproduce", str(path)]) == 2
    printed = capsys.readouterr().out
    assert "impossible products/fit/" in printed
    assert "the run that made it is in the store no more" in printed


@pytest.mark.slow
def test_another_process_with_another_hash_seed_makes_the_same(filled, archive):
    import subprocess

    environment = {**os.environ, "PYTHONHASHSEED": "3", "GAMMAOPS_DATA": str(archive)}
    command = [sys.executable, "-m", "gammaops", "reproduce", "--store", filled.uri, "--random", "5"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_late_nights_cannot_be_made_again(copied):
    key = "ab" + "0" * 30
    with copied.scratch() as folder:
        (folder / "n.json").write_bytes(b"{}")
        copied.publish("late_nights", key, folder / "n.json", {"run": "runs/a/b/v001", "metrics": {}})
    found = again(copied, f"products/late_nights/ab/{key}.json")
    assert found.notes == (OF_A_MOMENT,)
    assert json.loads(copied.files.read(f"products/late_nights/ab/{key}.json"))["kind"] == "late_nights"


def test_the_command_line_counts_with_one_thread_as_tasks_do():
    assert set(ONE_THREAD_THERE) == set(ONE_THREAD)
