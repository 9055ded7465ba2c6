"""Differences in the measure that suits each quantity, and which of them are worth a look."""

from __future__ import annotations

import math
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import yaml
from astropy.table import Table
from astropy.time import Time
from gammapy.datasets import MapDataset
from gammapy.estimators import FluxMaps, FluxPoints
from gammapy.maps import Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom, WcsNDMap
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

from gammaops.physics.dataset_differences import dataset_differences
from gammaops.physics.datasets_io import write_dataset
from gammaops.physics.differences import Difference, Tolerances, in_sigma, relative, unlike
from gammaops.physics.flux_differences import fit_differences, flux_map_differences, flux_point_differences
from gammaops.physics.flux_io import write_flux_maps, write_flux_points
from gammaops.physics.product_differences import product_differences

pytestmark = pytest.mark.requirement("R20", "R23")
LIMITS = Tolerances()
MODEL = SkyModel(spectral_model=PowerLawSpectralModel())


def flagged(found: list[Difference]) -> dict[str, float | None]:
    return {one.quantity: one.size for one in found if one.flagged}


@pytest.mark.parametrize(
    ("one", "size", "is_flagged"),
    [
        (relative("exposure", 100.0, 110.0, 0.01), 0.10, True),
        (relative("exposure", 100.0, 100.9, 0.01), 0.009, False),
        (relative("exposure", 0.0, 1.0, 0.01), None, True),
        (relative("exposure", 0.0, 0.0, 0.01), 0.0, False),
        (relative("livetime", math.nan, math.nan, 0.01), 0.0, False),
        (relative("livetime", 1.0, math.nan, 0.01), None, True),
        (in_sigma("index", (2.0, 2.04), 0.1, 0.5), 0.4, False),
        (in_sigma("index", (2.0, 1.9), 0.1, 0.5), -1.0, True),
        (in_sigma("index", (2.0, 2.01), math.nan, 0.5), 0.005, False),
        (in_sigma("index", (2.0, 2.1), 0.0, 0.5), 0.05, True),
        (in_sigma("flux", (math.nan, math.nan), math.nan, 0.5), 0.0, False),
        (in_sigma("flux", (1.0, math.nan), 0.1, 0.5), None, True),
        (unlike("fit", ("converged", "not converged")), None, True),
        (Difference("statistic", (1.0, 9.0), "", 8.0, "absolute", None), 8.0, False),
    ],
)
def test_a_difference_is_flagged_above_its_limit_or_where_no_number_tells_it(one, size, is_flagged):
    assert one.size == (None if size is None else pytest.approx(size))
    assert one.flagged is is_flagged
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in one.as_dict().values())


@pytest.fixture
def dataset() -> MapDataset:
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
    geom = WcsGeom.create(skydir=(0, 0), width=1, binsz=0.1, axes=[energy])
    made = MapDataset.create(geom, energy_axis_true=energy_true, name="obs-1", migra_axis=None)
    made.counts.data += 2
    made.exposure.quantity = np.ones(made.exposure.data.shape) * 1e10 * u.Unit("m2 s")
    made.background.data += 1
    made.mask_safe.data[...] = True
    return made


def files(tmp_path: Path, write, one, other) -> tuple[Path, Path]:
    paths = tmp_path / "a.fits", tmp_path / "b.fits"
    for item, path in zip((one, other), paths, strict=True):
        write(item, path)
    return paths


def test_events_in_another_bin_are_seen_though_the_sum_is_the_same(dataset, tmp_path):
    other = dataset.copy(name="obs-1")
    other.counts.data[0, 0, 0] -= 1
    other.counts.data[2, 5, 5] += 1
    found = dataset_differences(*files(tmp_path, write_dataset, dataset, other), LIMITS)
    assert flagged(found) == {"counts": 2.0}
    (counts,) = [one for one in found if one.quantity == "counts"]
    assert counts.pair == [600.0, 600.0]


def test_exposure_is_flagged_at_the_energy_where_it_has_changed_most(dataset, tmp_path):
    other = dataset.copy(name="obs-1")
    other.exposure.data[1] *= 0.98
    other.exposure.data[2] *= 1.2
    found = flagged(dataset_differences(*files(tmp_path, write_dataset, dataset, other), LIMITS))
    energy = dataset.exposure.geom.axes["energy_true"].center[2].to_value("TeV")
    assert found == {f"exposure at {energy:.3g} TeV": pytest.approx(0.2, abs=1e-6)}


def test_background_safe_bins_and_absent_exposure_are_told(dataset, tmp_path):
    other = dataset.copy(name="obs-1")
    other.background.data *= 1.05
    other.mask_safe.data[0, 0, :4] = False
    other.exposure = None
    found = flagged(dataset_differences(*files(tmp_path, write_dataset, dataset, other), LIMITS))
    assert found["safe bins"] == 4
    assert found["background"] == pytest.approx(1.05 * 296 / 300 - 1, abs=1e-6)
    assert found["exposure"] is None


def points(flux: np.ndarray, error: np.ndarray) -> FluxPoints:
    energy = MapAxis.from_energy_edges([1, 2, 5] * u.TeV)
    geom = RegionGeom.create(None, axes=[energy])
    maps = {
        name: RegionNDMap.from_geom(geom, data=np.reshape(values, (2, 1, 1)))
        for name, values in (("norm", flux), ("norm_err", error), ("norm_ul", flux + 2 * error))
    }
    return FluxPoints(maps, reference_model=MODEL)


