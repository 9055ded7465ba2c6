"""Analyses of all observations so far: what is new is computed, and the result is that of starting afresh."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import gammaops
from gammaops.care.reproducing import IDENTICAL, reproduce
from gammaops.config import parse_config
from gammaops.lineage import PART, Lineage
from gammaops.physics.datasets_io import read_dataset
from gammaops.products import ProductStore
from gammaops.simulation import ArchivePlan, simulate_archive

pytestmark = pytest.mark.requirement("R7", "R11")

STACKED = """
observations: {datastore: archive, required_irf: [aeff, edisp, bkg]}
datasets:
  type: 3d
  stack: STACK
  geom:
    wcs: {skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}, width: {width: 5 deg, height: 5 deg}, binsize: 0.1 deg}
    axes: {energy: {min: 1 TeV, max: 10 TeV, nbins: 3}, energy_true: {min: 0.5 TeV, max: 20 TeV, nbins: 6}}
  map_selection: [counts, exposure, background, edisp]
  safe_mask: {methods: [offset-max], parameters: {offset_max: 2 deg}}
"""
ONE = STACKED.replace("STACK", "true") + "steps: [{name: reduce, tag: data-reduction}]\n"
GROUPED = (
    STACKED.replace("STACK", "false")
    + "steps: [{name: reduce, tag: data-reduction}, {name: sum, tag: stack, required_products: [reduce]}]\n"
)
CURVE = """
observations: {datastore: archive, required_irf: [aeff, edisp]}
datasets:
  type: 1d
  stack: false
  geom: {axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 8}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 16}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
light_curve: {energy_edges: {min: 1 TeV, max: 10 TeV, nbins: 1}}
general: {models_file: models.yaml}
steps:
  - {name: reduce, tag: data-reduction}
