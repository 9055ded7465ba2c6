"""What a light curve has measured, against gammapy's own numbers."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from gammapy.data import GTI
from gammapy.estimators import FluxPoints
from gammapy.maps import MapAxes, MapAxis, RegionGeom, RegionNDMap, TimeMapAxis
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

from gammaops.physics.flux_io import write_flux_points
from gammaops.physics.measurements import fluxes
from gammaops.products.base import Product
from gammaops.steps import load_science

START = Time("2006-07-29T21:00:00", scale="utc")


@pytest.fixture
def light_curve() -> FluxPoints:
    """Two bins of half an hour in two bands of energy; the second has no estimate in the first band."""
    edges_min, edges_max = [0, 30] * u.min, [30, 60] * u.min
    time = TimeMapAxis(edges_min=edges_min, edges_max=edges_max, reference_time=START.tt)
    energy = MapAxis.from_energy_edges([0.5, 1.0, 7.0] * u.TeV)
    geom = RegionGeom(None, axes=MapAxes([energy, time]))
    norm = np.array([[1.0, 2.0], [np.nan, 4.0]])[..., np.newaxis, np.newaxis]
    maps = {"norm": RegionNDMap(geom, data=norm), "norm_err": RegionNDMap(geom, data=norm / 10)}
    model = SkyModel(PowerLawSpectralModel(index=3.0, amplitude="1e-11 cm-2 s-1 TeV-1"), name="pks")
    gti = GTI.create(edges_min, edges_max, START.tt)
    return FluxPoints(maps, model, gti=gti, meta={"sed_type_init": "likelihood", "n_sigma": 1})


def test_every_bin_has_its_flux_error_times_and_energies(light_curve):
    found = fluxes(light_curve, "pks")
    # Integral of 1e-11 E^-3: 5e-12 (1 / a² - 1 / b²) from a to b.
    low, high = 5e-12 * (4 - 1), 5e-12 * (1 - 1 / 49)
    assert [one.value for one in found] == [pytest.approx(low), pytest.approx(2 * high), None, pytest.approx(4 * high)]
    assert [one.error for one in found][:2] == [pytest.approx(low / 10), pytest.approx(high / 5)]
    assert found[2].error is None
    assert {(one.quantity, one.source, one.unit) for one in found} == {("flux", "pks", "cm-2 s-1")}
    assert [(one.energy_min_tev, one.energy_max_tev) for one in found[:2]] == [
        pytest.approx((0.5, 1.0)),
        pytest.approx((1.0, 7.0)),
    ]
    assert [(one.start, one.stop) for one in found[1:3]] == [
        ("2006-07-29T21:00:00.000", "2006-07-29T21:30:00.000"),
        ("2006-07-29T21:30:00.000", "2006-07-29T22:00:00.000"),
    ]


def test_the_step_tells_the_same_of_its_file(light_curve, tmp_path):
    path = tmp_path / "light_curve.fits"
    write_flux_points(light_curve, path)
    product = Product("u", "light_curve", "k", "d", "ok", lambda: path, {"source": "pks"}, {})
    found, expected = load_science("light-curve").measured(product), fluxes(light_curve, "pks")
    for one, other in zip(found, expected, strict=True):
        assert one.value == (None if other.value is None else pytest.approx(other.value, rel=1e-6))
    assert [one.start for one in found] == [one.start for one in expected]
