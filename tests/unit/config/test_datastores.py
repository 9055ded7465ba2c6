"""Archives with names: ``datastores:`` at the top, ``observations.datastore`` refers to one."""

from __future__ import annotations

import pytest

from gammaops.config import parse_config
from gammaops.errors import ConfigError

NAMED = """\
datastores:
  hess1: $GAMMAPY_DATA/hess1
  hess1u: archives/hess1u
observations: {datastore: hess1}
datasets: {on_region: {frame: icrs, lon: 0 deg, lat: 0 deg, radius: 1 deg}}
steps:
- {name: one, tag: data-reduction}
- name: two
  tag: data-reduction
  config: {observations: {datastore: hess1u}}
"""


def read(text: str):
    return parse_config(text, "named", "named.yaml")


@pytest.mark.requirement("A4.5")
def test_names_lead_to_folders_and_stay_names_in_the_config():
    config = read(NAMED)
    names = [config.blocks(step)["observations"]["datastore"] for step in config.steps]
    assert names == ["hess1", "hess1u"]
    assert [config.archive_path(name) for name in names] == ["$GAMMAPY_DATA/hess1", "archives/hess1u"]
    assert config.archive_path("elsewhere/archive") == "elsewhere/archive"
    assert read(config.to_yaml()).digest == config.digest
    assert read(NAMED.replace("archives/", "other/")).digest != config.digest


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            "{datastore: hess1u}",
            "{datastore: hes1u}",
            "named.yaml:10:27: steps[1].config.observations.datastore: 'hes1u' is not among datastores;"
            " expected one of: hess1, hess1u; or a path with a /; did you mean hess1u?",
        ),
        (
            "{datastore: hess1}",
            "{datastore: magic}",
            "named.yaml:4:16: observations.datastore: 'magic' is not among datastores;"
            " expected one of: hess1, hess1u; or a path with a /",
        ),
        (
            "  hess1: $GAMMAPY_DATA/hess1",
            "  hess 1: $GAMMAPY_DATA/hess1\n  hess1: x",
            "named.yaml:2:3: datastores.hess 1: 'hess 1' does not fit; expected a name that matches"
            " [A-Za-z0-9][A-Za-z0-9_-]{0,79}",
        ),
        (
            "archives/hess1u",
            "[a, b]",
            "named.yaml:3:3: datastores.hess1u: ['a', 'b'] does not fit; expected text",
        ),
        (
            NAMED[: NAMED.index("observations:")],
            "datastores: archive\n",
            "named.yaml:1:1: datastores: 'archive' does not fit; expected names and folders",
        ),
    ],
)
@pytest.mark.requirement("R3")
def test_wrong_names_are_refused_with_their_place(right: str, wrong: str, message: str):
    assert right in NAMED
    with pytest.raises(ConfigError) as caught:
        read(NAMED.replace(right, wrong, 1))
    assert [str(problem) for problem in caught.value.problems] == [message]


def test_without_names_a_word_is_a_path():
    assert read(NAMED[NAMED.index("observations:") :]).archive_path("hess1") == "hess1"


def test_a_run_may_take_another_archive_of_the_file():
    changed = read(NAMED).with_params({"config": {"observations": {"datastore": "hess1u"}}})
    assert {changed.blocks(step)["observations"]["datastore"] for step in changed.steps} == {"hess1u"}
    with pytest.raises(ConfigError, match="'magic' is not among datastores"):
        read(NAMED).with_params({"config": {"observations": {"datastore": "magic"}}})


QUALITY = """\
observations:
  datastore: x
  quality: {columns: {QUALITY: {equal: 0}, MUONEFF: {min: 0.05, max: 0.2}}, outliers: {RATE: {max_deviation: 5}}}
datasets: {on_region: {frame: icrs, lon: 0 deg, lat: 0 deg, radius: 1 deg}}
steps:
- name: one
  tag: data-reduction
  config: {observations: {quality: {columns: {QUALITY: null, MUONEFF: {min: 0.1}, N_TELS: {min: 3}}}}}
"""


def test_a_step_adds_changes_and_takes_away_cuts_on_columns():
    config = read(QUALITY)
    expected = {
        "MUONEFF": {"min": 0.1, "max": 0.2, "equal": None},
        "N_TELS": {"min": 3.0, "max": None, "equal": None},
    }
    for same in (config, read(config.to_yaml())):
        quality = same.blocks(same.steps[0])["observations"]["quality"]
        assert quality["columns"] == expected
        assert quality["outliers"] == {"RATE": {"max_deviation": 5.0, "neighbours": 20}}
    assert read(config.to_yaml()).digest == config.digest
