"""What compares two products of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammaops.physics.dataset_differences import dataset_differences
from gammaops.physics.differences import Difference, unlike
from gammaops.physics.flux_differences import fit_differences, flux_map_differences, flux_point_differences
from gammaops.physics.table_differences import mask_differences, table_differences

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gammaops.physics.differences import Tolerances

__all__ = ["product_differences"]

BY_KIND: dict[str, Callable[[Path, Path, Tolerances], list[Difference]]] = {
    "dataset": dataset_differences,
    "fit": fit_differences,
    "flux_points": flux_point_differences,
    "light_curve": flux_point_differences,
    "flux_profile": flux_point_differences,
    "excess_map": flux_map_differences,
    "ts_map": flux_map_differences,
    "mask": mask_differences,
}


def product_differences(kind: str, before: Path, after: Path, tolerances: Tolerances) -> list[Difference]:
    """Two products of one kind with different bytes; of a kind that nobody here can read, that they differ."""
    compare = BY_KIND.get(kind) or (table_differences if before.suffix == after.suffix == ".ecsv" else None)
    if compare is None:
        return [unlike("bytes", [f"{path.stat().st_size} bytes" for path in (before, after)])]
    return compare(before, after, tolerances)
