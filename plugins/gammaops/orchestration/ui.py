"""The *Products* tab of a DAG run: its report, under the same log-in and permissions as the rest of the UI.

Of a run that makes a release it is the page of the comparison.

Imported by the API server on the first request alone (see ``gammaops_plugin.py``).
"""

from __future__ import annotations

import html

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from gammaops.comparison.publishing import COMPARISONS
from gammaops.config import store_root
from gammaops.errors import ProductError
from gammaops.orchestration.release import COMPARE_TASK, DAG_ID
from gammaops.products import ProductStore

__all__ = ["app"]

NOT_FOUND = 404
REPORT_TASK = "report"
# The page runs in the UI's origin, so that nothing in it may act as the logged-in user.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
PAGE = (
    "<!doctype html><html lang='en'><meta charset='utf-8'><title>Products</title>"
    "<body style='font-family: sans-serif; margin: 2em'><p>{message}</p></body></html>"
)

app = FastAPI(
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM))],
)


@app.get("/report/{dag_id}/{run_id}")
def report(dag_id: str, run_id: str) -> HTMLResponse:
    """The report of a run; before it is written, a sentence that says so."""
    uri = _report_of(dag_id, run_id)
    if uri is None:
        return _sentence(f"The run {run_id} has not written its report yet.")
    try:
        store = ProductStore(store_root())
        name = store.relative(uri)
        if not name.startswith(f"{COMPARISONS}/" if dag_id == DAG_ID else f"runs/{dag_id}/"):
            return _sentence("This run's report is not among the runs of its analysis.")
        return HTMLResponse(store.files.read(name).decode(), headers=HEADERS)
    except (ProductError, OSError) as error:
        return _sentence(f"The report cannot be read: {error}")


def _report_of(dag_id: str, run_id: str) -> str | None:
    """Product path that the run's report task has returned last."""
    with create_session() as session:
        task = COMPARE_TASK if dag_id == DAG_ID else REPORT_TASK
        query = XComModel.get_many(run_id=run_id, dag_ids=dag_id, task_ids=task, key="return_value")
        row = session.scalars(query).first()
        value = None if row is None else XComModel.deserialize_value(row)
    return value if isinstance(value, str) else None


def _sentence(message: str) -> HTMLResponse:
    return HTMLResponse(PAGE.format(message=html.escape(message)), status_code=NOT_FOUND, headers=HEADERS)
