"""How Airflow runs the tasks of a step: pools, limits and queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from gammaops.config import load_config, parse_config
from gammaops.config.pools import known_pools
from gammaops.errors import ConfigError

pytestmark = pytest.mark.requirement("R10")

TEXT = """\
observations: {datastore: dl3}
datasets: {background: {method: reflected}, on_region: {frame: icrs, lon: 0 deg, lat: 0 deg, radius: 0.1 deg}}
steps:
  - {name: reduce, tag: data-reduction, RUNNING}
  - {name: sum, tag: stack}
"""


def parsed(running: str):
    return parse_config(TEXT.replace("RUNNING", running), name="toy", source="toy.yaml")


def loaded(folder: Path, running: str):
    path = folder / "toy.yaml"
    path.write_text(TEXT.replace("RUNNING", running), encoding="utf-8")
    return load_config(path)


def test_a_step_says_how_it_is_run():
    config = parsed("pool: one-at-a-time, max_active_tasks: 3, queue: large")
    assert config.steps[0].running == {"pool": "one-at-a-time", "max_active_tasks": 3, "queue": "large"}
    again = parse_config(config.to_yaml(), name="toy", source="again")
    assert again.digest == config.digest
    assert again.steps == config.steps


def test_a_step_that_says_nothing_leaves_the_digest_as_it_was():
    assert parsed("pool: null").digest == parsed("").digest != parsed("pool: one-at-a-time").digest


def test_a_pool_that_the_project_does_not_have_is_refused_with_the_remedy(tmp_path):
    assert "one-at-a-time" in known_pools()
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, "pool: one-at-time")
    assert str(refused.value).endswith(
        "toy.yaml:4:41: steps[0].pool: 'one-at-time' is not a pool of this project; expected one of: default_pool, "
        "one-at-a-time; or an entry in include/pools.json, imported into Airflow; did you mean one-at-a-time?"
    )
    assert loaded(tmp_path, "pool: default_pool").steps[0].running == {"pool": "default_pool"}


def test_the_frozen_config_of_a_run_is_read_without_its_pool():
    assert parsed("pool: gone").steps[0].running == {"pool": "gone"}


def test_a_project_without_pools_has_the_one_that_airflow_makes(tmp_path, monkeypatch):
    monkeypatch.setenv("GAMMAOPS_PROJECT", str(tmp_path))
    assert known_pools() == ["default_pool"]


def test_a_limit_of_mapped_tasks_is_refused_where_nothing_is_mapped():
    text = TEXT.replace(", RUNNING", "").replace("tag: stack", "tag: stack, max_active_tasks: 2")
    with pytest.raises(ConfigError, match="a step stack is a single task; expected a step that fans out"):
        parse_config(text, name="toy", source="toy.yaml")
