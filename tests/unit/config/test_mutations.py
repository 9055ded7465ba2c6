"""Whatever is done to a good config, it is read or refused with a `ConfigError`, and nothing else happens."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.plan import make_plan

DATA = Path(__file__).resolve().parents[2] / "data"
TEXTS = [(DATA / name).read_text(encoding="utf-8") for name in ("crab.yaml", "original.yaml")]
CIRCLE = "{frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.3 deg}"
TEXTS += [
    TEXTS[0].replace("method: reflected", f"method: reflected, exclusion: [{CIRCLE}, 'icrs;circle(83,22,0.3)']"),
    TEXTS[0].replace(
        "method: reflected", "method: phase, parameters: {on_phase: [0.9, 0.1], off_phase: [[0.2, 0.4], [0.5, 0.8]]}"
    ),
]
TREES = [yaml.safe_load(text.replace("2004-12-01", "'2004-12-01'")) for text in TEXTS]


def paths(value: object, path: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in paths(item, (*path, key)))]


PATHS = [(number, path) for number, tree in enumerate(TREES) for path in paths(tree) if path]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["1 TeV", "-3 deg", "0.1 s", "nan deg", "1e400 TeV", "yes", "reflected", "ring", "3d", "all", "datasets"]
    ),
    st.lists(st.one_of(st.integers(), st.text(max_size=4), st.none(), st.lists(st.integers(), max_size=1)), max_size=3),
    st.dictionaries(st.text(max_size=6), st.one_of(st.integers(), st.text(max_size=4)), max_size=3),
    st.just([1] * 200),
)


def read(text: str) -> None:
    try:
        config = parse_config(text, "crab", "crab.yaml")
        make_plan(config)
    except ConfigError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
        return
    again = parse_config(config.to_yaml(), "crab", "frozen.yaml")
    assert again.document == config.document
    assert again.digest == config.digest


def replaced(tree: Any, path: tuple, value: object) -> Any:
    tree = copy.deepcopy(tree)
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return tree


@settings(max_examples=150)
@given(st.sampled_from(PATHS), VALUES)
def test_any_value_anywhere(place: tuple, value: object):
    number, path = place
    read(yaml.safe_dump(replaced(TREES[number], path, value), allow_unicode=True))


@settings(max_examples=60)
@given(st.sampled_from(PATHS), st.text(max_size=8))
def test_any_key_anywhere(place: tuple, key: str):
    number, path = place
    tree = copy.deepcopy(TREES[number])
    target = tree
    for part in path[:-1]:
        target = target[part]
    if isinstance(target, dict):
        target[key] = target.pop(path[-1])
    read(yaml.safe_dump(tree, allow_unicode=True))


@settings(max_examples=100)
@given(st.sampled_from(TEXTS), st.integers(0, 3000), st.integers(0, 20), st.text(max_size=6))
def test_any_damage_to_the_text(text: str, start: int, length: int, insertion: str):
    read(text[:start] + insertion + text[start + length :])


@settings(max_examples=75)
@given(st.sampled_from(PATHS), VALUES)
def test_any_run_parameters(place: tuple, value: object):
    number, path = place
    config = parse_config(TEXTS[number], "crab", "crab.yaml")
    override: object = value
    for key in reversed(path):
        override = {key: override}
    try:
        changed = config.with_params({"config": override})
    except ConfigError:
        return
    assert parse_config(changed.to_yaml(), "crab", "frozen.yaml").digest == changed.digest
