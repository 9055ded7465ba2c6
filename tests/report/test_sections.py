from __future__ import annotations

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.estimators import FluxMaps
from gammapy.maps import MapAxis, WcsNDMap
from gammapy.modeling.models import Models

from gammaops.physics.counts_by_energy import counts_by_energy, merged
from gammaops.physics.datasets_io import write_dataset
from gammaops.physics.datasets_section import cumulative, datasets_section
from gammaops.physics.exposures import exposures
from gammaops.physics.field_scale import fewest_field_counts
from gammaops.physics.fit_section import fit_section
from gammaops.physics.light_curve_section import light_curve_section
from gammaops.physics.map_sections import map_section
from gammaops.physics.notation import measured, plain, unit_text
from gammaops.physics.sections import spectrum_section
from gammaops.physics.steadiness import Steadiness
from gammaops.products.base import Product


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.6539, 0.0767, "2.654 ± 0.077"),
        (1.5996e-11, 8.73e-13, "(1.600 ± 0.087) × 10⁻¹¹"),
        (0.0, 6.6e-18, "(0.0 ± 6.6) × 10⁻¹⁸"),
        (-12.3, 4.0, "-12.3 ± 4.0"),
        (383.9, 20.0, "384 ± 20"),
        (float("nan"), 1.0, "–"),
        (1.45, 0.0, "1.450"),
    ],
)
def test_a_measurement_has_two_digits_of_its_error(value, error, text):
    assert measured(value, error) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.681292, "0.681"), (10.0, "10.0"), (0.0, "0"), (2.6e-11, "2.60 × 10⁻¹¹"), (float("inf"), "–"), (1234.0, "1234")],
)
def test_plain_numbers(value, text):
    assert plain(value) == text


def test_units_on_one_line():
    assert unit_text("cm-2 s-1 TeV-1") == "TeV⁻¹ s⁻¹ cm⁻²"
    assert unit_text("") == ""


def test_spectrum_section_counts_detected_bins_and_gives_limits_for_the_others(points):
    section = spectrum_section(points)
    assert section.notes == ("3 of 4 energy bins above 2 σ, from 0.50 to 16 TeV.",)
    (table,) = section.tables
    assert table.header[3] == "Upper limit (2 σ)"
    assert [row[2] == "no signal" for row in table.rows] == [False, False, False, True]
    assert table.rows[3][3] != "–"


# Exposures are not known: points count alike.
UNKNOWN = np.full(4, np.nan)


def times(number):
    return [f"22:{minute:02d}" for minute in range(number)]


def test_a_constant_light_curve_is_steady():
    found = Steadiness.of(np.array([1.0, 1.1, 0.9]) * 1e-11, np.full(3, 1e-12), UNKNOWN[:3])
    assert found.mean == pytest.approx(1e-11)
    assert found.chi_square == pytest.approx(2.0)
    assert found.p_value == pytest.approx(np.exp(-1.0)), "survival function of chi-square with 2 degrees: exp(-x / 2)"
    assert found.in_words(times(3)).startswith("Steady: a constant flux of 1.00 × 10⁻¹¹ cm⁻² s⁻¹")


def test_a_flare_is_called_variable_with_its_time_and_height():
    words = Steadiness.of(np.array([1.0, 1.0, 5.0, 1.0]) * 1e-11, np.full(4, 2e-12), UNKNOWN).in_words(times(4))
    assert words.startswith("VARIABLE: highest at 22:02, 5.00 × 10⁻¹¹ cm⁻² s⁻¹, 2.5 times the mean")


def test_points_without_an_error_do_not_make_variability():
    found = Steadiness.of(np.array([1.0, np.nan, 100.0]) * 1e-11, np.array([1e-12, 1e-12, np.nan]), UNKNOWN[:3])
    assert found.in_words(times(3)).startswith("One point only, 1.00 × 10⁻¹¹")


def test_nothing_measured_is_said():
    assert Steadiness.of(*[np.array([np.nan])] * 3).in_words(times(1)) == "No flux could be measured."


