"""Data reduction: DL3 observations to DL4 datasets, one by one."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gammaops.physics.environment  # noqa: F401 - settles the process
from gammaops.errors import ConfigError, NoWorkFound, Problem
from gammaops.physics.archive import Archive, lies_within
from gammaops.physics.containment import containment_metrics, joint_containment
from gammaops.physics.dataset_metrics import dataset_metrics, row_of_sum
from gammaops.physics.datasets_io import read_dataset, write_dataset
from gammaops.physics.datasets_section import datasets_section
from gammaops.physics.dl3 import hdu_rows, read_observation
from gammaops.physics.field_scale import fewest_field_counts
from gammaops.physics.observation_table import observation_table
from gammaops.physics.reduction import Reduction
from gammaops.physics.stacking import write_stack
from gammaops.physics.time_intervals import TimeIntervals
from gammaops.physics.time_slices import cut, slice_name, sliced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astropy.table import Table

    from gammaops.products.base import IndexDraft, Product
    from gammaops.steps.base import Scope, Section

__all__ = ["Prepared", "collect", "prepare", "report", "run", "sources", "split"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The archive, what is taken from it, and the makers; `reductions` are those with masks of other steps."""

    folder: Path
    selection: Mapping[str, Any]
    reduction: Reduction
    stacks: bool
    reductions: dict[tuple[Path, ...], Reduction] = field(default_factory=dict)

    def reduction_with(self, inputs: Mapping[str, Sequence[Product]]) -> Reduction:
        """The makers with the exclusion masks that other steps made, which are read once.

        Raises
        ------
        ConfigError
            If the background method can leave nothing out.
        """
        masks = tuple(product.path for product in inputs.get("exclusion", ()) if product.path is not None)
        if masks and not self.reduction.background.excludes:
            method = self.reduction.background.method or "none"
            message = f"the step reads an exclusion mask, but the method {method} excludes nothing"
            raise ConfigError([Problem("config", 0, 0, "datasets.background.method", message, "another method")])
        return self.reductions.setdefault(masks, replace(self.reduction, masks=masks))

    def write_sum(self, path: Path, base: Product | None, rest: Sequence[Product]) -> None:
        """Stack datasets onto the sum of those before them, or onto the whole geometry."""
        known = base.path if base is not None else None
        write_stack(path, read_dataset(known) if known else self.reduction.empty("stacked"), rest)

    @property
    def needed(self) -> frozenset[str]:
        """Types of IRF without which an observation is not reduced."""
        irfs = {*(self.selection["required_irf"] or ()), *self.reduction.irfs}
        return frozenset(irfs - {"events", "gti"})


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Makers for this config; no file is opened."""
    observations, datasets = config["observations"], config["datasets"]
    return Prepared(Path(observations["datastore"]), observations, Reduction(datasets), bool(datasets["stack"]))


def split(prepared: Prepared, inputs: Mapping[str, Sequence[Product]], scope: Scope) -> Table:
    """The observations that a run expects."""
    prepared.reduction_with(inputs)
    archive = Archive.read(prepared.folder)
    table = observation_table(archive, prepared.selection, scope, prepared.reduction.irfs)
    intervals = TimeIntervals.of(prepared.selection["time_intervals"])
    return sliced(table, intervals, archive) if intervals else table


def sources(prepared: Prepared, row: Mapping[str, Any]) -> list[Path]:
    """The files that the observation's HDUs live in; none outside the archive, for which `run` quarantines it."""
    names = sorted({hdu.file for hdu in hdu_rows(row["hdus"])})
    return [prepared.folder / name for name in names if lies_within(prepared.folder, name)]


def run(
    prepared: Prepared,
    inputs: Mapping[str, Sequence[Product]],
    out: Mapping[str, Path],
    row: Mapping[str, Any],
) -> dict[str, Any]:
    """Reduce one observation, or one interval of it; a bad one raises `gammaops.errors.DataError`."""
    index = json.loads(row["index"])
    observation = read_observation(prepared.folder, int(row["obs_id"]), hdu_rows(row["hdus"]), prepared.needed, index)
    observation = cut(observation, row)
    reduction = prepared.reduction_with(inputs)
    dataset = reduction.run(observation, slice_name(observation.obs_id, row))
    metrics = {**dataset_metrics(dataset, observation), "zenith_deg": index.get("ZEN_PNT")}
    metrics |= reduction.background.field_metrics(dataset)
    if reduction.corrects_containment:
        metrics |= containment_metrics(observation, dataset.counts.geom, metrics["energy_min_tev"])
    write_dataset(dataset, out["dataset"])
    log.info("%s: %s counts, excess %s", dataset.name, metrics["counts"], metrics["excess"])
    return metrics


def collect(
    prepared: Prepared,
    inputs: Mapping[str, Sequence[Product]],
    out: Mapping[str, IndexDraft],
    parts: Sequence[Product],
) -> dict[str, Any]:
    """List the datasets in order of obs_id and time, or stack them to one."""
    parts = sorted(parts, key=lambda part: (part.metrics["obs_id"], part.metrics["gti"]))
    if not parts:
        raise NoWorkFound("no observation left a dataset")
    draft = out["datasets"]
    total = row_of_sum("stacked", [part.metrics for part in parts])
    if prepared.stacks:
        draft.sum(total, parts, prepared.write_sum)
    else:
        for part in parts:
            draft.add(part, row_of_sum(part.metrics["name"], [part.metrics]))
    counts = {
        key: sum(part.metrics[key] for part in parts) for key in ("counts", "counts_off") if key in parts[0].metrics
    }
    found = [part.metrics for part in parts]
    remarkable = {**joint_containment(found), **fewest_field_counts(found)}
    return {"observations": len(total["obs_ids"]), "livetime_s": total["livetime_s"], **counts, **remarkable}


def report(product: Product) -> Section:
    """What was observed."""
    return datasets_section(product)
