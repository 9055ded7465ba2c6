"""Whether a light curve is steady: the question of every morning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2

from gammaops.physics.exposures import expected_errors, mean_flux
from gammaops.physics.notation import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Steadiness"]

VARIABLE_BELOW = 1e-3
"""Probability of a steady source below which a light curve is called variable: about 3.3 σ."""


@dataclass(frozen=True)
class Steadiness:
    """A constant flux fitted to a light curve.

    Parameters
    ----------
    mean : float
        Mean weighted by exposure.
    chi_square, degrees : float, int
        Scatter around it, in errors as expected at the mean, and degrees of freedom.
    p_value : float
        Probability of at least this scatter if the source is steady; NaN for fewer than two points.
    highest : int
        Index of the highest flux; -1 without any.
    peak : float
        That flux.
    """

    mean: float
    chi_square: float
    degrees: int
    p_value: float
    highest: int
    peak: float

    @classmethod
    def of(cls, flux: np.ndarray, error: np.ndarray, exposure: np.ndarray) -> Steadiness:
        """Fit a constant; points without a finite flux and error do not count.

        Parameters
        ----------
        flux, error : array
            In cm⁻² s⁻¹.
        exposure : array
            Excess counts per flux, NaN where not known: `gammaops.physics.exposures.exposures`.
        """
        known = np.isfinite(flux) & np.isfinite(error) & (error > 0)
        if not known.any():
            return cls(np.nan, 0.0, 0, np.nan, -1, np.nan)
        mean = mean_flux(flux[known], exposure[known])
        expected = expected_errors(flux[known], error[known], exposure[known], mean)
        chi_square = float((((flux[known] - mean) / expected) ** 2).sum())
        degrees = int(known.sum()) - 1
        highest = int(np.argmax(np.where(known, flux, -np.inf)))
        p_value = float(chi2.sf(chi_square, degrees)) if degrees else np.nan
        return cls(mean, chi_square, degrees, p_value, highest, float(flux[highest]))

    def in_words(self, times: Sequence[str]) -> str:
        """One sentence for the shifter; `times` name the points."""
        if self.highest < 0:
            return "No flux could be measured."
        if not self.degrees:
            return f"One point only, {plain(self.mean)} cm⁻² s⁻¹: whether the source varies cannot be said."
        chance = "p < 10⁻¹⁰" if self.p_value < 1e-10 else f"p = {plain(self.p_value, 2)}"
        freedom = f"{self.degrees} degree{'s' if self.degrees > 1 else ''} of freedom"
        test = f"χ² = {self.chi_square:.1f} for {freedom}, {chance}"
        if self.p_value >= VARIABLE_BELOW:
            return f"Steady: a constant flux of {plain(self.mean)} cm⁻² s⁻¹ describes all points ({test})."
        ratio = f", {self.peak / self.mean:.1f} times the mean" if self.mean > 0 else ""
        return f"VARIABLE: highest at {times[self.highest]}, {plain(self.peak)} cm⁻² s⁻¹{ratio}; not constant ({test})."