def test_exposure_is_counts_over_flux(light_curve):
    counts = light_curve.npred_excess
    excess = np.nansum(counts.data[..., 0, 0], axis=counts.geom.axes.index_data("dataset"))
    flux = light_curve.flux.quantity[:, 0, 0, 0].to_value("cm-2 s-1")
    assert exposures(light_curve, 0) == pytest.approx(excess[:, 0] / flux, rel=1e-6)
    # Half an hour of 1e5 m2 at all energies.
    assert (exposures(light_curve, 0) * u.cm**2 * u.s).to_value("m2 s") == pytest.approx([1e5 * 1800] * 3, rel=0.05)


def test_light_curve_says_when_its_energies_are_not_those_asked_for(light_curve):
    notes = light_curve_section(light_curve, {}, [1.0, 10.0]).notes
    assert notes[1] == (
        "Asked for were bins with edges at 1.00, 10.0 TeV; the nearest edges of the datasets' bins are 0.500, 50.0 TeV."
        " Give datasets.geom.axes.energy bins that end where you want them."
    )
    assert len(light_curve_section(light_curve, {}, [0.5, 50.0]).notes) == len(notes) - 1


def test_light_curve_section_of_a_steady_source(light_curve):
    section = light_curve_section(light_curve, {})
    assert section.notes[0].startswith("0.500 to 50.0 TeV: Steady")
    (table,) = section.tables
    assert [row[0] for row in table.rows] == [f"2004-12-06 {hour}:00 to {hour}:30" for hour in (22, 23)] + [
        "2004-12-07 00:00 to 00:30"
    ]
    assert {row[1] for row in table.rows} == {"0.500 to 50.0"}


def test_map_section_names_the_source(maps):
    section = map_section(maps)
    assert "σ at RA 83.9" in section.notes[0] or "σ at RA 83.87" in section.notes[0], "within a pixel of 0.05 deg"
    assert len(section.figures) == 4
    assert section.figures[0].caption.endswith("1.0 to 10 TeV.")


def test_map_section_of_an_empty_sky_says_so(maps):
    quiet = WcsNDMap(maps.geom, np.clip(maps.sqrt_ts.data, -3, 3))
    section = map_section(FluxMaps({"sqrt_ts": quiet, "norm": quiet}, maps.reference_model))
    assert section.notes == ["Nothing above 5 σ; the highest is 3.0 σ."]


def test_map_section_of_a_sky_that_was_not_observed(maps):
    nothing = WcsNDMap(maps.geom, np.full(maps.geom.data_shape, np.nan))
    section = map_section(FluxMaps({"sqrt_ts": nothing, "norm": nothing}, maps.reference_model))
    assert section.notes == ["No pixel has a significance."]


def test_maps_of_several_energies_are_shown_one_by_one(maps):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    geom = maps.geom.to_image().to_cube([axis])
    two = WcsNDMap(geom, np.concatenate([maps.sqrt_ts.data, maps.sqrt_ts.data / 10]))
    section = map_section(FluxMaps({"sqrt_ts": two, "norm": two}, maps.reference_model))
    assert section.notes[0].startswith("1.0 to 3.2 TeV: 1")
    assert section.notes[1].startswith("3.2 to 10 TeV: Nothing above 5 σ")


def test_counts_by_energy_add_up_inside_the_masks(datasets):
    found = counts_by_energy(datasets)
    assert sum(found["counts"]) == sum(dataset.counts.data.sum() for dataset in datasets)
    assert found["predicted"] == pytest.approx(sum(dataset.npred().data[:, 0, 0] for dataset in datasets))
    assert len(found["edges_tev"]) == len(found["counts"]) + 1 == 9


def test_counts_of_unlike_energy_bins_are_not_added(datasets):
    other = datasets[0].resample_energy_axis(MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=4))
    assert counts_by_energy(Datasets([datasets[0], other])) is None


