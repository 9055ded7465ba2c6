"""What a comparison flags: nothing where nothing changed, and exactly what changed where something did."""

from __future__ import annotations

import json
import shutil

import pytest

from gammaops.comparison.comparing import Comparison, compare
from gammaops.comparison.document import as_document
from gammaops.comparison.sides import open_side
from gammaops.physics.differences import Tolerances
from gammaops.products import ProductStore, RunFolder
from gammaops.simulation import ArchivePlan, simulate_archive

pytestmark = pytest.mark.requirement("R20", "R23")
STACKED = "stack: stacked"


def compared(store: ProductStore, before: str, after: str, limits: Tolerances | None = None) -> Comparison:
    return compare(open_side(store, before), open_side(store, after), limits)


def flags(found: Comparison) -> dict[str, dict[str, float | None]]:
    """Flagged products by name, with their flagged differences."""
    return {
        pair.keys[0].name: {one.quantity: one.size for one in pair.differences if one.flagged}
        for pair in found.products
        if pair.flagged
    }


def test_a_release_compared_with_itself_or_with_a_rerun_has_no_flags(observatory):
    observatory.freeze("r1")
    observatory.run()
    observatory.freeze("r2")
    found = compared(observatory.store, "r1", "r2")
    assert found.runs[0][1:] == tuple(found.before.runs[0].folder.relative.replace("v001", v) for v in ("v001", "v002"))
    assert found.flags == 0
    assert {pair.result for pair in found.products} == {"identical"}
    assert len(found.products) == 4 + 1 + 3


def test_the_same_data_processed_in_another_store_has_no_flags(observatory, tmp_path):
    other = ProductStore(tmp_path / "other")
    before = open_side(observatory.store, "crab")
    observatory.store = other
    observatory.run("elsewhere")
    found = compare(before, open_side(other, "crab"))
    assert found.flags == 0
    assert {pair.result for pair in found.products} == {"identical"}


def test_another_effective_area_of_one_observation_is_flagged_there_and_where_it_matters(recalibrated):
    found = compared(ProductStore(recalibrated), "r1", "r2")
    flagged = flags(found)
    assert as_document(found)["flagged_obs_ids"] == [3]
    ((quantity, size),) = flagged.pop("observation 3").items()
    assert quantity.startswith("exposure at ")
    assert size == pytest.approx(0.10, abs=1e-6)  # the IRF is kept in single precision
    # Four observations of the same length towards the same source share it, but for their zenith angles.
    ((quantity, size),) = flagged.pop(STACKED).items()
    assert quantity.startswith("exposure at ")
    assert size == pytest.approx(0.10 / 4, rel=0.2)
    assert set(flagged) <= {"curve", "spectrum", "points"}, "whatever else is flagged depends on it"
    by_name = {pair.keys[0].name: pair for pair in found.products}
    assert {by_name[f"observation {obs_id}"].result for obs_id in (1, 2, 4)} == {"identical"}
    for name in ("spectrum", "points", "curve"):
        assert by_name[name].result in ("within limits", "changed")
        assert "its datasets changed" in by_name[name].causes
    assert by_name["observation 3"].causes == ("the file sim_obs_000003.fits.gz of the archive is another one",)


def test_the_flux_of_the_observation_falls_as_its_area_grows(recalibrated):
    """The counts are the same, so that flux times area is."""
    found = compared(ProductStore(recalibrated), "r1", "r2")
    (curve,) = [pair for pair in found.products if pair.keys[0].name == "curve"]
    ratios = sorted(one.pair[1] / one.pair[0] for one in curve.differences)
    assert ratios[0] == pytest.approx(1 / 1.10, rel=2e-3)  # the index of the fit moves a little too
    assert ratios[1:] == pytest.approx([1, 1, 1], abs=2e-3)


def test_a_global_change_of_five_percent_is_flagged_in_every_observation(observatory):
    observatory.freeze("r1")
    for obs_id in (1, 2, 3, 4):
        observatory.scale_area(obs_id, 1.05)
    observatory.run("new", steps=["stack"])
    found = compared(observatory.store, "r1", observatory.freeze("r2", "crab/new"))
    assert as_document(found)["flagged_obs_ids"] == [1, 2, 3, 4]
    sizes = [size for changes in flags(found).values() for name, size in changes.items() if "exposure" in name]
    assert sizes == pytest.approx([0.05] * 5, abs=1e-6)


def test_a_change_below_its_limit_is_told_and_not_flagged(observatory):
    observatory.freeze("r1")
    observatory.scale_area(3, 1.005)
    observatory.run("new")
    observatory.freeze("r2")
    found = compared(observatory.store, "r1", "r2")
    assert found.flags == 0
    (pair,) = [pair for pair in found.products if pair.keys[0].obs_id == 3]
    assert pair.result == "within limits"
    strict = compared(observatory.store, "r1", "r2", Tolerances(exposure=1e-3, sigma=1e-3))
    assert {"observation 3", STACKED, "spectrum"} <= set(flags(strict))


def test_another_cut_is_flagged_with_the_config_key_as_its_cause(observatory):
    observatory.freeze("r1")
    observatory.run("wide", steps=["reduce"], overrides={"datasets": {"on_region": {"radius": "0.2 deg"}}})
    found = compared(observatory.store, "r1", "crab/wide")
    (pair,) = [pair for pair in found.products if pair.keys[0].obs_id == 2]
    changed = {one.quantity for one in pair.differences if one.flagged}
    assert {"counts", "counts_off"} <= changed
    assert "config datasets.on_region.radius: 0.11 deg → 0.2 deg" in pair.causes


