"""The Crab nights of HESS DL3 DR1 in a live Airflow: the same products as on the command line."""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import gammaops
from gammaops.nights import night_interval

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requires_data]

ROOT = Path(__file__).resolve().parents[2]
HESS_LON_DEG = 16.5
ALL_NIGHTS = [(date(2004, 12, 4) + timedelta(days=day)).isoformat() for day in range(5)]
# The last two, one of them without data, unless FULL=1 asks for all five.
NIGHTS = ALL_NIGHTS if os.environ.get("FULL") == "1" else ALL_NIGHTS[-2:]
OBSERVATIONS = {"2004-12-04": [23523, 23526], "2004-12-06": [23559], "2004-12-08": [23592]}


def record_at(path: Path) -> dict:
    return json.loads(path.with_name("run.json").read_text(encoding="utf-8"))


def product_names(record: dict) -> dict[str, str]:
    """Key and digest of each product, by its name."""
    return {product["name"]: Path(product["path"]).name for step in record["steps"] for product in step["products"]}


@pytest.mark.requirement("A3.9", "R17")
def test_crab_nights_have_the_keys_and_digests_of_the_command_line(live, tmp_path):
    config = ROOT / "include" / "configs" / "crab-1d.yaml"
    live.add("crab-1d", config.read_text(encoding="utf-8"))
    first, last = (night_interval(night, HESS_LON_DEG)[0].isoformat() for night in (NIGHTS[0], NIGHTS[-1]))
    states = live.airflow.backfill("crab-1d", first, last)
    assert list(states.values()) == ["success"] * len(NIGHTS)
    for run_id, night in zip(states, NIGHTS, strict=True):
        record = record_at(live.path_of("crab-1d", run_id))
        assert [row["obs_id"] for row in record["ledger"]] == OBSERVATIONS.get(night, [])
        if night not in OBSERVATIONS:
            assert "NO_DATA" in record["verdict"]["line"]
            continue
        local = gammaops.run(config, tmp_path, nights=[night], label=night)
        calm = record_at(Path(unquote(urlsplit(local.report).path)))
        assert set(product_names(record)) == {"datasets", "fit", "flux_points", "light_curve"}
        assert product_names(record) == product_names(calm)
