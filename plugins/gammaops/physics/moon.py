"""Where the moon stands during observations, from astropy's built-in ephemeris: nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body

import gammaops.physics.environment  # noqa: F401 - settles the process

if TYPE_CHECKING:
    from astropy.time import Time

    from gammaops.physics.archive import Archive

__all__ = ["moon_altitudes", "moon_separations"]


def moon_altitudes(archive: Archive) -> u.Quantity:
    """Highest altitude of the moon at start, middle and end of each observation.

    NaN if the index names no place, or does not say when the observation ended.
    """
    place = _place(archive)
    if place is None:
        return np.full(len(archive.obs_ids), np.nan) * u.deg
    return _where_known(archive, np.max(_altitudes(archive, place), axis=0))


def moon_separations(archive: Archive) -> u.Quantity:
    """Smallest distance of the moon from the pointing while it is up; 180 deg if it is not up at all.

    NaN where the index does not say when the observation ended.
    Where the index names no place, the moon counts as up, and is seen from the centre of the Earth: wrong by 1 deg at
    most.
    """
    place = _place(archive)
    pointings = archive.pointings()
    moments = _moments(archive)
    separations = u.Quantity([_distance(pointings, moment, place) for moment in moments])
    if place is not None:
        separations = np.where(_altitudes(archive, place) > 0 * u.deg, separations, 180 * u.deg)
    return _where_known(archive, np.min(separations, axis=0))


def _where_known(archive: Archive, angles: u.Quantity) -> u.Quantity:
    """The angles, NaN for observations of unknown length: where the moon went during them is not known either."""
    return np.where(np.isfinite(archive.lengths), angles, np.nan * u.deg)


def _distance(pointings: SkyCoord, moment: Time, place: EarthLocation | None) -> u.Quantity:
    moon = get_body("moon", moment, location=place)
    # As a direction: the distance of a body in the solar system would move the pointing's origin to the Earth.
    return SkyCoord(moon.ra, moon.dec, frame="icrs").separation(pointings).to("deg")


def _altitudes(archive: Archive, place: EarthLocation) -> u.Quantity:
    """Altitude at start, middle and end, one row each."""
    rows = []
    for moment in _moments(archive):
        frame = AltAz(obstime=moment, location=place)
        rows.append(get_body("moon", moment, location=place).transform_to(frame).alt.to("deg"))
    return u.Quantity(rows)


def _moments(archive: Archive) -> list[Time]:
    lengths = np.nan_to_num(archive.lengths, nan=0)
    return [archive.tstart + share * lengths for share in (0, 0.5, 1)]


def _place(archive: Archive) -> EarthLocation | None:
    meta = archive.observations.meta
    try:
        lon, lat = float(meta["GEOLON"]), float(meta["GEOLAT"])
    except (KeyError, ValueError):
        return None
    return EarthLocation.from_geodetic(lon * u.deg, lat * u.deg, float(meta.get("ALTITUDE") or 0) * u.m)
