"""A whole analysis whose products lie in an object store: the same bytes as on a disk, and nothing is made twice."""

from __future__ import annotations

from pathlib import Path

import pytest

import gammaops
from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.products import ProductStore, RunFolder
from gammaops.simulation import ArchivePlan, simulate_archive

pytestmark = [pytest.mark.s3, pytest.mark.requirement("A2.3", "R28")]

CONFIG = """
dag: {site: hess, max_quarantined: 50 %}
general: {models_file: models.yaml}
observations: {datastore: archive, required_irf: [aeff, edisp]}
datasets:
  type: 1d
  stack: STACK
  geom: {axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 8}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 16}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
flux_points: {energy: {min: 1 TeV, max: 10 TeV, nbins: 1}}
steps:
  - {name: reduce, tag: data-reduction}
  - {name: steady, tag: fit}
  - {name: points, tag: flux-points}
"""
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


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three observations, of which the second is cut short."""
    plan = ArchivePlan(nights=1, observations=3, duration_min=8, size="small", seed=4, bad={2: "truncated"})
    simulate_archive(tmp_path / "data" / "archive", plan)
    (tmp_path / "data" / "models.yaml").write_text(MODELS)
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def process(root: str | Path, stack: str = "false", **scope: object) -> gammaops.runner.LocalRun:
    text = CONFIG.replace("STACK", stack)
    return gammaops.run(parse_config(text, name="crab", source="crab.yaml"), root, **scope)


def products(store: ProductStore) -> list[str]:
    return list(store.files.names("products"))


@pytest.mark.usefixtures("data")
def test_products_have_the_bytes_and_names_that_they_have_on_a_disk(bucket, store, tmp_path):
    there, here = process(bucket), process(tmp_path / "disk")
    assert there.verdict == here.verdict
    assert "2 done, 1 quarantined (2: truncated)" in there.verdict.line
    assert products(store) == products(ProductStore(tmp_path / "disk"))
    assert there.report.startswith(f"{bucket}/runs/crab/")
    assert "truncated" in RunFolder.of(store, there.report).read("report.html").decode()


@pytest.mark.usefixtures("data")
def test_second_run_makes_nothing_and_a_sum_grows(bucket, store):
    process(bucket, "true", obs_ids=[1])
    process(bucket, "true", obs_ids=[1, 3])
    known = products(store)
    again = process(bucket, "true", obs_ids=[1, 3])
    assert products(store) == known
    assert "2 reused" in again.verdict.line


@pytest.mark.usefixtures("data")
def test_runs_there_can_be_released_and_compared(bucket, store, capsys):
    process(bucket)
    signed = ["--author", "A. Shifter", "--comment", "in the cloud"]
    assert main(["releases", "freeze", "cloud", "--store", bucket, "--runs", "crab", *signed]) == 0
    assert main(["diff", "cloud", "cloud", "--store", bucket]) == 0
    assert store.files.exists("releases/cloud.json")
    assert "cloud" in capsys.readouterr().out
