"""One Airflow for all live tests, with configs, archive and store of its own.

Its dag-processor looks at the configs every second. The archive is simulated and small: three nights of two
observations, the second one truncated.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from gammaops.orchestration.local import AirflowClient, LocalAirflow
from gammaops.simulation import ArchivePlan, plan_visits, simulate_archive

ROOT = Path(__file__).resolve().parents[2]
FAST = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "1",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "1",
    "AIRFLOW__DAG_PROCESSOR__PARSING_CLEANUP_INTERVAL": "5",
}

# The demo's analysis with one fan-out over observations and one over energies.
ANALYSIS = """\
dag: {site: hess, schedule: nightly, start: 2025-11-01, lookback: 0, max_quarantined: 60 %, retries: 2}
general: {models_file: demo.yaml}
observations: {datastore: archive}
datasets:
  stack: false
  geom: {axes: {energy: {min: 0.1 TeV, max: 100 TeV, nbins: 18}, energy_true: {min: 0.05 TeV, max: 200 TeV, nbins: 36}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.2 deg}
  background: {method: reflected}
  safe_mask: {methods: [aeff-max], parameters: {aeff_percent: 10}}
fit: {fit_range: {min: 0.7 TeV, max: 30 TeV}}
flux_points: {energy: {min: 0.7 TeV, max: 30 TeV, nbins: 2}, source: crab}
steps:
  - {name: reduce, tag: data-reduction, products: datasets}
  - {name: spectrum, tag: fit, required_products: [datasets], products: fit}
  - {name: points, tag: flux-points, required_products: [datasets, fit], products: flux_points}
"""

PLAN = ArchivePlan(
    nights=3,
    observations=2,
    first_night=date(2025, 11, 17),
    seed=7,
    duration_min=20,
    size="small",
    bad={2: "truncated"},
)


@dataclass(frozen=True)
class Live:
    """A running Airflow and its folders."""

    client: AirflowClient
    airflow: LocalAirflow
    configs: Path
    store: Path
    data: Path
    analysis: str = ANALYSIS

    def add(self, name: str, text: str = ANALYSIS) -> None:
        """Add a config, and wait for its DAG."""
        (self.configs / f"{name}.yaml").write_text(text, encoding="utf-8")
        self.client.wait_dag(name)

    def path_of(self, dag_id: str, run_id: str, task_id: str = "report") -> Path:
        """The file behind what a task has returned."""
        (value,) = self.client.returned(dag_id, run_id, task_id)
        return Path(unquote(urlsplit(value).path))


@pytest.fixture(scope="session")
def nights() -> list[str]:
    """Nights of the archive."""
    return sorted({visit.night.isoformat() for visit in plan_visits(PLAN)})


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, sum_package: Path) -> Iterator[Live]:
    """Airflow, where a package with a step type of its own is installed as well."""
    root = tmp_path_factory.mktemp("live")
    configs, store, data = root / "configs", root / "store", root / "data"
    configs.mkdir()
    simulate_archive(data / "archive", PLAN)
    env = {
        **FAST,
        "GAMMAOPS_CONFIGS": str(configs),
        "GAMMAOPS_STORE": str(store),
        "GAMMAOPS_DATA": str(data),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(sum_package), prepend=os.pathsep)
        airflow = LocalAirflow(root / "airflow", env, port=0)
    with airflow:
        yield Live(airflow.client, airflow, configs, store, data)
