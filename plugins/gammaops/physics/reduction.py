"""From one observation to one dataset, with gammapy's makers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.nddata import NoOverlapError
from astropy.time import Time
from gammapy.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.datasets.map import create_map_dataset_geoms
from gammapy.makers import (
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)

from gammaops.errors import DataError
from gammaops.physics.geometry import energy_axis, exclusion_mask, given, region_geom, wcs_geom

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.data import Observation
    from gammapy.makers import Maker
    from gammapy.maps import Geom

__all__ = ["Reduction", "dataset_metrics"]

BACKGROUND_MAKERS = {
    "reflected": ReflectedRegionsBackgroundMaker,
    "ring": RingBackgroundMaker,
    "fov": FoVBackgroundMaker,
}
SPECTRUM_MAPS = ("counts", "exposure", "edisp")
IRFS_OF_MAPS = {"exposure": "aeff", "edisp": "edisp", "psf": "psf", "background": "bkg"}


@dataclass(frozen=True)
class Reduction:
    """The makers of the config's block ``datasets``; makes nothing and opens no file before it is asked to.

    Parameters
    ----------
    block : mapping
        The block, normalised.
    """

    block: Mapping[str, Any]

    @property
    def is_map(self) -> bool:
        """Whether it makes maps (3d) or spectra (1d)."""
        return bool(self.block["type"] == "3d")

    @cached_property
    def irfs(self) -> frozenset[str]:
        """Types of IRF that the makers use."""
        if self.is_map:
            return frozenset(
                {"aeff"} | {IRFS_OF_MAPS[name] for name in self.block["map_selection"] if name in IRFS_OF_MAPS}
            )
        return frozenset({"aeff", "edisp"} | ({"psf"} if self.block["containment_correction"] else set()))

    @cached_property
    def geoms(self) -> dict[str, Geom]:
        """Geometries of counts, exposure, PSF and energy dispersion."""
        axes, wcs = self.block["geom"]["axes"], self.block["geom"]["wcs"]
        axis = energy_axis(axes["energy"])
        geom = wcs_geom(wcs, axis) if self.is_map else region_geom(self.block["on_region"], axis)
        irf_bins = u.Quantity(wcs["binsize_irf"]).to_value("deg")
        true_axis = energy_axis(axes["energy_true"], name="energy_true")
        return create_map_dataset_geoms(geom, energy_axis_true=true_axis, binsz_irf=irf_bins)

    @cached_property
    def dataset_maker(self) -> Maker:
        """Counts, exposure, energy dispersion; for maps PSF and background too."""
        if self.is_map:
            return MapDatasetMaker(selection=self.block["map_selection"])
        return SpectrumDatasetMaker(
            selection=SPECTRUM_MAPS, containment_correction=bool(self.block["containment_correction"])
        )

    @cached_property
    def safe_mask_maker(self) -> SafeMaskMaker:
        """The safe range of energies and offsets."""
        parameters = given(self.block["safe_mask"]["parameters"])
        if "fixed_offset" in parameters:
            parameters["fixed_offset"] = u.Quantity(parameters["fixed_offset"])
        return SafeMaskMaker(methods=self.block["safe_mask"]["methods"], **parameters)

    @cached_property
    def background_maker(self) -> Maker | None:
        """Background estimation; reads the exclusion mask."""
        background = self.block["background"]
        if background["method"] is None:
            return None
        parameters = given(background["parameters"])
        if background["exclusion"]:
            parameters["exclusion_mask"] = exclusion_mask(Path(background["exclusion"]))
        return BACKGROUND_MAKERS[background["method"]](**parameters)

    def empty(self, name: str) -> MapDataset:
        """A dataset of zeros on the whole geometry, of the class that `run` gives."""
        on_off = self.block["background"]["method"] in ("reflected", "ring")
        classes = (SpectrumDataset, SpectrumDatasetOnOff), (MapDataset, MapDatasetOnOff)
        geoms = {role: geom for role, geom in self.geoms.items() if self.is_map or role != "geom_psf"}
        return classes[self.is_map][on_off].from_geoms(**geoms, name=name)

    def run(self, observation: Observation) -> MapDataset:
        """Reduce one observation to a dataset named ``obs-<id>``.

        Raises
        ------
        DataError
            ``no-off-region`` if the exclusion leaves none, ``outside-map`` if the map does not hold the observation,
            ``not-reducible`` if gammapy's makers refuse it.
        """
        name = f"obs-{observation.obs_id}"
        self._make_makers()
        try:
            return self._map(name, observation) if self.is_map else self._spectrum(name, observation)
        except (LookupError, ValueError) as error:
            reason = f"gammapy cannot reduce observation {observation.obs_id}: {type(error).__name__}: {error}"
            raise DataError("not-reducible", reason) from error

    def _make_makers(self) -> None:
        """Make geometries and makers before any observation is looked at, which is not to blame if they fail."""
        _ = self.geoms, self.dataset_maker, self.safe_mask_maker, self.background_maker

    def _spectrum(self, name: str, observation: Observation) -> SpectrumDataset:
        geoms = {role: geom for role, geom in self.geoms.items() if role != "geom_psf"}
        dataset = self.dataset_maker.run(SpectrumDataset.from_geoms(**geoms, name=name), observation)
        if self.background_maker is not None:
            dataset = self.background_maker.run(dataset, observation)
            if dataset.counts_off is None:
                raise DataError("no-off-region", "no OFF region fits between the ON region and the exclusion mask")
        return self.safe_mask_maker.run(dataset, observation)

    def _map(self, name: str, observation: Observation) -> MapDataset:
        pointing = observation.get_pointing_icrs(observation.tmid)
        width = 2 * u.Quantity(self.block["geom"]["selection"]["offset_max"])
        try:
            geoms = {
                role: geom.cutout(position=pointing.galactic, width=width, mode="trim")
                for role, geom in self.geoms.items()
            }
        except NoOverlapError:
            raise DataError("outside-map", "no part of the map lies within offset_max of the pointing") from None
        dataset = self.dataset_maker.run(MapDataset.from_geoms(**geoms, name=name), observation)
        dataset = self.safe_mask_maker.run(dataset, observation)
        return dataset if self.background_maker is None else self.background_maker.run(dataset, observation)


def dataset_metrics(dataset: MapDataset, observation: Observation) -> dict[str, Any]:
    """Headline numbers of an observation's dataset, counts inside the safe mask; nothing is undefined, only None."""
    gti = observation.gti
    return {
        "name": dataset.name,
        "obs_id": int(observation.obs_id),
        "instrument": str(dataset.meta_table["TELESCOP"][0]) if dataset.meta_table is not None else "",
        "livetime_s": float(observation.observation_live_time_duration.to_value("s")),
        "gti": [[_iso_tt(start), _iso_tt(stop)] for start, stop in zip(gti.time_start, gti.time_stop, strict=True)],
        **_counts(dataset),
        **_safe_energies(dataset),
    }


