"""Stacks, maps, sources, profile and sensitivity in one analysis: through the store, into the report, and reused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from gammapy.estimators import FluxMaps, FluxPoints, TSMapEstimator
from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel

import gammaops
from gammaops.config import parse_config
from gammaops.physics.datasets_io import read_dataset
from gammaops.products import ProductStore
from gammaops.simulation import ArchivePlan, simulate_archive

CONFIG = """
observations: {datastore: archive}
datasets:
  type: 3d
  stack: false
  geom:
    wcs:
      skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}
      binsize: 0.1 deg
      width: {width: 1.6 deg, height: 1.6 deg}
    axes: {energy: {min: 1 TeV, max: 10 TeV, nbins: 2}, energy_true: {min: 0.5 TeV, max: 20 TeV, nbins: 6}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.1 deg}
  background: {method: fov}
  safe_mask: {methods: [offset-max], parameters: {offset_max: 1.2 deg}}
ts_map: {kernel_model: {index: 2.5}, kernel_width: 0.5 deg, tile_width: 0.8 deg}
excess_map: {correlation_radius: [0.1 deg, 0.2 deg]}
flux_profile: {annuli: {center: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}, radius_max: 0.6 deg, nbin: 2}}
source_detection: {prefix: SIM}
steps:
  - {name: maps, tag: data-reduction}
  - {name: nights, tag: stack, required_products: maps, config: {stack: {by: [night]}}}
  - {name: whole, tag: stack, required_products: nights}
  - {name: ts, tag: ts-map, required_products: whole}
  - {name: sources, tag: source-detection, required_products: ts}
  - {name: excess, tag: excess-map, required_products: whole}
  - {name: profile, tag: flux-profile, required_products: whole}
  - name: spectra
    tag: data-reduction
    config:
      datasets: {type: 1d, background: {method: reflected}, safe_mask: {methods: [aeff-default], parameters: {}}}
  - {name: reach, tag: sensitivity, required_products: spectra}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _data_folder(tmp_path_factory: pytest.TempPathFactory):
    """Two nights of one observation of the Crab and the source beside it."""
    folder = tmp_path_factory.mktemp("data")
    simulate_archive(folder / "archive", ArchivePlan(nights=2, observations=1, size="small", seed=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_DATA", str(folder))
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ProductStore:
    return ProductStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def result(store: ProductStore):
    done = gammaops.run(parse_config(CONFIG, "every_map", "every_map.yaml"), store.root)
    assert done.verdict.ok, done.verdict
    return done


@pytest.fixture(scope="module")
def products(store: ProductStore, result):
    return {name: store.open(path) for name, path in result.products.items()}


@pytest.mark.requirement("R19", "R20")
def test_tiles_that_went_through_the_store_are_gammapys_map(products):
    (member,) = products["whole"].members
    kernel = SkyModel(PowerLawSpectralModel(index=2.5), PointSpatialModel())
    expected = TSMapEstimator(kernel, kernel_width="0.5 deg").run(read_dataset(member.path))
    found = FluxMaps.read(products["ts"].path)
    np.testing.assert_allclose(found.sqrt_ts.data, expected.sqrt_ts.data, rtol=1e-9, atol=1e-9)
    assert products["ts"].metrics["tiles"] == 4


def test_facts_of_groups_are_in_the_index(products):
    rows = [member.row for member in products["nights"].members]
    assert [row["name"] for row in rows] == [f"stacked-{row['night']}" for row in rows]
    assert len({row["night"] for row in rows}) == 2
    assert products["whole"].members[0].row["zenith_deg"] == pytest.approx(
        np.mean([row["zenith_deg"] for row in rows]), abs=1
    )


def test_products_open_with_gammapy_and_astropy_alone(products):
    sources = Table.read(products["sources"].path, format="ascii.ecsv")
    assert sources["source_name"][0].startswith("SIM J053")
    assert len(FluxPoints.read(products["profile"].path, sed_type="flux").flux.data) == 2
    assert FluxMaps.read(products["excess"].path).geom.axes["correlation-radius"].nbin == 2
    assert len(Table.read(products["reach"].path, format="ascii.ecsv")) > 0


@pytest.mark.requirement("R25")
def test_report_shows_them(store, result):
    (page,) = Path(store.root).glob("runs/every_map/*/v001/report.html")
    text = page.read_text(encoding="utf-8")
    for words in ("TS map", "Sources", "Sky maps", "Flux profile", "Sensitivity", "SIM J053", "Limited by"):
        assert words in text, words


def test_a_rerun_computes_nothing(store, result):
    before = {path: path.stat().st_mtime_ns for path in Path(store.root, "products").rglob("*") if path.is_file()}
    again = gammaops.run(parse_config(CONFIG, "every_map", "every_map.yaml"), store.root)
    assert again.products == result.products
    after = {path: path.stat().st_mtime_ns for path in Path(store.root, "products").rglob("*") if path.is_file()}
    assert after == before
    records = sorted(Path(store.root).glob("runs/every_map/*/v*/run.json"))
    assert json.loads(records[-1].read_text(encoding="utf-8"))["ledger"]


LIKE_A_TASK = """
import sys
from gammaops.cli import main
from gammaops.orchestration.preload import late_imports, preload

preload()
code = main(["run", "--filename", sys.argv[1], "--out", sys.argv[2]])
print("imported late:", late_imports())
sys.exit(code)
"""


@pytest.mark.requirement("A2.5", "A3.9")
def test_another_process_makes_the_same_bytes_and_imports_nothing_that_a_task_would_pay_for(store, result, tmp_path):
    (tmp_path / "every_map.yaml").write_text(CONFIG)
    command = [sys.executable, "-c", LIKE_A_TASK, str(tmp_path / "every_map.yaml"), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONHASHSEED": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "imported late: []" in done.stdout
    first, second = (
        {path.name for path in Path(root, "products").rglob("*.*.*")} for root in (store.root, tmp_path / "out")
    )
    assert first == second
    assert len(first) > 15
