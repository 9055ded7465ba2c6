"""How much a light curve varies: a constant fitted to it, its fractional variability, and when it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.stats import bayesian_blocks
from gammapy.stats import compute_fvar

from gammaops.physics.exposures import FLUX_UNIT, exposures, mean_error, mean_flux
from gammaops.physics.steadiness import Steadiness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammapy.estimators import FluxPoints

__all__ = ["blocks_of", "fractional_variability", "variability"]


def variability(light_curve: FluxPoints, p0: float | None = None) -> list[dict[str, Any]]:
    """Numbers of each energy bin, as JSON types.

    Parameters
    ----------
    light_curve : `~gammapy.estimators.FluxPoints`
        With axes of energy and time.
    p0 : float, optional
        With it, Bayesian blocks are looked for.

    Returns
    -------
    list of dict
        ``energy_min_tev``, ``energy_max_tev``, ``points`` (with a flux), ``mean_per_cm2_s``, ``p_value`` of a constant
        flux, ``peak_per_cm2_s``, ``fvar`` and ``fvar_err``, and with p0 ``blocks``. What is not known is None.
    """
    energy, time = (light_curve.geom.axes[name] for name in ("energy", "time"))
    bands = []
    for index, (low, high) in enumerate(zip(energy.edges_min, energy.edges_max, strict=True)):
        flux, error = (
            getattr(light_curve, name).quantity[:, index, 0, 0].to_value(FLUX_UNIT) for name in ("flux", "flux_err")
        )
        exposure = exposures(light_curve, index)
        steady = Steadiness.of(flux, error, exposure)
        fvar, fvar_err = fractional_variability(flux, error)
        band: dict[str, Any] = {
            "energy_min_tev": float(low.to_value("TeV")),
            "energy_max_tev": float(high.to_value("TeV")),
            "points": int(_known(flux, error).sum()),
            "mean_per_cm2_s": _finite(steady.mean),
            "p_value": _finite(steady.p_value),
            "peak_per_cm2_s": _finite(steady.peak),
            "fvar": _finite(fvar),
            "fvar_err": _finite(fvar_err),
        }
        if p0 is not None:
            starts, stops = ([str(one) for one in edge.utc.isot] for edge in (time.time_min, time.time_max))
            found = blocks_of(time.time_mid.utc.mjd, flux, error, p0)
            band["blocks"] = [
                {"start": starts[members[0]], "stop": stops[members[-1]], **_block(flux, error, exposure, members)}
                for members in found
            ]
        bands.append(band)
    return bands


def fractional_variability(flux: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Fvar and its error after Vaughan et al. 2003, from gammapy; points without a flux and an error do not count.

    NaN where the flux scatters less than its errors, for which gammapy 2.1 gives the root of the variance that is
    lacking, and for fewer than two points.
    """
    known = _known(flux, error)
    value, spread = flux[known], error[known]
    if known.sum() < 2 or value.var(ddof=1) <= np.mean(spread**2):
        return np.nan, np.nan
    fvar, fvar_err = compute_fvar(value, spread)
    return float(fvar), float(fvar_err)


def blocks_of(mjd: np.ndarray, flux: np.ndarray, error: np.ndarray, p0: float) -> list[list[int]]:
    """Places of the points of each Bayesian block (Scargle et al. 2013), in order of time.

    Parameters
    ----------
    mjd, flux, error : array
        Times in days, in order; fluxes and errors in one unit. Points without a flux and an error are in no block.
    p0 : float
        Probability of finding a change in a steady light curve.
    """
    known = np.flatnonzero(_known(flux, error))
    if len(known) < 2:
        return [known.tolist()] if len(known) else []
    since_first = mjd[known] - mjd[known[0]]
    # Numbers of order one: the fitness sums 1 / error², which overflows nothing, but loses digits at 1e-12.
    scale = np.median(error[known])
    edges = bayesian_blocks(since_first, flux[known] / scale, error[known] / scale, fitness="measures", p0=p0)
    of_point = np.clip(np.searchsorted(edges, since_first, side="right") - 1, 0, len(edges) - 2)
    return [known[of_point == number].tolist() for number in range(len(edges) - 1)]


def _block(flux: np.ndarray, error: np.ndarray, exposure: np.ndarray, members: Sequence[int]) -> dict[str, Any]:
    """Number of points and mean flux of a block."""
    return {
        "points": len(members),
        "flux_per_cm2_s": mean_flux(flux[members], exposure[members]),
        "flux_err_per_cm2_s": mean_error(error[members], exposure[members]),
    }


def _known(flux: np.ndarray, error: np.ndarray) -> np.ndarray:
    return np.isfinite(flux) & np.isfinite(error) & (error > 0)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
