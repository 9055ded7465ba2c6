"""Gammapy's own switch between ways of sharing work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammapy.utils.parallel import run_multiprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["run_with_ray"]


def run_with_ray(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], jobs: int) -> list[Any]:
    """Results of a function for each tuple of arguments, in their order, from this many processes of ray."""
    results: list[Any] = run_multiprocessing(function, arguments, backend="ray", pool_kwargs={"processes": jobs})
    return results