def _iso_tt(time: Time) -> str:
    """ISO with nanoseconds, so that an interval read back still holds its dataset."""
    return str(Time(time.tt, precision=9).isot)


def _counts(dataset: MapDataset) -> dict[str, Any]:
    mask = dataset.mask_safe.data
    found: dict[str, Any] = {"counts": int(dataset.counts.data[mask].sum())}
    if isinstance(dataset, MapDatasetOnOff):
        found["counts_off"] = int(dataset.counts_off.data[mask].sum())
    if not mask.any() or dataset.background is None:
        return found | {"background": None, "excess": None, "sqrt_ts": None}
    statistic = dataset._counts_statistic[mask].sum()
    found["background"] = _finite(statistic.n_bkg)
    found["excess"] = _finite(statistic.n_sig)
    found["sqrt_ts"] = _finite(statistic.sqrt_ts)
    if isinstance(dataset, MapDatasetOnOff):
        found["alpha"] = _finite(statistic.alpha)
    return found


def _safe_energies(dataset: MapDataset) -> dict[str, float | None]:
    """Range of reconstructed energy in which any pixel is safe."""
    safe = np.flatnonzero(dataset.mask_safe.data.any(axis=(1, 2)))
    edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
    if not len(safe):
        return {"energy_min_tev": None, "energy_max_tev": None}
    return {"energy_min_tev": float(edges[safe[0]]), "energy_max_tev": float(edges[safe[-1] + 1])}


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