def test_merged_bins_keep_all_counts_and_are_filled():
    predicted = [0.0, 20.0, 6.0, 6.0, 3.0, 2.0, 0.01, 0.0]
    found = {"edges_tev": list(range(1, 10)), "counts": [0, 18, 7, 5, 2, 3, 0, 0], "predicted": predicted}
    bins = merged({**found, "background": [1.0] * 8})
    assert bins["edges_tev"].tolist() == [2, 3, 7]
    assert bins["counts"].tolist() == [18, 17]
    assert bins["predicted"].tolist() == [20, 17]


def test_nothing_to_merge_gives_no_bins():
    bins = merged({"edges_tev": [1, 2, 3], "counts": [0, 0], "predicted": [0, 0], "background": [0, 0]})
    assert len(bins["counts"]) == 0


@pytest.fixture
def fit(datasets):
    return {"message": "Converged.", "total_stat": 12.34, "nfev": 31, "counts": counts_by_energy(datasets)}


def test_fit_section_has_every_parameter_with_its_unit(model, fit):
    section = fit_section(Models([model]), fit)
    assert section.notes[0] == "crab: index 2.500, amplitude 4.000 × 10⁻¹¹ TeV⁻¹ s⁻¹ cm⁻²."
    assert section.notes[1] == "Converged. Fit statistic 12.3 after 31 evaluations."
    (table,) = section.tables
    assert table.rows[2] == ("crab: reference", "1.000", "TeV", "fixed")
    assert len(section.figures) == 2


def test_a_fit_without_any_background_warns_that_its_counts_are_not_the_sources_alone(model, fit):
    bare = {
        **fit,
        "off_counts": {},
        "counts": {**fit["counts"], "background": [0.0] * len(fit["counts"]["background"])},
    }
    (warning,) = fit_section(Models([model]), bare).warnings
    assert warning.startswith("No background was estimated: all counts were fitted as the source's")
    # OFF counts may be none: then the background is estimated, as 0.
    assert fit_section(Models([model]), {**bare, "off_counts": {"datasets": 1}}).warnings == ()
    assert fit_section(Models([model]), fit).warnings == ()


def test_fit_section_without_counts_has_no_figures(model, fit):
    assert fit_section(Models([model]), {**fit, "counts": None}).figures == ()


def member(number, **metrics):
    row = {
        "name": f"obs-{number}",
        "obs_ids": [number],
        "livetime_s": 1800.0,
        "gti": [[f"2004-12-06T22:0{number}:00", ""]],
    }
    known = {"counts": 100, "counts_off": 100, "background": 10.0, "excess": 90.0, "sqrt_ts": 15.0, "alpha": 0.1}
    known |= {"energy_min_tev": 0.75, "energy_max_tev": 100.0}
    return Product(f"m{number}", "dataset", "k", "d", "ok", None, {**known, **metrics}, row=row)


def index(*members):
    return Product("i", "datasets", "k", "d", "ok", None, members=members)


def test_datasets_section_adds_up_what_was_observed():
    section = datasets_section(index(member(2), member(1)))
    # Li & Ma, equation 17, for 200 ON, 200 OFF and alpha = 0.1
    assert section.notes == ("2 observations, 1.00 h of livetime, 200 ON and 200 OFF counts: excess 180.0, 21.0 σ.",)
    (table,) = section.tables
    assert [row[0] for row in table.rows] == ["1", "2"], "in the order of time"
    assert table.rows[0] == ("1", "30.0", "100", "100", "0.1000", "10.0", "90.0", "15.0", "0.75 to 100")
    assert len(section.figures) == 3


@pytest.mark.parametrize(
    ("background", "files", "inputs", "told"),
    [
        ({"method": "fov", "exclusion": None}, {}, {}, True),
        ({"method": "fov", "exclusion": [{"lon": "83.63 deg"}]}, {}, {}, False),
        ({"method": "fov", "exclusion": None}, {"datasets.background.exclusion": "ab"}, {}, False),
        ({"method": "fov", "exclusion": None}, {}, {"exclusion": [{"path": "products/mask/a"}]}, False),
        ({"method": "ring", "exclusion": None}, {}, {}, False),
    ],
)
def test_a_field_of_view_background_without_exclusion_is_remarked_on(background, files, inputs, told):
    sidecar = {"config": {"datasets": {"background": background}}, "files": files, "inputs": inputs}
    notes = datasets_section(replace(index(member(1)), sidecar=sidecar)).notes
    assert any("scaled to all counts of the field" in note for note in notes) is told


