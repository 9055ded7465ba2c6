"""Published numbers in files, and how far a result is from them.

A reference file is YAML with ``source`` (where the numbers were published) and one of::

    fit:                                   # by source and parameter
      crab:
        index: {value: 2.63, error: 0.07}
        amplitude: {value: 1.63e-11, error: 9.0e-13, unit: TeV-1 s-1 cm-2}
        reference: {value: 1.45, unit: TeV}            # without error: must be the same

    light_curve:                           # bins of one width from one start (UTC)
      energy_min: 0.59 TeV
      energy_max: 6.18 TeV
      start: 2006-07-29 20:30
      bin_width: 10 min
      unit: cm-2 s-1
      flux: [1.31e-10, 1.52e-10]
      error: [1.0e-11, 1.0e-11]                        # may be absent
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import yaml
from astropy.coordinates import SkyCoord
from astropy.time import Time

from gammaops.errors import AlgorithmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import Models

__all__ = ["Deviation", "Tolerance", "compare_fit", "compare_light_curve", "read_reference"]

SAME = 1e-6
KINDS = ("fit", "light_curve")
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


def read_reference(path: Path) -> dict[str, Any]:
    """A reference file.

    Raises
    ------
    AlgorithmError
        If it is not one.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        kinds = [kind for kind in KINDS if kind in document]
        if len(kinds) == 1 and document.get("source"):
            return document
    except (TypeError, AttributeError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AlgorithmError(f"{path.name} is no reference file: {error}") from error
    raise AlgorithmError(f"{path.name} is no reference file: it needs `source` and one of {', '.join(KINDS)}")


def compare_fit(models: Models, reference: Mapping[str, Any], tolerance: Tolerance) -> Iterator[Deviation]:
    """Parameters of fitted models beside their references.

    Raises
    ------
    AlgorithmError
        If the fit has no such parameter.
    """
    for source, wanted in reference.items():
        if source not in models.names:
            raise AlgorithmError(f"the fit has no source {source!r}; there are: {', '.join(models.names)}")
        names = list(wanted)
        if tolerance.separation is not None and {"lon_0", "lat_0"} <= set(names):
            yield _separation(models[source], wanted, tolerance.separation)
            names = [name for name in names if name not in ("lon_0", "lat_0")]
        for name in names:
            if name not in models[source].parameters.names:
                known = ", ".join(models[source].parameters.names)
                raise AlgorithmError(f"{source} has no parameter {name!r}; it has {known}")
            number = wanted[name]
            unit = str(number.get("unit") or "")
            found = float(models[source].parameters[name].quantity.to_value(unit))
            yield _deviation(f"{source}.{name}", found, number, unit, tolerance)


def _separation(model: Any, wanted: Mapping[str, Any], allowed: u.Quantity) -> Deviation:
    spatial = model.spatial_model
    units = {name: u.Unit(wanted[name].get("unit") or "deg") for name in ("lon_0", "lat_0")}
    lon, lat = (float(wanted[name]["value"]) * unit for name, unit in units.items())
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
    flux = _band(light_curve, reference)
    unit, errors = str(reference["unit"]), reference.get("error")
    starts = _starts(light_curve, reference)
    for place, (start, value) in enumerate(zip(starts, reference["flux"], strict=True)):
        number = {"value": value, "error": None if errors is None else errors[place]}
        yield _deviation(start, float(flux[place].to_value(unit)), number, unit, tolerance)


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
