"""What a config means: units, order and comments do not change it, values do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gammaops.config import load_config, parse_config
from gammaops.errors import ConfigError
from gammaops.plan import make_plan
from gammaops.schema import Finding
from gammaops.schema.quantities import canonical_quantity, canonical_time

ROOT = Path(__file__).resolve().parents[3]


def digest(text: str) -> str:
    return parse_config(text, "crab", "crab.yaml").digest


@pytest.mark.parametrize("name", ["crab", "original"])
@pytest.mark.requirement("A1.2", "R1")
def test_examples_of_the_design_are_accepted_and_wired(name: str, request: pytest.FixtureRequest):
    config = parse_config(request.getfixturevalue(name), name, f"{name}.yaml")
    assert len(make_plan(config).steps) == 3


@pytest.mark.parametrize("path", sorted((ROOT / "include" / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_are_accepted_and_wired(path: Path):
    assert make_plan(load_config(path)).steps
    document = load_config(path).document
    for block, key, folder in (("general", "models_file", "models"), ("reference_check", "file", "references")):
        named = (document.get(block) or {}).get(key)
        assert named is None or (ROOT / "include" / folder / named).is_file()


@pytest.mark.parametrize(
    ("given_", "canonical", "unit"),
    [
        ("100 GeV", "0.1 TeV", "TeV"),
        ("0.1TeV", "0.1 TeV", "TeV"),
        ("1e5 MeV", "0.1 TeV", "TeV"),
        (" 0.10000 TeV ", "0.1 TeV", "TeV"),
        ("6.6 arcmin", "0.11 deg", "deg"),
        ("180 min", "3 h", "h"),
        ("0.5 h", "30 min", "min"),
        ("20 %", "20 %", "%"),
        ("-0 deg", "0 deg", "deg"),
    ],
)
def test_quantities_have_one_spelling(given_: str, canonical: str, unit: str):
    assert canonical_quantity(given_, unit) == canonical


@pytest.mark.parametrize(
    "text", ["", "TeV", "1", "nan TeV", "inf TeV", "1 2 TeV", "1 TeV s", "1e400 TeV", "1 deg", "1 m**999999999"]
)
def test_what_is_no_energy_is_found(text: str):
    assert isinstance(canonical_quantity(text, "TeV"), Finding)


@given(st.text(max_size=30))
def test_any_text_is_a_quantity_or_a_finding(text: str):
    found = canonical_quantity(text, "deg")
    assert isinstance(found, Finding) or canonical_quantity(found, "deg") == found


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2006-07-29", "2006-07-29T00:00:00"),
        ("2006-07-29 20:30", "2006-07-29T20:30:00"),
        ("2006-07-29T20:30:00.5Z", "2006-07-29T20:30:00.500000"),
        ("2006-07-29T22:30:00+02:00", "2006-07-29T20:30:00"),
    ],
)
def test_times_are_utc(text: str, canonical: str):
    assert canonical_time(text) == canonical


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("min: 0.1 TeV", "min: 100 GeV"),
        ("radius: 0.11 deg", "radius: 6.6 arcmin"),
        ("delay: 3 h", "delay: 180 min"),
        ("nbins: 8}, source: crab}", "nbins: 8}, source: crab} # a comment"),
        ("tag: flux-points", "tag: flux_points"),
        ("{method: reflected}", "{parameters: {}, method: reflected}"),
        ("{method: reflected}", "{exclusion: null, method: reflected}"),
        ("  stack: false\n", "  stack: false\n  map_selection: []\n"),
        ("description: Crab nebula, every night\n", ""),
        ("bias_percent: 10", "bias_percent: 10.0"),
        ("products: datasets}", "products: [datasets]}"),
        ("schedule: nightly ", "schedule: 'nightly' "),
        ("products: datasets}", "products: datasets, config: {datasets: {stack: false}}}"),
        ("flux_points: {", "excess_map: {correlation_radius: 0.3 deg}\nflux_points: {"),
    ],
)
def test_digest_does_not_see_spelling(crab: str, old: str, new: str):
    assert old in crab
    assert digest(crab.replace(old, new, 1)) == digest(crab)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("min: 0.1 TeV", "min: 0.11 TeV"),
        ("stack: false", "stack: true"),
        ("bias_percent: 10", "bias_percent: 11"),
        ("schedule: nightly", "schedule: null"),
        ("lookback: 30", "lookback: 31"),
        ("products: datasets}", "products: datasets, parallel: false}"),
        ("products: datasets}", "products: datasets, config: {datasets: {stack: true}}}"),
        ("models_file: crab.yaml", "models_file: other.yaml"),
    ],
)
def test_digest_sees_meaning(crab: str, old: str, new: str):
    assert old in crab
    assert digest(crab.replace(old, new, 1)) != digest(crab)


def test_digest_does_not_see_the_order_of_keys(crab: str):
    data = yaml.safe_load(crab.replace("2004-12-01", "'2004-12-01'"))

    def backwards(value: object) -> object:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(list(value))}
        return [backwards(item) for item in value] if isinstance(value, list) else value

    assert digest(yaml.safe_dump(backwards(data), sort_keys=False)) == digest(crab)


@pytest.mark.parametrize("name", ["crab", "original"])
def test_document_is_a_config_of_the_same_meaning(name: str, request: pytest.FixtureRequest):
    config = parse_config(request.getfixturevalue(name), name, f"{name}.yaml")
    for text in (config.to_yaml(), yaml.safe_dump(dict(config.document), sort_keys=False)):
        again = parse_config(text, name, "frozen.yaml")
        assert again.document == config.document
        assert again.digest == config.digest


def test_document_quotes_text_that_looks_like_something_else(crab: str):
    text = crab.replace("source: crab", "source: '1e5'").replace("every night", "12:30:00")
    config = parse_config(text, "crab", "crab.yaml")
    again = parse_config(config.to_yaml(), "crab", "frozen.yaml")
    assert again.document["flux_points"]["source"] == "1e5"


def test_document_has_every_key_with_its_default(crab: str):
    document = parse_config(crab, "crab", "crab.yaml").document
    assert document["datasets"]["geom"]["wcs"]["binsize"] == "0.02 deg"
    assert document["observations"]["obs_time"] == {"start": None, "stop": None}
    assert document["datasets"]["background"]["parameters"]["max_region_number"] == 10000
    assert document["dag"]["delay"] == "3 h"
    assert document["dag"]["start"] == "2004-12-01"


def test_site_is_looked_up(crab: str):
    site = parse_config(crab, "crab", "crab.yaml").site
    assert site == {"name": "hess", "lon_deg": 16.5, "lat_deg": -23.27, "height_m": 1835.0}


def test_site_may_be_given_by_coordinates(crab: str):
    text = crab.replace("site: hess ", "site: {lon: 1 rad, lat: 0 deg, height: 2 km}")
    site = parse_config(text, "crab", "crab.yaml").site
    assert site is not None
    assert site["lon_deg"] == pytest.approx(57.2957795131, rel=1e-11)
    assert site["height_m"] == 2000


def test_without_dag_there_is_none(original: str):
    config = parse_config(original, "original", "original.yaml")
    assert config.dag is None
    assert config.site is None


@pytest.mark.parametrize(
    "schedule", ["0 12 * * *", "30 8 */2 jan-mar mon,wed", "@daily", "{product: crab/datasets}", "null"]
)
def test_schedules_that_are_accepted(crab: str, schedule: str):
    config = parse_config(
        crab.replace(
            "schedule: nightly ",
            f"schedule: {schedule!r}" if "*" in schedule or "@" in schedule else f"schedule: {schedule}",
        ),
        "crab",
        "c",
    )
    assert config.dag is not None


def _with_dag(text: str, dag: str) -> str:
    return re.sub(r"^dag:\n(?: +.*\n)*", f"dag: {dag}\n", text, flags=re.MULTILINE)


@pytest.mark.parametrize("schedule", ["@hourly", "*/10 8-18 * jan-mar mon,wed", "0 8,20 * * *", "0-30 12 * * *"])
@pytest.mark.parametrize("takes", ["night", "cumulative"])
def test_nights_cannot_be_taken_more_often_than_once_a_day(crab: str, schedule: str, takes: str):
    dag = f"{{site: hess, start: 2004-12-01, schedule: '{schedule}', observations: %s}}"
    with pytest.raises(ConfigError, match=f"dag.schedule: .* more often than once a day and observations is {takes}"):
        parse_config(_with_dag(crab, dag % takes), "crab", "c")
    assert parse_config(_with_dag(crab, dag % "all"), "crab", "c").dag is not None


def test_what_a_product_starts_needs_a_site_unless_it_takes_everything(crab: str):
    dag = "{schedule: {product: crab/datasets}, observations: %s}"
    for takes in ("night", "cumulative"):
        with pytest.raises(ConfigError, match=rf"dag\.site: not given: schedule is product crab/datasets.* {takes}"):
            parse_config(_with_dag(crab, dag % takes), "crab", "c")
    assert parse_config(_with_dag(crab, dag % "all"), "crab", "c").site is None


@pytest.mark.parametrize("name", ["Crab", "a b", "-crab", "", "x" * 81, "crab.yml", "é"])
def test_names_that_cannot_be_a_dag(crab: str, name: str):
    with pytest.raises(ConfigError, match="cannot be the name of an analysis"):
        parse_config(crab, name, "f.yaml")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("crab.yml", b"", "cannot be the name of an analysis; expected lower-case"),
        ("crab.yaml", None, "no such file"),
        ("crab.yaml", b"a: \xff\xfe", "not text: invalid start byte at byte 3; expected UTF-8"),
    ],
)
def test_files_that_are_no_config(tmp_path: Path, file: str, content: bytes | None, message: str):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / file)
