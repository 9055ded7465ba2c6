"""Runs the science of one step as the runner does, without store, keys or sidecars, and makes archives to run it on."""

from __future__ import annotations

import sys
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import SpectrumDataset, SpectrumDatasetOnOff
from gammapy.irf import EDispKernelMap, EffectiveAreaTable2D
from gammapy.maps import Map, MapAxis, RegionGeom
from gammapy.modeling.models import Models

from gammaops.errors import DataError, NoWorkFound
from gammaops.physics.datasets_io import write_dataset
from gammaops.physics.reproducible import make_reproducible
from gammaops.physics.tables import read_rows, write_rows
from gammaops.products.base import IndexDraft, Product
from gammaops.simulation import ArchivePlan, simulate_archive
from gammaops.steps import load_science, step_specs
from gammaops.steps.base import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

CRAB = {"frame": "icrs", "lon": "83.63 deg", "lat": "22.01 deg"}
MODEL = """components:
- name: crab
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.5}
    - {name: amplitude, value: 4.0e-11, unit: cm-2 s-1 TeV-1}
    - {name: reference, value: 1.45, unit: TeV, frozen: true}
"""
POINT = f"""{MODEL}  spatial:
    type: PointSpatialModel
    frame: icrs
    parameters:
    - {{name: lon_0, value: 83.63, unit: deg, frozen: true}}
    - {{name: lat_0, value: 22.01, unit: deg, frozen: true}}
"""


@pytest.fixture(scope="session")
def driver() -> ModuleType:
    """The functions of this file."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights of one good observation of 20 minutes on a Crab-like source, coarse IRFs; numbers 1 and 2."""
    folder = tmp_path_factory.mktemp("archive")
    simulate_archive(folder, ArchivePlan(nights=2, observations=1, duration_min=20, size="small", seed=3))
    return folder


@pytest.fixture(scope="session")
def models_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A power law for the Crab."""
    path = tmp_path_factory.mktemp("models") / "crab.yaml"
    path.write_text(MODEL)
    return path


@pytest.fixture(scope="session")
def point_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a point source on the sky."""
    path = tmp_path_factory.mktemp("models") / "point.yaml"
    path.write_text(POINT)
    return path


# A source of a tenth of the Crab, and the background of a H.E.S.S.-like ON region of 0.11 deg with 12 OFF regions:
# 33 excess and 7.5 background counts in 25 minutes, 90 OFF counts in 58 safe bins.
FAINT = """components:
- name: source
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.6}
    - {name: amplitude, value: 3.0e-12, unit: cm-2 s-1 TeV-1}
    - {name: reference, value: 1.45, unit: TeV, frozen: true}
"""
OFF_REGIONS, OFF_COUNTS, LIVETIME_S = 12, 90, 1500


def short_observations(folder: Path, number: int, seed: int = 0, per_decade: int = 24) -> Product:
    """ON/OFF spectra of short observations of the source `FAINT` with few OFF counts, drawn from the truth."""
    rng = np.random.RandomState(seed)
    draft = IndexDraft(folder, ".fits")
    for obs_id in range(1, number + 1):
        start = Time("2026-11-02T20:00:00", scale="tt") + (obs_id - 1) * 30 * u.min
        stop = start + LIVETIME_S * u.s
        row = {"name": f"obs-{obs_id}", "obs_ids": [obs_id], "instrument": "SIM", "livetime_s": float(LIVETIME_S)}
        path = draft.new({**row, "gti": [[str(start.isot), str(stop.isot)]]})
        write_dataset(_faked(f"obs-{obs_id}", per_decade, GTI.create(start, stop), rng), path)
    return index("datasets", draft)


