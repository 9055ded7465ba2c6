"""The Crab nebula with HESS DL3 DR1, and the same with another effective area of one of its four observations."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from astropy.io import fits

import gammaops
from gammaops.comparison.comparing import compare
from gammaops.comparison.document import as_document
from gammaops.comparison.sides import open_side
from gammaops.products import ProductStore

pytestmark = [pytest.mark.requires_data, pytest.mark.requirement("R23", "R31")]
CRAB = (23523, 23526, 23559, 23592)
CHANGED = 23559
STEPS = ("light curve",)


def recalibrated(source: Path, target: Path) -> None:
    """What the archive holds of the Crab, with an effective area that is 10 % larger for one observation."""
    names = [f"data/hess_dl3_dr1_obs_id_{obs_id:06d}.fits.gz" for obs_id in CRAB]
    (target / "data").mkdir(parents=True)
    for name in ("hdu-index.fits.gz", "obs-index.fits.gz", *names):
        shutil.copyfile(source / name, target / name)
    path = target / names[CRAB.index(CHANGED)]
    with fits.open(path) as hdus:
        hdus["AEFF"].data["EFFAREA"] *= 1.10
        hdus.writeto(path, overwrite=True)


def test_the_observation_is_flagged_and_the_flux_of_it_falls(test_data, project_root, tmp_path, monkeypatch):
    config = project_root / "include" / "configs" / "crab-1d.yaml"
    store = ProductStore(tmp_path / "store")
    for label in ("before", "again"):
        assert gammaops.run(config, store.root, label=label, steps=STEPS).verdict.ok
    recalibrated(test_data / "hess-dl3-dr1", tmp_path / "data" / "hess-dl3-dr1")
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path / "data"))
    assert gammaops.run(config, store.root, label="after", steps=STEPS).verdict.ok

    unchanged = compare(open_side(store, "crab-1d/before"), open_side(store, "crab-1d/again"))
    assert unchanged.flags == 0
    assert {pair.result for pair in unchanged.products} == {"identical"}

    found = compare(open_side(store, "crab-1d/before"), open_side(store, "crab-1d/after"))
    by_name = {pair.keys[0].name: pair for pair in found.products}
    assert as_document(found)["flagged_obs_ids"] == [CHANGED]
    assert {by_name[f"observation {obs_id}"].result for obs_id in CRAB} == {"identical", "changed"}
    flagged = [one for one in by_name[f"observation {CHANGED}"].differences if one.flagged]
    assert [one.quantity.partition(" at ")[0] for one in flagged] == ["exposure"]
    assert flagged[0].size == pytest.approx(0.10, abs=1e-5)  # the IRF is kept in single precision
    # The counts are the same: one bin of the light curve falls by as much, 200 gamma rays or 7 % of error in each.
    curve = sorted(by_name["light_curve"].differences, key=lambda one: one.pair[1] / one.pair[0])
    assert curve[0].pair[1] / curve[0].pair[0] == pytest.approx(1 / 1.10, rel=5e-3)
    assert curve[0].flagged
    assert -3 < curve[0].size < -0.5
    assert not any(one.flagged for one in curve[1:])
    # A quarter of the exposure, so that the fitted flux falls by about 2.4 %.
    amplitude = next(one for one in by_name["fit"].differences if one.quantity.endswith("amplitude"))
    assert amplitude.pair[1] / amplitude.pair[0] - 1 == pytest.approx(-0.024, abs=0.006)
