"""Whether the IRFs of an observation are meant for the analysis: for all events, or for those near one position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammapy.makers.background.reflected import is_rad_max_compatible_region_geom

from gammaops.errors import DataError

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.maps import Geom

__all__ = ["check_enclosure"]

REASON = "wrong-enclosure"


def check_enclosure(observation: Observation, geom: Geom, corrects_containment: bool) -> None:
    """Refuse an observation whose effective area does not count the events that the analysis counts.

    Raises
    ------
    DataError
        ``wrong-enclosure``: the flux would be wrong by the share of events outside the region.
    """
    point_like = observation.aeff.is_pointlike
    at_point = geom.is_region and geom.is_all_point_sky_regions
    if at_point and not point_like:
        raise DataError(REASON, "its IRFs are full-enclosure; give datasets.on_region a radius")
    if not point_like:
        return
    if not geom.is_region:
        raise DataError(REASON, "its IRFs are point-like, which makes no maps; use datasets.type: 1d")
    if corrects_containment:
        reason = "its IRFs are point-like and count the events within RAD_MAX alone, so there is nothing to correct"
        raise DataError(REASON, f"{reason}; set datasets.containment_correction: false")
    _check_radius(observation, geom)


def _check_radius(observation: Observation, geom: Geom) -> None:
    advice = "leave out the radius of datasets.on_region, or give it the fixed RAD_MAX of the IRFs"
    try:
        fits = is_rad_max_compatible_region_geom(observation.rad_max, geom)
    except ValueError as error:
        raise DataError(REASON, f"{error}; {advice}") from error
    if not fits:
        raise DataError(
            REASON, f"its point-like IRFs hold for events within a RAD_MAX that depends on energy; {advice}"
        )
