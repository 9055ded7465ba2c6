"""The highest significance is that of all energies and radii, with its place, bin and radius."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from gammapy.estimators import FluxMaps
from gammapy.maps import MapAxis, WcsGeom, WcsNDMap
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

from gammaops.physics.peaks import peak_of
from gammaops.physics.radii import with_radii


def maps(*heights: tuple[int, float]) -> FluxMaps:
    """Three energy bins with one bright pixel each time, given as (bin, significance), and a pixel without any."""
    axis = MapAxis.from_energy_bounds("1 TeV", "8 TeV", nbin=3)
    geom = WcsGeom.create(skydir=(0, 0), npix=(5, 4), binsz=0.5, axes=[axis], frame="galactic")
    sqrt_ts = WcsNDMap(geom, np.zeros(geom.data_shape))
    sqrt_ts.data[:, 0, 0] = np.nan
    for number, (energy, height) in enumerate(heights):
        sqrt_ts.data[energy, 3, 1 + number] = height
    return FluxMaps({"sqrt_ts": sqrt_ts, "norm": sqrt_ts}, SkyModel(PowerLawSpectralModel(), name="pl"))


def test_highest_of_all_energies_is_found_with_its_bin():
    found = peak_of(maps((0, 4.0), (2, 9.0)))
    assert found["sqrt_ts_max"] == 9.0
    # Edges 1, 2, 4, 8 TeV; pixel 2 of 5 is the middle, row 3 of 4 lies 0.75 deg above it.
    assert found["energy_max_tev"] == pytest.approx([4.0, 8.0])
    assert (found["lon_max_deg"] % 360, found["lat_max_deg"]) == pytest.approx((0.0, 0.75), abs=1e-6)
    assert "radius_max_deg" not in found


def test_highest_of_all_radii_is_found_with_its_radius():
    both = with_radii([maps((0, 4.0)), maps((1, 5.0))], [0.1, 0.2] * u.deg)
    found = peak_of(both)
    assert (found["sqrt_ts_max"], found["radius_max_deg"]) == (5.0, pytest.approx(0.2))
    assert found["energy_max_tev"] == pytest.approx([2.0, 4.0])


def test_map_without_significance_has_no_highest():
    nothing = maps()
    nothing.sqrt_ts.data[...] = np.nan
    assert peak_of(nothing) == {"sqrt_ts_max": None}
