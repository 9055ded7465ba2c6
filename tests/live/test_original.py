"""The example of two instruments in a live Airflow: the same products as on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import gammaops
from gammaops.simulation import ArchivePlan, simulate_archive

pytestmark = [pytest.mark.live, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
MASK = "$GAMMAPY_DATA/joint-crab/exclusion/exclusion_mask_crab.fits.gz"


def products(report: Path) -> dict[str, str]:
    record = json.loads(report.with_name("run.json").read_text(encoding="utf-8"))
    assert record["verdict"]["ok"], record["verdict"]
    return {product["name"]: Path(product["path"]).name for step in record["steps"] for product in step["products"]}


@pytest.mark.requirement("A3.9", "A5.1", "R1")
def test_two_instruments_are_reduced_side_by_side_and_joined(live, tmp_path, monkeypatch):
    for seed, (name, size) in enumerate({"hess1": "full", "hess1u": "small"}.items()):
        plan = ArchivePlan(nights=1, observations=2, duration_min=5, size=size, seed=seed)
        simulate_archive(live.data / "data" / name, plan)
    # Only paths differ: there is no mask among the data of this Airflow.
    text = (ROOT / "tests" / "data" / "original.yaml").read_text(encoding="utf-8").replace(MASK, "null")
    live.add("original", text)
    live.client.unpause("original")
    run_id = live.client.trigger("original")
    assert live.client.wait_run("original", run_id) == "success"
    made = products(live.path_of("original", run_id))
    assert set(made) == {"datasets_hess1", "datasets_hess1u", "hess_flux_maps"}

    monkeypatch.setenv("GAMMAOPS_DATA", str(live.data))
    local = gammaops.run(live.configs / "original.yaml", tmp_path)
    assert products(Path(unquote(urlsplit(local.report).path))) == made