def _faked(name: str, per_decade: int, gti: GTI, rng: np.random.RandomState) -> SpectrumDatasetOnOff:
    energy = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=per_decade, per_decade=True)
    energy_true = MapAxis.from_energy_bounds("0.1 TeV", "150 TeV", nbin=36, name="energy_true")
    geom = RegionGeom.create("icrs;circle(83.63,22.01,0.11)", axes=[energy])
    aeff = EffectiveAreaTable2D.from_parametrization(energy_true, instrument="HESS").quantity[:, 0]
    dataset = SpectrumDataset.create(geom, energy_axis_true=energy_true, name=name)
    dataset.exposure.quantity = (aeff * LIVETIME_S * u.s)[:, np.newaxis, np.newaxis]
    dataset.exposure.meta = {"livetime": LIVETIME_S * u.s}
    dataset.edisp = EDispKernelMap.from_gauss(energy, energy_true, sigma=0.15, bias=0, geom=geom.to_image())
    squashed = dataset.edisp.edisp_map.geom.squash("energy")
    dataset.edisp.exposure_map = Map.from_geom(squashed, data=dataset.exposure.data[:, np.newaxis], unit="m2 s")
    safe = energy.edges_min > 0.39 * u.TeV
    dataset.mask_safe.data[...] = safe[:, np.newaxis, np.newaxis]
    low, high = energy.edges_min.to_value("TeV"), energy.edges_max.to_value("TeV")
    shape = (low**-1.7 - high**-1.7) * np.exp(-0.4 / np.sqrt(low * high))
    background = Map.from_geom(geom, data=(shape / shape[safe].sum() * OFF_COUNTS / OFF_REGIONS))
    dataset.gti = gti
    on_off = SpectrumDatasetOnOff.from_spectrum_dataset(dataset=dataset, acceptance=1, acceptance_off=OFF_REGIONS)
    on_off.models = Models.from_yaml(FAINT)
    on_off.fake(background, random_state=rng)
    return on_off


