"""Models of several sources, in further files, and of maps: as gammapy reads and fits them."""

from __future__ import annotations

from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
import yaml
from gammapy.maps import MapAxis, WcsNDMap
from gammapy.modeling.models import Models, TemplateNPredModel, TemplateSpatialModel

from gammaops.errors import AlgorithmError
from gammaops.physics.models_io import (
    fit_document,
    read_fitted_models,
    read_fitted_spectra,
    read_models,
    write_fit,
)

POINT = """components:
- name: crab
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.6}
    - {name: amplitude, value: 1.6e-11, unit: cm-2 s-1 TeV-1}
    - {name: reference, value: 1.45, unit: TeV, frozen: true}
  spatial:
    type: PointSpatialModel
    frame: icrs
    parameters:
    - {name: lon_0, value: 83.63, unit: deg, frozen: true}
    - {name: lat_0, value: 22.01, unit: deg, frozen: true}
- name: diffuse
  type: SkyModel
  spectral:
    type: PowerLawNormSpectralModel
    parameters:
    - {name: norm, value: 1.0, frozen: true}
    - {name: tilt, value: 0.0, frozen: true}
    - {name: reference, value: 1.0, unit: TeV, frozen: true}
  spatial: {type: TemplateSpatialModel, frame: icrs, filename: diffuse.fits, normalize: false}
"""


@pytest.fixture(scope="module")
def diffuse(tmp_path_factory):
    """A diffuse template of the folder that it lies in: a flat sky of 1e-10 cm-2 s-1 sr-1 TeV-1 at 1 TeV."""
    path = tmp_path_factory.mktemp("diffuse") / "diffuse.fits"
    energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true", node_type="center")
    template = WcsNDMap.create(
        skydir=(83.63, 22.01), width=4, binsz=0.2, frame="icrs", axes=[energy], unit="cm-2 s-1 sr-1 TeV-1"
    )
    template.data += (1e-10 * energy.center.to_value("TeV") ** -2.5)[:, np.newaxis, np.newaxis]
    template.write(path)
    return path


@pytest.fixture
def models_file(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text(POINT)
    return path


def test_template_is_read_from_where_it_lies(models_file, diffuse):
    models = read_models(models_file, {"diffuse.fits": diffuse})
    assert isinstance(models["diffuse"].spatial_model, TemplateSpatialModel)
    with pytest.raises(AlgorithmError, match=r"the file diffuse\.fits, which was not handed to this step"):
        read_models(models_file)


@pytest.fixture(scope="module")
def maps(driver, archive, tmp_path_factory):
    config = driver.map_config(archive, background={"method": "fov", "parameters": {"method": "scale"}})
    return driver.run_fan("data-reduction", config, tmp_path_factory.mktemp("maps"))[0]


def test_fit_with_a_diffuse_template_names_it_as_the_user_did(driver, maps, models_file, diffuse, tmp_path):
    general = {"models_file": str(models_file), "named_files": {"diffuse.fits": str(diffuse)}}
    product = driver.run_one("fit", driver.blocks("fit", general=general), tmp_path, {"datasets": (maps,)})
    document = yaml.safe_load(product.path.read_text())
    assert document["components"][1]["spatial"]["filename"] == "diffuse.fits"
    assert str(diffuse.parent) not in product.path.read_text()
    models = read_fitted_models(product.path, {"diffuse.fits": diffuse})
    assert models.names == ["crab", "diffuse", "stacked-bkg"]
    seen = models["diffuse"].evaluate(83.63 * u.deg, 22.01 * u.deg, 1 * u.TeV)
    assert seen.to_value("cm-2 s-1 sr-1 TeV-1") == pytest.approx(1e-10, rel=0.01)
    # What the report shows needs no further file, and has the same errors.
    shown = read_fitted_spectra(product.path)
    for name in ("index", "amplitude"):
        ours, theirs = (getattr(found["crab"].spectral_model, name) for found in (shown, models))
        assert (ours.value, ours.error) == (theirs.value, theirs.error)
        assert ours.error > 0
    with pytest.raises(AlgorithmError, match=r"diffuse\.fits"):
        read_fitted_models(product.path)


def test_background_template_is_read_as_well(tmp_path, diffuse):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    TemplateNPredModel(WcsNDMap.create(npix=4, axes=[axis], unit="")).map.write(tmp_path / "npred.fits")
    path = tmp_path / "models.yaml"
    path.write_text("components:\n- {type: TemplateNPredModel, name: background, filename: npred.fits}\n")
    assert read_models(path, {"npred.fits": tmp_path / "npred.fits"}).names == ["background"]


@pytest.mark.parametrize("content", ["components: []", "components:"])
def test_models_file_without_models_is_refused(tmp_path, content):
    path = tmp_path / "models.yaml"
    path.write_text(content)
    with pytest.raises(AlgorithmError, match=r"models\.yaml (holds no model|is not a models file)"):
        read_models(path)


def test_covariance_of_an_earlier_fit_is_not_asked_for(models_file, diffuse):
    models_file.write_text(f"{POINT}covariance: somewhere_covariance.dat\n")
    assert len(read_models(models_file, {"diffuse.fits": diffuse})) == 2


def test_model_for_datasets_that_are_not_there_is_refused(driver, observations, faint_file, tmp_path):
    document = yaml.safe_load(faint_file.read_text())
    document["components"][0]["datasets_names"] = ["obs-77"]
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump(document))
    config = driver.blocks("fit", general={"models_file": str(path)}, fit={"datasets": "joint"})
    with pytest.raises(AlgorithmError, match=r"source is for obs-77, not for any dataset of this fit: obs-1, obs-2"):
        driver.run_one("fit", config, tmp_path, {"datasets": (observations,)})


