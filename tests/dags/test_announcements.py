"""What an asset event says of the product that it stands for."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest

from gammaops.config import parse_config
from gammaops.orchestration.operators import StepOperator, operator_class
from gammaops.orchestration.tasks import StepTasks
from gammaops.orchestration.timetable import product_asset
from gammaops.products import ProductStore
from gammaops.runner import begin, manual_scope, run_part, scheduled_scope, split
from gammaops.runner.run import Provenance, Run

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
        "observations": 0,
        "verdict": "NO_DATA: no observation was expected",
        "metrics": {"livetime_s": 1687.0},
    }


class Ti:
    """A task instance of a run in which all tasks but its own have succeeded."""

    dag_id, run_id, task_id, map_index, try_number, max_tries = "toy", "r", "reduce.collect", -1, 1, 0
    task = SimpleNamespace(retries=0)

    def __init__(self, returned):
        self.returned = returned

    def xcom_pull(self, task_ids):
        return self.returned.get(task_ids)

    def get_task_states(self, dag_id, task_ids, run_ids):
        parts = {f"reduce.reduce_{number}" for number, _ in enumerate(self.returned["reduce.reduce"])}
        return {self.run_id: dict.fromkeys(parts | {"reduce.select"}, "success")}


TOY = """\
dag: {{max_quarantined: 50 %}}
toy: {{words: [{words}]}}
steps:
  - {{name: reduce, tag: toy-reduce, products: words}}
"""


@pytest.mark.parametrize(
    ("words", "observations", "verdict"),
    [
        ("good, better", 2, "GOOD: 2 expected: 2 done"),
        ("good, better, truncated", 2, "PARTIAL: 3 expected: 2 done, 1 quarantined (2: truncated)"),
        ("good, absent, truncated", 1, "RED: 2 of 3 quarantined or missing, more than 50 %. 3 expected: 1 done,"),
    ],
)
def test_an_event_says_how_many_observations_there_are_and_what_became_of_the_others(
    toys, tmp_path, words, observations, verdict
):
    config = parse_config(TOY.format(words=words), name="toy", source="toy.yaml")
    run = Run.open(begin(config, ProductStore(tmp_path), manual_scope(config), name="r"))
    fragments = split(run, "reduce", {}, Provenance())
    parts = [run_part(run, "reduce", {}, fragment, Provenance()).path for fragment in fragments]
    asset, events = product_asset("toy", "words"), defaultdict(SimpleNamespace)
    task = operator_class("toy-reduce")(
        task_id="collect",
        role="collect",
        step="reduce",
        inputs={"fragments": fragments, "parts": parts},
        sources={},
        split="reduce.select",
        mapped="reduce.reduce",
        behind=[StepTasks("none", "none")],
        outlets=[asset],
    )
    ti = Ti({"start": run.uri, "reduce.select": fragments, "reduce.reduce": parts})
    task.execute({"ti": ti, "outlet_events": events})
    assert events[asset].extra["observations"] == observations
    assert events[asset].extra["verdict"].startswith(verdict)