@pytest.fixture(scope="session")
def observations(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Six of them."""
    return short_observations(tmp_path_factory.mktemp("observations"), 6, seed=1)


@pytest.fixture(scope="session")
def faint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The truth of these as a models file."""
    path = tmp_path_factory.mktemp("models") / "faint.yaml"
    path.write_text(FAINT)
    return path


def spectrum_config(folder: Path, **datasets: Any) -> dict[str, Any]:
    """1d reduction of a circle around the Crab with reflected regions."""
    block = {
        "type": "1d",
        "stack": False,
        "geom": {
            "axes": {
                "energy": {"min": "0.1 TeV", "max": "100 TeV", "nbins": 72},
                "energy_true": {"min": "0.05 TeV", "max": "200 TeV", "nbins": 200},
            }
        },
        "on_region": {**CRAB, "radius": "0.11 deg"},
        "background": {"method": "reflected", "parameters": {}},
        "safe_mask": {"methods": ["edisp-bias"], "parameters": {"bias_percent": 10.0}},
    }
    return blocks(
        "data-reduction",
        observations={"datastore": str(folder), "obs_cone": {**CRAB, "radius": "5 deg"}},
        datasets=_merged(block, datasets),
    )


def map_config(folder: Path, nbins: int = 3, **datasets: Any) -> dict[str, Any]:
    """3d reduction of 3 x 3 deg around the Crab, in coarse pixels, keeping offsets up to 1.5 deg."""
    block = {
        "type": "3d",
        "stack": True,
        "geom": {
            "wcs": {
                "skydir": CRAB,
                "binsize": "0.05 deg",
                "width": {"width": "3 deg", "height": "3 deg"},
                "binsize_irf": "0.5 deg",
            },
            "selection": {"offset_max": "1.5 deg"},
            "axes": {
                "energy": {"min": "1 TeV", "max": "10 TeV", "nbins": nbins},
                "energy_true": {"min": "0.5 TeV", "max": "20 TeV", "nbins": 8},
            },
        },
        "safe_mask": {"methods": ["offset-max"], "parameters": {"offset_max": "1.5 deg"}},
    }
    return blocks(
        "data-reduction",
        observations={"datastore": str(folder), "obs_cone": {**CRAB, "radius": "5 deg"}},
        datasets=_merged(block, datasets),
    )


def small_field(
    archive: Path, folder: Path, *, obs_ids: list[int] | None = None, method: str = "fov", nbins: int = 2, **more: Any
) -> Product:
    """20 x 20 pixels of 0.06 deg around a Crab-like source; IRFs that differ over the map, corners without data."""
    parameters = {"method": "scale"} if method == "fov" else {"r_in": "0.3 deg", "width": "0.1 deg"}
    config = map_config(archive, nbins=nbins, background={"method": method, "parameters": parameters}, **more)
    wcs = config["datasets"]["geom"]["wcs"]
    wcs |= {"binsize": "0.06 deg", "width": {"width": "1.2 deg", "height": "1.2 deg"}, "binsize_irf": "0.2 deg"}
    config["datasets"]["geom"]["axes"]["energy_true"]["nbins"] = 4
    config["datasets"]["safe_mask"]["parameters"]["offset_max"] = "0.7 deg"
    config["observations"]["obs_ids"] = obs_ids
    return run_fan("data-reduction", config, folder)[0]


@pytest.fixture(scope="session")
def spectra(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The 1d datasets of the good archive, one per observation."""
    return run_fan("data-reduction", spectrum_config(archive), tmp_path_factory.mktemp("spectra"))[0]


@pytest.fixture(scope="session")
def fit_product(spectra: Product, models_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The power law fitted to those, jointly."""
    config = blocks("fit", general={"models_file": str(models_file)}, fit={"datasets": "joint"})
    return run_one("fit", config, tmp_path_factory.mktemp("fit"), {"datasets": (spectra,)})


def blocks(*tags: str, **given: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks of these step types with defaults and what is given, in the form in which science gets them."""
    normalised: dict[str, Any] = {}
    for tag in tags:
        for name, rules in step_specs()[tag].schema.items():
            normalised[name] = _with_defaults(rules)
    for name, value in given.items():
        normalised[name] = _merged(normalised.get(name, {}), value)
    return normalised


def _with_defaults(rules: Mapping[str, Any]) -> Any:
    if rules["type"] == "dict":
        return {key: _with_defaults(inner) for key, inner in rules.get("schema", {}).items()}
    return deepcopy(rules.get("default"))


def _merged(base: Any, update: Any) -> Any:
    if isinstance(base, dict) and isinstance(update, dict):
        return {**base, **{key: _merged(base.get(key), value) for key, value in update.items()}}
    return update


def product(kind: str, path: Path, metrics: Mapping[str, Any] | None = None, **more: Any) -> Product:
    """A product as the store would open it."""
    digest = sha256(path.read_bytes()).hexdigest()[:16]
    return Product(path.as_uri(), kind, path.stem, digest, "ok", lambda: path, dict(metrics or {}), **more)


def index(kind: str, draft: IndexDraft) -> Product:
    """The index that a draft becomes."""
    members = []
    for member in draft.members:
        path = member.path or member.product.path
        if member.path is not None:
            make_reproducible(path)
        members.append(product("dataset", path, row=member.row))
    return Product("index", kind, "index", "0" * 16, "ok", None, members=tuple(members))


def run_fan(
    tag: str,
    config: Mapping[str, Any],
    folder: Path,
    inputs: Mapping[str, Any] | None = None,
    scope: Scope | None = None,
) -> tuple[Product | None, list[dict[str, Any]], dict[str, Any]]:
    """Split, run every row, collect: the product, the rows with what became of them, and the product's metrics."""
    spec, science = step_specs()[tag], load_science(tag)
    inputs = inputs or {}
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(science.split(science.prepare(config), inputs, scope or Scope()), folder / "rows.ecsv")
    rows = list(read_rows(folder / "rows.ecsv"))
    parts = []
    for row in rows:
        if row["status"] == "selected":
            parts += _part(spec, science, config, folder, inputs, row)
    output = next(iter(spec.produces))
    kind = spec.produces[output]
    if kind.member:
        draft = IndexDraft(folder, spec.fan_out.part.suffix)
        metrics = science.collect(science.prepare(config), inputs, {output: draft}, parts)
        return index(kind.kind, draft), rows, metrics
    path = folder / f"{output}{kind.suffix}"
    metrics = science.collect(science.prepare(config), inputs, {output: path}, parts)
    make_reproducible(path)
    return product(kind.kind, path, metrics), rows, metrics


def _part(spec: Any, science: Any, config: Any, folder: Path, inputs: Any, row: dict[str, Any]) -> list[Product]:
    path = folder / f"part-{row['label'].replace('/', '_').replace(' ', '_')}{spec.fan_out.part.suffix}"
    try:
        metrics = science.run(science.prepare(config), inputs, {spec.fan_out.part.kind: path}, row)
    except DataError as error:
        row.update(status="quarantined", reason_class=error.reason_class, reason=error.reason)
        return []
    except NoWorkFound as error:
        row.update(status="no_work", reason=str(error))
        return []
    make_reproducible(path)
    return [product(spec.fan_out.part.kind, path, metrics)]


def run_one(tag: str, config: Mapping[str, Any], folder: Path, inputs: Mapping[str, Any]) -> Product:
    """Run a step without fan-out."""
    spec, science = step_specs()[tag], load_science(tag)
    folder.mkdir(parents=True, exist_ok=True)
    output, kind = next(iter(spec.produces.items()))
    if kind.member:
        draft = IndexDraft(folder, ".fits")
        science.run(science.prepare(config), inputs, {output: draft})
        return index(kind.kind, draft)
    path = folder / f"{output}{kind.suffix}"
    metrics = science.run(science.prepare(config), inputs, {output: path})
    make_reproducible(path)
    return product(kind.kind, path, metrics)
