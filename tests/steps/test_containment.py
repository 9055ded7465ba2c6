"""The containment correction: right for a point source, remarked upon where the region is larger."""

from __future__ import annotations

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import SpectrumDataset
from gammapy.makers import SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom
from regions import CircleSkyRegion
from scipy.stats import chi2

from gammaops.errors import DataError
from gammaops.physics.containment import check_exposure, containment_note
from gammaops.physics.datasets_io import read_datasets
from gammaops.physics.reduction import Reduction
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


def test_region_beyond_the_table_of_the_psf_is_told_from_one_outside_the_field(archive):
    """What plain gammapy gives: exposure with the correction nowhere, without it everywhere that the archive has."""
    (observation,) = DataStore.from_dir(archive).get_observations([1], required_irf=["aeff", "edisp", "psf", "bkg"])
    axes = [MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=4)]
    true = MapAxis.from_energy_bounds("0.3 TeV", "100 TeV", nbin=8, name="energy_true")

    def reduced_to(radius_deg: float, corrects: bool) -> SpectrumDataset:
        region = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), radius_deg * u.deg)
        empty = SpectrumDataset.create(RegionGeom.create(region, axes=axes), energy_axis_true=true)
        maker = SpectrumDatasetMaker(selection=["exposure"], containment_correction=corrects)
        return maker.run(empty, observation)

    # The archive's table ends at 0.6 deg.
    large = reduced_to(0.7, corrects=True)
    assert not large.exposure.data.any()
    assert (reduced_to(0.7, corrects=False).exposure.data > 0).all()
    ends = "no-containment: the ON region has a radius of 0.70 deg and the PSF ends at 0.60 deg, beyond which gammapy"
    with pytest.raises(DataError, match=ends):
        check_exposure(large, observation, corrects_containment=True)
    check_exposure(reduced_to(0.5, corrects=True), observation, corrects_containment=True)
    check_exposure(reduced_to(0.7, corrects=False), observation, corrects_containment=False)


def test_region_beyond_the_table_of_the_psf_is_refused_with_the_remedy(driver, archive):
    (observation,) = DataStore.from_dir(archive).get_observations([1], required_irf=["aeff", "edisp", "psf", "bkg"])
    config = driver.spectrum_config(archive, on_region={"radius": "0.7 deg"}, background={"method": None})
    with pytest.raises(DataError, match=r"no-containment: .*; set datasets\.containment_correction: false"):
        Reduction(config["datasets"]).run(observation)