def test_flux_points_are_compared_in_errors_of_the_first(tmp_path):
    before, after = points(np.array([1.0, 2.0]), np.array([0.1, 0.5])), points(np.array([1.1, 2.1]), np.array([0.2, 1]))
    found = flux_point_differences(*files(tmp_path, write_flux_points, before, after), LIMITS)
    assert {one.quantity: one.size for one in found} == {
        "flux, 1 to 2 TeV": pytest.approx(1.0),
        "flux, 2 to 5 TeV": pytest.approx(0.2),
    }
    assert list(flagged(found)) == ["flux, 1 to 2 TeV"]


def test_bins_of_one_light_curve_alone_are_told_by_their_times(tmp_path):
    def curve(starts: list[float]) -> FluxPoints:
        table = Table({"norm": [[1.0]] * len(starts), "norm_err": [[0.1]] * len(starts)})
        axis = Time(53000.0 + np.array(starts), format="mjd", scale="tt")
        table["time_min"], table["time_max"] = axis.mjd, axis.mjd + 0.01
        for name, value in (("e_min", 1.0), ("e_max", 10.0), ("e_ref", 3.0)):
            table[name] = [[value]] * len(starts) * u.TeV
        table.meta.update({"SED_TYPE": "likelihood", "TIMESYS": "tt", "MJDREFI": 0, "MJDREFF": 0.0, "TIMEUNIT": "d"})
        return FluxPoints.from_table(table, format="lightcurve", sed_type="likelihood", reference_model=MODEL)

    def write(item: FluxPoints, path: Path) -> None:
        write_flux_points(item, path)

    paths = files(tmp_path, write, curve([0.0, 1.0]), curve([0.0, 2.0]))
    found = flux_point_differences(*paths, LIMITS)
    assert [one.quantity.partition(" to ")[0] for one in found if one.flagged] == [
        "flux, 2003-12-28T00:00:00",
        "flux, 2003-12-29T00:00:00",
    ]


def test_maps_are_compared_at_the_pixel_that_has_changed_most(tmp_path):
    geom = WcsGeom.create(width=1, binsz=0.2, axes=[MapAxis.from_energy_edges([1, 10] * u.TeV)])

    def maps(change: float) -> FluxMaps:
        made = {name: WcsNDMap.from_geom(geom, data=np.full(geom.data_shape, value))
                for name, value in (("norm", 2.0), ("norm_err", 0.5), ("sqrt_ts", 4.0), ("counts", 7.0))}  # fmt: skip
        made["norm"].data[0, 1, 1] += change
        made["sqrt_ts"].data[0, 2, 2] -= change
        return FluxMaps(made, reference_model=MODEL)

    found = flux_map_differences(*files(tmp_path, write_flux_maps, maps(0.0), maps(0.6)), LIMITS)
    assert flagged(found) == {
        "norm, largest in the map": pytest.approx(1.2, rel=1e-6),
        "sqrt_ts, largest in the map": pytest.approx(-0.6, rel=1e-6),
    }


def test_tables_masks_and_unknown_kinds(tmp_path):
    one = Table({"name": ["a", "b"], "flux": [1.0, 2.0], "n": [1, 2]})
    other = Table({"name": ["a", "c"], "flux": [1.0, 2.5], "n": [1, 2]})
    paths = tmp_path / "a.ecsv", tmp_path / "b.ecsv"
    for table, path in zip((one, other), paths, strict=True):
        table.write(path, format="ascii.ecsv")
    assert flagged(product_differences("sources", *paths, LIMITS)) == {"name, row 1": None, "flux, row 1": 0.25}
    other[:1].write(paths[1], format="ascii.ecsv", overwrite=True)
    assert flagged(product_differences("sources", *paths, LIMITS)) == {"rows": None}

    geom = WcsGeom.create(width=1, binsz=0.5)
    masks = [Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=int)) for _ in range(2)]
    masks[1].data[0, :] = 0
    found = files(tmp_path, lambda item, path: item.write(path), *masks)
    assert flagged(product_differences("mask", *found, LIMITS)) == {"pixels that are not masked": 2.0}

    for path, content in zip((tmp_path / "x.yaml", tmp_path / "y.yaml"), ("1\n", "22\n"), strict=True):
        path.write_text(content, encoding="utf-8")
    (unknown,) = product_differences("value", tmp_path / "x.yaml", tmp_path / "y.yaml", LIMITS)
    assert (unknown.pair, unknown.flagged) == (["2 bytes", "3 bytes"], True)


def test_a_fit_without_errors_is_compared_by_its_values(tmp_path):
    def written(index: float) -> Path:
        parameter = {"name": "crab.index", "value": index, "unit": "", "frozen": False, "error": None}
        path = tmp_path / f"{index}.yaml"
        path.write_text(yaml.safe_dump({"fit": {"success": True, "total_stat": 1.0, "parameters": [parameter]}}))
        return path

    same = fit_differences(written(2.0), written(2.01), LIMITS)
    assert flagged(same) == {}
    assert flagged(fit_differences(written(2.0), written(2.1), LIMITS)) == {"crab.index": pytest.approx(0.05)}
