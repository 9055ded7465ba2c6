from __future__ import annotations

import struct
from functools import partial

import astropy.units as u
import matplotlib.dates as mdates
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import PowerLawSpectralModel
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gammaops.physics.figures import (
    draw_counts_spectrum,
    draw_cumulative_significance,
    draw_energy_ranges,
    draw_light_curve,
    draw_rates,
    draw_residuals,
    draw_spectrum,
    encode,
)
from gammaops.physics.sky_figures import draw_significance_distribution, draw_sky_map, peaks, planes

ENERGIES = ("e_ref", "e_min", "e_max")
EDGES = np.array([1.0, 2.0, 4.0, 8.0])


@pytest.fixture
def axes():
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot()


@pytest.fixture
def image(maps):
    ((_, image),) = planes(maps.sqrt_ts)
    return image


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def drawn_points(axes, label):
    """x and y of the error bars with this label."""
    (container,) = [one for one in axes.containers if one.get_label() == label]
    return container.lines[0].get_data()


def test_spectrum_shows_points_where_there_is_a_signal_and_limits_elsewhere(axes, points, model):
    draw_spectrum(axes, points, model.spectral_model)
    assert axes.get_xlabel() == "Energy [TeV]"
    assert axes.get_ylabel() == r"$E^2\,dN/dE$ [TeV cm$^{-2}$ s$^{-1}$]"
    assert axes.get_xscale() == axes.get_yscale() == "log"
    energy, flux = drawn_points(axes, "Flux points")
    table = points.to_table(sed_type="e2dnde")
    assert energy == pytest.approx(table["e_ref"].quantity.to_value("TeV")[:3])
    assert flux == pytest.approx(table["e2dnde"].quantity.to_value("TeV cm-2 s-1")[:3])
    assert "Upper limits (2 σ)" in labels(axes)


def test_a_spectrum_without_any_flux_says_so():
    nothing = Table(
        {name: [scale, 2 * scale] for name, scale in zip(ENERGIES, (1.0, 0.7, 1.4), strict=True)},
        units=dict.fromkeys(ENERGIES, "TeV"),
    )
    nothing["dnde"] = [np.nan, np.nan] * u.Unit("TeV-1 cm-2 s-1")
    nothing["dnde_err"] = [np.nan, np.nan] * u.Unit("TeV-1 cm-2 s-1")
    empty = FluxPoints.from_table(nothing, sed_type="dnde", reference_model=PowerLawSpectralModel())
    assert encode(partial(draw_spectrum, points=empty)).startswith(b"\x89PNG")


def test_best_fit_is_drawn_at_the_model_in_the_unit_of_the_axis(axes, points, model):
    draw_spectrum(axes, points, model.spectral_model)
    line = next(one for one in axes.lines if one.get_label() == "Best fit")
    energy, flux = line.get_data()
    # E^2 * 4e-11 * E^-2.5, with E in TeV
    assert flux == pytest.approx(4e-11 * energy**-0.5, rel=1e-12)


def with_covariance(matrix):
    model = PowerLawSpectralModel(index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1", reference="1 TeV")
    full = np.zeros((3, 3))
    full[:2, :2] = matrix
    model.covariance = full
    return model


@pytest.mark.parametrize(
    ("matrix", "band"),
    [
        ([[0.0, 0.0], [0.0, 0.0]], False),
        ([[0.01, 0.0], [0.0, 4e-24]], False),
        ([[0.01, 1e-14], [1e-14, 4e-24]], True),
    ],
    ids=["no errors", "errors without correlation", "covariance"],
)
def test_error_band_needs_the_whole_covariance(axes, points, matrix, band):
    draw_spectrum(axes, points, with_covariance(matrix))
    assert ("Fit, 68 % confidence" in labels(axes)) is band


def test_error_band_is_as_wide_as_the_error_of_the_amplitude(axes, points):
    model = with_covariance([[0.0, 0.0], [0.0, 4e-24]])
    draw_spectrum(axes, points, model)
    band = axes.collections[-1].get_paths()[0].vertices
    at_one_tev = band[np.isclose(band[:, 0], 1.0, rtol=0.03)][:, 1]
    # 4e-11 ± 2e-12; 3500 samples per parameter give the quantiles to a few per cent of the error
    assert at_one_tev.max() - at_one_tev.min() == pytest.approx(4e-12, rel=0.15)


def test_light_curve_is_drawn_in_utc_with_its_mean(axes, light_curve):
    draw_light_curve(axes, light_curve)
    assert axes.get_xlabel() == "Time (UTC)"
    assert axes.get_ylabel() == r"Flux [$10^{-11}$ cm$^{-2}$ s$^{-1}$]"
    time, flux = drawn_points(axes, "0.5 to 50 TeV")
    first = mdates.num2date(time[0])
    assert (first.hour, first.minute) == (22, 15), "middle of the first half hour, not shifted by TT - UTC"
    # The integral of the model: 4e-11 / 1.5 * (0.5^-1.5 - 50^-1.5); counts are rounded, so 5 %.
    assert flux == pytest.approx([7.53] * 3, rel=0.05)
    mean = next(one for one in axes.lines if one.get_linestyle() == "--")
    assert mean.get_ydata()[0] == pytest.approx(flux.mean(), rel=1e-3)


def test_counts_are_drawn_per_decade_so_that_merged_bins_compare(axes):
    counts = np.array([30.0, 30.0, 30.0])
    draw_counts_spectrum(axes, EDGES, counts, predicted=counts, background=counts / 10)
    assert axes.get_ylabel() == "Counts per decade of energy"
    _, shown = drawn_points(axes, "Measured")
    assert shown == pytest.approx(counts / np.log10(2))
    assert labels(axes) == ["Predicted: source and background", "Background", "Measured"]


def test_residuals_are_in_units_of_the_expected_error(axes):
    draw_residuals(axes, EDGES, np.array([110.0, 100.0, 80.0]), np.array([100.0, 100.0, 100.0]))
    (container,) = axes.containers
    energy, pull = container.lines[0].get_data()
    assert pull == pytest.approx([1.0, 0.0, -2.0])
    assert energy == pytest.approx(np.sqrt([2.0, 8.0, 32.0]))


def test_cumulative_significance_starts_at_nothing(axes):
    draw_cumulative_significance(axes, [0.5, 1.0], [10.0, 14.0])
    observed = next(one for one in axes.lines if one.get_label() == "Observed")
    assert np.array(observed.get_data()) == pytest.approx(np.array([[0.0, 0.5, 1.0], [0.0, 10.0, 14.0]]))
    steady = next(one for one in axes.lines if one.get_label() == "Steady source")
    assert steady.get_ydata()[25] == pytest.approx(14 * np.sqrt(25 / 99))
    assert axes.get_ylabel() == "Cumulative significance [σ]"


def test_every_observation_has_its_name_while_there_is_room(axes):
    draw_rates(axes, ["1", "2", "3"], [1.0, 2.0, np.nan], [0.1, 0.2, np.nan], [30.0] * 3, "Excess per minute")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "3"]
    assert axes.get_ylabel() == "Excess per minute"


