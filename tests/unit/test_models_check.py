"""Models that cannot be meant are refused before anything runs; files that they name count as inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gammaops.config import parse_config
from gammaops.errors import ConfigError, ProductMissing
from gammaops.products import Product, ProductStore, file_sha256
from gammaops.runner import begin
from gammaops.runner.named_files import named_by, named_key, with_named_files
from gammaops.steps.base import Scope

CONFIG = """general: {models_file: models.yaml}
observations: {datastore: archive}
datasets:
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
flux_points:
  energy: {min: 1 TeV, max: 10 TeV, nbins: 2}
  source: crap
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    return tmp_path


def start(data: Path, models: str) -> str:
    (data / "models.yaml").write_text(models)
    config = parse_config(CONFIG, name="crab", source="crab.yaml")
    return begin(config, ProductStore(data / "store"), Scope(), name="test")


def test_source_that_the_models_do_not_have_is_refused_where_it_stands(data):
    with pytest.raises(ConfigError) as caught:
        start(data, "components: [{name: crab, type: SkyModel}, {name: vela, type: SkyModel}]")
    (problem,) = caught.value.problems
    assert str(problem) == (
        "crab.yaml:8:3: flux_points.source: the fit has no source 'crap'; expected one of: crab, vela; "
        "did you mean crab?"
    )
    assert not (data / "store" / "runs").exists()


def test_empty_models_file_is_refused(data):
    with pytest.raises(ConfigError, match=r"crab\.yaml:1:11: general\.models_file: the models file of .* is empty"):
        start(data, "components: []")


def test_models_that_hold_the_source_are_accepted(data):
    assert start(data, "components: [{name: crap, type: SkyModel}]").endswith("config.yaml")


def test_models_of_nothing_but_background_are_left_to_the_step(data):
    assert start(data, "components: [{name: b, type: FoVBackgroundModel}]").endswith("config.yaml")


FROZEN = """components:
- name: crap
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.6, frozen: true}
    - {name: amplitude, value: 1.6e-11, unit: TeV-1 s-1 cm-2, frozen: true}
    - {name: reference, value: 1.0, unit: TeV}
"""


def test_models_without_anything_to_fit_are_refused_where_they_are_named(data):
    with pytest.raises(ConfigError) as caught:
        start(data, FROZEN)
    (problem,) = caught.value.problems
    assert str(problem) == (
        "crab.yaml:1:11: general.models_file: every parameter of the models of 'spectrum' is frozen: nothing to fit; "
        "expected frozen: false for at least one"
    )


def test_a_parameter_that_is_not_written_is_free_as_in_gammapy(data):
    lines = FROZEN.splitlines(keepends=True)
    assert start(data, "".join(line for line in lines if "index" not in line)).endswith("config.yaml")
    assert start(data, FROZEN.replace("2.6, frozen: true", "2.6")).endswith("config.yaml")


def test_files_named_by_models_are_found_inside_the_data_folders(data):
    template = data / "maps" / "diffuse.fits"
    template.parent.mkdir()
    template.write_bytes(b"map")
    models = data / "models.yaml"
    models.write_text(
        "components: [{spatial: {filename: maps/diffuse.fits}}, {spatial: {filename: maps/diffuse.fits}}]"
    )
    assert named_by(models) == {"maps/diffuse.fits": template}


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.fits", "absent.fits", "$HOME/x.fits"])
def test_files_outside_the_data_folders_are_refused(data, name):
    (data.parent / "secret.fits").write_bytes(b"map")
    models = data / "models.yaml"
    models.write_text(f"components: [{{filename: {name}}}]")
    with pytest.raises(ConfigError, match=r"general\.models_file: "):
        named_by(models)


def test_fit_whose_template_has_changed_cannot_be_read(data):
    template = data / "diffuse.fits"
    template.write_bytes(b"map")
    sidecar = {"files": {"general.models_file": "0", named_key("diffuse.fits"): file_sha256(template)}}
    fit = Product("uri", "fit", "key", "digest", "ok", None, sidecar=sidecar)
    assert with_named_files(fit).files == {"diffuse.fits": template}
    assert with_named_files(replace(fit, sidecar={})).files == {}
    template.write_bytes(b"another map")
    with pytest.raises(ProductMissing, match=r"diffuse\.fits is not what uri was made with; run that step again"):
        with_named_files(fit)
