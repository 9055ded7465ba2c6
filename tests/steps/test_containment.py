"""The containment correction: right for a point source, remarked upon where the region is larger."""

from __future__ import annotations

import pytest
from scipy.stats import chi2

from gammaops.physics.containment import containment_note
from gammaops.physics.datasets_io import read_datasets
from gammaops.products.base import Product
from gammaops.steps import load_science

# Of the archive: how much wider the PSF is at 0.5 deg from the pointing than its 0.06 deg at 1 TeV on axis.
BROADENING = 1 + (0.5 / 3) ** 2 / 3
R68 = chi2(2).ppf(0.68) ** 0.5  # of a Gaussian in two dimensions, in sigma


def reduced(driver, archive, tmp_path, **datasets) -> tuple[Product, dict]:
    """Two observations, above the 0.3 TeV of the archive's effective area."""
    safe_mask = {"methods": ["aeff-default"], "parameters": {}}
    background = {"method": "wobble", "parameters": {"n_off_regions": 1}}
    config = driver.spectrum_config(archive, safe_mask=safe_mask, background=background, **datasets)
    product, _, metrics = driver.run_fan("data-reduction", config, tmp_path)
    return Product(product.uri, product.kind, "k", "d", "ok", None, metrics, members=product.members), metrics


def test_region_and_psf_are_told_in_the_metrics(driver, archive, tmp_path):
    _, metrics = reduced(driver, archive, tmp_path)
    assert metrics["on_radius_deg"] == pytest.approx(0.11)
    # 0.065 deg at 0.316 TeV, the first edge of a bin above 0.3 TeV.
    assert metrics["psf_r68_deg"] == pytest.approx(R68 * 0.065 * BROADENING, rel=0.02)


@pytest.mark.requirement("A4.17")
def test_large_region_is_remarked_upon_with_the_remedy(driver, archive, tmp_path):
    usual, _ = reduced(driver, archive, tmp_path / "usual")
    large, metrics = reduced(driver, archive, tmp_path / "large", on_region={"radius": "0.3 deg"})
    report = load_science("data-reduction").report
    assert len(report(usual).notes) == 1
    note = report(large).notes[1]
    times = 0.3 / metrics["psf_r68_deg"]
    assert note.startswith(f"The ON region of 0.30° is {times:.1f} times as wide as the PSF: its exposure is corrected")
    assert "set datasets.containment_correction: false" in note


def test_without_correction_there_is_nothing_to_remark(driver, archive, tmp_path):
    options = {"on_region": {"radius": "0.3 deg"}, "containment_correction": False}
    product, metrics = reduced(driver, archive, tmp_path, **options)
    assert "psf_r68_deg" not in metrics
    assert len(load_science("data-reduction").report(product).notes) == 1


@pytest.mark.requirement("A4.17")
def test_corrected_exposure_is_that_of_the_events_of_a_point_source_in_the_region(driver, archive, tmp_path):
    corrected, _ = reduced(driver, archive, tmp_path / "with")
    whole, _ = reduced(driver, archive, tmp_path / "without", containment_correction=False)
    ratio = read_datasets((corrected,))[0].exposure.data / read_datasets((whole,))[0].exposure.data
    energy = read_datasets((whole,))[0].exposure.geom.axes["energy_true"]
    place = energy.coord_to_idx("1 TeV")
    # A Gaussian of 0.06 deg: 1 - exp(-r² / 2 sigma²), the PSF's table has bins of 0.015 deg.
    assert ratio[place, 0, 0] == pytest.approx(chi2(2).cdf((0.11 / (0.06 * BROADENING)) ** 2), abs=0.02)


def test_note_needs_the_psf():
    assert containment_note({}) == ""
