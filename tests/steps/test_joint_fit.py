"""Spectra and maps of two instruments in one fit, against gammapy used directly on the same files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from gammapy.datasets import Datasets, MapDataset, SpectrumDatasetOnOff
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, Models

from gammaops.config import parse_config
from gammaops.physics.models_io import read_fitted_models
from gammaops.plan import make_plan

POSITION = [
    {"name": "lon_0", "value": 83.63, "unit": "deg", "frozen": True},
    {"name": "lat_0", "value": 22.01, "unit": "deg"},
]
CONFIG = """observations: {datastore: archive}
general: {models_file: crab.yaml}
datasets:
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
flux_points: {energy: {min: 1 TeV, max: 10 TeV, nbins: 2}}
steps:
- {name: spectra, tag: data-reduction, products: spectra}
- name: maps
  tag: data-reduction
  products: maps
  config:
    datasets:
      type: 3d
      geom: {wcs: {skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}}}
      background: {method: fov}
- {name: fit, tag: fit, required_products: [spectra, maps], products: fit}
- {name: points, tag: flux-points, required_products: [spectra, maps, fit]}
- {name: toys, tag: toys, required_products: [spectra, maps, fit]}
"""


@pytest.mark.requirement("R19")
def test_joint_analysis_of_spectra_and_maps_is_planned():
    plan = make_plan(parse_config(CONFIG, name="joint", source="joint.yaml"))
    assert plan["points"].upstream == ("spectra", "maps", "fit")
    assert plan["points"].dataset_type == "1d+3d"


@pytest.fixture(scope="module")
def inputs(driver, spectra, archive, tmp_path_factory):
    """The spectra as of one instrument, a map of the same sky as of another."""
    background = {"method": "fov", "parameters": {"method": "scale"}}
    config = driver.map_config(archive, background=background)
    maps, _, _ = driver.run_fan("data-reduction", config, tmp_path_factory.mktemp("maps"))
    members = [replace(member, row={**member.row, "instrument": "OTHER"}) for member in maps.members]
    return spectra, replace(maps, members=tuple(members))


@pytest.fixture(scope="module")
def joint_models(models_file, tmp_path_factory):
    document = yaml.safe_load(models_file.read_text())
    document["components"][0]["spatial"] = {"type": "PointSpatialModel", "frame": "icrs", "parameters": POSITION}
    path = tmp_path_factory.mktemp("models") / "joint.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize("how", ["joint", pytest.param("auto", marks=pytest.mark.slow)])
def test_joint_fit_of_spectra_and_maps_is_gammapys(driver, inputs, joint_models, tmp_path, how):
    config = driver.blocks("fit", general={"models_file": str(joint_models)}, fit={"datasets": how})
    product = driver.run_one("fit", config, tmp_path, {"datasets": inputs})
    spectra, maps = ([member.path for member in item.members] for item in inputs)
    direct = Datasets([SpectrumDatasetOnOff.read(path, format="gadf", name=path.stem) for path in spectra])
    if how == "auto":
        direct = Datasets([direct.stack_reduce("spectrum")])
    direct.append(MapDataset.read(maps[0], name="map"))
    direct.models = Models([*Models.read(joint_models), FoVBackgroundModel(dataset_name="map")])
    result = Fit().run(direct)
    models = read_fitted_models(product.path)
    assert product.metrics["datasets"] == len(direct)
    for name in ("index", "amplitude"):
        ours, theirs = (getattr(found["crab"].spectral_model, name) for found in (models, direct.models))
        # Values to 1e-3, errors to 1e-2 (ADR 0010); the position is free, to 1e-3 of a pixel.
        assert ours.value == pytest.approx(theirs.value, rel=1e-3)
        assert ours.error == pytest.approx(theirs.error, rel=1e-2)
    ours, theirs = (found["crab"].spatial_model.lat_0 for found in (models, direct.models))
    assert ours.value == pytest.approx(theirs.value, abs=5e-5)
    norm = direct.models[1].spectral_model.norm
    assert product.metrics["parameters"]["stacked-bkg.spectral.norm"]["value"] == pytest.approx(norm.value, rel=1e-3)
    assert product.metrics["total_stat"] == pytest.approx(result.total_stat, rel=1e-5)


def test_several_instruments_are_stacked_apart_and_fitted_together(driver, spectra, models_file, tmp_path):
    rows = [{**member.row, "instrument": name} for member, name in zip(spectra.members, ("B", "A"), strict=True)]
    members = tuple(replace(member, row=row) for member, row in zip(spectra.members, rows, strict=True))
    config = driver.blocks("fit", general={"models_file": str(models_file)})
    product = driver.run_one("fit", config, tmp_path, {"datasets": (replace(spectra, members=members),)})
    assert (product.metrics["datasets"], product.metrics["stacked"]) == (2, {})
    paths = [member.path for member in members]
    direct = Datasets([SpectrumDatasetOnOff.read(path, format="gadf", name=path.stem) for path in paths])
    direct.models = Models.read(models_file)
    Fit().run(direct)
    fitted = read_fitted_models(product.path).parameters.value
    np.testing.assert_allclose(fitted, direct.models.parameters.value, rtol=1e-3)
