"""``gammaops toys`` adds toys to each fit of an analysis, and continues where a smaller number of them ended."""

from __future__ import annotations

import pytest

from gammaops.cli import main
from gammaops.cli.toys import with_toys
from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.plan import make_plan
from gammaops.simulation import ArchivePlan, simulate_archive

CONFIG = """general: {models_file: models.yaml}
observations: {datastore: archive}
datasets:
  type: 1d
  stack: false
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  geom:
    axes:
      energy: {min: 0.5 TeV, max: 50 TeV, nbins: 24}
      energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 30}
  background: {method: reflected}
  safe_mask: {methods: [aeff-max], parameters: {aeff_percent: 10}}
toys: {number: 3, per_task: 2}
steps:
- {name: reduce, tag: data-reduction, products: datasets}
- {name: spectrum, tag: fit, products: fit}
"""
MODELS = """components:
- name: crab
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.6}
    - {name: amplitude, value: 1.6e-11, unit: cm-2 s-1 TeV-1}
    - {name: reference, value: 1.45, unit: TeV, frozen: true}
"""


def test_every_fit_without_toys_gets_them():
    config = with_toys(parse_config(CONFIG, name="crab", source="crab.yaml"))
    step = make_plan(config)["toys of spectrum"]
    assert step.upstream == ("reduce", "spectrum")
    assert step.products == {"toys": "fit_toys"}
    assert with_toys(config).digest == config.digest


def test_analysis_without_a_fit_has_no_toys():
    text = CONFIG.replace("- {name: spectrum, tag: fit, products: fit}\n", "")
    with pytest.raises(ConfigError, match="there is no fit to make toys of; expected a step with tag fit"):
        with_toys(parse_config(text, name="crab", source="crab.yaml"))


@pytest.mark.slow
def test_command_tells_bias_and_coverage_and_makes_only_the_toys_that_are_missing(tmp_path, monkeypatch, capsys):
    simulate_archive(tmp_path / "archive", ArchivePlan(nights=1, observations=2, duration_min=20, size="small"))
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "crab.yaml").write_text(CONFIG)
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path))
    command = ["toys", str(tmp_path / "crab.yaml"), "--out", str(tmp_path / "store")]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "toys of spectrum: 3 toys, 0 failed" in " ".join(told.split())
    assert "crab.spectral.index" in told
    parts = set((tmp_path / "store" / "products" / "toys_part").rglob("*.ecsv"))
    assert len(parts) == 2
    assert main([*command, "--number", "4"]) == 0
    assert "4 toys" in " ".join(capsys.readouterr().out.split())
    # Toys 1-2 were there, 3-4 are new beside 3-3.
    assert len(set((tmp_path / "store" / "products" / "toys_part").rglob("*.ecsv")) - parts) == 1
    (report,) = (tmp_path / "store" / "runs" / "crab").glob("*/v002/report.html")
    page = report.read_text()
    assert "<h2>Toys" in page
    assert "4 times data were drawn from the fitted models" in page
