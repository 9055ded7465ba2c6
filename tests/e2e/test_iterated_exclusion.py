"""Background around sources that are found on the way: reduce, map, mask, and again, in one analysis."""

from __future__ import annotations

import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

import gammaops
from gammaops.config import parse_config
from gammaops.physics.datasets_io import read_dataset
from gammaops.products import ProductStore
from gammaops.simulation import ArchivePlan, simulate_archive

CRAB = SkyCoord(83.63, 22.01, unit="deg")
CONFIG = """
observations: {datastore: archive}
datasets:
  type: 3d
  stack: true
  geom:
    wcs:
      skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}
      binsize: 0.05 deg
      width: {width: 4 deg, height: 4 deg}
    selection: {offset_max: 2 deg}
    axes: {energy: {min: 0.5 TeV, max: 20 TeV, nbins: 1}, energy_true: {min: 0.3 TeV, max: 40 TeV, nbins: 6}}
  background: {method: ring, parameters: {r_in: 0.5 deg, width: 0.2 deg}}
  safe_mask: {methods: [offset-max], parameters: {offset_max: 2 deg}}
excess_map: {correlation_radius: 0.1 deg}
exclusion_mask: {significance: 5, radius: 0.2 deg}
steps:
  - {name: first, tag: data-reduction}
  - {name: first_map, tag: excess_map, required_products: first}
  - {name: sources, tag: exclusion_mask, required_products: first_map}
  - {name: second, tag: data-reduction, required_products: sources}
  - {name: second_map, tag: excess_map, required_products: second}
  - {name: all_sources, tag: exclusion_mask, required_products: [second_map, sources]}
  - {name: third, tag: data-reduction, required_products: all_sources}
"""


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _data_folder(tmp_path_factory: pytest.TempPathFactory):
    """Two observations of 28 minutes, one in each wobble position, of the Crab and the source beside it."""
    folder = tmp_path_factory.mktemp("data")
    simulate_archive(folder / "archive", ArchivePlan(nights=1, observations=2, size="small", seed=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_DATA", str(folder))
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ProductStore:
    return ProductStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def products(store: ProductStore):
    result = gammaops.run(parse_config(CONFIG, "iterated", "iterated.yaml"), store.root)
    assert result.verdict.ok, result.verdict
    return {name: store.open(path) for name, path in result.products.items()}


def background_bias(product) -> tuple[float, float]:
    """Mean over-estimate of background where the ring lies on the Crab, and its statistical error.

    The truth is the background model of the IRFs, from which the events were drawn: the ring's acceptance.
    """
    dataset = read_dataset(product.members[0].path)
    distance = dataset.counts.geom.to_image().separation(CRAB)
    near = (distance > 0.5 * u.deg) & (distance < 0.7 * u.deg) & dataset.mask_safe.data[0]
    estimate, truth = dataset.background.data[0][near].sum(), dataset.acceptance.data[0][near].sum()
    # The rings of these pixels together cover the circle of 1.4 deg around the Crab, whose counts are independent.
    whole = dataset.acceptance.data[0][distance < 1.4 * u.deg].sum()
    return estimate / truth - 1, 1 / np.sqrt(whole)


@pytest.mark.requirement("A4.14")
def test_bias_of_the_ring_background_falls_to_nothing(products):
    (first, error), (second, _), (third, _) = (background_bias(products[name]) for name in ("first", "second", "third"))
    assert first > 10 * error
    assert abs(second) < 3 * error
    assert abs(third) < 3 * error
    assert products["sources"].metrics["new_deg2"] > 0.2
    assert products["all_sources"].metrics["new_deg2"] == 0


def sidecars(store: ProductStore, kind: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(Path(store.root, "products", kind).rglob("*.json"))]


@pytest.mark.requirement("A4.14")
def test_mask_enters_the_key_of_every_dataset(store, products):
    # The second round found nothing new: its mask is the same file, and the third reduction the second one.
    digest = products["sources"].digest
    assert products["all_sources"].digest == digest
    assert products["third"].key == products["second"].key != products["first"].key
    read = [
        [one["digest"] for one in sidecar["inputs"].get("exclusion", [])]
        for sidecar in sidecars(store, "dataset")
        if "item" in sidecar
    ]
    assert sorted(read) == [[], [], [digest], [digest]]
    before = {path.name for path in Path(store.root).rglob("*.fits")}
    config = parse_config(CONFIG, "iterated", "iterated.yaml")
    other = gammaops.run(config, store.root, overrides={"exclusion_mask": {"radius": "0.25 deg"}})
    assert other.verdict.ok
    # The first reduction and its map are the same; with another mask every dataset is a new one.
    new = [sidecar for sidecar in sidecars(store, "dataset") if sidecar["payload"]["name"] not in before]
    assert sum("item" in sidecar for sidecar in new) == 2
