"""What an asset event says of the product that it stands for."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest

from gammaops.config import parse_config
from gammaops.orchestration.operators import StepOperator
from gammaops.orchestration.timetable import product_asset
from gammaops.products import ProductStore
from gammaops.runner import begin, scheduled_scope
from gammaops.runner.run import Run

TEXT = """\
dag: {site: hess, schedule: nightly, start: 2004-12-01}
observations: {datastore: $GAMMAPY_DATA/hess-dl3-dr1}
datasets: {on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}}
steps: [{name: reduce, tag: data-reduction, products: night}]
"""


@pytest.mark.parametrize(
    ("nights", "night"), [(["2004-12-04"], "2004-12-04"), (["2004-12-04", "2004-12-05"], ""), ([], "")]
)
def test_an_event_names_night_run_path_and_numbers(tmp_path, monkeypatch, nights, night):
    config = parse_config(TEXT, name="crab", source="crab.yaml")
    store = ProductStore(tmp_path / "store")
    run = Run.open(begin(config, store, scheduled_scope(config, nights), name="scheduled__1"))
    payload = tmp_path / "payload.json"
    payload.write_text("{}", encoding="utf-8")
    made = store.publish("datasets", "0" * 32, payload, {"metrics": {"livetime_s": 1687.0}})
    monkeypatch.setattr("gammaops.runner.run_task", lambda *_: made.uri)
    asset = product_asset("crab", "night")
    task = StepOperator(task_id="reduce", role="task", step="reduce", inputs={"consumed": {}}, outlets=[asset])
    events = defaultdict(SimpleNamespace)
    ti = SimpleNamespace(
        xcom_pull=lambda task_ids: run.uri, dag_id="crab", run_id="scheduled__1", task_id="reduce", map_index=-1
    )
    ti.try_number, ti.max_tries, ti.task = 1, 0, task
    assert task.execute({"ti": ti, "outlet_events": events}) == made.uri
    assert events[asset].extra == {
        "night": night,
        "nights": nights,
        "run": run.folder.relative,
        "path": made.uri,
        "metrics": {"livetime_s": 1687.0},
    }
