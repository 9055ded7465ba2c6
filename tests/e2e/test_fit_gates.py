"""A fit that is refused takes with it what depends on it, and nothing else; the report says why."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from gammapy.maps import Map, WcsGeom

import gammaops
from gammaops.config import parse_config
from gammaops.products import ProductStore
from gammaops.simulation import ArchivePlan, simulate_archive

pytestmark = pytest.mark.slow

MODELS = """components:
- name: crab
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.5}
    - {name: amplitude, value: 1.0e-12, unit: cm-2 s-1 TeV-1, min: 0, max: 2.0e-12}
    - {name: reference, value: 1.45, unit: TeV, frozen: true}
  spatial: {type: TemplateSpatialModel, filename: shape.fits}
"""
CONFIG = """general: {models_file: models.yaml}
observations: {datastore: archive}
datasets:
  type: 3d
  stack: true
  geom:
    wcs:
      skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}
      binsize: 0.05 deg
      width: {width: 2 deg, height: 2 deg}
      binsize_irf: 0.5 deg
    axes:
      energy: {min: 1 TeV, max: 10 TeV, nbins: 3}
      energy_true: {min: 0.5 TeV, max: 20 TeV, nbins: 8}
  background: {method: fov}
  safe_mask: {methods: [offset-max], parameters: {offset_max: 1.5 deg}}
flux_points: {energy: {min: 1 TeV, max: 10 TeV, nbins: 1}, source: crab}
steps:
- {name: reduce, tag: data-reduction, products: maps}
- {name: spectrum, tag: fit, products: fit}
- {name: points, tag: flux-points, required_products: [maps, fit]}
- {name: sky, tag: excess-map, required_products: [maps], products: excess}
"""


def write_shape(folder: Path, width_deg: float) -> None:
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=1, binsz=0.02, frame="icrs")
    offset = geom.separation(geom.center_skydir).to_value("deg")
    Map.from_geom(geom, data=np.exp(-0.5 * (offset / width_deg) ** 2)).write(folder / "shape.fits", overwrite=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=1, observations=2, duration_min=20, size="small"))
    write_shape(tmp_path, 0.03)
    (tmp_path / "models.yaml").write_text(MODELS)
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    return tmp_path


def analyse(folder: Path, **more) -> tuple[gammaops.runner.LocalRun, dict, str]:
    config = parse_config(CONFIG, name="crab", source="crab.yaml")
    result = gammaops.run(config, folder / "store", **more)
    report = Path(unquote(urlsplit(result.report).path))
    return result, json.loads(report.with_name("run.json").read_text()), report.read_text()


@pytest.mark.requirement("R21")
def test_refused_fit_blocks_flux_points_but_not_the_map_and_new_models_mend_it(folder):
    result, record, page = analyse(folder)
    states = {step["name"]: step["status"] for step in record["steps"]}
    assert states == {"reduce": "ok", "spectrum": "failed", "points": "failed", "sky": "ok"}
    assert not result.verdict.ok
    words = "crab.spectral.amplitude is at its upper bound: "
    assert words in result.verdict.line
    assert words in page
    assert "bound 2.00 × 10⁻¹² TeV⁻¹ s⁻¹ cm⁻²; widen it, or fix it" in page
    assert "the step &#39;spectrum&#39; made no product" in page

    (folder / "models.yaml").write_text(MODELS.replace(", max: 2.0e-12", ""))
    mended, record, _ = analyse(folder)
    assert mended.verdict.ok
    assert set(mended.products) == {"reduce", "spectrum", "points", "sky"}
    fit = ProductStore(folder / "store").open(mended.products["spectrum"])
    assert set(fit.sidecar["files"]) == {"general.models_file", "general.models_file: shape.fits"}
    again, _, _ = analyse(folder, reuse="only")
    assert again.products == mended.products

    write_shape(folder, 0.1)
    other, _, _ = analyse(folder, steps=["spectrum"])
    assert other.products["spectrum"] != mended.products["spectrum"], "the template's content is in the key"