def test_models_of_a_catalogue_are_fitted_with_what_is_frozen_in_them(driver, observations, tmp_path):
    """The form of 4FGL: frozen pivot and curvature, other units, a position; here of the same flux as the truth."""
    spectrum = {
        "type": "LogParabolaSpectralModel",
        "parameters": [
            {"name": "amplitude", "value": 3e-15, "unit": "cm-2 s-1 GeV-1"},
            {"name": "reference", "value": 1450.0, "unit": "GeV", "frozen": True},
            {"name": "alpha", "value": 2.4},
            {"name": "beta", "value": 0.0, "frozen": True},
        ],
    }
    component = {"type": "SkyModel", "name": "4FGL J0534.5+2201i", "spectral": spectrum}
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"components": [component]}))
    config = driver.blocks("fit", general={"models_file": str(path)})
    product = driver.run_one("fit", config, tmp_path, {"datasets": (observations,)})
    told = product.metrics["parameters"]
    amplitude = told["4FGL J0534.5+2201i.spectral.amplitude"]
    assert amplitude["value"] == pytest.approx(3e-12, abs=3 * amplitude["error"])
    assert told["4FGL J0534.5+2201i.spectral.reference"] == {"value": 1.45, "error": 0.0, "unit": "TeV", "frozen": True}
    assert Models.read(product.path).names == ["4FGL J0534.5+2201i"]


def test_covariance_is_told_in_the_units_of_the_parameters_and_read_back_in_those_of_the_models(tmp_path):
    alone = POINT.split("- name: diffuse", maxsplit=1)[0]
    text = alone.replace("1.6e-11, unit: cm-2 s-1 TeV-1", "1.6e-7, unit: m-2 s-1 TeV-1")
    (tmp_path / "models.yaml").write_text(text, encoding="utf-8")
    models = read_models(tmp_path / "models.yaml")
    matrix = np.zeros((5, 5))
    # index, amplitude: errors of 0.1 and 1e-8 m-2 s-1 TeV-1, correlation 0.5.
    matrix[:2, :2] = [[0.01, 0.5e-9], [0.5e-9, 1e-16]]
    models.covariance = matrix
    result = SimpleNamespace(
        success=True, message="", backend="minuit", method="migrad", nfev=1, total_stat=1.0, covariance_result="made"
    )
    document = fit_document(models, result, {})
    told = document["fit"]["covariance"]
    assert told["units"][:2] == ["", "1 / (TeV s cm2)"]
    assert told["matrix"][1][1] ** 0.5 == pytest.approx(1e-12, rel=1e-9), "1e-8 m-2 are 1e-12 cm-2"
    assert told["matrix"][0][1] == pytest.approx(0.5 * 0.1 * 1e-12, rel=1e-9)
    assert document["fit"]["parameters"][1]["error"] == pytest.approx(1e-12, rel=1e-9)
    write_fit(document, tmp_path / "fit.yaml")
    for read in (read_fitted_models, read_fitted_spectra):
        again = read(tmp_path / "fit.yaml")
        np.testing.assert_allclose(again.covariance.data[:2, :2], matrix[:2, :2], rtol=1e-12)
