"""Thousands of observations in one run, on both databases: none is lost, and no map gets longer than Airflow's limit.

The observations are small, and copies of a few under other numbers. Both databases have one store: what one run has
reduced the other one finds there.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from astropy.table import Table

from gammaops.orchestration.local import LocalAirflow
from gammaops.simulation import ArchivePlan, simulate_archive

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.airflow_pg, pytest.mark.requirement("R10")]

COUNT = 5000 if os.environ.get("FULL") == "1" else 1500
MAP_LIMIT = 1024
PATH_BYTES = 256
FIRST = 100_001
LAST = FIRST + COUNT - 1
ORIGINALS = ArchivePlan(
    nights=3, observations=4, first_night=date(2025, 11, 17), seed=3, duration_min=1, size="small", bad={5: "truncated"}
)
TRUNCATED = {FIRST + number for number in range(COUNT) if number % 12 == 4}
GONE = {FIRST + 17, LAST}
SECONDS = 3600

ANALYSIS = """\
dag: {site: hess, schedule: null, start: 2025-11-01, max_quarantined: 10 %}
observations: {datastore: many}
datasets:
  stack: false
  geom: {axes: {energy: {min: 0.5 TeV, max: 50 TeV, nbins: 2}, energy_true: {min: 0.3 TeV, max: 100 TeV, nbins: 4}}}
  on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.2 deg}
  background: {method: reflected}
steps: [{name: reduce, tag: data-reduction, products: datasets}]
"""


def renumbered(content: bytes, number: int, other: int) -> bytes:
    """A file of an observation under another number; one that is truncated stays so."""
    card = b"OBS_ID  = %20d"
    try:
        plain = gzip.decompress(content)
    except EOFError:
        return content
    assert card % number in plain
    return gzip.compress(plain.replace(card % number, card % other), compresslevel=1, mtime=0)


def copies(source: Path, target: Path) -> None:
    """`COUNT` observations out of the few in another archive; of two the file is not there."""
    index, hdus = (Table.read(source / f"{name}-index.fits.gz") for name in ("obs", "hdu"))
    (target / "data").mkdir(parents=True)
    originals = [int(index["OBS_ID"][count % len(index)]) for count in range(COUNT)]
    rows = {number: np.flatnonzero(hdus["OBS_ID"] == number) for number in set(originals)}
    observations = index[np.arange(COUNT) % len(index)]
    observations["OBS_ID"] = np.arange(FIRST, LAST + 1)
    entries = hdus[np.concatenate([rows[number] for number in originals])]
    entries["OBS_ID"] = np.repeat(observations["OBS_ID"], [len(rows[number]) for number in originals])
    names = np.char.add(np.char.add("copy_", entries["OBS_ID"].astype(str)), ".fits.gz")
    entries.replace_column("FILE_NAME", Table.Column(names, name="FILE_NAME"))
    for number in rows:
        first = hdus[rows[number][0]]
        original = source / str(first["FILE_DIR"]).strip() / str(first["FILE_NAME"]).strip()
        for count in np.flatnonzero(np.array(originals) == number).tolist():
            if FIRST + count not in GONE:
                written = target / "data" / f"copy_{FIRST + count}.fits.gz"
                written.write_bytes(renumbered(original.read_bytes(), number, FIRST + count))
                os.utime(written, times=(original.stat().st_mtime,) * 2)
    observations.write(target / "obs-index.fits.gz")
    entries.write(target / "hdu-index.fits.gz")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An archive, a store and a config."""
    root = tmp_path_factory.mktemp("scale")
    simulate_archive(root / "few", ORIGINALS)
    copies(root / "few", root / "data" / "many")
    (root / "configs").mkdir()
    (root / "configs" / "many.yaml").write_text(ANALYSIS, encoding="utf-8")
    names = {"CONFIGS": "configs", "STORE": "store", "DATA": "data"}
    return {f"GAMMAOPS_{name}": str(root / folder) for name, folder in names.items()}


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and what Airflow knows of it."""

    state: str
    mapped: list[tuple[int, str, str]]
    paths: list[str]
    record: Mapping[str, object]
    report: Path


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def finished(request, tmp_path_factory, folders) -> Iterator[Finished]:
    """A run of all observations, on either database."""
    home = tmp_path_factory.mktemp(request.param)
    database = "" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    with LocalAirflow(home, folders, port=0, database=database) as airflow:
        client = airflow.client
        client.wait_dag("many")
        client.unpause("many")
        run_id = client.trigger("many", {"label": f"all-on-{request.param}"})
        state = client.wait_run("many", run_id, SECONDS)
        mapped = client.query(
            "select map_index, rendered_map_index, state from task_instance"
            " where dag_id = 'many' and task_id = 'reduce.reduce' order by map_index"
        )
        (report,) = client.returned("many", run_id, "report")
        path = Path(unquote(urlsplit(report).path))
        values = [value for *_, key, value in client.xcoms("many") if key == "return_value"]
        paths = [path for value in values for path in (value if isinstance(value, list) else [value])]
        yield Finished(state, mapped, paths, json.loads(path.with_name("run.json").read_text("utf-8")), path)


def test_the_run_completes_with_no_more_tasks_than_airflow_maps(finished):
    assert finished.state == "success"
    selected = COUNT - len(GONE)
    size = -(-selected // MAP_LIMIT)
    assert len(finished.mapped) == -(-selected // size) <= MAP_LIMIT
    assert {state for *_, state in finished.mapped} == {"success"}


@pytest.mark.requirement("R13")
def test_no_observation_is_lost(finished):
    states = {row["obs_id"]: row["state"] for row in finished.record["ledger"]}
    assert sorted(states) == list(range(FIRST, LAST + 1))
    assert {obs_id for obs_id, state in states.items() if state == "quarantined"} == TRUNCATED - GONE
    assert {obs_id for obs_id, state in states.items() if state == "missing"} == GONE
    assert {state for obs_id, state in states.items() if obs_id not in TRUNCATED | GONE} <= {"done", "reused"}
    (product,) = finished.record["steps"][0]["products"]
    assert product["metrics"]["observations"] == COUNT - len(TRUNCATED | GONE)


def test_labels_name_the_observations(finished):
    named = []
    for _, label, _ in finished.mapped:
        first, last, count = re.match(r"(\d+)(?:…(\d+) \((\d+))?", label).groups()
        meant = sorted(set(range(int(first), int(last or first) + 1)) - GONE)
        assert count in (None, str(len(meant)))
        named += meant
    assert sorted(named) == sorted(set(range(FIRST, LAST + 1)) - GONE)


@pytest.mark.requirement("A2.1")
def test_no_path_is_longer_than_its_limit(finished):
    assert len(finished.paths) > len(finished.mapped)
    assert [path for path in finished.paths if len(path.encode()) > PATH_BYTES] == []
