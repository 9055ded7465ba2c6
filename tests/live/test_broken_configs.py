"""Fifty configs, one of them broken in turn in six ways, before a live dag-processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow]

COUNT = 50
VICTIM = "many-00"
# What is put for what, and what the message must hold: line and column, key, what is wrong or the remedy.
BREAKS = {
    "syntax": ("fit: {fit_range:", "fit: [fit_range:", ("",)),
    "unknown key": ("retries: 2", "retrys: 2", (":1:", "dag.retrys", "did you mean retries?")),
    "wrong unit": ("radius: 0.2 deg", "radius: 0.2 TeV", (":7:", "datasets.on_region.radius", "deg")),
    "unknown tag": ("tag: fit", "tag: fitt", (":14:", "steps[1].tag", "fit")),
    "cycle": ("required_products: [datasets], products: fit", "required_products: [flux_points], products: fit", ("",)),
    "unknown product": (
        "required_products: [datasets]",
        "required_products: [datsets]",
        (":14:", "did you mean datasets?"),
    ),
}


def eventually(ask: Callable[[], object], timeout_s: float = 180) -> None:
    """Wait until `ask` gives something true."""
    deadline = time.monotonic() + timeout_s
    while not ask():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def fifty(live):
    for number in range(COUNT):
        (live.configs / f"many-{number:02d}.yaml").write_text(live.analysis, encoding="utf-8")
    eventually(lambda: len(good(live)) == COUNT)
    yield live
    for number in range(COUNT):
        (live.configs / f"many-{number:02d}.yaml").unlink()


def good(live) -> set[str]:
    """DAGs of these that are in service and have their schedule."""
    rows = live.client.query(
        "select dag_id from dag where dag_id like 'many-%' and not is_stale and not has_import_errors"
        " and timetable_summary = 'nightly, 10:54 UTC'"
    )
    return {row[0] for row in rows}


def tombstone(live) -> str:
    """The docs of the broken one, if it is a tombstone by now."""
    details = live.client.get(f"/dags/{VICTIM}/details")
    tags = {tag["name"] for tag in details["tags"]}
    return details["doc_md"] if "config-error" in tags else ""


@contextmanager
def broken(live, old: str, new: str) -> Iterator[None]:
    """The victim with something put for something else; mended again, and seen to be, at the end."""
    path = live.configs / f"{VICTIM}.yaml"
    assert old in live.analysis
    path.write_text(live.analysis.replace(old, new, 1), encoding="utf-8")
    try:
        eventually(lambda: tombstone(live))
        yield
    finally:
        path.write_text(live.analysis, encoding="utf-8")
        eventually(lambda: VICTIM in good(live) and not live.client.import_errors())


@pytest.mark.parametrize("how", sorted(BREAKS))
def test_one_broken_config_harms_none_of_the_others(fifty, how):
    client = fifty.client
    old, new, expected = BREAKS[how]
    with broken(fifty, old, new):
        eventually(client.import_errors)
        (message,) = client.import_errors().values()
        docs = tombstone(fifty)
        assert f"{VICTIM}.yaml:" in message
        for words in expected:
            assert words in message
            assert words in docs
        assert len(good(fifty) - {VICTIM}) == COUNT - 1
        details = client.get(f"/dags/{VICTIM}/details")
        assert details["timetable_summary"] in (None, "None", "Never, external triggers only")


def test_a_tombstone_fails_with_its_errors(fifty):
    client = fifty.client
    with broken(fifty, "retries: 2", "retrys: 2"):
        client.unpause(VICTIM)
        run_id = client.trigger(VICTIM)
        assert client.wait_run(VICTIM, run_id) == "failed"
    (log,) = (fifty.airflow.home / "logs").rglob(f"dag_id={VICTIM}/run_id={run_id}/task_id=config_error/attempt=*.log")
    assert "did you mean retries?" in log.read_text(encoding="utf-8")
