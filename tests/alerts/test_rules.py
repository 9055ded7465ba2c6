"""What raises an alert, and what does not, in numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gammaops.alerts import Alert, Facts, raised
from gammaops.alerts.rules import with_error
from gammaops.alerts.tonight import nights_of
from gammaops.config import parse_config
from gammaops.steps.base import Measurement, Scope

pytestmark = pytest.mark.requirement("R26")

LON_DEG = 16.5
STEPS = """\
general: {models_file: crab.yaml}
observations: {datastore: dl3}
datasets: {background: {method: reflected}, on_region: {frame: icrs, lon: 0 deg, lat: 0 deg, radius: 0.1 deg}}
steps:
  - {name: reduce, tag: data-reduction, products: datasets}
  - {name: spectrum, tag: fit, products: fit}
  - {name: curve, tag: light-curve, products: light_curve}
"""


def rules(text: str) -> dict:
    config = parse_config(f"{STEPS}alerts: {{rule: {{{text}, tell: [mail, slack]}}}}\n", "toy", "toy.yaml")
    return dict(config.alerts)


def flux(
    value: float | None, error: float | None = 1e-12, hour: int = 22, day: str = "2006-07-29", **more
) -> Measurement:
    start, stop = f"{day}T{hour:02}:00:00.000", f"{day}T{hour:02}:30:00.000"
    return replace(Measurement("flux", "pks", value, error, "cm-2 s-1", start, stop, 0.5, 7.0), **more)


def alerts(text: str, *measured: Measurement, nights=("2006-07-29",), **more) -> list[Alert]:
    facts = Facts(ok=True, verdict="GOOD", nights=nights, longitude_deg=LON_DEG, measurements={"rule": measured})
    return raised(rules(text), replace(facts, **more))


ABOVE = "flux_above: 3e-11 cm-2 s-1"


def test_a_flux_above_the_threshold_is_told_with_number_error_unit_time_and_threshold():
    (alert,) = alerts(ABOVE, flux(2e-11, hour=20), flux(6.18e-10, 4.2e-11, hour=21), flux(4e-11, hour=23))
    assert (alert.rule, alert.kind, alert.tell) == ("rule", "flux", ("mail", "slack"))
    assert (alert.value, alert.error, alert.unit) == (6.18e-10, 4.2e-11, "cm-2 s-1")
    assert alert.threshold == "3e-11 cm-2 s-1"
    assert alert.what == (
        "flux of pks (0.5 to 7 TeV) 6.18e-10 ± 0.42e-10 cm-2 s-1 from 2006-07-29 21:00 to 21:30 UTC,"
        " above 3e-11 cm-2 s-1"
    )
    assert alert.details == ("2 of 3 bins are above it, from 2006-07-29 21:00 to 23:30 UTC; this is the highest.",)


@pytest.mark.parametrize(
    ("value", "error", "more", "told"),
    [
        (3.1e-11, 1e-12, "", True),
        (3e-11, 1e-12, "", False),
        (2.9e-11, 1e-12, "", False),
        (None, None, "", False),
        (3.1e-11, 1.1e-11, "", False),
        (3.1e-11, 1.0e-11, "", True),
        (3.1e-11, None, "", False),
        (3.1e-11, None, ", n_sigma: 0", True),
        (3.1e-11, 3e-11, ", n_sigma: 0", True),
        (3.1e-11, 1e-11, ", n_sigma: 5", False),
        (3.1e-7, 1e-9, "", True),
    ],
)
def test_a_flux_counts_if_it_is_above_and_detected(value, error, more, told):
    assert bool(alerts(ABOVE + more, flux(value, error))) is told


def test_the_threshold_may_be_in_any_unit_of_a_flux():
    assert alerts("flux_above: 3e-7 m-2 s-1", flux(3.1e-11)) != []
    assert alerts("flux_above: 3e-7 m-2 s-1", flux(2.9e-11)) == []


def test_what_was_measured_in_another_night_is_not_told():
    old = [flux(9e-10, day="2006-07-28"), flux(9e-10, hour=10, day="2006-07-29"), flux(9e-10, day="2006-07-30")]
    assert alerts(ABOVE, *old) == [], "before noon at the site, 10:54 UTC, it is the night before"
    (alert,) = alerts(ABOVE, *old, flux(5e-11, hour=3, day="2006-07-30"))
    assert (alert.value, alert.details) == (5e-11, ())
    assert alerts(ABOVE, *old, nights=()) == []
    (everything,) = alerts(ABOVE, *old, nights=None)
    assert everything.details[0].startswith("3 of 3 bins are above it, from 2006-07-28 22:00 to 2006-07-30 22:30 UTC")


def test_a_bin_of_a_week_that_holds_the_night_counts():
    week = flux(9e-10, start="2006-07-26T00:00:00.000", stop="2006-08-02T00:00:00.000")
    (alert,) = alerts(ABOVE, week)
    assert "from 2006-07-26 00:00 to 2006-08-02 00:00 UTC" in alert.what


def test_a_leap_second_is_in_its_night():
    last = flux(9e-10, start="2016-12-31T23:50:00.000", stop="2016-12-31T23:59:60.000")
    assert len(alerts(ABOVE, last, nights=("2016-12-31",))) == 1


def test_one_energy_band_may_be_asked_for():
    low = flux(9e-10, energy_max_tev=1.0)
    high = flux(9e-12, energy_min_tev=1.0)
    assert alerts(f"{ABOVE}, energy: 500 GeV", low, high)[0].value == 9e-10
    assert alerts(f"{ABOVE}, energy: 1 TeV", low, high) == []
    assert len(alerts(ABOVE, low, high)) == 1


@pytest.mark.parametrize(
    ("states", "threshold", "share"),
    [
        (["done"] * 4 + ["quarantined"], 20, None),
        (["done"] * 3 + ["quarantined"], 20, 25.0),
        (["reused"] * 3 + ["missing"], 20, 25.0),
        (["done"] * 9 + ["quarantined"], 0, 10.0),
        (["rejected"] * 9 + ["failed"], 0, None),
        (["done"], 0, None),
        ([], 0, None),
    ],
)
def test_observations_that_were_lost_are_told_above_their_share(states, threshold, share):
    found = alerts(f"quarantined_above: {threshold} %", states=[(str(n), state) for n, state in enumerate(states)])
    assert [alert.value for alert in found] == ([] if share is None else [share])


def test_observations_that_were_lost_are_named():
    states = [("23523", "done"), ("23526", "quarantined"), *((str(n), "missing") for n in range(1, 7))]
    (alert,) = alerts("quarantined_above: 20 %", states=states)
    assert alert.what == "7 of 8 observations are quarantined or missing (88 %), more than 20 %"
    assert alert.details == ("These are 23526 quarantined, 1 missing, 2 missing, 3 missing, 4 missing, ….",)


def test_a_red_run_is_told_with_its_verdict():
    assert alerts("failed: true") == []
    (alert,) = alerts("failed: true", ok=False, verdict="toy: RED: 1 failed")
    assert (alert.kind, alert.what) == ("failed", "toy: RED: 1 failed")


def test_a_deadline_is_nothing_that_a_run_raises():
    text = (
        f"dag: {{site: hess, schedule: nightly, start: 2006-07-01}}\n{STEPS}alerts: {{r: {{deadline: 3 h, tell: m}}}}"
    )
    rule = parse_config(text, "toy", "toy.yaml").alerts
    assert raised(rule, Facts(ok=False, verdict="RED")) == []


def test_the_digest_is_of_the_content_and_not_of_who_is_told():
    (alert,) = alerts(ABOVE, flux(4e-11))
    assert replace(alert, tell=("other",), backfills=False).digest == alert.digest
    assert replace(alert, value=5e-11).digest != alert.digest
    assert Alert.of(alert.as_dict()) == alert


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (6.18e-10, 4.2e-11, "6.18e-10 ± 0.42e-10"),
        (3.15e-10, 1.1e-11, "3.15e-10 ± 0.11e-10"),
        (2e-12, 5e-11, "2.00e-12 ± 50.00e-12"),
        (0.0, 1e-12, "0"),
        (1e-11, None, "1e-11"),
        (None, None, "not known"),
    ],
)
def test_a_number_and_its_error_have_one_power_of_ten(value, error, words):
    assert with_error(value, error) == words


SEEN = ["2006-07-28", "2006-07-29"]


@pytest.mark.parametrize(
    ("scope", "nights"),
    [
        (Scope(nights=("2006-07-29",), longitude_deg=LON_DEG), ("2006-07-29",)),
        (Scope(stop="2006-08-03T10:54:00", longitude_deg=LON_DEG), ("2006-08-02",)),
        (Scope(obs_ids=(33787,), longitude_deg=LON_DEG), tuple(SEEN)),
        (Scope(start="2006-07-01T00:00:00", stop="2006-08-01T00:00:00", longitude_deg=LON_DEG), tuple(SEEN)),
        (Scope(longitude_deg=LON_DEG), ("2006-07-29",)),
        (Scope(), None),
    ],
)
def test_new_are_the_nights_that_a_run_was_started_for(scope, nights):
    assert nights_of(scope, SEEN) == nights
