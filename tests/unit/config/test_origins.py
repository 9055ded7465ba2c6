"""What no reduced dataset could mend is told before anything is reduced, through steps that only arrange datasets."""

from __future__ import annotations

import pytest

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.plan import make_plan

MAPS = """
observations: {datastore: archive}
datasets:
  type: 3d
  stack: false
  geom:
    wcs: {skydir: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg}, width: {width: 4 deg, height: 4 deg}}
    axes: {energy: {min: 1 TeV, max: 10 TeV, nbins: 2}}
  background: {method: fov}
"""
RING = "{method: ring, parameters: {r_in: 0.5 deg, width: 0.3 deg}}"
STEPS = """
steps:
  - {name: reduce, tag: data-reduction, products: datasets}
  - {name: stack, tag: stack, required_products: datasets, products: stacked}
"""


def problems(text: str) -> list[str]:
    try:
        make_plan(parse_config(text, "maps", "maps.yaml"))
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("product", ["datasets", "stacked"])
@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("ts-map", "a background model is needed; expected fov or none for the datasets of this step"),
        ("toys", "counts of maps with OFF counts cannot be drawn; expected fov for the datasets of this step"),
    ],
)
def test_a_ring_does_not_do_for_a_ts_map_and_toys(product: str, tag: str, said: str) -> None:
    fit = f"  - {{name: fit, tag: fit, required_products: {product}}}\n"
    fit = f"general: {{models_file: crab.yaml}}\n{MAPS}{STEPS}{fit}"
    text = f"{fit}  - {{name: last, tag: {tag}, required_products: {product}}}\n"
    text = text.replace(f"{tag}, required_products: {product}", f"{tag}, required_products: [{product}, fit]")
    assert problems(text) == []
    (problem,) = problems(text.replace("{method: fov}", RING))
    assert problem == f"maps.yaml:16:5: steps[3]: of the step 'reduce': datasets.background.method is ring, and {said}"


def test_a_ts_map_needs_the_background_among_the_maps() -> None:
    chosen = f"{MAPS}  map_selection: [counts, exposure, psf, edisp]\n"
    text = f"{chosen}{STEPS}  - {{name: ts, tag: ts-map, required_products: stacked}}\n"
    (problem,) = problems(text.replace("{method: fov}", "{method: none}"))
    said = "datasets.map_selection has no background, and a background model is needed; expected background too"
    assert problem.endswith(said)


def test_a_mask_made_of_ring_maps_may_serve_a_ts_map_of_others() -> None:
    text = f"""{MAPS}
steps:
  - {{name: first, tag: data-reduction, products: first, config: {{datasets: {{background: {RING}}}}}}}
  - {{name: maps, tag: excess-map, required_products: first}}
  - {{name: mask, tag: exclusion-mask, required_products: maps}}
  - {{name: again, tag: data-reduction, products: again, required_products: mask}}
  - {{name: ts, tag: ts-map, required_products: again}}
"""
    assert problems(text) == []


@pytest.mark.parametrize(
    ("block", "place", "shown"),
    [
        ("ts_map", "ts_map.energy_edges", "10 TeV to 30 TeV"),
        ("excess_map", "excess_map.energy_edges", "10 TeV to 30 TeV"),
    ],
)
def test_energies_that_only_touch_those_of_the_datasets_are_outside(block: str, place: str, shown: str) -> None:
    tag = block.replace("_", "-")
    steps = f"{STEPS}  - {{name: last, tag: {tag}, required_products: stacked}}\n"
    edges = f"{block}: {{energy_edges: {{min: 10 TeV, max: 30 TeV, nbins: 1}}}}\n"
    (problem,) = problems(MAPS + edges + steps)
    said = f"{shown}: wholly outside the energies of the datasets that it reads; expected energies in 1 TeV to 10 TeV"
    assert problem.endswith(f"{place}.min: {said}")
    assert problems(MAPS + edges.replace("min: 10", "min: 9") + steps) == []


def test_of_several_reductions_one_that_reaches_these_energies_is_enough() -> None:
    steps = """
steps:
  - {name: low, tag: data-reduction, products: low}
  - name: high
    tag: data-reduction
    products: high
    config: {datasets: {geom: {axes: {energy: {min: 10 TeV, max: 50 TeV}, energy_true: {max: 100 TeV}}}}}
  - {name: map, tag: excess-map, required_products: [low, high]}
"""
    edges = "excess_map: {energy_edges: {min: 20 TeV, max: 30 TeV, nbins: 1}}\n"
    assert problems(MAPS + edges + steps) == []
    (problem,) = problems(MAPS + edges + steps.replace("[low, high]", "low"))
    assert problem.endswith("expected energies in 1 TeV to 10 TeV")


PLACE = "frame: icrs, lon: {lon} deg, lat: 22.01 deg"


@pytest.mark.parametrize(
    ("lon", "radius_max", "reach"),
    [("83.63", "8 deg", None), ("83.63", "20 deg", "3.33"), ("90", "0.6 deg", "6.01"), ("84.7", "0.6 deg", None)],
)
def test_annuli_of_which_none_can_lie_within_the_map(lon: str, radius_max: str, reach: str | None) -> None:
    center = PLACE.format(lon=lon)
    block = f"flux_profile:\n  annuli: {{center: {{{center}}}, radius_max: {radius_max}, nbin: 6}}\n"
    found = problems(f"{MAPS}{block}{STEPS}  - {{name: profile, tag: flux-profile, required_products: stacked}}\n")
    said = f"every one of them reaches {reach} deg from the centre of a map; expected at most 2.83 deg, or a larger map"
    assert found == ([f"maps.yaml:11:3: flux_profile.annuli: {said}"] if reach else [])


@pytest.mark.parametrize(("start", "end", "reach"), [("90", "95", "5.91"), ("78", "90", None), ("83", "95", None)])
def test_boxes_of_which_none_can_lie_within_the_map(start: str, end: str, reach: str | None) -> None:
    ends = f"start_pos: {{{PLACE.format(lon=start)}}}, end_pos: {{{PLACE.format(lon=end)}}}"
    block = f"flux_profile:\n  boxes: {{{ends}, height: 1 deg, nbin: 9}}\n"
    found = problems(f"{MAPS}{block}{STEPS}  - {{name: profile, tag: flux-profile, required_products: stacked}}\n")
    said = f"every one of them reaches {reach} deg from the centre of a map; expected at most 2.83 deg, or a larger map"
    assert found == ([f"maps.yaml:11:3: flux_profile.boxes: {said}"] if reach else [])


def without_site(crab: str, block: str, tag: str) -> str:
    """The analysis with one more step."""
    head, _, rest = crab.partition("dag:")
    rest = rest[rest.index("general:") :]
    return f"{head}{rest}{block}\n".replace("flux_points}\n", f"flux_points}}\n  - {{name: last, tag: {tag}}}\n")


def test_a_light_curve_by_night_needs_a_site(crab: str) -> None:
    text = without_site(crab, "light_curve: {time_intervals: {by: night}}", "light-curve")
    said = "night, but dag.site is not given: without it there are no nights"
    (problem,) = problems(text)
    expected = "expected dag.site: a known site, or {lon, lat, height}"
    assert problem.partition(": ")[2] == f"light_curve.time_intervals.by: {said}; {expected}"
    assert problems(f"dag: {{site: hess}}\n{text}") == []


def test_nights_of_a_stack_come_from_the_data(crab: str) -> None:
    assert problems(without_site(crab, "stack: {by: [instrument, night]}", "stack")) == []
