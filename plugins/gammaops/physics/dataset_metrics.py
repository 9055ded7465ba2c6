"""Headline numbers of one observation's dataset, for its sidecar and the report, and of a sum, for an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gammapy.datasets import MapDatasetOnOff
from gammapy.stats import WStatCountsStatistic

from gammaops.physics.time_intervals import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammapy.data import GTI, Observation
    from gammapy.datasets import MapDataset
    from gammapy.stats import CountsStatistic

__all__ = ["dataset_metrics", "good_times", "livetime_seconds", "row_of_sum", "summed_counts"]


def dataset_metrics(dataset: MapDataset, observation: Observation) -> dict[str, Any]:
    """Headline numbers of an observation's dataset, counts inside the safe mask; nothing is undefined, only None."""
    return {
        "name": dataset.name,
        "obs_id": int(observation.obs_id),
        "instrument": str(dataset.meta_table["TELESCOP"][0]) if dataset.meta_table is not None else "",
        "longitude_deg": _finite(observation.events.table.meta.get("GEOLON", np.nan)),
        "livetime_s": float(observation.observation_live_time_duration.to_value("s")),
        "gti": good_times(observation.gti),
        **_counts(dataset),
        **_safe_energies(dataset),
    }


def livetime_seconds(dataset: MapDataset) -> float:
    """Livetime in seconds; of a file that does not keep it the good time, and NaN without either."""
    livetime = dataset.exposure.meta.get("livetime") if dataset.exposure is not None and dataset.exposure.meta else None
    if livetime is None and dataset.gti is not None:
        livetime = dataset.gti.time_sum
    return float("nan") if livetime is None else float(livetime.to_value("s"))


def good_times(gti: GTI | None) -> list[list[str]]:
    """Starts and stops (TT) as an index names them; empty if there are none."""
    pairs = [] if gti is None else zip(gti.time_start, gti.time_stop, strict=True)
    return [[nanoseconds(start.tt), nanoseconds(stop.tt)] for start, stop in pairs]


def _counts(dataset: MapDataset) -> dict[str, Any]:
    mask = dataset.mask_safe.data
    found: dict[str, Any] = {"counts": int(dataset.counts.data[mask].sum())}
    if isinstance(dataset, MapDatasetOnOff):
        found["counts_off"] = int(dataset.counts_off.data[mask].sum())
    if not mask.any() or dataset.background is None:
        return found | {"background": None, "excess": None, "sqrt_ts": None}
    statistic = summed_counts(dataset, mask)
    found["background"] = _finite(statistic.n_bkg)
    found["excess"] = _finite(statistic.n_sig)
    found["sqrt_ts"] = _finite(statistic.sqrt_ts)
    if isinstance(dataset, MapDatasetOnOff):
        found["alpha"] = _finite(statistic.alpha)
    return found


def summed_counts(dataset: MapDataset, mask: np.ndarray) -> CountsStatistic:
    """Counts of all bins together; without an OFF count α is that of the acceptances, where gammapy has none."""
    statistic = dataset._counts_statistic[mask].sum()
    if isinstance(dataset, MapDatasetOnOff) and statistic.n_off == 0:
        alpha = dataset.acceptance.data[mask].sum() / dataset.acceptance_off.data[mask].sum()
        return WStatCountsStatistic(statistic.n_on, 0, alpha)
    return statistic


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


def row_of_sum(name: str, members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The row of an index for what these become together, given as rows or as metrics of one observation each."""
    listed = [member["obs_ids"] if "obs_ids" in member else [member["obs_id"]] for member in members]
    return {
        "name": name,
        "obs_ids": sorted({obs_id for obs_ids in listed for obs_id in obs_ids}),
        "livetime_s": sum(member["livetime_s"] for member in members),
        "gti": [interval for member in members for interval in member["gti"]],
        "instrument": "+".join(sorted({str(member["instrument"]) for member in members})),
        **_mean_pointing(members),
    }


def _mean_pointing(members: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Mean zenith angle by livetime, and the longitude of the site where all have the same; None where not known."""
    zeniths = [member.get("zenith_deg") for member in members]
    longitudes = {member.get("longitude_deg") for member in members}
    known = None not in zeniths and sum(member["livetime_s"] for member in members) > 0
    weights = [member["livetime_s"] for member in members]
    return {
        "zenith_deg": float(np.average(np.array(zeniths, dtype=float), weights=weights)) if known else None,
        "longitude_deg": longitudes.pop() if len(longitudes) == 1 else None,
    }
