"""Whether the containment correction of a spectrum means what it seems to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
from gammapy.makers import SpectrumDatasetMaker
from regions import CircleSkyRegion

from gammaops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gammapy.data import Observation
    from gammapy.datasets import SpectrumDataset
    from gammapy.maps import RegionGeom

__all__ = ["check_exposure", "containment_metrics", "containment_note", "joint_containment"]

# A point source needs an ON region of about the PSF's 68 % radius; twice that hold 95 % of a Gaussian and more.
LARGE = 2.0


def check_exposure(dataset: SpectrumDataset, observation: Observation, corrects_containment: bool) -> None:
    """Refuse a spectrum without any exposure, with the reason for it.

    Raises
    ------
    DataError
        ``outside-field`` if the ON region is where the effective area is zero; ``no-containment`` if only the
        correction takes the exposure away: gammapy's containment is zero beyond the end of the PSF's table.
    """
    if (dataset.exposure.data > 0).any():
        return
    region, pointing = dataset.counts.geom.region, observation.get_pointing_icrs(observation.tmid)
    whole = SpectrumDatasetMaker().make_exposure(dataset.exposure.geom, observation)
    if corrects_containment and (whole.data > 0).any():
        axes = observation.psf.axes
        end = f"ends at {axes['rad'].edges[-1].to_value('deg'):.2f} deg" if "rad" in axes.names else "ends before that"
        raise DataError(
            "no-containment",
            f"the ON region has a radius of {region.radius.to_value('deg'):.2f} deg and the PSF {end}, beyond which"
            " gammapy's containment is zero, and so is the exposure that is corrected for it; set"
            " datasets.containment_correction: false, which takes the region to hold all of a source, or use type: 3d",
        )
    far = f"{region.center.separation(pointing).to_value('deg'):.2f} deg from the pointing"
    raise DataError("outside-field", f"the ON region is {far}, where the effective area is zero")


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
