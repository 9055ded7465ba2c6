"""The ways in which people have nights processed give the same products: by schedule, backfill, hand, or a product."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import gammaops

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.requirement("A1.6", "A1.10", "R17", "R32")]

ENDED = {"success", "failed"}


def runs_by_night(live, dag_id: str, run_type: str) -> dict[str, str]:
    """run_id of each ended run of this type, by night."""
    ended = [run for run in live.client.runs(dag_id) if run["run_type"] == run_type and run["state"] in ENDED]
    found = {live.record(dag_id, run["dag_run_id"])["nights"][0]: run["dag_run_id"] for run in ended}
    assert len(found) == len(ended), "a night was processed twice"
    return dict(sorted(found.items()))


def by_schedule(live, nights: list[str], dag_id: str) -> Mapping[str, str]:
    """Nights that lie behind and were never run, caught up."""
    span = f"start: {nights[0]}, end: {nights[-1]}, catchup: true"
    live.add(dag_id, live.analysis.replace("start: 2025-11-01", span))
    live.client.unpause(dag_id)
    live.wait(lambda: [run["state"] in ENDED for run in live.client.runs(dag_id)] == [True] * len(nights), 300)
    return runs_by_night(live, dag_id, "scheduled")


def by_backfill(live, nights: list[str], dag_id: str) -> Mapping[str, str]:
    live.add(dag_id)
    live.backfill(dag_id, nights)
    return runs_by_night(live, dag_id, "backfill")


def by_hand(live, nights: list[str], dag_id: str) -> Mapping[str, str]:
    live.add(dag_id)
    live.client.unpause(dag_id)
    for run_id in [live.client.trigger(dag_id, {"night": night}) for night in nights]:
        live.client.wait_run(dag_id, run_id)
    return runs_by_night(live, dag_id, "manual")


def by_product(live, nights: list[str], dag_id: str) -> Mapping[str, str]:
    """An analysis that runs when the datasets of another one update, and computes everything of its own."""
    live.add("source", live.analysis.replace("nbins: 18", "nbins: 16"))
    live.add(dag_id, live.analysis.replace("schedule: nightly", "schedule: {product: source/datasets}"))
    live.client.unpause(dag_id)
    live.client.unpause("source")
    for number, night in enumerate(nights, start=1):
        # One after the other: Airflow starts one run for all events that it finds together.
        live.client.wait_run("source", live.client.trigger("source", {"night": night}))
        live.wait(lambda: len(runs_by_night(live, dag_id, "asset_triggered")) == number)  # noqa: B023 - asked at once
    return runs_by_night(live, dag_id, "asset_triggered")


WAYS: Mapping[str, Callable[..., Mapping[str, str]]] = {
    "by-schedule": by_schedule,
    "by-backfill": by_backfill,
    "by-hand": by_hand,
    "by-product": by_product,
}


@pytest.fixture(scope="module")
def calm(live, nights, tmp_path_factory) -> Mapping[str, Mapping[str, str]]:
    """Products of each night as the command line makes them."""
    folder = tmp_path_factory.mktemp("calm")
    config = folder / "calm.yaml"
    config.write_text(live.analysis, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMMAOPS_DATA", str(live.data))
        runs = {night: gammaops.run(config, folder, nights=[night], label=night) for night in nights}
    records = {night: Path(unquote(urlsplit(run.report).path)).with_name("run.json") for night, run in runs.items()}
    return {night: live.named_products(json.loads(path.read_bytes())) for night, path in records.items()}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_products_of_the_command_line(live, nights, calm, way):
    with live.without_products():
        runs = WAYS[way](live, nights, way)
        assert list(runs) == nights
        for night, run_id in runs.items():
            record = live.record(way, run_id)
            live.check(record, live.client.run_state(way, run_id))
            assert {row["state"] for row in record["ledger"]} <= {"done", "quarantined"}
            assert set(calm[night]) == {"datasets", "fit", "flux_points"}
            assert live.named_products(record) == calm[night]