def test_field_of_view_backgrounds_scaled_to_few_counts_are_remarked_on():
    metrics = [{"obs_id": number, "field_counts": counts} for number, counts in ((1, 100), (2, 25), (3, 64))]
    found = fewest_field_counts(metrics)
    notes = datasets_section(replace(index(member(1)), metrics=found)).notes
    assert notes[1].startswith(
        "The background of 2 datasets was scaled to fewer than 100 counts, that of observation 2 to 25: its scale is"
        " uncertain by 20 %."
    )
    assert fewest_field_counts([metrics[0], {"obs_id": 4}, {"obs_id": 5, "field_counts": 0}]) == {}


def test_cumulative_significance_by_li_and_ma():
    rows = [{**one.row, **one.metrics} for one in (member(1), member(2))]
    hours, significance = cumulative(rows)
    on, off, alpha = 200, 200, 0.1
    first = on * np.log((1 + alpha) / alpha * on / (on + off))
    second = off * np.log((1 + alpha) * off / (on + off))
    assert hours == pytest.approx([0.5, 1.0])
    assert significance[-1] == pytest.approx(np.sqrt(2 * (first + second)), rel=1e-6)


def test_a_dataset_without_off_counts_enters_the_significance_as_in_gammapys_stack(datasets):
    members = [dataset.copy(name=dataset.name) for dataset in datasets]
    members[1].counts_off.data[...] = 0
    rows = [
        {"livetime_s": 1800.0, **{name: one.info_dict()[name] for name in ("counts", "counts_off", "alpha")}}
        for one in members
    ]
    for row in rows:
        row["background"] = row["alpha"] * row["counts_off"] if row["counts_off"] else None
    stacked = Datasets(members).stack_reduce("stacked").info_dict()
    # One α for all, so that the order of sums is the only difference.
    assert cumulative(rows)[1][-1] == pytest.approx(stacked["sqrt_ts"], rel=1e-6)


def test_significance_without_any_off_count_by_li_and_ma():
    # n_off = 0: S² = 2 n_on ln((1 + α) / α); Cash with a background of 0 would make it infinite.
    none = {"counts": 4, "counts_off": 0, "background": None, "alpha": 0.1}
    _, significance = cumulative([{**one.row, **one.metrics} for one in (member(1, **none), member(2, **none))])
    assert significance == pytest.approx(np.sqrt(2 * np.array([4, 8]) * np.log(1.1 / 0.1)), rel=1e-6)


def test_datasets_without_background_have_no_significance():
    bare = {"counts_off": None, "background": None, "excess": None, "sqrt_ts": None, "alpha": None}
    section = datasets_section(index(member(1, **bare), member(2, **bare)))
    assert section.notes == ("2 observations, 1.00 h of livetime, 200 counts; no background estimate.",)


def test_one_dataset_needs_no_plots_against_observations():
    assert datasets_section(index(member(1))).figures == ()


def test_a_stack_is_described_from_its_file(datasets, tmp_path):
    path = tmp_path / "stacked.fits"
    stacked = datasets.stack_reduce(name="stacked")
    write_dataset(stacked, path)
    row = {"name": "stacked", "obs_ids": [1, 2, 3], "livetime_s": 5400.0, "gti": [["2004-12-06T22:00:00", ""]]}
    section = datasets_section(index(Product("s", "dataset", "k", "d", "ok", lambda: path, row, row=row)))
    counts, off = int(stacked.counts.data.sum()), int(stacked.counts_off.data.sum())
    assert section.notes[0].startswith(f"3 observations, 1.50 h of livetime, {counts} ON and {off} OFF counts: excess")
