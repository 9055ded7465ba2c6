"""A store with a product of every kind that the runner makes, over simulated nights."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

import gammaops
from gammaops.config import parse_config
from gammaops.products import ProductStore
from gammaops.runner import LocalRun
from gammaops.simulation import ArchivePlan, simulate_archive

NIGHTS = ("2026-11-02", "2026-11-03")

EVERYTHING = """
dag: {site: hess, schedule: nightly, start: 2026-11-01, max_quarantined: 80 %}
observations: {datastore: archive, required_irf: [aeff, edisp]}
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
excess_map: {correlation_radius: 0.2 deg}
steps:
  - {name: reduce, tag: data-reduction, products: datasets}
  - {name: reduce and stack, tag: data-reduction, products: one, config: {datasets: {stack: true}}}
  - {name: stack, tag: stack, required_products: [datasets]}
  - {name: spectrum, tag: fit, required_products: [datasets]}
  - {name: points, tag: flux-points, required_products: [datasets, spectrum]}
  - {name: curve, tag: light-curve, required_products: [datasets, spectrum]}
  - name: maps
    tag: data-reduction
    config:
      datasets:
        type: 3d
        geom:
          wcs:
            skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}
            binsize: 0.1 deg
            width: {width: 2 deg, height: 2 deg}
        background: {method: none}
        safe_mask: {methods: [offset-max], parameters: {offset_max: 2 deg}}
  - {name: sky, tag: excess-map, required_products: [maps]}
"""


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an archive of two nights of four observations, the second of them bad."""
    folder = tmp_path_factory.mktemp("care-data")
    plan = ArchivePlan(nights=2, observations=4, duration_min=5, size="small", bad={2: "truncated"}, seed=1)
    simulate_archive(folder / "archive", plan)
    for path in (folder / "archive").rglob("*.fits.gz"):
        os.utime(path, times=(time.time() - 3600,) * 2)  # nobody is still copying it
    return folder


@pytest.fixture(scope="session")
def everything(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LocalRun]:
    """A store, not to be touched, and the run that filled it."""
    out = tmp_path_factory.mktemp("care-store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_DATA", str(archive))
        config = parse_config(EVERYTHING, name="everything", source="everything.yaml")
        return out, gammaops.run(config, out, nights=NIGHTS)


@pytest.fixture
def filled(everything: tuple[Path, LocalRun], archive: Path, monkeypatch: pytest.MonkeyPatch) -> ProductStore:
    """The store of everything; nothing may be written to it."""
    monkeypatch.setenv("GAMMAOPS_DATA", str(archive))
    return ProductStore(everything[0])


@pytest.fixture
def copied(filled: ProductStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: Path) -> ProductStore:
    """A copy of it, with a copy of the archive, to be harmed."""
    shutil.copytree(filled.root, tmp_path / "store")
    shutil.copytree(archive, tmp_path / "data")
    monkeypatch.setenv("GAMMAOPS_DATA", str(tmp_path / "data"))
    return ProductStore(tmp_path / "store")


def names_of(store: ProductStore, kind: str) -> list[str]:
    """Paths below the store of the products of a kind."""
    return [store.relative(store.open(store.uri_of(name)).uri) for name in store.sidecars(kind)]
