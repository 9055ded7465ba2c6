"""What one asks a running Airflow: over its public API, and of its database what the API does not tell."""

from __future__ import annotations

import json
import logging
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import NullPool, create_engine, make_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BUSY", "AirflowApiError", "AirflowClient"]

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
TELL_SECONDS = 15
FINISHED = frozenset({"success", "failed"})
ENDED = FINISHED | {"skipped", "upstream_failed", "removed"}
UNAUTHORIZED = 401
NOT_FOUND = 404
# What the API server answers where SQLite gave up because two wrote at a time; nothing has happened then.
BUSY = frozenset({500, 503})
BUSY_TRIES = 20


class AirflowApiError(RuntimeError):
    """The API refused; `status` is the HTTP status and the message holds its answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(f"HTTP {status}: {message}")


class AirflowClient:
    """One user's view of an Airflow.

    Parameters
    ----------
    url : str
        Where its API server listens.
    user, password : str
        Log-in of the simple auth manager.
    database : str
        SQLAlchemy's URL of its database, which is only read.
    """

    def __init__(self, url: str, user: str, password: str, database: str) -> None:
        self.url = url
        self._login = {"username": user, "password": password}
        self._database = create_engine(make_url(database), poolclass=NullPool)
        self._token = ""

    def token(self) -> str:
        """What authorizes this user's requests; logs in on first use."""
        if not self._token:
            self._token = self._send("POST", "/auth/token", self._login)["access_token"]
        return self._token

    def healthy(self) -> bool:
        """Whether all components report to be healthy."""
        try:
            health = self._send("GET", "/api/v2/monitor/health", None)
        except (OSError, AirflowApiError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def abandon(self, dag_id: str) -> None:
        """Pause a DAG and give up what is unfinished of it: backfills, and runs that had begun."""
        self.patch(f"/dags/{dag_id}", {"is_paused": True})
        for entry in self.get(f"/backfills?dag_id={dag_id}&limit=1000")["backfills"]:
            if entry["completed_at"] is None:
                self._repeated("PUT", f"/backfills/{entry['id']}/cancel", None)
        for run in self.runs(dag_id):
            if run["state"] not in FINISHED:
                self.patch(f"/dags/{dag_id}/dagRuns/{quote(run['dag_run_id'], safe='')}", {"state": "failed"})

    def get(self, path: str) -> Any:
        """GET below ``/api/v2``."""
        return self._authorized("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST below ``/api/v2``."""
        return self._repeated("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """PATCH below ``/api/v2``."""
        return self._repeated("PATCH", path, body)

    def wait_dag(self, dag_id: str, timeout_s: float = 120) -> Mapping[str, Any]:
        """Wait until the DAG is known; returns what the API says of it."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                dag: Mapping[str, Any] = self.get(f"/dags/{dag_id}")
            except AirflowApiError as error:
                if error.status != NOT_FOUND or time.monotonic() > deadline:
                    raise
            else:
                return dag
            time.sleep(POLL_SECONDS)

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        self.patch(f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Start a manual run without logical date; returns its run_id."""
        body: dict[str, Any] = {"logical_date": None, "conf": dict(conf or {})}
        if run_id:
            body["dag_run_id"] = run_id
        return str(self.post(f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def backfill(
        self,
        dag_id: str,
        first: str,
        last: str,
        *,
        reprocess: str = "none",
        backwards: bool = False,
        conf: Mapping[str, Any] | None = None,
    ) -> int:
        """Start a backfill over the data intervals that start between two ISO times; returns its id."""
        body = {
            "dag_id": dag_id,
            "from_date": first,
            "to_date": last,
            "reprocess_behavior": reprocess,
            "run_backwards": backwards,
            "dag_run_conf": dict(conf or {}),
        }
        return int(self._authorized("POST", "/backfills", body)["id"])

    def wait_backfills_closed(self, dag_id: str, timeout_s: float = 120) -> None:
        """Wait until no backfill of a DAG is open; the scheduler closes those that have ended every half minute."""
        deadline = time.monotonic() + timeout_s
        while any(b["completed_at"] is None for b in self.get(f"/backfills?dag_id={dag_id}&limit=1000")["backfills"]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"an earlier backfill of {dag_id} has not ended after {timeout_s:.0f} s")
            time.sleep(POLL_SECONDS)

    def wait_backfill(self, backfill_id: int, timeout_s: float = 600) -> dict[str, str]:
        """Wait for all runs of a backfill; returns their final states by run_id, in order."""
        rows = self.query(
            "select r.dag_id, r.run_id from backfill_dag_run b join dag_run r on r.id = b.dag_run_id"
            " where b.backfill_id = ? order by b.sort_ordinal",
            (backfill_id,),
        )
        deadline = time.monotonic() + timeout_s
        return {run: self.wait_run(dag, run, max(1.0, deadline - time.monotonic())) for dag, run in rows}

    def wait_run(self, dag_id: str, run_id: str, timeout_s: float = 600) -> str:
        """Wait until a run has ended; returns its state.

        Raises
        ------
        TimeoutError
            If it has not ended in time; the message holds the states of its tasks.
        """
        begun = told = time.monotonic()
        while True:
            state = self.run_state(dag_id, run_id)
            if state in FINISHED:
                return state
            now = time.monotonic()
            if now > begun + timeout_s:
                tasks = self.tasks(dag_id, run_id)
                raise TimeoutError(f"{dag_id} {run_id} is {state} after {timeout_s:.0f} s: {tasks}")
            if now > told + TELL_SECONDS:
                told = now
                states = self.tasks(dag_id, run_id).values()
                log.info("%s: %s of %s tasks have ended", run_id, sum(s in ENDED for s in states), len(states))
            time.sleep(POLL_SECONDS)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of a run."""
        return str(self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")["state"])

    def runs(self, dag_id: str) -> list[Mapping[str, Any]]:
        """All runs of a DAG, oldest first."""
        return list(self.get(f"/dags/{dag_id}/dagRuns?order_by=id&limit=1000")["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> dict[tuple[str, int], str | None]:
        """State of every task instance of a run, by task_id and map_index (-1: not mapped)."""
        rows = self.query(
            "select task_id, map_index, state from task_instance where dag_id = ? and run_id = ?", (dag_id, run_id)
        )
        return {(task, index): state for task, index, state in rows}

    def xcoms(self, dag_id: str, run_id: str = "%") -> list[tuple[str, str, int, str, Any]]:
        """Rows (run_id, task_id, map_index, key, value) of the XCom table."""
        rows = self.query(
            "select run_id, task_id, map_index, key, cast(value as text) from xcom"
            " where dag_id like ? and run_id like ?",
            (dag_id, run_id),
        )
        return [(run, task, index, key, json.loads(value)) for run, task, index, key, value in rows]

    def returned(self, dag_id: str, run_id: str, task_id: str) -> list[Any]:
        """What the instances of a task have returned."""
        rows = self.xcoms(dag_id, run_id)
        return [value for _, task, _, key, value in rows if (task, key) == (task_id, "return_value")]

    def import_errors(self) -> dict[str, str]:
        """Import errors by file name."""
        return {entry["filename"]: entry["stack_trace"] for entry in self.get("/importErrors")["import_errors"]}

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a SELECT on the database, with ``?`` for each value."""
        if self._database.dialect.paramstyle != "qmark":
            statement = statement.replace("?", "%s")
        with self._database.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement, tuple(values))]

    def _repeated(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        """A request that may be sent again where the database was busy."""
        for _ in range(BUSY_TRIES):
            try:
                return self._authorized(method, path, body)
            except AirflowApiError as error:
                if error.status not in BUSY:
                    raise
            time.sleep(POLL_SECONDS)
        return self._authorized(method, path, body)

    def _authorized(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        self.token()
        try:
            return self._send(method, f"/api/v2{path}", body)
        except AirflowApiError as error:
            if error.status != UNAUTHORIZED:
                raise
        self._token = ""
        return self._authorized(method, path, body)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the URL is ours, loopback
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AirflowApiError(error.code, error.read().decode(errors="replace")) from None
