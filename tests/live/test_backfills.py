"""Backfills: many nights at once, in either direction, over each other, beside the schedule and beside another one."""

from __future__ import annotations

import os
from collections import Counter
from datetime import date, timedelta

import pytest

from gammaops.nights import night_interval
from gammaops.orchestration.local import AirflowApiError

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requirement("R17")]

DAYS = 60 if os.environ.get("FULL") else 4
CONFLICT = 409


def noons(live, nights: list[str]) -> list[str]:
    return [night_interval(night, live.plan.site.lon_deg)[0].isoformat() for night in (nights[0], nights[-1])]


def until(live, night: str) -> str:
    """The analysis without any night after this one, so that the schedule has nothing to do today."""
    return live.analysis.replace("start: 2025-11-01", f"start: 2025-11-01, end: {night}")


def nights_from(first: str, number: int) -> list[str]:
    return [(date.fromisoformat(first) + timedelta(days=day)).isoformat() for day in range(number)]


def datasets(live) -> Counter[str]:
    """How often each observation has been reduced."""
    return Counter(path.name.split(".")[0] for path in (live.store / "products" / "dataset").rglob("*.json"))


def check_runs(live, dag_id: str, nights: list[str]) -> list[dict[str, str]]:
    """Every night has one run, whose ledger holds; products by night."""
    found = {}
    for run in live.client.runs(dag_id):
        record = live.record(dag_id, run["dag_run_id"])
        live.check(record, run["state"])
        (night,) = record["nights"]
        assert night not in found, f"two runs of {night}"
        found[night] = live.named_products(record)
    assert sorted(found) == nights
    return [found[night] for night in nights]


def begun(live, dag_id: str) -> list[str]:
    """run_ids in the order in which the runs began."""
    rows = live.client.query("select run_id from dag_run where dag_id = ? order by start_date", (dag_id,))
    return [run_id for (run_id,) in rows]


def test_many_nights_forwards_and_again_backwards(live):
    nights = nights_from(live.nights[0], DAYS)
    live.add("many", until(live, nights[-1]))
    first = live.backfill("many", nights)
    assert set(first.values()) == {"success"}
    assert begun(live, "many") == sorted(begun(live, "many"))
    products = check_runs(live, "many", nights)
    assert sum(bool(made) for made in products) == len(live.nights), "the other nights have no data, and are green"
    files = sorted((live.store / "products").rglob("*.fits"))

    again = live.airflow.begin_backfill("many", *noons(live, nights), reprocess="completed", backwards=True)
    assert set(live.client.wait_backfill(again, 1800).values()) == {"success"}
    assert begun(live, "many") == sorted(begun(live, "many"), reverse=True)
    assert check_runs(live, "many", nights) == products
    assert {live.record("many", run_id)["version"] for run_id in first} == {"v002"}
    assert sorted((live.store / "products").rglob("*.fits")) == files

    for behaviour in ("failed", "none"):
        none = live.airflow.begin_backfill("many", *noons(live, nights), reprocess=behaviour)
        live.client.wait_backfill(none, 600)
        assert {live.record("many", run_id)["version"] for run_id in first} == {"v002"}, "nothing had failed"


def test_a_second_backfill_at_a_time_is_refused_and_consecutive_ones_overlap(live):
    first, second, third = live.nights
    live.add("overlap", until(live, third))
    created = live.airflow.begin_backfill("overlap", *noons(live, [first, second]))
    with pytest.raises(AirflowApiError, match=r"(?i)running backfill") as refused:
        live.client.backfill("overlap", *noons(live, [second, third]))
    assert refused.value.status == CONFLICT
    live.client.wait_backfill(created)
    live.backfill("overlap", [second, third])
    check_runs(live, "overlap", live.nights)
    assert "one backfill at a time" in live.client.get("/dags/overlap/details")["doc_md"]


def test_two_analyses_that_share_a_reduction_make_it_once(live):
    with live.without_products():
        text = until(live, live.nights[-1])
        live.add("share-a", text)
        live.add("share-b", text.replace("nbins: 2}", "nbins: 3}"))
        both = {name: live.airflow.begin_backfill(name, *noons(live, live.nights)) for name in ("share-a", "share-b")}
        for created in both.values():
            live.client.wait_backfill(created)
        one, other = (check_runs(live, name, live.nights) for name in both)
        assert [made["datasets"] for made in one] == [made["datasets"] for made in other]
        assert [made["flux_points"] for made in one] != [made["flux_points"] for made in other]
        assert set(datasets(live).values()) == {1}
        assert len(datasets(live)) == len(live.plan.obs_ids)


def test_a_backfill_beside_the_schedule_processes_each_night_once(live):
    span = f"start: {live.nights[0]}, end: {live.nights[-1]}, catchup: true"
    live.add("beside", live.analysis.replace("start: 2025-11-01", span))
    live.airflow.begin_backfill("beside", *noons(live, live.nights[1:]))
    live.wait(lambda: len(live.client.runs("beside")) == len(live.nights))
    for run in live.client.runs("beside"):
        live.client.wait_run("beside", run["dag_run_id"])
    check_runs(live, "beside", live.nights)
