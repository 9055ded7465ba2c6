"""Sensitivity: the flux in each energy bin that would just be detected."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table
from gammapy.datasets import SpectrumDatasetOnOff
from gammapy.estimators import SensitivityEstimator
from gammapy.modeling.models import PowerLawSpectralModel

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import AlgorithmError, NoWorkFound
from gammaops.physics.dataset_metrics import livetime_seconds
from gammaops.physics.datasets_io import named_members, read_dataset
from gammaops.physics.geometry import energy_axis, given
from gammaops.physics.sensitivity_section import sensitivity_section
from gammaops.physics.stacking import common_geoms, empty_stack, stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gammapy.maps import MapAxis

    from gammaops.products.base import Product
    from gammaops.steps.base import Section

__all__ = ["Prepared", "prepare", "report", "run"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The estimator and its energy bins (None: those of the datasets)."""

    estimator: SensitivityEstimator
    axis: MapAxis | None


def prepare(config: Mapping[str, Any]) -> Prepared:
    """The estimator of this config."""
    block = config["sensitivity"]
    spectrum = PowerLawSpectralModel(index=block["index"], amplitude="1 cm-2 s-1 TeV-1")
    return Prepared(
        SensitivityEstimator(spectral_model=spectrum, **given(block["parameters"])), energy_axis(block["energy"])
    )


def run(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], out: Mapping[str, Path]) -> dict[str, Any]:
    """Stack the datasets and estimate."""
    dataset = _stacked(inputs["datasets"])
    if prepared.axis is not None:
        dataset = _rebinned(dataset, prepared.axis)
    estimated = prepared.estimator.run(dataset)
    table = _usable(estimated, dataset.mask_safe.data[:, 0, 0])
    livetime = livetime_seconds(dataset)
    wanted = prepared.axis.nbin if prepared.axis is not None else len(estimated)
    left_out = wanted - len(table)
    table.meta = {"livetime_s": livetime, "n_sigma": float(prepared.estimator.n_sigma), "bins_left_out": left_out}
    table.write(out["sensitivity"], format="ascii.ecsv", overwrite=True)
    metrics = {"livetime_s": livetime, "bins": len(table), "bins_left_out": left_out, **_best(table)}
    log.info("sensitivity of %.1f h in %s energy bins", livetime / 3600, len(table))
    return metrics


def _stacked(products: Sequence[Product]) -> SpectrumDatasetOnOff:
    paths = [member.path for _, member in named_members(products) if member.path is not None]
    if not paths:
        raise NoWorkFound("no observation left a dataset")
    target = empty_stack(*common_geoms(paths), "stacked")
    if not isinstance(target, SpectrumDatasetOnOff):
        raise AlgorithmError(
            "sensitivity needs OFF counts and these datasets have none; use background method reflected"
        )
    return stack(target, (read_dataset(path) for path in paths))


def _rebinned(dataset: SpectrumDatasetOnOff, axis: MapAxis) -> SpectrumDatasetOnOff:
    try:
        rebinned = dataset.resample_energy_axis(axis, name=dataset.name)
    except ValueError as error:
        edges = dataset.counts.geom.axes["energy"].edges[[0, -1]].to_value("TeV")
        reach = f"the datasets reach from {edges[0]:.3g} to {edges[1]:.3g} TeV"
        raise AlgorithmError(f"no such energy bins can be made: {error}; {reach}") from error
    # Gammapy takes the OFF acceptance from the background per OFF count, which is not known without a count.
    summed = dataset.acceptance_off.resample_axis(axis=axis, weights=dataset.mask_safe).data
    acceptance_off = rebinned.acceptance_off.data
    rebinned.acceptance_off.data = np.where(np.isfinite(acceptance_off), acceptance_off, summed)
    return rebinned


def _usable(table: Table, safe: np.ndarray) -> Table:
    """The bins that are safe and have a response."""
    known = table[safe & np.isfinite(table["e2dnde"]) & (table["e2dnde"] > 0)]
    if not len(known):
        raise AlgorithmError("no safe energy bin has both a background estimate and a response")
    return known


def _best(table: Table) -> dict[str, float]:
    """The lowest sensitivity and the energy at which it is reached."""
    place = int(np.argmin(table["e2dnde"]))
    return {
        "e2dnde_min_erg_per_cm2_s": float(table["e2dnde"].quantity[place].to_value("erg cm-2 s-1")),
        "e_ref_tev": float(table["e_ref"].quantity[place].to_value("TeV")),
    }


def report(product: Product) -> Section:
    """The sensitivity curve."""
    return sensitivity_section(Table.read(product.path, format="ascii.ecsv"))
