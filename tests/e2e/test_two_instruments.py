"""The example that this project started from, two instruments and one excess map, word for word."""

from __future__ import annotations

import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import MapDataset
from gammapy.estimators import ExcessMapEstimator
from gammapy.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import Map, MapAxis, WcsGeom

from gammaops.cli import main
from gammaops.physics.flux_io import read_flux_maps

ROOT = Path(__file__).resolve().parents[2]
ORIGINAL = ROOT / "tests" / "data" / "original.yaml"


def stacked(archive: Path, mask: Path) -> MapDataset:
    """What the example's blocks say, with gammapy alone."""
    geom = WcsGeom.create(
        skydir=(83.633, 22.014),
        frame="icrs",
        binsz=0.02,
        width=(2, 2),
        axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=10)],
    )
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=20, name="energy_true")
    exclusion = Map.read(mask)
    exclusion.data = exclusion.data.astype(bool)
    makers = [
        MapDatasetMaker(selection=["counts", "exposure", "background", "psf", "edisp"]),
        SafeMaskMaker(methods=["aeff-default"]),
        FoVBackgroundMaker(method="scale", exclusion_mask=exclusion),
    ]
    store = DataStore.from_dir(archive)
    observations = store.get_observations(required_irf=["aeff", "edisp", "psf", "bkg"])
    empty = MapDataset.create(geom, energy_axis_true=energy_true, binsz_irf=0.2, name="sum")
    maker = DatasetsMaker(makers, stack_datasets=True, cutout_mode="trim", cutout_width=5 * u.deg)
    (dataset,) = maker.run(empty, observations)
    return dataset


@pytest.mark.slow
@pytest.mark.requirement("A3.10", "A5.1", "A5.2", "R1")
def test_it_runs_unmodified_and_its_map_is_that_of_gammapy(two_instruments: Path, tmp_path: Path, monkeypatch):
    for name in ("GAMMAOPS_DATA", "GAMMAPY_DATA"):
        monkeypatch.setenv(name, str(two_instruments))
    assert main(["run", "--filename", str(ORIGINAL), "--out", str(tmp_path)]) == 0

    (path,) = tmp_path.glob("runs/original/*/v001/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    products = {product["name"]: product for step in record["steps"] for product in step["products"]}
    assert set(products) == {"datasets_hess1", "datasets_hess1u", "hess_flux_maps"}
    states = sorted((row["obs_id"], row["state"]) for row in record["ledger"])
    assert states == [(1, "done"), (1, "done"), (2, "done"), (2, "done")], "one row for each number and archive"

    mask = two_instruments / "joint-crab" / "exclusion" / "exclusion_mask_crab.fits.gz"
    both = [stacked(two_instruments / "data" / name, mask) for name in ("hess1", "hess1u")]
    total = both[0].copy(name="total")
    total.stack(both[1])
    expected = ExcessMapEstimator(correlation_radius=0.1 * u.deg).run(total)
    maps = read_flux_maps(tmp_path / products["hess_flux_maps"]["path"])
    for name in ("npred", "npred_excess", "sqrt_ts", "counts"):
        ours, theirs = getattr(maps, name, None), getattr(expected, name, None)
        assert (ours is None) == (theirs is None), name
        if ours is not None:
            np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-6, atol=1e-6, err_msg=name)

    # Without any estimator: what was counted and what was expected within 0.1 deg of a pixel next to the source.
    counts, background = (each.sum_over_axes() for each in (total.counts, total.npred_background()))
    pixel = counts.geom.pix_to_coord((50, 50, 0))[:2]
    near = counts.geom.separation(SkyCoord(*pixel, frame="icrs")) < 0.1001 * u.deg
    by_hand = (counts.data[0] - background.data[0])[near].sum()
    assert maps.npred_excess.data[0, 50, 50] == pytest.approx(by_hand, rel=1e-4)
    assert by_hand > 40
