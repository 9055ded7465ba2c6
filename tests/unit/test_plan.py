from __future__ import annotations

import pytest

from gammaops.cli import main
from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.plan import Source, make_plan

pytestmark = pytest.mark.usefixtures("toys")


def plan_of(text: str):
    return make_plan(parse_config(text, name="toy", source="toy.yaml"))


THREE = """
steps:
  - {name: third, tag: total, required_products: [one, two], products: [sum, words]}
  - {name: first, tag: count, products: one}
  - {name: second, tag: count, products: two, config: {count: {number: 2}}}
"""


@pytest.mark.requirement("A1.2", "A3.11", "R1")
def test_steps_come_in_an_order_in_which_they_can_run() -> None:
    plan = plan_of(THREE)
    assert [step.name for step in plan.steps] == ["first", "second", "third"]
    assert plan["third"].inputs == {"values": (Source("first", "value"), Source("second", "value"))}
    assert plan["third"].products == {"value": "sum", "log": "words"}


@pytest.mark.requirement("A3.6")
def test_only_possible_producer_needs_no_naming() -> None:
    plan = plan_of("steps: [{name: a, tag: count}, {name: b, tag: total}]")
    assert plan["b"].inputs == {"values": (Source("a", "value"),)}


@pytest.mark.requirement("A2.10", "A3.5")
def test_optional_input_is_taken_only_where_it_is_named() -> None:
    text = "steps: [{name: a, tag: count}, {name: r, tag: toy-reduce}]"
    assert plan_of(text)["r"].inputs == {"values": ()}
    named = plan_of(text.replace("tag: toy-reduce", "tag: toy-reduce, required_products: a"))
    assert named["r"].inputs == {"values": (Source("a", "value"),)}


def test_required_products_may_name_a_step_or_a_kind() -> None:
    by_step = plan_of(THREE.replace("[one, two]", "[first, second]"))
    by_mapping = plan_of(THREE.replace("[one, two]", "[{step: first}, {tag: count, step: second}]"))
    by_kind = plan_of(THREE.replace("[one, two]", "[value]"))
    assert (
        by_step["third"].inputs
        == by_mapping["third"].inputs
        == by_kind["third"].inputs
        == plan_of(THREE)["third"].inputs
    )


VALUE = f"products/value/ab/ab{'0' * 30}.{'1' * 16}.yaml"


@pytest.mark.requirement("A3.4")
def test_products_from_outside_join_those_of_other_steps() -> None:
    plan = plan_of(f"steps: [{{name: a, tag: count}}, {{name: b, tag: total, inputs: [{VALUE}]}}]")
    assert plan["b"].inputs == {"values": (Source("a", "value"),)}
    assert plan["b"].external == {"values": (VALUE,)}


@pytest.mark.requirement("A3.4")
def test_products_from_outside_replace_those_of_other_steps_where_asked() -> None:
    text = f"steps: [{{name: a, tag: count}}, {{name: b, tag: total, inputs: {VALUE}, extend: false}}]"
    plan = plan_of(text)
    assert plan["b"].inputs == {"values": ()}
    assert plan["b"].external == {"values": (VALUE,)}
    assert plan["b"].upstream == ()


@pytest.mark.requirement("A3.4")
def test_products_from_outside_need_no_step_that_makes_them() -> None:
    plan = plan_of(f"steps: [{{name: b, tag: total, inputs: ['file:///somewhere/{VALUE}']}}]")
    assert plan["b"].external == {"values": (f"file:///somewhere/{VALUE}",)}


def test_a_step_of_several_products_gives_those_that_can_be_read() -> None:
    plan = plan_of(f"{THREE}  - {{name: fourth, tag: total, required_products: [third]}}")
    assert plan["fourth"].inputs == {"values": (Source("third", "value"),)}


def test_names_become_group_ids_of_letters_digits_and_underscores() -> None:
    assert plan_of("steps: [{name: hess1 data-reduction, tag: count}]").steps[0].group_id == "hess1_data_reduction"


