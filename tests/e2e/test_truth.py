"""The demonstration's analysis against the truth of the archives that it is run on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gammapy.modeling.models import Models

import gammaops
from gammaops.config import parse_config, project_root
from gammaops.orchestration.local.demo import demo_plan
from gammaops.products import ProductStore
from gammaops.simulation import ArchivePlan, simulate_archive

pytestmark = pytest.mark.slow

FITTED = ("amplitude", "alpha", "beta")
DEMO = project_root() / "include" / "configs" / "demo.yaml"


def pulls(folder: Path, plan: ArchivePlan, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """(fitted - true) / error of the Crab's free parameters, all nights of an archive together."""
    simulate_archive(folder / "archive", plan)
    monkeypatch.setenv("GAMMAOPS_DATA", str(folder))
    config = parse_config(DEMO.read_text(encoding="utf-8"), name="demo", source="demo.yaml")
    result = gammaops.run(config, folder / "store", steps=["spectrum"])
    assert result.verdict.ok
    fitted = ProductStore(folder / "store").open(result.products["spectrum"]).metrics["parameters"]
    truth = Models.read(folder / "archive" / "truth.yaml")["crab"].spectral_model
    found = []
    for name in FITTED:
        told = fitted[f"crab.spectral.{name}"]
        found.append((told["value"] - getattr(truth, name).quantity.to_value(told["unit"])) / told["error"])
    return found


def test_demonstration_finds_the_true_crab_within_3_sigma(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.abs(pulls(tmp_path, demo_plan(), monkeypatch)).max() < 3


def test_pulls_over_30_seeds_are_those_of_an_unbiased_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [pulls(tmp_path / str(seed), ArchivePlan(nights=2, seed=seed), monkeypatch) for seed in range(30)]
    # Three standard errors of the mean (0.18) and of the width (0.13) of 30 values, rounded.
    assert np.mean(found, axis=0) == pytest.approx([0, 0, 0], abs=0.5)
    assert np.std(found, axis=0, ddof=1) == pytest.approx([1, 1, 1], abs=0.4)
