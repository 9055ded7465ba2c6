"""A source whose spectrum is absorbed as a table in a file says: its products hold the table and no path."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from gammapy.modeling.models import EBLAbsorptionNormSpectralModel, PowerLawSpectralModel

import gammaops
from gammaops.config import parse_config
from gammaops.physics.flux_io import read_flux_points
from gammaops.products import ProductStore, RunFolder
from gammaops.simulation import ArchivePlan, simulate_archive

CONFIG = """
general: {models_file: absorbed.yaml}
observations: {datastore: archive, required_irf: [aeff, edisp]}
datasets:
  type: 1d
  stack: false
  geom: {axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 8}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 16}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
flux_points: {energy: {min: 1 TeV, max: 10 TeV, nbins: 2}}
light_curve: {energy_edges: {min: 1 TeV, max: 10 TeV, nbins: 1}}
steps:
  - {name: reduce, tag: data-reduction}
  - {name: steady, tag: fit}
  - {name: points, tag: flux-points}
  - {name: curve, tag: light-curve}
"""
MODELS = """
components:
- name: crab
  type: SkyModel
  spectral:
    type: CompoundSpectralModel
    operator: mul
    model1:
      type: PowerLawSpectralModel
      parameters:
      - {name: index, value: 2.6}
      - {name: amplitude, value: 3.8e-11, unit: TeV-1 s-1 cm-2}
      - {name: reference, value: 1.0, unit: TeV, frozen: true}
    model2:
      type: EBLAbsorptionNormSpectralModel
      filename: ebl.fits
      parameters:
      - {name: alpha_norm, value: 1.0, frozen: true}
      - {name: redshift, value: 0.05, frozen: true}
"""
ENERGY_KEV = np.geomspace(1e7, 1e12, 26)


def write_absorption(path: Path) -> None:
    """A table in XSPEC's format: exp(-2 z E / TeV) at four redshifts."""
    redshift = np.array([0.01, 0.05, 0.1, 0.2])
    low, high = ENERGY_KEV[:-1], ENERGY_KEV[1:]
    spectra = np.exp(-2 * redshift[:, np.newaxis] * np.sqrt(low * high) / 1e9)
    tables = {
        "PARAMETERS": Table({"NAME": ["redshift"], "VALUE": redshift[np.newaxis]}),
        "ENERGIES": Table({"ENERG_LO": low, "ENERG_HI": high}),
        "SPECTRA": Table({"PARAMVAL": redshift, "INTPSPEC": spectra}),
    }
    hdus = [fits.BinTableHDU(table, name=name) for name, table in tables.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> gammaops.runner.LocalRun:
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=1, observations=2, duration_min=10, size="small", seed=3))
    write_absorption(tmp_path / "ebl.fits")
    (tmp_path / "absorbed.yaml").write_text(MODELS)
    config = parse_config(CONFIG, name="absorbed", source="absorbed.yaml")
    found = gammaops.run(config, tmp_path / "store")
    assert found.verdict.ok, found.verdict
    return found


@pytest.mark.requirement("R29")
def test_products_of_an_absorbed_source_can_be_read_without_the_file(
    result: gammaops.runner.LocalRun, tmp_path: Path
) -> None:
    (tmp_path / "ebl.fits").unlink()
    store = ProductStore(tmp_path / "store")
    for step in ("points", "curve"):
        path = store.open(result.products[step]).path
        assert str(tmp_path).encode() not in path.read_bytes()
        model = read_flux_points(path).reference_model.spectral_model
        assert isinstance(model.model2, EBLAbsorptionNormSpectralModel)
        # Interpolated between the table's energies, a third apart.
        energy = 1.3 * u.TeV
        expected = np.exp(-2 * 0.05 * energy.to_value("TeV"))
        assert model.model2.evaluate(energy, 0.05, 1.0).to_value("") == pytest.approx(expected, rel=0.01)


def test_report_shows_an_absorbed_source_with_its_parameters_and_its_spectrum(
    result: gammaops.runner.LocalRun, tmp_path: Path
) -> None:
    page = RunFolder.of(ProductStore(tmp_path / "store"), result.report).read("report.html").decode()
    assert "crab: index" in page
    assert "crab: redshift" in page
    assert "could not be drawn" not in page


def test_fit_is_that_of_the_intrinsic_spectrum(result: gammaops.runner.LocalRun, tmp_path: Path) -> None:
    """Absorption hardens what must be emitted: the index falls by about 2 z E, 0.1 to 0.3 at these energies."""
    fitted = ProductStore(tmp_path / "store").open(result.products["steady"]).metrics["parameters"]
    index = next(value for name, value in fitted.items() if name.endswith("index"))
    plain = PowerLawSpectralModel(index=2.6)
    assert 0 < plain.index.value - index["value"] < 0.8
