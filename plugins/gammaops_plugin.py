"""What gammaops adds to Airflow: its timetable and the Products tab.

Airflow imports this file once in every task process, so that it imports next to nothing itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

from gammaops.orchestration.timetable import DelayedIntervals, Nights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping


class LazyApp:
    """An ASGI application that is imported with the first request."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Hand the request on."""
        await getattr(importlib.import_module(self.module), self.name)(scope, receive, send)


class GammaopsPlugin(AirflowPlugin):
    """Registered by Airflow under this name."""

    name = "gammaops"
    timetables = [DelayedIntervals, Nights]  # noqa: RUF012 - so are the next two: Airflow reads lists
    fastapi_apps = [  # noqa: RUF012
        {"app": LazyApp("gammaops.orchestration.ui", "app"), "url_prefix": "/gammaops", "name": "gammaops"}
    ]
    external_views = [  # noqa: RUF012
        {
            "name": "Products",
            "href": "/gammaops/report/{DAG_ID}/{RUN_ID}",
            "destination": "dag_run",
            "url_route": "gammaops-products",
        }
    ]
