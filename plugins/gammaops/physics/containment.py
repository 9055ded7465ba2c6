"""Whether the containment correction of a spectrum means what it seems to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
from regions import CircleSkyRegion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gammapy.data import Observation
    from gammapy.maps import RegionGeom

__all__ = ["containment_metrics", "containment_note", "joint_containment"]

# A point source needs an ON region of about the PSF's 68 % radius; twice that hold 95 % of a Gaussian and more.
LARGE = 2.0


def containment_metrics(observation: Observation, geom: RegionGeom, energy_tev: float | None) -> dict[str, float]:
    """Radius of the ON region and 68 % radius of the PSF there, in deg, at the lowest safe energy."""
    region = geom.region
    if energy_tev is None or not isinstance(region, CircleSkyRegion):
        return {}
    offset = region.center.separation(observation.get_pointing_icrs(observation.tmid))
    r68 = observation.psf.containment_radius(fraction=0.68, energy_true=energy_tev * u.TeV, offset=offset)
    return {"on_radius_deg": float(region.radius.to_value("deg")), "psf_r68_deg": float(r68.to_value("deg").item())}


def joint_containment(parts: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The same for several observations: the radius, and the widest PSF."""
    known = [part for part in parts if "psf_r68_deg" in part]
    return {name: max(part[name] for part in known) for name in ("on_radius_deg", "psf_r68_deg")} if known else {}


def containment_note(metrics: Mapping[str, Any]) -> str:
    """What to say about the correction in the report; empty if nothing."""
    if "psf_r68_deg" not in metrics or metrics["on_radius_deg"] <= LARGE * metrics["psf_r68_deg"]:
        return ""
    radius, times = metrics["on_radius_deg"], metrics["on_radius_deg"] / metrics["psf_r68_deg"]
    return (
        f"The ON region of {radius:.2f}° is {times:.1f} times as wide as the PSF: its exposure is corrected as that of"
        " a point source in its centre. For a source that fills it, set datasets.containment_correction: false, or use"
        " type: 3d with an extended model."
    )
