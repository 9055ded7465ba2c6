"""Telling people of a run: a task before the verdict, and what Airflow calls when a run has missed its deadline."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowSkipException

from gammaops.alerts import DEADLINE, FAILED, Alert, failed_alert, late_alert, mark_told, message_of, untold
from gammaops.errors import ConfigError
from gammaops.nights import nights_starting_in
from gammaops.orchestration.end import JudgingOperator
from gammaops.orchestration.timetable import duration_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from gammaops.alerts import Message
    from gammaops.config import AnalysisConfig
    from gammaops.products import RunFolder

__all__ = ["RETRIES", "AlertsOperator", "deadlines_of", "tell_late"]

# With the delays of `policies`, five minutes in which a mail server may come back. The verdict waits for it.
RETRIES = 5
LATE_TRIES = 4
LATE_DELAY_S = 10
BACKFILL = "backfill"
PRODUCTS_TAB = "plugin/gammaops-products"
UNTOLD = "alerts are recorded, and nobody was told; mend the connection, then clear this task"


class AlertsOperator(JudgingOperator):
    """Tells what the run has raised to whom the analysis names, once.

    A receiver that does not answer fails this task, which tries again; what the others have been told is not told
    again. The run's verdict does not depend on it.

    Parameters
    ----------
    analysis : AnalysisConfig
        As the DAG was made from; the run's own rules are those of its frozen config.
    """

    def __init__(self, *, analysis: AnalysisConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.analysis = analysis

    def execute(self, context: Context) -> None:
        """Tell what is still to be told.

        Raises
        ------
        OSError, ConfigError
            If somebody could not be told.
        """
        try:
            folder, alerts, words = self._raised(context)
        except OSError as error:
            if context["ti"].try_number <= context["ti"].max_tries:
                raise
            # Without the store there is no record and no note of who was told; the last try tells what it can.
            self._tell_all(context, None, self._failed(self.analysis.alerts, f"RED: it cannot be judged: {error}"), {})
            raise
        if context["dag_run"].run_type == BACKFILL:
            alerts = [alert for alert in alerts if alert.backfills]
        self._tell_all(context, folder, alerts, words)

    def _raised(self, context: Context) -> tuple[RunFolder, Sequence[Alert], Mapping[str, Any]]:
        """Where it is noted who was told, the alerts, and what their messages say besides."""
        from gammaops.config import store_root
        from gammaops.errors import RunFailed
        from gammaops.products import ProductStore, RunFolder

        try:
            judged = self.judge(context)
        except RunFailed as error:
            run_id, store = context["dag_run"].run_id, ProductStore(store_root())
            folder = RunFolder.beside(store, self.analysis.name, run_id, "unstarted")
            return folder, self._failed(self.analysis.alerts, str(error)), {}
        if judged.run.dry:
            raise AirflowSkipException("a dry run tells nobody")
        record = judged.folder.read_json("run.json")
        # What was late has been told when it was.
        alerts = [Alert.of(one) for one in record.get("alerts", ()) if one["kind"] != DEADLINE]
        if not judged.ok and not any(alert.kind == FAILED for alert in alerts):
            alerts += self._failed(judged.run.config.alerts, judged.line)
        report = judged.folder.uri_of("report.html") if judged.folder.has("report.html") else ""
        words = {"nights": record["nights"], "verdict": judged.line, "report": report}
        return judged.folder, alerts, words

    @staticmethod
    def _failed(rules: Mapping[str, Mapping[str, Any]], why: str) -> list[Alert]:
        return [failed_alert(name, rule, why) for name, rule in rules.items() if rule["failed"]]

    def _tell_all(
        self, context: Context, folder: RunFolder | None, alerts: Sequence[Alert], words: Mapping[str, Any]
    ) -> None:
        """Tell each alert over each of its connections; one that fails keeps no other from being told."""
        run = context["dag_run"]
        named = f"{run.run_id}, {folder.version}" if folder else run.run_id
        about = {"analysis": self.analysis.name, "nights": (), "run": named, "link": _link(run.dag_id, run.run_id)}
        pairs = untold(folder, alerts) if folder else [(alert, name) for alert in alerts for name in alert.tell]
        if not pairs:
            raise AirflowSkipException("there is nothing to tell, or everybody has been told")
        failures: list[Exception] = []
        for alert, connection in pairs:
            try:
                _send(connection, message_of(alert, **{**about, **words}))
            except Exception as error:
                self.log.exception("%s could not be told over %s", alert.rule, connection)
                failures.append(error)
                continue
            self.log.info("%s was told over %s: %s", alert.rule, connection, alert.what)
            if folder:
                mark_told(folder, alert, connection)
        if failures:
            self.log.error("%s of %s could not be sent: %s", len(failures), len(pairs), UNTOLD)
            # What another try may mend goes first: it decides about trying.
            raise min(failures, key=lambda error: isinstance(error, ConfigError))


def deadlines_of(config: AnalysisConfig) -> list[DeadlineAlert] | None:
    """The deadlines of an analysis, as `airflow.sdk.DAG` takes them."""
    site = config.site
    return [
        DeadlineAlert(
            name=name,
            # A manual run has no logical date; what is due is queued, unless no scheduler is there to see it.
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=duration_of(rule["deadline"]),
            callback=AsyncCallback(
                tell_late, {"rule": {**rule, "name": name}, "longitude_deg": site and float(site["lon_deg"])}
            ),
        )
        for name, rule in config.alerts.items()
        if rule["deadline"]
    ] or None


async def tell_late(context: Mapping[str, Any], rule: Mapping[str, Any], longitude_deg: float | None) -> None:
    """Tell that a run has missed its deadline; Airflow calls this once for each, and never again.

    It runs in the triggerer: workers may all be busy with what is late.

    Parameters
    ----------
    context : mapping
        What Airflow tells of it: ``dag_run`` as in its API, and ``deadline``.
    rule : mapping
        That of ``alerts:``, with its ``name``.
    longitude_deg : float, optional
        Of the site.

    Raises
    ------
    OSError, ConfigError
        If somebody could not be told.
    """
    run, due = context["dag_run"], _moment(context["deadline"]["deadline_time"])
    ended = run.get("end_date")
    # Airflow forgets a deadline that was met only where the run was green; and nobody waits for a run by hand.
    if run["run_type"] not in ("scheduled", "asset_triggered") or (ended and _moment(ended) <= due):
        return
    alert = late_alert(rule["name"], rule, f"{due:%Y-%m-%d %H:%M} UTC", str(run["state"]))
    await asyncio.to_thread(_tell_late, run, alert, longitude_deg)


def _tell_late(run: Mapping[str, Any], alert: Alert, longitude_deg: float | None) -> None:
    from gammaops.config import store_root
    from gammaops.products import ProductStore, RunFolder
    from gammaops.runner.alerting import LATE

    label = (run.get("conf") or {}).get("label") or run["dag_run_id"]
    folder = RunFolder.beside(ProductStore(store_root()), run["dag_id"], label, LATE)
    link = _link(run["dag_id"], run["dag_run_id"]).removesuffix(f"/{PRODUCTS_TAB}")
    nights = _nights(run, longitude_deg)
    message = message_of(alert, analysis=run["dag_id"], nights=nights, run=run["dag_run_id"], link=link)
    failures: list[Exception] = []
    for _, connection in untold(folder, [alert]):
        try:
            _trying(lambda to=connection: _send(to, message))  # type: ignore[misc]
        except (OSError, ConfigError) as error:
            failures.append(error)
        else:
            mark_told(folder, alert, connection)
    if failures:
        raise failures[0]


def _trying(act: Callable[[], None]) -> None:
    """Try what nobody tries again if it fails."""
    for number in range(LATE_TRIES - 1):
        try:
            return act()
        except OSError:
            time.sleep(LATE_DELAY_S * 2**number)
    return act()


def _send(connection: str, message: Message) -> None:
    # It brings the modules that send, which parsing a DAG file does not need.
    from gammaops.orchestration.notifiers import notifier_of

    notifier_of(connection, message)({})


def _link(dag_id: str, run_id: str) -> str:
    """Where the UI shows the report of a run."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return f"{base.rstrip('/')}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}/{PRODUCTS_TAB}"


def _nights(run: Mapping[str, Any], longitude_deg: float | None) -> list[str]:
    """Nights of a run's data interval."""
    start, end = run.get("data_interval_start"), run.get("data_interval_end")
    if longitude_deg is None or not start or not end:
        return []
    return nights_starting_in(_moment(start), _moment(end), longitude_deg)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
