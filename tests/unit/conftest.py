from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gammaops import steps
from gammaops.config import blocks

TOYS = Path(__file__).resolve().parents[1] / "toys"


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch):
    """Step types of another package, found by their entry points."""

    def forget() -> None:
        for cached in (steps._packages, steps.step_specs, *cached_blocks):
            cached.cache_clear()

    cached_blocks = [value for value in vars(blocks).values() if hasattr(value, "cache_clear")]
    monkeypatch.syspath_prepend(str(TOYS))
    forget()
    yield
    forget()
    for name in [name for name in sys.modules if name.startswith("gammaops_toys")]:
        del sys.modules[name]
