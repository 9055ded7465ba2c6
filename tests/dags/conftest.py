"""DAGs as the factory makes them, without a database and without any data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk import DAG

from gammaops.config import load_config, parse_config
from gammaops.orchestration.factory import build_dag

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {
    "crab": ROOT / "tests" / "data" / "crab.yaml",
    "original": ROOT / "tests" / "data" / "original.yaml",
    "demo": ROOT / "include" / "configs" / "demo.yaml",
}

SMALL = """\
dag: {{site: hess, schedule: {schedule}, start: 2004-12-01, {more}}}
general: {{models_file: crab.yaml}}
observations: {{datastore: $GAMMAPY_DATA/hess-dl3-dr1}}
datasets: {{on_region: {{frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}}}}
"""


@pytest.fixture(scope="session", params=sorted(EXAMPLES))
def example(request: pytest.FixtureRequest) -> DAG:
    """The DAG of each example config in turn."""
    return build_dag(load_config(EXAMPLES[request.param]))


@pytest.fixture(scope="session")
def make_dag() -> Callable[..., DAG]:
    """Makes the DAG of a small config with this schedule and further keys of the ``dag`` block."""

    def make(schedule: str = "nightly", more: str = "retries: 2") -> DAG:
        text = SMALL.format(schedule=schedule, more=more)
        return build_dag(parse_config(text, name="small", source="small.yaml"))

    return make
