"""Run parameters beat a step's config, which beats the analysis, which beats the site, which beats the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from gammaops.config import AnalysisConfig, StepConfig, parse_config
from gammaops.config.blocks import block_levels
from gammaops.errors import ConfigError

REDUCE = "{name: reduce, tag: data-reduction, products: datasets"
# Values of datasets.geom.wcs.binsize in each layer; the package's default is 0.02 deg.
LAYERS = {"params": "0.5 deg", "step": "0.4 deg", "analysis": "0.3 deg", "site": "0.1 deg"}


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one site, ``here``, that has a default of its own."""
    folder = tmp_path / "include" / "sites"
    folder.mkdir(parents=True)
    place = "lon: 16.5 deg\nlat: -23.27 deg\nheight: 1835 m\n"
    (folder / "here.yaml").write_text(
        f"{place}defaults: {{datasets: {{geom: {{wcs: {{binsize: {LAYERS['site']}}}}}}}}}\n"
    )
    (folder / "bare.yaml").write_text(place)
    monkeypatch.setenv("GAMMAOPS_PROJECT", str(tmp_path))
    return folder


def build(crab: str, layers: set[str]) -> tuple[AnalysisConfig, StepConfig]:
    def wcs(layer: str) -> str:
        return f"{{wcs: {{binsize: {LAYERS[layer]}}}}}"

    text = crab.replace("site: hess ", f"site: {'here' if 'site' in layers else 'bare'} ")
    if "analysis" in layers:
        text = text.replace("  geom: {", f"  geom: {{wcs: {{binsize: {LAYERS['analysis']}}}, ")
    if "step" in layers:
        text = text.replace(REDUCE, f"{REDUCE}, config: {{datasets: {{geom: {wcs('step')}}}}}")
    config = parse_config(text, "crab", "crab.yaml")
    if "params" in layers:
        config = config.with_params({"config": {"datasets": {"geom": {"wcs": {"binsize": LAYERS["params"]}}}}})
    return config, config.steps[0]


@pytest.mark.parametrize("params", [False, True])
@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize("analysis", [False, True])
@pytest.mark.parametrize("site", [False, True])
@pytest.mark.usefixtures("sites")
@pytest.mark.requirement("A4.19", "R4")
def test_precedence(crab: str, params: bool, step: bool, analysis: bool, site: bool):
    given = {"params": params, "step": step, "analysis": analysis, "site": site}
    config, reduce = build(crab, {layer for layer, there in given.items() if there})
    winner = next((layer for layer, there in given.items() if there), None)
    assert config.blocks(reduce)["datasets"]["geom"]["wcs"]["binsize"] == (LAYERS[winner] if winner else "0.02 deg")
    line = 30 if winner == "step" else 24
    expected = {
        "params": "params",
        "step": f"step config crab.yaml:{line}",
        "analysis": f"crab.yaml:{line}",
        "site": "site here",
    }
    assert config.origin(reduce, "datasets.geom.wcs.binsize") == (expected[winner] if winner else "default")


@pytest.mark.parametrize("params", [False, True])
@pytest.mark.parametrize("step", [False, True])
@pytest.mark.usefixtures("sites")
def test_frozen_config_keeps_every_layer(crab: str, params: bool, step: bool):
    layers = {"analysis", "site"} | ({"params"} if params else set()) | ({"step"} if step else set())
    config, _ = build(crab, layers)
    again = parse_config(config.to_yaml(), "crab", "frozen.yaml")
    assert again.digest == config.digest
    assert again.document == config.document


@pytest.mark.parametrize("back", ["null", "[]", "0.02 deg"])
@pytest.mark.requirement("A4.19", "R4")
def test_step_can_go_back_to_the_default(crab: str, back: str):
    text = crab.replace("  geom: {", "  geom: {wcs: {binsize: 0.3 deg}, ")
    text = text.replace(REDUCE, f"{REDUCE}, config: {{datasets: {{geom: {{wcs: {{binsize: {back}}}}}}}}}")
    config = parse_config(text, "crab", "crab.yaml")
    assert config.blocks(config.steps[0])["datasets"]["geom"]["wcs"]["binsize"] == "0.02 deg"
    assert parse_config(config.to_yaml(), "crab", "frozen.yaml").digest == config.digest


SAFE = "methods: [edisp-bias], parameters: {bias_percent: 10}"


@pytest.mark.parametrize("none", ["[]", "none", "[none]"])
def test_an_empty_list_of_masks_is_none_in_every_layer(crab: str, none: str):
    whole = parse_config(crab.replace(SAFE, f"methods: {none}"), "crab", "crab.yaml")
    stepwise = crab.replace(REDUCE, f"{REDUCE}, config: {{datasets: {{safe_mask: {{methods: {none}}}}}}}")
    asked = {"config": {"datasets": {"safe_mask": {"methods": [] if none == "[]" else ["none"]}}}}
    configs = [whole, parse_config(stepwise, "crab", "crab.yaml"), parse_config(crab, "crab", "c").with_params(asked)]
    for config in configs:
        assert config.blocks(config.steps[0])["datasets"]["safe_mask"]["methods"] == ["none"]
        assert parse_config(config.to_yaml(), "crab", "frozen.yaml").digest == config.digest
    for default in ("null", "[aeff-default]"):
        config = parse_config(crab.replace(SAFE, f"methods: {default}"), "crab", "crab.yaml")
        assert config.blocks(config.steps[0])["datasets"]["safe_mask"]["methods"] == ["aeff-default"]


