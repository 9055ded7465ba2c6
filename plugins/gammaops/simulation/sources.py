"""The truth: which sources shine, and how brightly on which night."""

from __future__ import annotations

from datetime import date
from typing import Any

from gammapy.modeling.models import (
    LogParabolaSpectralModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

from .plan import ArchivePlan

__all__ = ["CRAB", "LIGHT_CURVE", "VARIABLE", "flux_factor", "truth_document", "truth_models"]

# ICRS, deg. The variable source is 1.6 deg east of the Crab: 1.68 deg from the pointing in both wobble positions, so
# that neither source reaches into the other's reflected regions.
CRAB = (83.63, 22.01)
VARIABLE = (85.356, 22.01)

# Flux of the variable source over the one in `truth_models`, by days since the first night, again and again.
LIGHT_CURVE = (1.0, 0.5, 3.0, 1.5)


def flux_factor(number: int) -> float:
    """Flux of the variable source over its reference flux, `number` days after the first night."""
    return LIGHT_CURVE[number % len(LIGHT_CURVE)]


def truth_models(factor: float = 1.0) -> Models:
    """The simulated sources: ``crab``, constant with a log-parabola, and ``variable``, a power law.

    Parameters
    ----------
    factor : float
        Flux of the variable source over its reference flux, as from `flux_factor`.
    """
    crab = SkyModel(
        spectral_model=LogParabolaSpectralModel(
            amplitude="3.6e-11 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.45, beta=0.12
        ),
        spatial_model=_point(CRAB),
        name="crab",
    )
    variable = SkyModel(
        spectral_model=PowerLawSpectralModel(
            amplitude=f"{1.2e-11 * factor!r} cm-2 s-1 TeV-1", reference="1 TeV", index=2.6
        ),
        spatial_model=_point(VARIABLE),
        name="variable",
    )
    return Models([crab, variable])


def truth_document(plan: ArchivePlan, nights: dict[date, list[int]]) -> dict[str, Any]:
    """What ``truth.yaml`` holds: a models file for gammapy, and beside ``components`` what each night brought."""
    document = truth_models().to_dict(full_output=True)
    document.pop("metadata", None)
    document["nights"] = {
        night.isoformat(): {
            "obs_ids": obs_ids,
            "flux_factors": {"crab": 1.0, "variable": flux_factor((night - plan.first_night).days)},
        }
        for night, obs_ids in nights.items()
    }
    document["bad"] = {int(obs_id): plan.bad[obs_id] for obs_id in sorted(plan.bad)}
    document["late"] = sorted(plan.late | plan.unlisted)
    return document


def _point(position: tuple[float, float]) -> PointSpatialModel:
    return PointSpatialModel(lon_0=f"{position[0]} deg", lat_0=f"{position[1]} deg", frame="icrs")
