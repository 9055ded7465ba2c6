"""A release in a live Airflow: the run waits for a person, whose answer is in the store."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest

from gammaops.products import ProductStore
from gammaops.releases import current_release, decisions

pytestmark = [pytest.mark.live, pytest.mark.slow]
DAG = "gammaops.release"


def wait_until_it_asks(live, run_id: str) -> None:
    deadline = time.monotonic() + 180
    while live.client.tasks(DAG, run_id).get(("decide", -1)) != "awaiting_input":
        assert time.monotonic() < deadline, live.client.tasks(DAG, run_id)
        time.sleep(1)


@pytest.mark.requirement("R23", "R32")
def test_person_promotes_a_release_in_airflow(live, nights):
    live.add("released")
    live.client.unpause("released")
    made = live.client.trigger("released", {"night": nights[1]})
    assert live.client.wait_run("released", made) == "success"
    live.client.wait_dag(DAG)
    live.client.unpause(DAG)
    run = live.client.trigger(DAG, {"name": "live-prod", "comment": "a test", "analyses": ["released"]})
    wait_until_it_asks(live, run)
    store = ProductStore(live.store)
    assert decisions(store) == []
    question = f"/dags/{DAG}/dagRuns/{quote(run, safe='')}/taskInstances/decide/-1/hitlDetails"
    assert live.client.get(question)["subject"] == "Promote the release live-prod?"
    live.client.patch(question, {"chosen_options": ["Promote"], "params_input": {"comment": "looks right"}})
    assert live.client.wait_run(DAG, run) == "success"
    assert current_release(store).name == "live-prod"
    (decision,) = decisions(store)
    assert (decision.author, decision.comment) == ("admin", "looks right")
    values = [value for _, _, _, key, value in live.client.xcoms(DAG, run) if key == "return_value"]
    assert sorted(values) == sorted(
        [store.uri_of("releases/live-prod.json"), store.uri_of("releases/decisions/0001.json")]
    ), json.dumps(values)
