"""A release made in a live Airflow: frozen, compared, approved or rejected by somebody over the API."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import gammaops
from gammaops.config import parse_config
from gammaops.orchestration.release import COMMENT, DAG_ID
from gammaops.products import ProductStore
from gammaops.releases.decisions import current_release, decisions

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requirement("R23", "R32")]

READING_S = 4.0


@pytest.fixture(scope="module")
def runs(live, nights) -> Iterator[str]:
    """An analysis with one run, made here: the DAG of the release does not care where."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_DATA", str(live.data))
        config = parse_config(live.analysis, name="released", source="released.yaml")
        gammaops.run(config, live.store, nights=nights[2:], steps=["reduce"], label="by hand")
    live.client.wait_dag(DAG_ID)
    live.client.unpause(DAG_ID)
    yield "released/by hand"


def asked(live, run_id: str, timeout_s: float = 120) -> str:
    """Wait until the run asks; the path of its question."""
    path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}"
    deadline = time.monotonic() + timeout_s
    while live.client.tasks(DAG_ID, run_id).get(("approve", -1)) != "awaiting_input":
        assert live.client.run_state(DAG_ID, run_id) not in ("failed", "success"), live.client.tasks(DAG_ID, run_id)
        assert time.monotonic() < deadline, live.client.tasks(DAG_ID, run_id)
        time.sleep(0.5)
    # Nobody answers within a second. Airflow 3.3 would take the end of the asking task, which the scheduler has not
    # seen yet, for that of the answered one: "state mismatch", and ask again.
    time.sleep(READING_S)
    return f"{path}/taskInstances/approve/-1/hitlDetails"


@pytest.mark.parametrize(("option", "verdict"), [("Approve", "promoted"), ("Reject", "rejected")])
def test_a_person_decides_and_the_answer_is_written_down(live, runs, option, verdict):
    name = f"live-{verdict}"
    store = ProductStore(live.store)
    before = current_release(store)
    run_id = live.client.trigger(DAG_ID, {"release": name, "runs": [runs], "comment": "{{ 1 + 1 }}"})
    question = asked(live, run_id)
    detail = live.client.get(question)
    assert detail["subject"] == f"Promote the release {name}?"
    assert (live.store / "releases" / f"{name}.json").is_file()
    assert current_release(store) == before, "nothing is promoted before somebody says so"
    live.client.patch(question, {"chosen_options": [option], "params_input": {COMMENT: "σ < 0.1, {{ 1 + 1 }}"}})
    assert live.client.wait_run(DAG_ID, run_id) == "success"
    (one,) = [one for one in decisions(store) if one.release == name]
    assert (one.verdict, one.signature.author, one.signature.comment) == (verdict, "admin", "σ < 0.1, {{ 1 + 1 }}")
    assert current_release(store) == (name if option == "Approve" else before)
    frozen = json.loads((live.store / "releases" / f"{name}.json").read_text(encoding="utf-8"))["frozen"]
    assert (frozen["author"], frozen["comment"]) == ("admin", "{{ 1 + 1 }}")


def test_xcom_holds_paths_and_the_products_tab_shows_the_comparison(live, runs):
    run_id = live.client.trigger(DAG_ID, {"release": "live-tab", "runs": [runs]})
    live.client.patch(asked(live, run_id), {"chosen_options": ["Reject"], "params_input": {COMMENT: ""}})
    assert live.client.wait_run(DAG_ID, run_id) == "success"
    values = [(task, value) for _, task, _, key, value in live.client.xcoms(DAG_ID, run_id) if key == "return_value"]
    assert sorted(task for task, _ in values) == ["approve", "compare", "freeze"]
    for _, path in values:
        assert path.startswith(live.store.as_uri())
        assert len(path.encode()) <= 256
    url = f"{live.client.url}/gammaops/report/{DAG_ID}/{quote(run_id, safe='')}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {live.client.token()}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        page = answer.read().decode()
    assert page == Path(live.path_of(DAG_ID, run_id, "compare")).read_text(encoding="utf-8")
    assert "release live-tab" in page
