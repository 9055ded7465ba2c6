"""Means of light curves with few counts, against the truth that they were drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from gammaops.physics.exposures import expected_errors, mean_error, mean_flux
from gammaops.physics.steadiness import Steadiness

# 400 light curves of 30 points, each with 2 to 6 excess counts and 1 background count expected; α = 1/10.
CURVES, POINTS, FLUX, BACKGROUND, ALPHA = 400, 30, 2e-12, 1.0, 0.1


def light_curves():
    """Flux, error and exposure of steady light curves, as counting gives them."""
    rng = np.random.default_rng(11)
    exposure = rng.uniform(2, 6, (CURVES, POINTS)) / FLUX
    on, off = rng.poisson(exposure * FLUX + BACKGROUND), rng.poisson(BACKGROUND / ALPHA, (CURVES, POINTS))
    flux, error = (on - ALPHA * off) / exposure, np.sqrt(on + ALPHA**2 * off) / exposure
    # Without an ON count an estimator finds no error; it may then give any: here that of one count.
    return flux, np.where(on > 0, error, 1 / exposure), exposure


def test_mean_of_few_counts_is_without_bias_and_that_of_inverse_variances_is_not():
    flux, error, exposure = light_curves()
    means = np.array([mean_flux(*pair) for pair in zip(flux, exposure, strict=True)])
    errors = np.array([mean_error(*pair) for pair in zip(error, exposure, strict=True)])
    pulls = (means - FLUX) / errors
    # 400 means: their average is known to 0.05 of an error.
    assert abs(pulls.mean()) < 0.2
    assert pulls.std() == pytest.approx(1, abs=0.15)
    inverse = np.average(flux, weights=error**-2, axis=1), np.sum(error**-2, axis=1) ** -0.5
    assert ((inverse[0] - FLUX) / inverse[1]).mean() < -1


def test_steady_light_curves_of_few_counts_are_seldom_called_variable():
    # At 1 % of chance: 4 of 400 expected; Poisson tails beyond the normal ones may double that.
    chances = np.array([Steadiness.of(*curve).p_value for curve in zip(*light_curves(), strict=True)])
    assert np.mean(chances < 0.01) <= 0.03
    assert np.mean(chances) == pytest.approx(0.5, abs=0.1)


def test_expected_error_is_that_of_the_expected_counts():
    # 10 counts per flux unit, 2 counts of background known exactly: 7 came, at a flux of 1 it would be 12.
    assert expected_errors(np.array([0.5]), np.array([np.sqrt(7) / 10]), np.array([10.0]), 1.0) == pytest.approx(
        np.sqrt(12) / 10
    )
