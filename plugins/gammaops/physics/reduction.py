"""From one observation to one dataset, with gammapy's makers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import astropy.units as u
from astropy.nddata import NoOverlapError
from gammapy.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.datasets.map import create_map_dataset_geoms
from gammapy.makers import MapDatasetMaker, SafeMaskMaker, SpectrumDatasetMaker

from gammaops.errors import DataError
from gammaops.physics.background import Background
from gammaops.physics.containment import check_exposure
from gammaops.physics.exclusion import Exclusion
from gammaops.physics.geometry import energy_axis, given, on_sky, region_geom, wcs_geom
from gammaops.physics.point_like import check_enclosure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gammapy.data import Observation
    from gammapy.makers import Maker
    from gammapy.maps import Geom

__all__ = ["Reduction"]

SPECTRUM_MAPS = ("counts", "exposure", "edisp")
IRFS_OF_MAPS = {"exposure": "aeff", "edisp": "edisp", "psf": "psf", "background": "bkg"}
# What the criteria of the safe mask look at when they look at the archive's IRFs.
IRFS_OF_CRITERIA = {"aeff-max": "aeff", "edisp-bias": "edisp", "bkg-peak": "bkg"}
NO_CRITERION = "none"
CORRECTION = "datasets.containment_correction: true"


@dataclass(frozen=True)
class Reduction:
    """The makers of the config's block ``datasets``; makes nothing and opens no file before it is asked to.

    Parameters
    ----------
    block : mapping
        The block, normalised.
    masks : tuple of Path
        Exclusion masks that other steps made.
    """

    block: Mapping[str, Any]
    masks: tuple[Path, ...] = ()

    @property
    def is_map(self) -> bool:
        """Whether it makes maps (3d) or spectra (1d)."""
        return bool(self.block["type"] == "3d")

    @property
    def corrects_containment(self) -> bool:
        """Whether the exposure of a spectrum is that of the events of a point source within the ON region."""
        return not self.is_map and bool(self.block["containment_correction"])

    @property
    def criteria(self) -> list[str]:
        """Criteria of the safe mask; none of them, and all energies and offsets are taken."""
        return [name for name in self.block["safe_mask"]["methods"] if name != NO_CRITERION]

    @cached_property
    def irfs(self) -> dict[str, str]:
        """Types of IRF that the makers use, each with the setting that asks for it."""
        found = {"aeff": f"datasets.type: {self.block['type']}"}
        if self.block["safe_mask"]["parameters"].get("irfs") == "DL3":
            asking = {IRFS_OF_CRITERIA[name]: name for name in self.criteria if name in IRFS_OF_CRITERIA}
            found |= {irf: f"datasets.safe_mask.methods: {name}" for irf, name in asking.items()}
        if self.is_map:
            made = [name for name in self.block["map_selection"] if name != "counts"]
            return found | {IRFS_OF_MAPS[name]: f"datasets.map_selection: {name}" for name in made}
        found["edisp"] = "datasets.type: 1d"
        if self.corrects_containment:
            found["psf"] = CORRECTION
        if self.block["on_region"]["radius"] is None:
            found["rad_max"] = "datasets.on_region without radius"
        return found

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
        return SpectrumDatasetMaker(selection=SPECTRUM_MAPS, containment_correction=self.corrects_containment)

    @cached_property
    def safe_mask_maker(self) -> SafeMaskMaker:
        """The safe range of energies and offsets."""
        parameters = given(self.block["safe_mask"]["parameters"])
        if "fixed_offset" in parameters:
            parameters["fixed_offset"] = u.Quantity(parameters["fixed_offset"])
        return SafeMaskMaker(methods=self.criteria, **parameters)

    @cached_property
    def background(self) -> Background:
        """Background estimation."""
        block = self.block["background"]
        exclusion = Exclusion("datasets.background.exclusion", block["exclusion"], self.masks)
        return Background(block["method"], block["parameters"], exclusion)

    def empty(self, name: str) -> MapDataset:
        """A dataset of zeros on the whole geometry, of the class that `run` gives."""
        classes = (SpectrumDataset, SpectrumDatasetOnOff), (MapDataset, MapDatasetOnOff)
        geoms = {role: geom for role, geom in self.geoms.items() if self.is_map or role != "geom_psf"}
        return classes[self.is_map][self.background.on_off].from_geoms(**geoms, name=name)

    def run(self, observation: Observation, name: str = "") -> MapDataset:
        """Reduce one observation to a dataset of this name; not given: ``obs-<id>``.

        Raises
        ------
        DataError
            ``no-off-region``, ``no-background`` or ``no-phase`` if there is nothing to estimate background from,
            ``outside-map`` if the map does not hold the observation, ``outside-field`` if the ON region is where the
            effective area is zero, ``no-containment`` if the PSF says nothing of an ON region so large,
            ``wrong-enclosure`` if its IRFs are not for this kind of analysis,
            ``not-reducible`` if gammapy's makers refuse it.
        """
        name = name or f"obs-{observation.obs_id}"
        if not self.is_map and self.block["on_region"]["frame"] == "pointing":
            return self._placed(observation).run(observation, name)
        self._make_makers()
        self._check_background_model(observation)
        try:
            check_enclosure(observation, self.geoms["geom"], self.corrects_containment)
            return self._map(name, observation) if self.is_map else self._spectrum(name, observation)
        except (LookupError, ValueError) as error:
            reason = f"gammapy cannot reduce observation {observation.obs_id}: {type(error).__name__}: {error}"
            raise DataError("not-reducible", reason) from error

    def _placed(self, observation: Observation) -> Reduction:
        """The same with the ON region where it is on the sky for this observation."""
        region = on_sky(self.block["on_region"], observation.get_pointing_icrs(observation.tmid))
        return replace(self, block={**self.block, "on_region": region})

    def _make_makers(self) -> None:
        """Make geometries and makers before any observation is looked at, which is not to blame if they fail."""
        _ = self.geoms, self.dataset_maker, self.safe_mask_maker
        self.background.check()

    def _check_background_model(self, observation: Observation) -> None:
        maker = self.safe_mask_maker
        if maker.irfs == "DL3" and "bkg-peak" in maker.methods and not hasattr(observation.bkg, "to_2d"):
            reason = "gammapy finds the peak of a background model only in three dimensions, and the archive's has two"
            raise DataError("not-reducible", f"{reason}; set safe_mask.parameters.irfs: DL4")

    def _spectrum(self, name: str, observation: Observation) -> SpectrumDataset:
        geoms = {role: geom for role, geom in self.geoms.items() if role != "geom_psf"}
        dataset = self.dataset_maker.run(SpectrumDataset.from_geoms(**geoms, name=name), observation)
        # Before the background: OFF regions are sought on a map that reaches from here to there.
        check_exposure(dataset, observation, self.corrects_containment)
        dataset = self.background.run(dataset, observation)
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
        return self.background.run(dataset, observation)
