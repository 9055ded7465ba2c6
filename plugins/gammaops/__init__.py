"""Production processing of gamma-ray observations: an analysis YAML becomes a DAG or a run on the command line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["load_config", "make_plan", "plan", "run"]

_PUBLIC = {
    "load_config": "gammaops.config",
    "make_plan": "gammaops.plan",
    "plan": "gammaops.api",
    "run": "gammaops.api",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: parsing a DAG must not pay for them."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
