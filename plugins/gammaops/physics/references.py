"""How far a result is from published numbers in a file: `gammaops.physics.reference_file`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time

from gammaops.errors import AlgorithmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import Models

__all__ = ["Deviation", "Tolerance", "compare_fit", "compare_light_curve"]

SAME = 1e-6
POSITION = frozenset({"lon_0", "lat_0"})
# Edges of energy and of time bins are the same within these.
ENERGY_RTOL, TIME_ATOL = 1e-3, 1 * u.s


@dataclass(frozen=True)
class Tolerance:
    """What is tolerated: in errors of the reference, relative where it has none, and as a distance on the sky."""

    n_sigma: float
    rtol: float | None
    separation: u.Quantity | None


@dataclass(frozen=True)
class Deviation:
    """A number of a result beside its reference.

    Parameters
    ----------
    quantity : str
        ``crab.index``, or the start of a time bin.
    found, reference : float
        In `unit`.
    deviation, allowed : float
        In `measure`: ``σ`` (errors of the reference), ``%`` or ``deg``.
    """

    quantity: str
    found: float
    reference: float
    unit: str
    deviation: float
    allowed: float
    measure: str

    @property
    def passed(self) -> bool:
        """Whether the deviation is tolerated; one that is not a number never is."""
        return bool(abs(self.deviation) <= self.allowed)

    def as_row(self) -> dict[str, Any]:
        """A row of the product."""
        # An empty text would be read back as a gap.
        return asdict(self) | {"unit": self.unit or "1", "passed": self.passed}


def compare_fit(models: Models, reference: Mapping[str, Any], tolerance: Tolerance) -> Iterator[Deviation]:
    """Parameters of fitted models beside their references.

    Raises
    ------
    AlgorithmError
        If the fit has no such parameter, or in no such unit.
    """
    for source, wanted in reference.items():
        if source not in models.names:
            raise AlgorithmError(f"the fit has no source {source!r}; there are: {', '.join(models.names)}")
        names = list(wanted)
        if tolerance.separation is not None and set(names) & set(models[source].parameters.names) >= POSITION:
            yield _separation(models[source], wanted, tolerance.separation)
            names = [name for name in names if name not in POSITION]
        for name in names:
            if name not in models[source].parameters.names:
                known = ", ".join(models[source].parameters.names)
                raise AlgorithmError(f"{source} has no parameter {name!r}; it has {known}")
            number = wanted[name]
            unit = str(number.get("unit") or "")
            found = _in_unit(f"{source}.{name}", models[source].parameters[name].quantity, unit)
            yield _deviation(f"{source}.{name}", float(found), number, unit, tolerance)


def _in_unit(quantity: str, found: u.Quantity, unit: str) -> Any:
    try:
        return found.to_value(unit)
    except u.UnitConversionError as error:
        there = str(found.unit) or "no unit"
        message = f"the reference of {quantity} is in {unit or 'no unit'}, the result in {there}"
        raise AlgorithmError(f"{message}; correct its `unit`") from error


def _separation(model: Any, wanted: Mapping[str, Any], allowed: u.Quantity) -> Deviation:
    spatial = model.spatial_model
    units = {name: u.Unit(wanted[name].get("unit") or "deg") for name in ("lon_0", "lat_0")}
    lon, lat = (
        _in_unit(f"{model.name}.{name}", float(wanted[name]["value"]) * unit, "deg") * u.deg
        for name, unit in units.items()
    )
    distance = spatial.position.separation(SkyCoord(lon, lat, frame=spatial.frame)).to_value("deg")
    return Deviation(
        f"{model.name}: distance", float(distance), 0.0, "deg", float(distance), float(allowed.to_value("deg")), "deg"
    )


def _deviation(quantity: str, found: float, number: Mapping[str, Any], unit: str, tolerance: Tolerance) -> Deviation:
    value, error = float(number["value"]), number.get("error")
    if error is not None:
        sigma = (found - value) / float(error)
        return Deviation(quantity, found, value, unit, sigma, tolerance.n_sigma, "σ")
    allowed = 100 * (SAME if tolerance.rtol is None else tolerance.rtol)
    return Deviation(quantity, found, value, unit, 100 * (found / value - 1), allowed, "%")


def compare_light_curve(
    light_curve: FluxPoints, reference: Mapping[str, Any], tolerance: Tolerance
) -> Iterator[Deviation]:
    """Points of a light curve beside their references, bin by bin.

    Raises
    ------
    AlgorithmError
        If the light curve has other bins.
    """
    unit, errors = str(reference["unit"]), reference.get("error")
    flux = _in_unit("light_curve.flux", _band(light_curve, reference), unit)
    starts = _starts(light_curve, reference)
    for place, (start, value) in enumerate(zip(starts, reference["flux"], strict=True)):
        number = {"value": value, "error": None if errors is None else errors[place]}
        yield _deviation(start, float(flux[place]), number, unit, tolerance)


def _band(light_curve: FluxPoints, reference: Mapping[str, Any]) -> u.Quantity:
    """Fluxes in the energy range of the reference."""
    energy = light_curve.geom.axes["energy"]
    low, high = (u.Quantity(reference[name]).to_value("TeV") for name in ("energy_min", "energy_max"))
    for place, edges in enumerate(zip(energy.edges_min.to_value("TeV"), energy.edges_max.to_value("TeV"), strict=True)):
        if np.allclose(edges, (low, high), rtol=ENERGY_RTOL):
            return light_curve.flux.quantity[:, place, 0, 0]
    shown = energy.edges.to_value("TeV")
    raise AlgorithmError(f"the reference is from {low:g} to {high:g} TeV, the light curve has the edges {shown} TeV")


def _starts(light_curve: FluxPoints, reference: Mapping[str, Any]) -> list[str]:
    """Starts of the bins as text, if they are the same here and there."""
    first, width = Time(str(reference["start"]), scale="utc"), u.Quantity(reference["bin_width"])
    wanted = first + np.arange(len(reference["flux"])) * width
    found = light_curve.geom.axes["time"].time_min
    if len(found) != len(wanted):
        raise AlgorithmError(f"the reference has {len(wanted)} bins of time, the light curve {len(found)}")
    if np.any(np.abs((found - wanted).to(u.s)) > TIME_ATOL):
        raise AlgorithmError("the light curve's bins of time are not those of the reference")
    return [str(one) for one in found.utc.strftime("%Y-%m-%d %H:%M:%S")]
