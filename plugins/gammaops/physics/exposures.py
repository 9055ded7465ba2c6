"""Means of fluxes from few counts, weighted by exposure.

The error of a flux comes from its own counts: a point that fluctuates down has a small one. A mean with weights of
1 / error² therefore lies below the truth, by several times its own error for many points of a few counts each. Weighted
by the counts that a unit of flux gives, the mean is all excess counts over all exposure, and without bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gammapy.estimators import FluxPoints

__all__ = ["FLUX_UNIT", "expected_errors", "exposures", "mean_error", "mean_flux"]

FLUX_UNIT = "cm-2 s-1"


def exposures(light_curve: FluxPoints, index: int) -> np.ndarray:
    """Excess counts per flux (cm² s) of each interval in one energy bin; NaN where the light curve does not tell."""
    flux = np.ravel(light_curve.flux_ref.to_value(FLUX_UNIT))[index]
    if "npred_excess" not in light_curve.available_quantities:
        return np.full(light_curve.geom.axes["time"].nbin, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        counts = light_curve.npred_excess_ref
    axes = counts.geom.axes
    data = counts.data[..., 0, 0]
    if "dataset" in axes.names:
        data = np.nansum(data, axis=axes.index_data("dataset"))
    found = data[:, index] / flux
    return np.where(np.isfinite(found) & (found > 0), found, np.nan)


def mean_flux(flux: np.ndarray, exposure: np.ndarray) -> float:
    """Mean of fluxes weighted by exposure; one that is not known counts as the median of the others."""
    return float(np.average(flux, weights=_weights(exposure)))


def mean_error(error: np.ndarray, exposure: np.ndarray) -> float:
    """Error of that mean."""
    weights = _weights(exposure)
    return float(np.sqrt(np.sum((weights * error) ** 2)) / weights.sum())


def _weights(exposure: np.ndarray) -> np.ndarray:
    known = np.isfinite(exposure)
    middle = float(np.median(exposure[known])) if known.any() else 1.0
    return np.where(known, exposure, middle)


def expected_errors(flux: np.ndarray, error: np.ndarray, exposure: np.ndarray, mean: float) -> np.ndarray:
    """Errors that the fluxes would have if each were `mean`: of the counts expected then, not of those that came.

    The ON counts are Poisson, so that their variance changes by exposure x (mean - flux), and that of the flux by this
    over exposure². Where it is not known, or would not leave a positive variance, the error stays as it is.
    """
    variance = error**2 + (mean - flux) / exposure
    return np.sqrt(np.where(np.isfinite(variance) & (variance > 0), variance, error**2))
