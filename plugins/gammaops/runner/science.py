"""The runner's door to science: what is imported from there, and only when a step runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gammaops.steps import load_science

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gammaops.products import Product
    from gammaops.steps.base import Measurement

__all__ = [
    "check_exclusion",
    "has_free_parameters",
    "make_reproducible",
    "measured",
    "read_obs_ids",
    "read_overrides",
    "read_rows",
    "render_report",
    "run_with_ray",
    "science_modules",
    "write_rows",
]

PHYSICS = ("gammaops.physics.reproducible", "gammaops.physics.tables")


def science_modules(tags: Sequence[str]) -> list[str]:
    """Names of the modules that steps of these types need when they run."""
    return [*PHYSICS, *dict.fromkeys(load_science(tag).__name__ for tag in tags)]


def make_reproducible(path: Path) -> None:
    """Take out of a payload what records the moment of writing."""
    import_module("gammaops.physics.reproducible").make_reproducible(path)


def measured(tag: str, product: Product) -> Sequence[Measurement]:
    """What a product of a step of this type has measured."""
    found: Sequence[Measurement] = load_science(tag).measured(product)
    return found


def read_overrides(path: Path) -> Mapping[int, Any]:
    """What people have decided about single observations."""
    decisions: Mapping[int, Any] = import_module("gammaops.physics.overrides").read_overrides(path)
    return decisions


def check_exclusion(key: str, given: object) -> None:
    """Read what a config excludes: a mask, a region file or a list of regions."""
    import_module("gammaops.physics.exclusion").Exclusion(key, given).check()


def has_free_parameters(path: Path, files: Mapping[str, Path]) -> bool:
    """Whether a fit of the models of a file, which names these files, would have anything to fit."""
    models = import_module("gammaops.physics.models_io").read_models(path, files)
    return len(models.parameters.free_parameters) > 0


def read_obs_ids(path: Path, key: str) -> Sequence[int]:
    """The observations that a text file lists."""
    obs_ids: Sequence[int] = import_module("gammaops.physics.obs_lists").read_obs_ids(path, key)
    return obs_ids


def read_rows(path: Path) -> Sequence[dict[str, Any]]:
    """The rows of a table that a fan-out maps over."""
    rows: Sequence[dict[str, Any]] = import_module("gammaops.physics.tables").read_rows(path)
    return rows


def write_rows(table: Any, path: Path) -> None:
    """Write a table that a fan-out maps over."""
    import_module("gammaops.physics.tables").write_rows(table, path)


def render_report(record: Mapping[str, Any], products: Mapping[str, Product]) -> str:
    """The report of a run as one HTML page."""
    page: str = load_science("report").render(record, products)
    return page


def run_with_ray(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], jobs: int) -> Sequence[Any]:
    """Results of a function for each tuple of arguments, in their order, by gammapy's prototype of ray support."""
    results: Sequence[Any] = import_module("gammaops.physics.parallel").run_with_ray(function, arguments, jobs)
    return results
