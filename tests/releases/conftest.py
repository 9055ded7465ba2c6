"""A night of four observations, analysed down to spectrum and light curve, to be frozen and compared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from astropy.io import fits

import gammaops
from gammaops.config import parse_config
from gammaops.products import ProductStore, RunFolder
from gammaops.releases.choosing import choose_runs
from gammaops.releases.freezing import freeze
from gammaops.releases.names import Signature
from gammaops.runner import LocalRun
from gammaops.simulation import ArchivePlan, simulate_archive

NIGHT = "2026-11-02"
ANN = Signature("Ann", "2026-11-10T08:00:00+00:00")
ANALYSIS = """
dag: {site: hess, schedule: nightly, start: 2026-11-01, max_quarantined: 60 %}
observations: {datastore: archive}
datasets:
  type: 1d
  stack: false
  geom: {axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 8}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 16}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
  background: {method: reflected}
  safe_mask: {methods: [aeff-max], parameters: {aeff_percent: 10}}
general: {models_file: demo.yaml}
flux_points: {energy: {min: 0.7 TeV, max: 30 TeV, nbins: 2}, source: crab}
light_curve: {energy_edges: {min: 1 TeV, max: 10 TeV, nbins: 1}, source: crab}
steps:
  - {name: reduce, tag: data-reduction, products: datasets}
  - {name: stack, tag: stack, required_products: [datasets]}
  - {name: spectrum, tag: fit, required_products: [datasets]}
  - {name: points, tag: flux-points, required_products: [datasets, spectrum]}
  - {name: curve, tag: light-curve, required_products: [datasets, spectrum]}
"""


@dataclass
class Observatory:
    """A store, and the data folder that its runs read."""

    store: ProductStore
    data: Path
    patch: pytest.MonkeyPatch

    def run(self, label: str = "local", text: str = ANALYSIS, **arguments: object) -> LocalRun:
        """Run the analysis on the data as they are now."""
        self.patch.setenv("GAMMAOPS_DATA", str(self.data))
        config = parse_config(text, name="crab", source="crab.yaml")
        return gammaops.run(config, self.store.root, label=label, **{"nights": [NIGHT], **arguments})

    def folder(self, run: LocalRun) -> RunFolder:
        """The folder of a run."""
        return RunFolder.of(self.store, run.report)

    def freeze(self, name: str, *selectors: str) -> str:
        """Freeze the newest version of each run, or what is selected; returns the name."""
        freeze(self.store, name, choose_runs(self.store, selectors or ["crab"]).folders, ANN)
        return name

    def scale_area(self, obs_id: int, factor: float) -> None:
        """Another effective area for one observation, as a new calibration would bring it."""
        path = self.data / "archive" / "data" / f"sim_obs_{obs_id:06d}.fits.gz"
        with fits.open(path) as hdus:
            hdus["AEFF"].data["EFFAREA"] *= factor
            hdus.writeto(path, overwrite=True)


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with one run, and its data; neither is to be touched."""
    root = tmp_path_factory.mktemp("observed")
    data, store = root / "data", root / "store"
    simulate_archive(data / "archive", ArchivePlan(nights=1, observations=4, duration_min=10, size="small", seed=3))
    with pytest.MonkeyPatch.context() as patch:
        result = Observatory(ProductStore(store), data, patch).run()
    assert result.verdict.ok
    return store, data


@pytest.fixture(scope="session")
def recalibrated(observed: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the releases r1 and r2, not to be touched.

    For r2 the effective area of observation 3 is 10 % larger.
    """
    root = tmp_path_factory.mktemp("recalibrated")
    for source, name in zip(observed, ("store", "data"), strict=True):
        shutil.copytree(source, root / name)
    with pytest.MonkeyPatch.context() as patch:
        place = Observatory(ProductStore(root / "store"), root / "data", patch)
        place.freeze("r1")
        place.scale_area(3, 1.10)
        place.run()
        place.freeze("r2")
    return root / "store"


@pytest.fixture
def observatory(observed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Observatory:
    """A copy of both, to be worked with."""
    for source, name in zip(observed, ("store", "data"), strict=True):
        shutil.copytree(source, tmp_path / name)
    monkeypatch.setenv("GAMMAOPS_STORE", str(tmp_path / "store"))
    return Observatory(ProductStore(tmp_path / "store"), tmp_path / "data", monkeypatch)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command; gives exit code, standard output and standard error."""
    from gammaops.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(one) for one in arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run
