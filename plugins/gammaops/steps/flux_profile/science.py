"""Flux profile: the flux in one region after the other."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table
from gammapy.estimators import FluxPoints, FluxProfileEstimator
from gammapy.maps import MapAxis
from gammapy.modeling.models import PowerLawSpectralModel
from gammapy.utils.regions import make_concentric_annulus_sky_regions, make_orthogonal_rectangle_sky_regions
from regions import CircleAnnulusSkyRegion, Regions

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import NoWorkFound
from gammaops.physics.datasets_io import named_members, read_datasets
from gammaops.physics.flux_io import read_flux_points, write_flux_points
from gammaops.physics.geometry import energy_axis, given, sky_coord
from gammaops.physics.profile_section import profile_section
from gammaops.physics.stacking import common_geoms
from gammaops.physics.unestimated import estimate, unestimated, unestimated_note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammapy.maps import WcsGeom
    from regions import SkyRegion

    from gammaops.products.base import Product
    from gammaops.steps.base import Scope, Section

__all__ = ["Prepared", "collect", "prepare", "report", "run", "split"]

log = logging.getLogger(__name__)

DISTANCE = "projected-distance"


@dataclass(frozen=True)
class Prepared:
    """Regions as the config gives them, and the estimator's arguments; no `edges`: the datasets' whole range."""

    boxes: Mapping[str, Any]
    annuli: Mapping[str, Any]
    edges: u.Quantity | None
    arguments: Mapping[str, Any]

    def regions(self, geom: WcsGeom) -> list[SkyRegion]:
        """The regions, in order; the line of boxes runs along the pixels of `geom`."""
        if self.annuli["nbin"] is not None:
            radii = (u.Quantity(self.annuli[name]) for name in ("radius_max", "radius_min"))
            # Gammapy counts the edges of the annuli.
            return make_concentric_annulus_sky_regions(
                sky_coord(self.annuli["center"]), *radii, nbin=self.annuli["nbin"] + 1
            )
        ends = (sky_coord(self.boxes[name]) for name in ("start_pos", "end_pos"))
        return make_orthogonal_rectangle_sky_regions(
            *ends, geom.wcs, u.Quantity(self.boxes["height"]), nbin=self.boxes["nbin"]
        )


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Regions and arguments of this config."""
    block = config["flux_profile"]
    axis = energy_axis(block["energy_edges"])
    arguments = {"spectral_model": PowerLawSpectralModel(index=block["index"]), **given(block["parameters"])}
    return Prepared(block["boxes"], block["annuli"], None if axis is None else axis.edges, arguments)


def split(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], scope: Scope) -> Table:
    """One row per region; those that are not within the map of every dataset are rejected."""
    geoms = _geoms(inputs["datasets"])
    regions = prepared.regions(next(iter(geoms.values())))
    rows = []
    for number, region in enumerate(regions):
        outside = [name for name, geom in geoms.items() if not _holds(geom, region)]
        state = ("selected", "", "") if not outside else ("rejected", "outside-map", _beyond(outside))
        rows.append((f"{number + 1}: {_distance(regions, number):.3f}", number, *state))
    return Table(rows=rows, names=("label", "region", "status", "reason_class", "reason"))


def _geoms(products: Sequence[Product]) -> dict[str, WcsGeom]:
    """The image of each dataset, by name; only headers are read."""
    members = named_members(products)
    if not members:
        raise NoWorkFound("no observation left a dataset")
    return {
        name: common_geoms([member.path])[1]["geom"].to_image()  # type: ignore[list-item]
        for name, member in members
    }


def _holds(geom: WcsGeom, region: SkyRegion) -> bool:
    """Whether a region lies within a map as a whole, which gammapy asks for."""
    mask = geom.pad(1, axis_name=None).region_mask(region).data
    border = mask.copy()
    border[1:-1, 1:-1] = False
    return bool(mask.any() and not border.any())


def _beyond(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more; stack the datasets first" if len(names) > 1 else ""
    return f"it is not within the map of {names[0]}{more}"


def _distance(regions: Sequence[SkyRegion], number: int) -> u.Quantity:
    """Distance from the first box, or mean radius of an annulus, as `FluxProfileEstimator` defines it."""
    region = regions[number]
    if isinstance(region, CircleAnnulusSkyRegion):
        return ((region.inner_radius + region.outer_radius) / 2).to("deg")
    return regions[0].center.separation(region.center).to("deg")


def run(
    prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Estimate the flux in one region."""
    datasets = read_datasets(inputs["datasets"])
    regions = prepared.regions(datasets[0].counts.geom.to_image())
    edges = prepared.edges
    if edges is None:
        edges = datasets[0].counts.geom.axes["energy"].edges[[0, -1]]
    estimator = FluxProfileEstimator(regions, energy_edges=edges, n_jobs=1, **prepared.arguments)
    number = int(row["region"])
    estimator.regions = [regions[number]]
    # Energies without a response divide by nothing in gammapy, which is no news in a log.
    with np.errstate(divide="ignore", invalid="ignore"):
        profile, reason = estimate(estimator, datasets)
    write_flux_points(profile.slice_by_idx({DISTANCE: 0}), out["flux_profile_part"])
    distance = float(_distance(regions, number).value)
    return {"region": number, "distance_deg": distance, "label": row["label"], "reason": reason}


def collect(
    prepared: Prepared,
    inputs: Mapping[str, Sequence[Product]],
    out: Mapping[str, Path],
    parts: Sequence[Product],
) -> dict[str, Any]:
    """Join the regions in their order."""
    parts = sorted(parts, key=lambda part: part.metrics["region"])
    regions = prepared.regions(next(iter(_geoms(inputs["datasets"]).values())))
    if not parts:
        raise NoWorkFound(f"none of the {len(regions)} regions lies within the map")
    points = [read_flux_points(part.path) for part in parts]  # type: ignore[arg-type]
    axis = MapAxis.from_nodes([part.metrics["distance_deg"] for part in parts], unit="deg", name=DISTANCE)
    profile = FluxPoints.from_stack(points, axis=axis, meta=points[0].meta)
    profile.gti = points[0].gti
    write_flux_points(profile, out["flux_profile"])
    _append_regions(out["flux_profile"], [regions[part.metrics["region"]] for part in parts])
    flux = profile.flux.data
    known = int(np.isfinite(flux).any(axis=tuple(range(1, flux.ndim))).sum())
    log.info("flux profile of %s regions", len(parts))
    lost = {"regions_left_out": len(regions) - len(parts), "points_without_flux": unestimated(parts)}
    return {"regions": len(parts), "regions_with_flux": known, **lost}


def _append_regions(path: Path, regions: Sequence[SkyRegion]) -> None:
    """A table of the regions, one a row, as DS9 writes them."""
    texts = [Regions([region]).serialize(format="ds9").strip().splitlines()[-1] for region in regions]
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU(Table({"region": texts}), name="REGIONS"))


def report(product: Product) -> Section:
    """The profile."""
    left_out = int(product.metrics.get("regions_left_out") or 0)
    section = profile_section(read_flux_points(product.path), left_out)  # type: ignore[arg-type]
    lost = unestimated_note(product.metrics.get("points_without_flux") or ())
    return replace(section, notes=(*section.notes, *filter(None, [lost])))
