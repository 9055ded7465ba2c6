"""The parts of a fan-out where no Airflow maps them: one after another, or in ``general.n_jobs`` processes."""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import os
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, NamedTuple

from gammaops.errors import ConfigError, GammaopsError, Problem
from gammaops.runner.run import Provenance, Run
from gammaops.runner.science import run_with_ray, science_modules
from gammaops.runner.tasks import run_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gammaops.config import AnalysisConfig

__all__ = ["Part", "check_backend", "run_parts"]

log = logging.getLogger(__name__)
RAY = "ray"


class Part(NamedTuple):
    """What one part is made from; plain values, so that any process can make it."""

    run: str
    step: str
    inputs: dict[str, list[str]]
    fragment: str
    number: int


def check_backend(config: AnalysisConfig) -> None:
    """Refuse a backend that is not installed.

    Raises
    ------
    ConfigError
        Saying how to install it.
    """
    general = config.document["general"]
    if general["parallel_backend"] == RAY and general["n_jobs"] > 1 and importlib.util.find_spec(RAY) is None:
        line, column = config.position("general", "parallel_backend")
        expected = "pip install 'gammaops[ray]', or multiprocessing"
        key = "general.parallel_backend"
        raise ConfigError([Problem(config.source, line, column, key, "ray is not installed", expected)])


def run_parts(run: Run, parts: Sequence[Part], tell: Callable[[int], object]) -> list[str]:
    """Make parts; one that fails never keeps the others from being made.

    Parameters
    ----------
    run : Run
        Its ``general.n_jobs`` and ``parallel_backend`` say how many at a time, and by what.
    parts : sequence of Part
        What to make.
    tell : callable
        Called with how many are finished, each time that one is.

    Returns
    -------
    list of str
        Product paths in the order of the parts, without those of parts that failed.
    """
    general = run.config.document["general"]
    jobs = min(general["n_jobs"], os.cpu_count() or 1, len(parts))
    done: Iterator[tuple[int, str, str]]
    if jobs <= 1:
        done = ((part.number, *_make(*part)) for part in parts)
    elif general["parallel_backend"] == RAY:
        made = run_with_ray(_make, parts, jobs)
        done = ((part.number, *result) for part, result in zip(parts, made, strict=True))
    else:
        done = _in_processes([step.spec.tag for step in run.plan.steps], parts, jobs)
    paths: dict[int, str] = {}
    for count, (number, path, complaint) in enumerate(done, 1):
        if complaint:
            log.error("task %d of the step %r failed: %s", number, parts[0].step, complaint)
        else:
            paths[number] = path
        tell(count)
    return [paths[number] for number in sorted(paths)]


def _make(run: str, step: str, inputs: dict[str, list[str]], fragment: str, number: int) -> tuple[str, str]:
    """Path of the part and what went wrong, in words: not every error can be handed from process to process."""
    try:
        return run_part(Run.open(run), step, inputs, fragment, Provenance(map_index=number)).path, ""
    except GammaopsError as error:
        return "", str(error)
    except Exception:  # noqa: BLE001 - the caller logs it, and the run folder has it
        return "", traceback.format_exc()


def _in_processes(tags: Sequence[str], parts: Sequence[Part], jobs: int) -> Iterator[tuple[int, str, str]]:
    """Parts as they get finished; those that a killed process leaves undone fail.

    The pool of `multiprocessing`, which gammapy uses, waits for ever for what a killed process was doing. The processes
    are forked from one that has imported the science and runs no threads.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(science_modules(tags))
    pool = ProcessPoolExecutor(jobs, mp_context=context)
    try:
        futures = {pool.submit(_make, *part): part.number for part in parts}
        for future in as_completed(futures):
            try:
                yield futures[future], *future.result()
            except BrokenProcessPool:
                yield futures[future], "", "a process was killed, perhaps for want of memory; run it again"
    finally:
        pool.shutdown(cancel_futures=True)