def test_another_binning_is_told_as_such(observatory):
    observatory.run("fine", steps=["reduce"], overrides={"datasets": {"geom": {"axes": {"energy": {"nbins": 16}}}}})
    found = compared(observatory.store, "crab/local", "crab/fine")
    (pair,) = [pair for pair in found.products if pair.keys[0].obs_id == 2]
    assert [one.pair for one in pair.differences if one.quantity == "counts, bins"] == [
        ["8 energy (1, 1)", "16 energy (1, 1)"]
    ]


def test_an_observation_that_is_lost_or_damaged_is_flagged_once_with_its_reason(observatory):
    observatory.freeze("r1")
    path = observatory.data / "archive" / "data" / "sim_obs_000002.fits.gz"
    path.write_bytes(path.read_bytes()[:2000])
    observatory.patch.setattr("gammaops.runner.publishing.is_arriving", lambda *_: False)
    observatory.run()
    found = compared(observatory.store, "r1", observatory.freeze("r2"))
    ((moved),) = found.moved
    assert (moved.obs_id, moved.before, moved.after) == (2, "used", "quarantined truncated")
    assert "sim_obs_000002" in moved.reason
    (gone,) = [pair for pair in found.products if pair.keys[0].obs_id == 2]
    assert gone.result == "only in A"
    changed = flags(found)
    assert changed[STACKED]["livetime"] == pytest.approx(-0.25, abs=1e-6)  # four of the same length
    assert [change for name, change in changed["curve"].items() if change is None] == [None]


def test_runs_are_matched_by_night_though_they_are_called_otherwise(observatory, tmp_path):
    data = tmp_path / "two"
    simulate_archive(data / "archive", ArchivePlan(nights=2, observations=1, duration_min=5, size="small", seed=4))
    observatory.data, observatory.store = data, ProductStore(tmp_path / "fresh")
    for label, night in (("a1", "2026-11-02"), ("a2", "2026-11-03"), ("b1", "2026-11-02"), ("b2", "2026-11-03")):
        observatory.run(label, nights=[night], steps=["reduce"])
    store = observatory.store
    observatory.freeze("r1", "crab/a1", "crab/a2")
    observatory.freeze("r2", "crab/b2", "crab/b1")
    observatory.freeze("r3", "crab/b2")
    found = compared(store, "r1", "r2")
    assert [title for title, _, _ in found.runs] == ["crab 2026-11-02", "crab 2026-11-03"]
    assert found.flags == 0
    lost = compared(store, "r1", "r3")
    assert [pair[1:] for pair in lost.runs if None in pair] == [
        (next(folder.relative for folder in RunFolder.all(store, "crab") if folder.label.startswith("a1")), None)
    ]
    assert lost.flags == 1


def test_a_damaged_product_is_flagged_and_does_not_stop_the_others(recalibrated, tmp_path):
    shutil.copytree(recalibrated, tmp_path / "copy")
    store = ProductStore(tmp_path / "copy")
    (run,) = open_side(store, "r2").runs
    fit = next(one for step in run.record["steps"] for one in step["products"] if one["kind"] == "fit")
    (store.root / fit["path"]).unlink()
    found = compared(store, "r1", "r2")
    (pair,) = [pair for pair in found.products if pair.keys[0].name == "spectrum"]
    assert pair.result == "cannot be compared"
    assert "is gone" in pair.problem
    assert "observation 3" in flags(found)


def test_the_command_exits_0_without_flags_3_with_any_and_1_if_it_cannot_compare(recalibrated, call, tmp_path):
    code, out, _ = call("diff", "r1", "crab/local/v001", "--store", recalibrated)
    assert (code, out.splitlines()[-1]) == (0, "No flags. 8 products: 8 identical")
    code, out, _ = call("diff", "r1", "r2", "--store", recalibrated)
    assert code == 3
    assert "+10.00 %" in out
    assert "the file sim_obs_000003.fits.gz of the archive is another one" in out
    assert call("diff", "r1", "r2", "--store", recalibrated, "--exposure", "0.2", "--sigma", "5")[0] == 0
    code, out, err = call("diff", "r1", "r3", "--store", recalibrated)
    assert (code, out) == (1, "")
    assert "no run of an analysis 'r3'" in err
    assert call("diff", "r1", "r2", "--store", recalibrated, "--sigma", "many")[0] == 1


def test_the_command_reads_two_stores_and_writes_json_and_a_page(observed, recalibrated, call, tmp_path):
    pages = tmp_path / "one.html", tmp_path / "two.html"
    sides = ("crab", "r2", "--store", observed[0], "--store-b", recalibrated)
    code, out, _ = call("diff", *sides, "--json", "--page", pages[0])
    document = json.loads(out)
    assert (code, document["flagged_obs_ids"]) == (3, [3])
    assert document["flags"] == sum(one["flagged"] for one in document["products"])
    assert document["a"]["store"] != document["b"]["store"]
    call("diff", *sides, "--page", pages[1])
    html = pages[0].read_text(encoding="utf-8")
    assert "+10.00 %" in html
    assert "http" not in html.replace("http-equiv", "").replace(observed[0].as_uri(), "")
    assert pages[1].read_text(encoding="utf-8") == html, "the same comparison, the same bytes"


def test_names_that_mean_nothing_are_refused(observatory, call):
    code, out, err = call("diff", "crab", "nope")
    assert (code, out) == (1, "")
    assert "has no run of an analysis 'nope'" in err
    code, _, err = call("diff", "current", "crab")
    assert (code, "none was promoted yet" in err) == (1, True)


def test_what_users_write_is_shown_as_text(observatory, call, tmp_path):
    observatory.run("<b>x</b>", steps=["reduce"], overrides={"datasets": {"on_region": {"radius": "0.2 deg"}}})
    page = tmp_path / "page.html"
    call("diff", "crab/local", "crab/<b>x</b>", "--page", page)
    assert "<b>x</b>" not in page.read_text(encoding="utf-8")
