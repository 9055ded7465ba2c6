"""The command ``gammaops``: the same analyses as in Airflow, without it."""

from __future__ import annotations

from gammaops.cli.main import main

__all__ = ["main"]
