"""Fractional variability and Bayesian blocks against gammapy, astropy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.stats import bayesian_blocks
from gammapy.stats import compute_fvar

from gammaops.physics.variability import blocks_of, fractional_variability

# A light curve in cm-2 s-1 that doubles half way: 20 points a day apart, errors of 5 % of the lower level.
LEVEL, ERROR = 1e-11, 5e-13
MJD = 53_000 + np.arange(20.0)
RISING = np.where(np.arange(20) < 12, LEVEL, 2 * LEVEL) + ERROR * np.tile([0.8, -0.8], 10)


def test_fractional_variability_is_gammapys_and_the_closed_form():
    error = np.full(20, ERROR)
    fvar, fvar_err = fractional_variability(RISING, error)
    assert (fvar, fvar_err) == pytest.approx(compute_fvar(RISING, error), rel=1e-12)
    # Vaughan et al. 2003, equation 10: the variance beyond the errors, relative to the mean.
    assert fvar == pytest.approx(np.sqrt(RISING.var(ddof=1) - ERROR**2) / RISING.mean(), rel=1e-12)


def test_points_without_a_flux_do_not_count():
    flux, error = np.append(RISING, [np.nan, 1e-9]), np.append(np.full(20, ERROR), [ERROR, np.nan])
    assert fractional_variability(flux, error) == fractional_variability(RISING, np.full(20, ERROR))


@pytest.mark.parametrize("flux", [[1.0, 1.1, 0.9, 1.0], [1.0], []])
def test_scatter_below_the_errors_is_no_variability(flux):
    values = np.array(flux) * LEVEL
    assert np.isnan(fractional_variability(values, np.full(len(values), 0.3 * LEVEL))).all()


def test_blocks_are_astropys():
    error = np.full(20, ERROR)
    edges = bayesian_blocks(MJD, RISING, error, fitness="measures", p0=0.01)
    found = blocks_of(MJD, RISING, error, 0.01)
    assert [members[0] for members in found] == [0, 12]
    assert [len(members) for members in found] == np.histogram(MJD, edges)[0].tolist() == [12, 8]


def test_steady_light_curve_is_one_block_and_unknown_points_are_in_none():
    flux = np.append(np.full(19, LEVEL), np.nan)
    assert blocks_of(MJD, flux, np.full(20, ERROR), 0.01) == [list(range(19))]
    assert blocks_of(MJD[:1], flux[:1], np.array([ERROR]), 0.01) == [[0]]
    assert blocks_of(MJD, np.full(20, np.nan), np.full(20, ERROR), 0.01) == []


def test_false_alarms_are_as_rare_as_asked():
    # 400 steady light curves of 30 points: p0 = 5 % gives 20; 3 standard errors above it are 33.
    rng = np.random.default_rng(7)
    mjd = np.arange(30.0)
    found = [len(blocks_of(mjd, 1 + 0.1 * rng.standard_normal(30), np.full(30, 0.1), 0.05)) for _ in range(400)]
    assert sum(number > 1 for number in found) <= 33
