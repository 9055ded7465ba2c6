"""A whole Airflow on this machine, started, watched and stopped as one.

``airflow standalone`` leaves its children behind when it is terminated; here every component is the leader of its own
process group, and stopping means that nothing of any group is left.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from gammaops.config import pools_file
from gammaops.orchestration.local.client import BUSY, AirflowApiError, AirflowClient
from gammaops.orchestration.local.groups import die_with_parent, signal_group, signal_process, wait_gone
from gammaops.orchestration.local.settings import (
    ADMIN,
    UI_PORT,
    airflow_environment,
    database_settings,
    free_port,
    home_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

__all__ = ["AlreadyRunning", "LocalAirflow", "running_pid"]

log = logging.getLogger(__name__)

# The API server first: the others need it for every task. Log servers listen on all interfaces, and here the API server
# can read the files.
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
BACKFILL_TRIES = 10
BACKFILL_SECONDS = 1800
GRACE_SECONDS = 10
STOP_SECONDS = 15
LOCK = "running"


class AlreadyRunning(RuntimeError):
    """Another process has an Airflow running in this home."""


def running_pid(home: Path) -> int | None:
    """Process that has an Airflow running in this home, if there is one."""
    path = home / LOCK
    if not path.exists():
        return None
    with path.open("r+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(stream.read() or 0)
    return None


class LocalAirflow:
    """An Airflow with its home, database, logs and secrets in one folder, listening on the loopback interface alone.

    Parameters
    ----------
    home : Path
        Its folder; made if it does not exist.
    env : mapping, optional
        Further environment variables of all its processes.
    port : int, optional
        Preferred port of the UI; another one is taken if it is in use.
    database : str, optional
        SQLAlchemy's URL of an empty database, or of its own; not given: an SQLite file in its folder.
    """

    def __init__(
        self, home: Path, env: Mapping[str, str] | None = None, port: int = UI_PORT, database: str = ""
    ) -> None:
        self.home = home.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_port(port)
        self.environment = airflow_environment(self.home, self.port, {**database_settings(database), **(env or {})})
        self.password = home_secrets(self.home)["password"]
        database = self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        self.client = AirflowClient(f"http://127.0.0.1:{self.port}", ADMIN, self.password, database)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = (self.home / LOCK).open("a+", encoding="utf-8")

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://localhost:{self.port}"

    def migrate(self) -> None:
        """Create or upgrade the database, unless this version of Airflow has done so before."""
        marker = self.home / "migrated"
        wanted = version("apache-airflow-core")
        if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
            return
        self._command("migrate", "db", "migrate")
        marker.write_text(wanted, encoding="utf-8")

    def import_pools(self) -> None:
        """Make the project's pools, unless those that it has now are there."""
        listed, marker = pools_file(), self.home / "pools"
        wanted = listed.read_text(encoding="utf-8") if listed.exists() else ""
        if wanted != (marker.read_text(encoding="utf-8") if marker.exists() else ""):
            self._command("pools", "pools", "import", str(listed))
            marker.write_text(wanted, encoding="utf-8")

    def _command(self, name: str, *arguments: str) -> None:
        """Run an ``airflow`` command to its end."""
        path = self.home / f"{name}.log"
        with path.open("wb") as stream:
            command = [sys.executable, "-m", "airflow", *arguments]
            done = subprocess.run(  # noqa: S603 - a fixed command
                command, env=self.environment, stdout=stream, stderr=stream, check=False, cwd=self.home
            )
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)} failed; see {path}")

    def start(self, timeout_s: float = 180) -> None:
        """Start all components and wait until each reports to be healthy.

        Raises
        ------
        AlreadyRunning
            If another process has done so in the same home.
        RuntimeError
            If one of them ends at once or is not healthy in time; nothing is left running then.
        """
        self._take_lock()
        try:
            self.migrate()
            self.import_pools()
            for name, arguments in COMPONENTS.items():
                self.processes[name] = self._spawn(name, arguments)
            self._wait_healthy(timeout_s)
        except BaseException:
            self.stop()
            raise

    def restart(self, name: str) -> None:
        """Start a component again, after whatever is left of it has been killed."""
        process = self.processes[name]
        signal_group(process, signal.SIGKILL)
        process.wait()
        self.processes[name] = self._spawn(name, COMPONENTS[name])

    def check(self) -> None:
        """Raise if a component has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"airflow {name} ended with {process.returncode}; see {self.home / f'{name}.log'}")

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold everything but the API server, so that nothing else writes to the database meanwhile."""
        held = [process for name, process in self.processes.items() if name != "api-server"]
        for process in held:
            signal_group(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in held:
                signal_group(process, signal.SIGCONT)

    def backfill(self, dag_id: str, first: str, last: str, *, reprocess: str = "none") -> dict[str, str]:
        """Backfill the data intervals that start between two ISO times, and wait; states by run_id, in order."""
        created = self.begin_backfill(dag_id, first, last, reprocess=reprocess)
        return self.client.wait_backfill(created, BACKFILL_SECONDS)

    def begin_backfill(
        self, dag_id: str, first: str, last: str, *, reprocess: str = "none", backwards: bool = False
    ) -> int:
        """Start a backfill of the data intervals that start between two ISO times; returns its id.

        On SQLite Airflow cannot create a backfill that clears runs while others write, and may leave half of it behind.
        """
        self.client.wait_backfills_closed(dag_id)
        for _ in range(BACKFILL_TRIES):
            try:
                with self.quiet():
                    created = self.client.backfill(dag_id, first, last, reprocess=reprocess, backwards=backwards)
            except AirflowApiError as error:
                if error.status not in BUSY:
                    raise
                log.warning("the database was busy, trying again: %s", error)
                self.client.abandon(dag_id)
            else:
                self.client.unpause(dag_id)
                return created
        raise RuntimeError(f"no backfill of {dag_id} could be created: the database is too busy")

    def stop(self) -> None:
        """Stop everything; returns when no process of any component is left.

        The scheduler goes first and gets a moment for its tasks to end and to say so to the API server.
        """
        scheduler = self.processes.get("scheduler")
        if scheduler is not None:
            signal_process(scheduler, signal.SIGTERM)
            wait_gone([scheduler], GRACE_SECONDS)
        everyone = list(self.processes.values())
        for process in everyone:
            signal_group(process, signal.SIGTERM)
        wait_gone(everyone, STOP_SECONDS)
        for process in everyone:
            signal_group(process, signal.SIGKILL)
            process.wait()
        self.processes.clear()
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def __enter__(self) -> LocalAirflow:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_lock(self) -> None:
        """Claim the home; the kernel gives it up when this process ends, however it ends."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"an Airflow is running in {self.home} already; stop it first (make down)") from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _spawn(self, name: str, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("ab") as stream:
            return subprocess.Popen(  # noqa: S603 - a fixed command
                [sys.executable, "-m", "airflow", *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - no thread runs here yet
                cwd=self.home,
            )

    def _is_ours(self) -> bool:
        """Whether the server on our port knows our password; another one may have taken the port meanwhile.

        Our own then ends, which `check` tells.
        """
        try:
            self.client.token()
        except (OSError, AirflowApiError):
            return False
        return True

    def _wait_healthy(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not (self.client.healthy() and self._is_ours()):
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"airflow is not healthy after {timeout_s:.0f} s; see the logs in {self.home}")
            time.sleep(0.5)
        log.info("airflow is up at %s", self.url)