"""
FIT = CURVE + "  - {name: steady, tag: fit}\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_archive(folder / "archive", ArchivePlan(nights=2, observations=3, duration_min=4, size="small", seed=7))
    return folder


@pytest.fixture(autouse=True)
def _data_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMMAOPS_DATA", str(data))


def run(out: Path, text: str, obs_ids: Sequence[int], label: str = "local") -> gammaops.runner.LocalRun:
    config = parse_config(text, name="cumulative", source="cumulative.yaml")
    result = gammaops.run(config, out, obs_ids=obs_ids, label=label)
    assert result.verdict.ok, result.verdict
    return result


def index_of(out: Path, result: gammaops.runner.LocalRun, step: str) -> dict[str, object]:
    return json.loads(ProductStore(out).open(result.products[step]).path.read_bytes())


def payloads(out: Path, kind: str) -> set[Path]:
    return set((out / "products" / kind).rglob("*.fits"))


@pytest.mark.parametrize(("text", "step"), [(ONE, "reduce"), (GROUPED, "sum")], ids=["reduction", "stack"])
@pytest.mark.parametrize(
    ("before", "after", "reduced", "summed"),
    [
        ((1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6), 1, 5),
        ((1, 2, 4, 5), (1, 2, 3, 4, 5), 1, 0),
        ((1, 2, 3, 4, 5), (1, 2, 3, 5), 0, 0),
        ((1, 2, 3, 4), (1, 2, 3), 0, 0),
    ],
    ids=["appended", "inserted", "removed", "the last removed"],
)
def test_result_is_that_of_starting_afresh(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    text: str,
    step: str,
    before: tuple[int, ...],
    after: tuple[int, ...],
    reduced: int,
    summed: int,
) -> None:
    caplog.set_level("INFO", logger="gammaops")
    run(tmp_path / "grown", text, before)
    known = payloads(tmp_path / "grown", "dataset")
    caplog.clear()
    grown = run(tmp_path / "grown", text, after)
    assert len(payloads(tmp_path / "grown", "dataset") - known) == reduced + 1, "the new observation and the sum"
    said = [record.message for record in caplog.records if "summed already" in record.message]
    assert said == ([f"stacked: {summed} of its {len(after)} parts are summed already"] if summed else [])
    afresh = run(tmp_path / "afresh", text, after)
    assert index_of(tmp_path / "grown", grown, step) == index_of(tmp_path / "afresh", afresh, step)


@pytest.mark.parametrize(("text", "step"), [(ONE, "reduce"), (GROUPED, "sum")], ids=["reduction", "stack"])
def test_sum_that_has_grown_can_be_reproduced(tmp_path: Path, text: str, step: str) -> None:
    """From its parts, all of which its sidecar names, whether or not there is a shorter sum."""
    run(tmp_path, text, (1, 2))
    result = run(tmp_path, text, (1, 2, 3))
    store = ProductStore(tmp_path)
    (total,) = store.open(result.products[step]).members
    name = store.relative(total.uri)
    labels = [one.label for one in Lineage(store).origin(name).references if one.role == PART]
    assert labels == ["1", "2", "3"]
    assert reproduce(Lineage(store), name).result == IDENTICAL


def test_second_sum_of_the_same_parts_is_not_made(tmp_path: Path) -> None:
    run(tmp_path, ONE, (1, 2, 3))
    run(tmp_path, ONE, (1, 2))
    known = payloads(tmp_path, "dataset")
    run(tmp_path, ONE, (1, 2, 3), label="again")
    assert payloads(tmp_path, "dataset") == known


def test_damaged_base_is_set_aside_and_the_sum_made_from_a_shorter_one(tmp_path: Path, data: Path) -> None:
    run(tmp_path, ONE, (1, 2))
    shorter = payloads(tmp_path, "dataset")
    result = run(tmp_path, ONE, (1, 2, 3))
    (member,) = ProductStore(tmp_path).open(result.products["reduce"]).members
    damaged = member.path
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-2880])
    grown = run(tmp_path, ONE, (1, 2, 3, 4))
    afresh = run(tmp_path / "afresh", ONE, (1, 2, 3, 4))
    assert index_of(tmp_path, grown, "reduce") == index_of(tmp_path / "afresh", afresh, "reduce")
    assert shorter <= payloads(tmp_path, "dataset")
    assert not damaged.with_name(f"{damaged.name.split('.')[0]}.json").exists()


def test_sum_on_a_geometry_that_grows_is_made_on_the_larger_one(tmp_path: Path) -> None:
    """Datasets that are cutouts around their pointings cover more sky with every pointing."""
    text = GROUPED.replace("width: {width: 5 deg, height: 5 deg}", "width: {width: 9 deg, height: 9 deg}")
    run(tmp_path / "grown", text, (1,))
    grown = run(tmp_path / "grown", text, (1, 2))
    afresh = run(tmp_path / "afresh", text, (1, 2))
    assert index_of(tmp_path / "grown", grown, "sum") == index_of(tmp_path / "afresh", afresh, "sum")
    store = ProductStore(tmp_path / "grown")
    (total,) = store.open(grown.products["sum"]).members
    parts = [read_dataset(one.path) for one in store.open(grown.products["reduce"]).members]
    total_counts = read_dataset(total.path).counts
    assert total_counts.geom.data_shape > parts[0].counts.geom.data_shape
    np.testing.assert_equal(total_counts.data.sum(), sum((p.counts.data * p.mask_safe.data).sum() for p in parts))


def test_points_of_a_light_curve_stay_when_further_nights_come(tmp_path: Path, data: Path) -> None:
    (data / "models.yaml").write_text(MODELS)
    reference = run(tmp_path, FIT, (1, 2, 3)).products["steady"]
    text = CURVE + f"  - {{name: curve, tag: light-curve, inputs: ['{reference}']}}\n"
    run(tmp_path, text, (1, 2, 3))
    known = payloads(tmp_path, "light_curve_part")
    result = run(tmp_path, text, (1, 2, 3, 4))
    assert len(known) == 3
    assert len(payloads(tmp_path, "light_curve_part") - known) == 1
    assert ProductStore(tmp_path).open(result.products["curve"]).metrics["points"] == 4


MODELS = """
components:
- name: crab
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.6}
    - {name: amplitude, value: 3.8e-11, unit: TeV-1 s-1 cm-2}
    - {name: reference, value: 1.0, unit: TeV, frozen: true}
"""
