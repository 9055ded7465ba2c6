"""The two example configs as text."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="session")
def crab() -> str:
    return (DATA / "crab.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def original() -> str:
    return (DATA / "original.yaml").read_text(encoding="utf-8")
