"""How much of a source the kernel of a TS map holds: what lies beyond its edge is missing in every flux of the map."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from gammapy.datasets.utils import get_nearest_valid_exposure_position
from gammapy.estimators import TSMapEstimator
from gammapy.estimators.utils import estimate_exposure_reco_energy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gammapy.datasets import Datasets, MapDataset
    from gammapy.modeling.models import SkyModel

__all__ = ["joint_share", "kernel_metrics", "kernel_warning"]

ENOUGH = 0.9


def kernel_metrics(settings: Mapping[str, Any], datasets: Datasets) -> dict[str, float]:
    """Least share of the counts of a source that the kernel holds, over datasets and energy bins.

    Gammapy gives each energy of a kernel the sum 1, however little of the source it holds. So the same kernel is made
    as wide as the PSF's table, and its sum taken over the pixels of the one that is used.

    Parameters
    ----------
    settings : mapping
        Arguments of `gammapy.estimators.TSMapEstimator`, with a ``kernel_width``.
    datasets : `gammapy.datasets.Datasets`
        Map datasets of the whole map.

    Returns
    -------
    dict
        ``kernel_share``, ``kernel_width_deg`` as set, and ``kernel_enough_deg``, which holds 90 %; empty without
        exposure at any energy.
    """
    edges = settings.get("energy_edges")
    parts = [
        part
        for dataset in datasets
        for part in ([dataset] if edges is None else [dataset.slice_by_energy(*bounds) for bounds in pairwise(edges)])
    ]
    found = [one for one in (_share_and_enough(settings, part) for part in parts) if one is not None]
    if not found:
        return {}
    width = float(u.Quantity(settings["kernel_width"]).to_value("deg"))
    return {
        "kernel_share": min(share for share, _ in found),
        "kernel_width_deg": width,
        "kernel_enough_deg": max(enough for _, enough in found),
    }


def _share_and_enough(settings: Mapping[str, Any], dataset: MapDataset) -> tuple[float, float] | None:
    """Share of the kernel as set, and the width in deg that would hold enough; None without exposure."""
    estimator = TSMapEstimator(**settings, n_jobs=1)
    counts = _counts(estimator.kernel_model, dataset)
    if not counts.sum() > 0:
        return None
    used = estimator.estimate_kernel(dataset).geom.to_image()
    estimator.kernel_width = 2 * _reach(estimator.kernel_model, dataset)
    wide = estimator.estimate_kernel(dataset)
    image = np.average(wide.data, axis=0, weights=counts)
    shares = [_inner(image, pixels) for pixels in range(min(image.shape) // 2 + 1)]
    enough = next((pixels for pixels, share in enumerate(shares) if share >= ENOUGH), len(shares) - 1)
    pixel = float(used.pixel_scales.max().to_value("deg"))
    return shares[min(used.data_shape[0] // 2, len(shares) - 1)], (2 * enough + 1) * pixel


def _counts(kernel_model: SkyModel, dataset: MapDataset) -> np.ndarray:
    """Counts of the source in each energy bin, up to a factor, where gammapy takes the kernel's IRFs."""
    geom = dataset.counts.geom
    position = get_nearest_valid_exposure_position(dataset.exposure, geom.center_skydir)
    around = dataset.cutout(position, 3 * geom.pixel_scales.max(), mode="partial")
    counts = estimate_exposure_reco_energy(around, kernel_model.spectral_model, normalize=False)
    return np.nansum(counts.data, axis=(1, 2))


def _reach(kernel_model: SkyModel, dataset: MapDataset) -> u.Quantity:
    """Where the source ends when the PSF has spread it, or the map."""
    size, psf = kernel_model.spatial_model.evaluation_radius, 0 * u.deg
    if dataset.psf is not None:
        psf = dataset.psf.psf_map.geom.axes["rad"].edges[-1]
    reach = psf if size is None else psf + size
    return min(reach.to("deg"), dataset.counts.geom.width.min().to("deg") / 2)


def _inner(image: np.ndarray, pixels: int) -> float:
    """Sum of so many pixels on each side of the one in the centre."""
    rows, columns = (slice(max(0, size // 2 - pixels), size // 2 + pixels + 1) for size in image.shape)
    return float(image[rows, columns].sum())


def joint_share(parts: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The metrics of a map from those of its tiles, which have the same kernel; empty if none tells."""
    names = ("kernel_share", "kernel_width_deg", "kernel_enough_deg")
    return next(({name: part[name] for name in names} for part in parts if names[0] in part), {})


def kernel_warning(metrics: Mapping[str, Any]) -> str:
    """What to say of a kernel that holds too little; empty if it holds enough, or nothing is known of it."""
    share = metrics.get("kernel_share")
    if share is None or share >= ENOUGH:
        return ""
    width, enough = metrics["kernel_width_deg"], metrics["kernel_enough_deg"]
    return (
        f"The kernel of {width:g}° holds {100 * share:.0f} % of a source as the PSF spreads it, and fluxes are too low"
        f" by about that factor. Set ts_map.kernel_width to {enough:.2g} deg or more."
    )
