"""Background of one observation, by gammapy's makers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from gammapy.datasets import MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import (
    AdaptiveRingBackgroundMaker,
    FoVBackgroundMaker,
    PhaseBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    WobbleRegionsFinder,
)
from gammapy.maps import Map, WcsGeom

from gammaops.errors import DataError
from gammaops.physics.geometry import given

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from gammapy.makers import Maker
    from gammapy.maps import WcsNDMap

    from gammaops.physics.exclusion import Exclusion

__all__ = ["Background"]

ON_OFF = frozenset({"reflected", "wobble", "phase", "ring", "adaptive-ring"})
MAP_MAKERS = {"ring": RingBackgroundMaker, "adaptive-ring": AdaptiveRingBackgroundMaker, "fov": FoVBackgroundMaker}
REGION_BINS = "0.01 deg"
# Of the acceptance of the whole map: less is what convolution by Fourier transform leaves of nothing.
ROUNDING = 1e-9

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Background:
    """The config's block ``datasets.background``.

    Parameters
    ----------
    method : str, optional
        None: the background is left as it is.
    parameters : mapping
        Arguments of the method's maker.
    exclusion : Exclusion
        Where it must not be estimated.
    """

    method: str | None
    parameters: Mapping[str, Any]
    exclusion: Exclusion

    @property
    def on_off(self) -> bool:
        """Whether it gives datasets with OFF counts."""
        return self.method in ON_OFF

    @property
    def excludes(self) -> bool:
        """Whether the method can leave something out."""
        return self.method not in (None, "phase")

    def check(self) -> None:
        """Make a maker and read the exclusion, so that no observation is blamed where they are wrong."""
        self.exclusion.check()
        if self.method is not None:
            self.maker(None)

    def field_metrics(self, dataset: MapDataset) -> dict[str, int]:
        """Counts that the field-of-view background of `dataset` was scaled to; empty for other methods."""
        if self.method != "fov":
            return {}
        allowed = self.exclusion.on(dataset.counts.geom.to_image())
        used = dataset.mask_safe.data & (True if allowed is None else allowed.data)
        return {"field_counts": int(dataset.counts.data[used].sum())}

    def maker(self, mask: WcsNDMap | None) -> Maker:
        """Gammapy's maker with an exclusion mask."""
        parameters = given(self.parameters)
        if self.method == "phase":
            on, off = ([tuple(interval) for interval in parameters.pop(name)] for name in ("on_phase", "off_phase"))
            return PhaseBackgroundMaker(on, off, **parameters)
        if self.method == "wobble":
            return ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(**parameters), exclusion_mask=mask)
        if self.method == "reflected":
            return ReflectedRegionsBackgroundMaker(exclusion_mask=mask, **parameters)
        return MAP_MAKERS[self.method](exclusion_mask=mask, **parameters)  # type: ignore[index]

    def run(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """The dataset with its background.

        Raises
        ------
        DataError
            ``no-off-region``, ``no-background`` or ``no-phase`` if there is nothing to estimate it from.
        """
        if self.method is None:
            return dataset
        if self.method == "phase":
            return self._by_phase(dataset, observation)
        if isinstance(dataset, SpectrumDataset):
            return self._by_regions(dataset, observation)
        return self._by_map(dataset, observation)

    def _by_regions(self, dataset: SpectrumDataset, observation: Observation) -> SpectrumDatasetOnOff:
        mask = self.exclusion.on(self._field(dataset, observation)) if self.exclusion else None
        made = self.maker(mask).run(dataset, observation)
        if made.counts_off is None:
            raise DataError("no-off-region", self._why_no_region())
        return made

    def _field(self, dataset: SpectrumDataset, observation: Observation) -> WcsGeom:
        """Where gammapy looks for OFF regions, pixel by pixel."""
        center, pointing = dataset.counts.geom.region.center, observation.get_pointing_icrs(observation.tmid)
        return WcsGeom.create(
            skydir=pointing,
            binsz=u.Quantity(self.parameters.get("binsz") or REGION_BINS),
            width=4 * center.separation(pointing) + 0.3 * u.deg,
            frame=center.frame.name,
            proj="TAN",
        )

    def _why_no_region(self) -> str:
        if self.method == "wobble":
            number = self.parameters["n_off_regions"]
            return f"of {number} OFF regions none is left: they overlap each other, ON or the exclusion; try fewer"
        return "no OFF region fits between the ON region and the exclusion mask"

    def _by_map(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        had_any = dataset.mask_safe.data.any()
        made = self.maker(self.exclusion.on(dataset.counts.geom.to_image())).run(dataset, observation)
        if self.on_off:
            _mask_pixels_without_ring(made)
            _round_counts(made)
        if had_any and not made.mask_safe.data.any():
            reason = f"the background cannot be estimated by {self.method}: too little is left outside the exclusion"
            raise DataError("no-background", reason)
        return made

    def _by_phase(self, dataset: MapDataset, observation: Observation) -> MapDatasetOnOff:
        """ON and OFF counts by phase.

        They are put together here: gammapy's maker gives the dataset a random name, and a spectrum no OFF acceptance
        in the bins without OFF counts, which a fit then leaves out.
        """
        maker = self.maker(None)
        if maker.phase_column_name not in observation.events.table.colnames:
            reason = f"the event list has no column {maker.phase_column_name}; name it in phase_column_name"
            raise DataError("no-phase", f"{reason}, or add it to the archive")
        geom = dataset.counts.geom
        parts = {
            "acceptance": Map.from_geom(geom, data=sum(stop - start for start, stop in maker.on_phase)),
            "acceptance_off": Map.from_geom(geom, data=sum(stop - start for start, stop in maker.off_phase)),
            "counts_off": maker.make_counts_off(dataset, observation),
            "name": dataset.name,
        }
        if isinstance(dataset, SpectrumDataset):
            made = SpectrumDatasetOnOff.from_spectrum_dataset(dataset=dataset, **parts)
        else:
            made = MapDatasetOnOff.from_map_dataset(dataset=dataset, **parts)
        made.counts = maker.make_counts(dataset, observation)
        return made


def _mask_pixels_without_ring(dataset: MapDatasetOnOff) -> None:
    """Call pixels unsafe whose ring is excluded whole or lies outside the map.

    gammapy does so where the OFF acceptance is 0, but convolution leaves something like 1e-16 there, which makes any
    count highly significant; and an adaptive ring leaves NaN where none is large enough.
    """
    whole = np.nansum(dataset.acceptance.data, axis=(-2, -1), keepdims=True)
    lacking = ~(dataset.acceptance_off.data > ROUNDING * whole)
    lost = lacking & dataset.mask_safe.data
    if lost.any():
        share = 100 * lost.sum() / dataset.mask_safe.data.sum()
        log.warning("%s: %.1f %% of the pixels have no ring of background and are left out", dataset.name, share)
    dataset.acceptance_off.data[lacking] = 0.0
    dataset.mask_safe.data &= ~lacking


def _round_counts(dataset: MapDatasetOnOff) -> None:
    """OFF counts of rings are sums of whole counts; convolution leaves something like -1e-9 beside them."""
    dataset.counts_off.data = np.nan_to_num(np.rint(dataset.counts_off.data)) + 0.0
