"""Imports, in the process from which tasks are forked, everything that a task would import."""

from __future__ import annotations

import importlib
import logging
import sys

from gammaops.steps import load_science, step_specs

__all__ = ["late_imports", "preload"]

log = logging.getLogger(__name__)

# Imported by gammapy, astropy and others only when first used, and therefore in every task anew. Found by comparing
# `sys.modules` before and after steps of all types; tests/live and tests/e2e/test_every_map.py hold the list complete.
LAZY_MODULES = (
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PpmImagePlugin",
    "airflow.providers.common.io.assets.file",
    "airflow.providers.standard.operators.empty",
    "astropy.io.fits.fitstime",
    "astropy.io.misc.yaml",
    "astropy.units.cds",
    "astropy.units.format.cds_lextab",
    "astropy.units.format.cds_parsetab",
    "contourpy",
    "gammaops.physics.reproducible",
    "gammaops.physics.tables",
    "gammapy.stats.fit_statistics_cython",
    "matplotlib.style.core",
)
WATCHED = frozenset({"astropy", "gammapy", "iminuit", "matplotlib", "regions", "scipy"})

_before: set[str] = set()


def preload() -> None:
    """Import the runner, the science of all step types and what they import late.

    A module that cannot be imported is logged and left to the tasks that need it: they say it better.
    """
    for tag in step_specs():
        try:
            load_science(tag)
        except ImportError:
            log.exception("the science of step type %s cannot be imported", tag)
    for name in ("gammaops.runner", "gammaops.orchestration.configs", *LAZY_MODULES):
        try:
            importlib.import_module(name)
        except ImportError:
            log.exception("%s cannot be imported", name)
    _parse_one()
    _before.update(sys.modules)


def _parse_one() -> None:
    """Make the DAG of one config, so that what is cached on the way (schemas, sites) is there in every task."""
    from gammaops.orchestration.configs import config_files, dag_of

    for path in config_files()[:1]:
        dag_of(path)


def late_imports() -> list[str] | None:
    """Modules of the scientific packages that were imported since `preload`; None if it did not run."""
    if not _before:
        return None
    return sorted(name for name in set(sys.modules) - _before if name.partition(".")[0] in WATCHED)
