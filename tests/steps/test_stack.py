"""Stacks by instrument, night and zenith angle: gammapy's sums, with names and facts that later steps can rely on."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from gammapy.datasets import Datasets
from gammapy.estimators import LightCurveEstimator
from gammapy.modeling.models import Models

from gammaops.config import parse_config
from gammaops.errors import AlgorithmError, ConfigError
from gammaops.physics.datasets_io import read_dataset
from gammaops.physics.flux_io import read_flux_points
from gammaops.simulation import ArchivePlan, simulate_archive

MAPS = ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "mask_safe")


@pytest.fixture(scope="module")
def nights(driver, tmp_path_factory):
    """Two nights of two observations of ten minutes: numbers 1 and 2, 3 and 4."""
    folder = tmp_path_factory.mktemp("nights")
    simulate_archive(folder, ArchivePlan(nights=2, observations=2, duration_min=10, size="small", seed=5))
    return driver.run_fan("data-reduction", driver.spectrum_config(folder), folder / "out")[0]


def with_rows(product, rows):
    """The same datasets under changed rows of their index."""
    members = (replace(one, row={**one.row, **row}) for one, row in zip(product.members, rows, strict=True))
    return replace(product, members=tuple(members))


def stacked(driver, datasets, folder, **block):
    return driver.run_one("stack", driver.blocks("stack", stack=block), folder, {"datasets": (datasets,)})


def assert_is_sum(member, parts):
    found = read_dataset(member.path)
    expected = Datasets([read_dataset(part.path) for part in parts]).stack_reduce(name="stacked")
    for name in MAPS:
        np.testing.assert_array_equal(getattr(found, name).data, getattr(expected, name).data, err_msg=name)


@pytest.mark.requirement("A4.11", "R19")
def test_each_night_is_the_sum_of_its_observations(driver, nights, tmp_path):
    product = stacked(driver, nights, tmp_path, by=["night"])
    assert [(member.row["name"], member.row["obs_ids"]) for member in product.members] == [
        ("stacked-2026-11-02", [1, 2]),
        ("stacked-2026-11-03", [3, 4]),
    ]
    assert_is_sum(product.members[0], nights.members[:2])
    assert_is_sum(product.members[1], nights.members[2:])
    row = product.members[1].row
    assert (row["night"], row["instrument"]) == ("2026-11-03", "HESS")
    assert row["livetime_s"] == pytest.approx(sum(member.row["livetime_s"] for member in nights.members[2:]))
    assert len(row["gti"]) == 2


def test_stack_of_nights_makes_the_nightly_light_curve_of_gammapy(driver, nights, fit_product, tmp_path):
    product = stacked(driver, nights, tmp_path / "stack", by=["night"])
    energies = {"min": "1 TeV", "max": "20 TeV", "nbins": 1}
    config = driver.blocks("light-curve", light_curve={"energy_edges": energies})
    inputs = {"datasets": (product,), "fit": (fit_product,)}
    curve, rows, _ = driver.run_fan("light-curve", config, tmp_path / "curve", inputs)
    assert len(rows) == 2
    pairs = (nights.members[:2], nights.members[2:])
    expected = Datasets(
        [
            Datasets([read_dataset(one.path) for one in pair]).stack_reduce(name=f"n{number}")
            for number, pair in enumerate(pairs)
        ]
    )
    expected.models = Models.read(fit_product.path)
    estimator = LightCurveEstimator(energy_edges=[1, 20] * u.TeV, source="crab", selection_optional=["ul"])
    times = [(start.gti.time_start[0], start.gti.time_stop[-1]) for start in expected]
    estimator.time_intervals = times
    np.testing.assert_allclose(read_flux_points(curve.path).flux.data, estimator.run(expected).flux.data, rtol=1e-6)


def test_bands_of_zenith_angle(driver, nights, tmp_path):
    named = with_rows(nights, [{"zenith_deg": angle} for angle in (29.9, 30.0, 44.0, 10.0)])
    product = stacked(driver, named, tmp_path, by=["zenith"], zenith_edges=["0 deg", "30 deg", "45 deg"])
    assert [(member.row["name"], member.row["obs_ids"]) for member in product.members] == [
        ("stacked-0-30deg", [1, 4]),
        ("stacked-30-45deg", [2, 3]),
    ]
    assert product.members[1].row["zenith"] == "30-45deg"
    assert product.members[1].row["zenith_deg"] == pytest.approx(37.0, abs=0.2), "mean by livetime"


def test_the_archives_own_zenith_angles_are_used(driver, nights, tmp_path):
    for member in nights.members:
        ((start, stop),) = member.row["gti"]
        middle = (Time(start, scale="tt") + (Time(stop, scale="tt") - Time(start, scale="tt")) / 2).utc
        middle.delta_ut1_utc = 0.0  # below a second
        hour_angle = middle.sidereal_time("mean", longitude=16.5 * u.deg).rad - np.radians(83.63)
        lat, dec = np.radians([-23.27, 22.01])
        altitude = np.degrees(np.arcsin(np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour_angle)))
        # Observations point up to 0.7 deg off the target.
        assert member.row["zenith_deg"] == pytest.approx(90 - altitude, abs=1.0)
    product = stacked(driver, nights, tmp_path, by=["zenith"], zenith_edges=["0 deg", "44 deg", "90 deg"])
    # Seen from Namibia the Crab nebula never rises above 90 - (22.0 + 23.3) deg.
    assert [member.row["name"] for member in product.members] == ["stacked-44-90deg"]


def test_several_facts_together(driver, nights, tmp_path):
    named = with_rows(nights, [{"instrument": name} for name in ("A", "B", "A", "A")])
    product = stacked(driver, named, tmp_path, by=["instrument", "night"])
    assert {member.row["name"]: member.row["obs_ids"] for member in product.members} == {
        "stacked-A-2026-11-02": [1],
        "stacked-A-2026-11-03": [3, 4],
        "stacked-B-2026-11-02": [2],
    }


@pytest.mark.requirement("R11")
def test_order_of_the_members_does_not_matter(driver, nights, tmp_path):
    turned = replace(nights, members=nights.members[::-1])
    one = stacked(driver, nights, tmp_path / "one", by=["night"])
    two = stacked(driver, turned, tmp_path / "two", by=["night"])
    assert [member.path.read_bytes() for member in one.members] == [member.path.read_bytes() for member in two.members]


def test_default_is_one_stack_of_an_instrument(driver, nights, tmp_path):
    product = stacked(driver, nights, tmp_path)
    assert [(member.row["name"], member.row["obs_ids"]) for member in product.members] == [("stacked", [1, 2, 3, 4])]
    assert_is_sum(product.members[0], nights.members)


def test_nights_of_a_stack_of_nights_are_known(driver, nights, tmp_path):
    first = stacked(driver, nights, tmp_path / "first", by=["instrument", "night"])
    again = stacked(driver, first, tmp_path / "again", by=["night"])
    assert [member.row["name"] for member in again.members] == ["stacked-2026-11-02", "stacked-2026-11-03"]


@pytest.mark.parametrize(
    ("row", "by", "message"),
    [
        (
            {"zenith_deg": None},
            "zenith",
            r"obs-1 cannot be grouped: its zenith is not known .* leave it out of stack\.by",
        ),
        ({"longitude_deg": None}, "night", "obs-1 cannot be grouped: its longitude is not known"),
        (
            {"zenith_deg": 70.0},
            "zenith",
            "obs-1 was taken at a zenith angle of 70.0 deg; zenith_edges reach from 0 to 60",
        ),
    ],
)
def test_what_cannot_be_grouped_is_said(driver, nights, tmp_path, row, by, message):
    named = with_rows(nights, [row, {}, {}, {}])
    with pytest.raises(AlgorithmError, match=message):
        stacked(driver, named, tmp_path, by=[by], zenith_edges=["0 deg", "60 deg"])


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{by: moon}", r"stack\.by: 'moon' is unknown; expected some of: instrument, night, zenith"),
        ("{zenith_edges: [30 deg, 30 deg]}", r"stack\.zenith_edges: '30 deg' is listed twice"),
        ("{zenith_edges: [30 deg, 1 TeV]}", r"stack\.zenith_edges: .*TeV"),
        ("{zenith_edges: [30 deg]}", r"stack\.zenith_edges: one value only, 30 deg; expected two or more"),
        ("{zenith_edges: [0, 30 deg]}", r"stack\.zenith_edges: '0' has no unit"),
    ],
)
def test_blocks_that_are_wrong(block, message):
    text = "observations: {datastore: data}\n" + (
        "datasets: {on_region: {frame: icrs, lon: 1 deg, lat: 1 deg, radius: 1 deg}, background: {method: reflected}}\n"
        f"stack: {block}\nsteps: [{{tag: data-reduction}}, {{tag: stack}}]\n"
    )
    with pytest.raises(ConfigError, match=message):
        parse_config(text, "stacks", "stacks.yaml")


def peak_memory(driver, maps, number: int, folder) -> int:
    """Bytes at most in use beyond what was there before, while so many datasets are stacked."""
    (first, *_) = maps.members
    members = tuple(
        replace(first, row={**first.row, "name": f"obs-{copy}", "obs_ids": [copy]}) for copy in range(number)
    )
    tracemalloc.start()
    try:
        stacked(driver, replace(maps, members=members), folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.requirement("R11")
def test_memory_does_not_grow_with_the_number_of_observations(driver, archive, tmp_path):
    maps, _, _ = driver.run_fan("data-reduction", driver.map_config(archive, stack=False), tmp_path / "maps")
    peak_memory(driver, maps, 1, tmp_path / "warm")  # what is imported and remembered on the way
    few, many = (peak_memory(driver, maps, number, tmp_path / str(number)) for number in (2, 8))
    assert many < 1.1 * few
    assert few > maps.members[0].path.stat().st_size, "the datasets are what takes the memory"
