"""Source detection: peaks of significance in a map."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.estimators.utils import find_peaks

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.physics.flux_io import read_flux_maps
from gammaops.physics.lineage import inputs_of
from gammaops.physics.map_sections import sources_section
from gammaops.physics.radii import by_radius
from gammaops.physics.source_names import source_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gammapy.estimators import FluxMaps

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["Prepared", "prepare", "report", "run"]

log = logging.getLogger(__name__)

FLUX = u.Unit("cm-2 s-1")
COLUMNS = {
    "ra": u.deg,
    "dec": u.deg,
    "glon": u.deg,
    "glat": u.deg,
    "sqrt_ts": u.one,
    "flux": FLUX,
    "flux_err": FLUX,
    "e_min": u.TeV,
    "e_max": u.TeV,
}


@dataclass(frozen=True)
class Prepared:
    """What makes a peak a source."""

    threshold: float
    min_distance: u.Quantity
    prefix: str | None


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Settings of this config."""
    block = config["source_detection"]
    return Prepared(block["threshold"], u.Quantity(block["min_distance"]), block["prefix"])


def run(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]) -> dict[str, Any]:
    """Find the sources, the most significant first; a map without any gives an empty table."""
    (product,) = inputs["maps"]
    maps = read_flux_maps(product.path)  # type: ignore[arg-type]
    peaks = sorted(_peaks(prepared, maps), key=lambda peak: -peak["sqrt_ts"])
    table = _table(_apart(peaks, prepared.min_distance), prepared.prefix)
    table.write(out["sources"], format="ascii.ecsv", overwrite=True)
    log.info("%s sources above %s sigma", len(table), prepared.threshold)
    highest = float(table["sqrt_ts"][0]) if len(table) else None
    return {"sources": len(table), "names": list(table["source_name"]), "sqrt_ts_max": highest}


def _peaks(prepared: Prepared, maps: FluxMaps) -> Iterator[dict[str, Any]]:
    """Peaks in each energy bin of each correlation radius."""
    for _, of_radius in by_radius(maps):
        yield from _peaks_by_energy(prepared, of_radius)


def _peaks_by_energy(prepared: Prepared, maps: FluxMaps) -> Iterator[dict[str, Any]]:
    axis = maps.geom.axes["energy"]
    for place in range(axis.nbin):
        image = maps.sqrt_ts.slice_by_idx({"energy": place})
        if not np.isfinite(image.data).any():
            continue
        for peak in find_peaks(image, prepared.threshold, min_distance=prepared.min_distance):
            x, y = int(peak["x"]), int(peak["y"])
            fluxes = {name: getattr(maps, name).quantity[place, y, x] for name in ("flux", "flux_err")}
            energies = {"e_min": axis.edges_min[place], "e_max": axis.edges_max[place]}
            position = SkyCoord(peak["ra"], peak["dec"], unit="deg")
            yield {"position": position, "sqrt_ts": float(peak["value"]), **fluxes, **energies}


def _apart(peaks: Sequence[dict[str, Any]], min_distance: u.Quantity) -> list[dict[str, Any]]:
    """The peaks without those near a higher one: the same source in another energy bin, or pixels of equal value."""
    kept: list[dict[str, Any]] = []
    for peak in peaks:
        if all(peak["position"].separation(other["position"]) >= min_distance for other in kept):
            kept.append(peak)
    return kept


def _table(peaks: Sequence[Mapping[str, Any]], prefix: str | None) -> Table:
    table = Table({"source_name": np.array([], dtype=str)} | {name: [] * unit for name, unit in COLUMNS.items()})
    if not peaks:
        return table
    positions = SkyCoord([peak["position"] for peak in peaks])
    found: dict[str, Any] = {"ra": positions.ra, "dec": positions.dec}
    found |= {"glon": positions.galactic.l, "glat": positions.galactic.b}
    for name in COLUMNS.keys() - found.keys():
        found[name] = u.Quantity([peak[name] for peak in peaks])
    columns = {name: u.Quantity(found[name]).to(unit) for name, unit in COLUMNS.items()}
    return Table({"source_name": source_names(positions, prefix), **columns})


def report(product: Product) -> Section:
    """The sources, and where they are in the map if that is still there."""
    table = Table.read(product.path, format="ascii.ecsv")
    maps = [read_flux_maps(path) for path in inputs_of(product, "maps")]
    return sources_section(table, maps[0] if maps else None)