def test_step_can_switch_back_what_the_analysis_switched(crab: str):
    text = crab.replace(REDUCE, f"{REDUCE}, config: {{datasets: {{stack: true}}}}")
    config = parse_config(text, "crab", "crab.yaml")
    assert config.blocks(config.steps[0])["datasets"]["stack"] is True
    assert (
        config.with_params({"config": {"datasets": {"stack": False}}}).blocks(config.steps[0])["datasets"]["stack"]
        is False
    )


def test_step_can_take_away_a_whole_block(crab: str):
    text = crab.replace(REDUCE, f"{REDUCE}, config: {{observations: {{obs_cone: null, obs_ids: [2, 1]}}}}")
    config = parse_config(text, "crab", "crab.yaml")
    observations = config.blocks(config.steps[0])["observations"]
    assert observations["obs_cone"] == {"frame": None, "lon": None, "lat": None, "radius": None}
    assert observations["obs_ids"] == [1, 2]


def test_an_override_leaves_the_other_keys(crab: str):
    text = crab.replace(REDUCE, f"{REDUCE}, config: {{datasets: {{on_region: {{radius: 0.2 deg}}}}}}")
    config = parse_config(text, "crab", "crab.yaml")
    region = config.blocks(config.steps[0])["datasets"]["on_region"]
    assert region == {"frame": "icrs", "lon": "83.63 deg", "lat": "22.01 deg", "radius": "0.2 deg"}


def test_another_method_drops_the_arguments_of_the_first(crab: str):
    ring = "{method: ring, parameters: {r_in: 0.5 deg, width: 0.3 deg}}"
    sky = "geom: {wcs: {skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}}}"
    text = crab.replace("{method: reflected}", "{method: reflected, parameters: {max_region_number: 5}}")
    text = text.replace(REDUCE, f"{REDUCE}, config: {{datasets: {{type: 3d, {sky}, background: {ring}}}}}")
    config = parse_config(text, "crab", "crab.yaml")
    background = config.blocks(config.steps[0])["datasets"]["background"]
    assert background["parameters"] == {"r_in": "0.5 deg", "width": "0.3 deg"}
    assert parse_config(config.to_yaml(), "crab", "frozen.yaml").digest == config.digest


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"datasets": {"typ": "1d"}}, "params: config.datasets.typ: unknown key; expected .*; did you mean type?"),
        ({"datset": {}}, "params: config.datset: no step of this analysis reads it; .* did you mean datasets?"),
        ({"datasets": 3}, "params: config.datasets: 3 does not fit; expected keys and values"),
        ({"datasets": {"stack": 1}}, "params: config.datasets.stack: 1 does not fit; expected true or false"),
        (
            {"datasets": {"on_region": {"radius": "1 TeV"}}},
            "params: config.datasets.on_region.radius: 'TeV' is a unit of energy",
        ),
        ({"datasets": {"on_region": None}}, "params: config.datasets.on_region.lon: not given: type is 1d"),
        ({"datasets": {"safe_mask": {"parameters": {"bias_percent": float("nan")}}}}, "nan is not a finite number"),
        ({"dag": {"retries": 5}}, "params: config.dag: no step of this analysis reads it"),
        ({"observations": {"datastore": "/etc/../x"}}, "leads out of its folder"),
    ],
)
def test_bad_run_parameters(crab: str, override: dict, message: str):
    config = parse_config(crab, "crab", "crab.yaml")
    with pytest.raises(ConfigError, match=message):
        config.with_params({"config": override})


def test_no_override_changes_nothing(crab: str):
    config = parse_config(crab, "crab", "crab.yaml")
    assert config.with_params({}).digest == config.digest
    assert config.with_params({"config": {}}).document == config.document


def test_mistake_of_a_step_is_told_there_and_once(original: str):
    wrong = original.replace("datastore: data/hess1\n", "datastore: data/hess1\n      datasets: {type: 1d}\n")
    with pytest.raises(ConfigError) as caught:
        parse_config(wrong, "original", "original.yaml")
    assert [problem.key for problem in caught.value.problems] == [
        "steps[0].config.datasets.background.method",
        "steps[0].config.datasets.on_region.lon",
    ]
    assert {problem.line for problem in caught.value.problems} == {48}


def test_mistake_in_a_site_names_its_file(crab: str, sites: Path):
    (sites / "bad.yaml").write_text("lon: 16.5\nlat: -23.27 deg\ndefaults: {datset: {type: 1d}}\n")
    with pytest.raises(ConfigError) as caught:
        parse_config(crab.replace("site: hess ", "site: bad "), "crab", "crab.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        f"{sites}/bad.yaml:1:1: height: not given; expected a value; there is no default",
        f"{sites}/bad.yaml:1:1: lon: 16.5 has no unit; expected an angle such as 1 deg; did you mean 16.5 deg?",
        f"{sites}/bad.yaml:3:12: defaults.datset: not a block; expected keys and values of one of: "
        f"{', '.join(('dag', *block_levels()))}; did you mean datasets?",
    ]


@pytest.mark.requirement("A3.2")
def test_step_without_name_is_called_by_its_tag(crab: str):
    text = crab.replace("name: reduce, ", "").replace("name: points, ", "")
    assert [step.name for step in parse_config(text, "crab", "c").steps] == [
        "data-reduction",
        "spectrum",
        "flux-points",
    ]
