"""What a light curve has measured, as plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gammaops.physics.exposures import FLUX_UNIT
from gammaops.steps.base import Measurement

if TYPE_CHECKING:
    from gammapy.estimators import FluxPoints

__all__ = ["fluxes"]


def fluxes(light_curve: FluxPoints, source: str) -> list[Measurement]:
    """The integral flux of each bin of time and energy, in order of time.

    Parameters
    ----------
    light_curve : `~gammapy.estimators.FluxPoints`
        With axes of energy and time.
    source : str
        Its name.
    """
    energy, time = (light_curve.geom.axes[name] for name in ("energy", "time"))
    starts, stops = ([str(one) for one in edge.utc.isot] for edge in (time.time_min, time.time_max))
    low, high = (edges.to_value("TeV") for edges in (energy.edges_min, energy.edges_max))
    flux, error = (getattr(light_curve, name).quantity[:, :, 0, 0].to_value(FLUX_UNIT) for name in ("flux", "flux_err"))
    return [
        Measurement(
            quantity="flux",
            source=source,
            value=_known(flux[place, band]),
            error=_known(error[place, band]),
            unit="cm-2 s-1",
            start=starts[place],
            stop=stops[place],
            energy_min_tev=float(low[band]),
            energy_max_tev=float(high[band]),
        )
        for place in range(time.nbin)
        for band in range(energy.nbin)
    ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