def test_closures_follow_the_wires() -> None:
    plan = plan_of(THREE)
    assert plan.upstream_closure(["third"]) == {"first", "second", "third"}
    assert plan.upstream_closure(["first"]) == {"first"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            THREE.replace("[one, two]", "[one, tow]"),
            r"toy.yaml:3:\d+: steps\[0\].required_products\[1\]: no step makes 'tow'; .*did you mean two",
        ),
        (
            "steps: [{name: a, tag: count}, {name: b, tag: count}, {name: c, tag: total}]",
            "several products could be its value: a, b",
        ),
        (
            "steps: [{name: c, tag: total}]",
            r"it needs 1 product\(s\) of kind value and finds 0; expected a step that makes one",
        ),
        ("steps: [{name: a, tag: total, required_products: [a]}]", "no step makes 'a'|cannot read its own product"),
        (
            "steps: [{name: a, tag: total, required_products: [b]},"
            " {name: b, tag: total, required_products: [a], products: [b, l]}]",
            "the steps wait for each other: a → b → a|the steps wait for each other: b → a → b",
        ),
        (
            "steps: [{name: a, tag: count, products: p}, {name: b, tag: count, products: p}]",
            "the product 'p' is made by 'a' already",
        ),
        ("steps: [{name: a, tag: count, products: [p, q]}]", r"1 name\(s\) too many; expected one for each of: value"),
        ("steps: [{name: a b, tag: count}, {name: a-b, tag: count}]", "both become the task group 'a_b'"),
        ("steps: [{name: verdict, tag: count}]", "is a task that every DAG has"),
        (
            "steps: [{name: a, tag: total, required_products: [w]}, {name: b, tag: toy-reduce, products: w},"
            " {name: c, tag: count}]",
            "'w' is of kind 'words', which 'total' does not read; expected products of kind value",
        ),
        (
            "steps:\n- {name: a, tag: count}\n- name: b\n  tag: total\n  inputs:\n  - ../value.yaml",
            r"toy.yaml:6:5: steps\[1\].inputs\[0\]: '../value.yaml' is no product path; expected a path such as prod",
        ),
        (
            f"steps: [{{name: a, tag: total, inputs: [{VALUE.replace('/value/', '/fit/')}]}}]",
            "is of kind 'fit', which 'total' does not read; expected products of kind value",
        ),
        (
            "steps: [{name: a, tag: count, rule: any}]",
            r"steps\[0\].rule: 'any' is unknown; expected one of: strict, lenient",
        ),
    ],
)
@pytest.mark.requirement("A2.9", "A3.5", "A3.6", "R3")
def test_wrong_wiring_is_refused_with_its_key_and_remedy(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_of(text)


def test_all_wiring_problems_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of("steps: [{name: a, tag: total, required_products: [x]}, {name: b, tag: total, required_products: [y]}]")
    assert {problem.key for problem in caught.value.problems} >= {
        "steps[0].required_products[0]",
        "steps[1].required_products[0]",
    }


CUBES = """
observations: {datastore: data}
datasets:
  type: 3d
  geom:
    wcs: {skydir: {frame: icrs, lon: 1 deg, lat: 1 deg}, width: {width: 6 deg, height: 4 deg}}
    axes: {energy: {min: 1 TeV, max: 10 TeV, nbins: 16}}
  background: {method: ring, parameters: {r_in: 0.3 deg, width: 0.2 deg}}
steps:
- {name: maps, tag: data-reduction, products: maps}
- {name: sky, tag: excess-map, required_products: [maps]}
- {name: mask, tag: exclusion-mask, required_products: [sky]}
- {name: again, tag: data-reduction, required_products: [mask]MORE}
"""


@pytest.mark.requirement("A4.12")
def test_size_of_the_cube_is_told(tmp_path, capsys):
    path = tmp_path / "cubes.yaml"
    path.write_text(CUBES.replace("MORE", ""), encoding="utf-8")
    assert main(["plan", "--filename", str(path)]) == 0
    # 6 deg by 4 deg in pixels of 0.02 deg, 4 bytes each: 300 * 200 * 16 * 4 = 3.84e6.
    assert "maps: each dataset has 300 x 200 pixels x 16 energies, 3.84 MB a map" in capsys.readouterr().out


@pytest.mark.requirement("A4.14")
def test_mask_that_could_not_be_used_is_refused_when_the_config_is_read():
    text = CUBES.replace("MORE", ", config: {datasets: {background: {method: none, parameters: null}}}")
    config = parse_config(text, name="cubes", source="cubes.yaml")
    place = r"cubes\.yaml:13:38: steps\[3\]\.required_products"
    words = "it reads an exclusion mask, but datasets.background.method is none, which excludes nothing"
    with pytest.raises(ConfigError, match=f"{place}: {words}"):
        make_plan(config)