def test_of_many_observations_as_many_are_named_as_can_be_read(axes):
    names = [str(number) for number in range(105)]
    draw_energy_ranges(axes, names, [0.5] * 105, [100.0] * 105)
    assert 15 <= len(axes.get_xticklabels()) <= 24
    assert axes.get_xticklabels()[1].get_text() == names[5]


def test_mean_rate_is_all_counts_over_all_minutes(axes):
    draw_rates(axes, ["1", "2", "3"], [1.0, 4.0, np.nan], [0.5, 0.5, np.nan], [30.0, 10.0, 10.0], "Excess per minute")
    mean = next(one for one in axes.lines if one.get_linestyle() == "--")
    assert mean.get_ydata()[0] == pytest.approx((30 * 1.0 + 10 * 4.0) / 40)


def sky_axes(image):
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot(projection=image.geom.wcs)


def test_significance_map_is_white_at_zero_and_does_not_pale_beside_a_bright_source(image):
    bright = image.copy(data=image.data * 5)
    axes = sky_axes(bright)
    draw_sky_map(axes, bright, "sqrt_ts", {"60 σ": SkyCoord(83.9, 22.2, unit="deg")})
    norm = axes.images[0].norm
    assert norm(0) == 0.5
    # One σ is as much colour below zero as above: what is within the noise is pale on both sides.
    assert norm(2.5) - 0.5 == pytest.approx(0.5 - norm(-2.5)) == pytest.approx(2.5 / 30)
    assert axes.figure.axes[1].get_ylim() == (-5, 15)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Right ascension (J2000)", "Declination (J2000)")
    assert [text.get_text() for text in axes.texts] == ["60 σ"]
    assert axes.figure.axes[1].get_ylabel() == "Significance [σ]"


def test_marks_outside_the_map_are_left_out(image):
    axes = sky_axes(image)
    draw_sky_map(axes, image, "counts", {"far": SkyCoord(90, 22, unit="deg")})
    assert list(axes.texts) == []


def test_galactic_maps_say_so(image):
    galactic = image.geom.to_image()
    frame = type(galactic).create(skydir=galactic.center_skydir.galactic, width=1, binsz=0.1, frame="galactic")
    flat = type(image).from_geom(frame, data=np.ones(frame.data_shape))
    axes = sky_axes(flat)
    draw_sky_map(axes, flat, "counts")
    assert axes.get_xlabel() == "Galactic longitude"


def test_peaks_are_where_the_sources_are(image):
    (found,) = peaks(image, 6.0)
    assert found[0] == pytest.approx(12, abs=3)
    assert found[1].separation(SkyCoord(83.9, 22.2, unit="deg")).deg < 0.1


def test_no_peaks_in_an_empty_sky(image):
    assert peaks(image.copy(data=np.full(image.data.shape, np.nan)), 5.0) == []


def test_significance_distribution_loses_no_pixel(axes, image):
    draw_significance_distribution(axes, image.copy(data=image.data * 10))
    (histogram,) = [patch for patch in axes.patches if patch.get_label() == "Pixels of the map"]
    assert histogram.get_data().values.sum() == np.isfinite(image.data).sum()


def test_encoding_gives_the_same_bytes_whatever_the_users_settings(points, monkeypatch):
    import matplotlib as mpl

    first = encode(partial(draw_spectrum, points=points))
    monkeypatch.setitem(mpl.rcParams, "font.size", 30)
    monkeypatch.setitem(mpl.rcParams, "savefig.dpi", 30)
    assert encode(partial(draw_spectrum, points=points)) == first
    assert mpl.rcParams["font.size"] == 30, "the settings of the process are left alone"


def test_a_png_has_neither_date_nor_version(points):
    png = encode(partial(draw_spectrum, points=points))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, chunks = 8, set()
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        chunks.add(png[place + 4 : place + 8])
        place += 12 + length
    assert chunks <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
