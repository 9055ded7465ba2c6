"""PKS 2155-304 in HESS DL3 DR1: the night of its flare, 2006-07-29, raises an alert, and the quiet nights do not."""

from __future__ import annotations

import pytest

from gammaops.config import parse_config
from gammaops.products import ProductStore, RunFolder
from gammaops.runner import run_plan, scheduled_scope

pytestmark = [pytest.mark.requires_data, pytest.mark.slow]

FLARE = "2006-07-29"
# All other nights on this source in HESS DL3 DR1, six observations of 2008.
QUIET = ("2008-08-27", "2008-08-28")
TEXT = """\
dag: {site: hess, schedule: nightly, start: 2006-07-01, observations: TAKES}
general: {models_file: pks2155-steady.yaml}
observations:
  datastore: $GAMMAPY_DATA/hess-dl3-dr1
  obs_cone: {frame: icrs, lon: 329.72 deg, lat: -30.23 deg, radius: 3 deg}
datasets:
  type: 1d
  stack: false
  geom: {axes: {energy: {min: 0.4 TeV, max: 20 TeV, nbins: 10}, energy_true: {min: 0.1 TeV, max: 40 TeV, nbins: 20}}}
  on_region: {frame: icrs, lon: 329.72 deg, lat: -30.23 deg, radius: 0.11 deg}
  containment_correction: true
  background: {method: reflected}
  safe_mask: {methods: [aeff-max], parameters: {aeff_percent: 10}}
light_curve: {energy_edges: {min: 0.5 TeV, max: 7 TeV, nbins: 1}}
steps:
  - {name: reduce, tag: data-reduction, products: datasets}
  - {name: spectrum, tag: fit, required_products: [datasets], products: fit}
  - {name: light curve, tag: light-curve, required_products: [datasets, fit], products: light_curve}
alerts:
  flare: {flux_above: 5e-11 cm-2 s-1, tell: shift}
  lost: {quarantined_above: 0 %, tell: shift}
  red: {failed: true, tell: shift}
"""


@pytest.fixture(scope="module")
def record_of(tmp_path_factory):
    """What a run of a night has written down; with `cumulative`, one of all nights up to it."""
    store = ProductStore(tmp_path_factory.mktemp("flare"))

    def of(night: str, *, cumulative: bool = False) -> dict:
        takes = "cumulative" if cumulative else "night"
        config = parse_config(TEXT.replace("TAKES", takes), name="pks", source="pks.yaml")
        result = run_plan(config, store, scheduled_scope(config, [night]), name=f"{takes} {night}")
        return RunFolder.of(store, result.report).read_json("run.json")

    return of


@pytest.mark.requirement("R26")
def test_the_flare_is_told_with_its_highest_bin(record_of):
    record = record_of(FLARE)
    assert record["verdict"]["line"].startswith("pks, night 2006-07-29: GOOD: 15 expected: 15 ")
    (alert,) = record["alerts"]
    assert (alert["rule"], alert["kind"], alert["tell"]) == ("flare", "flux", ["shift"])
    # 63 times the highest of the quiet nights; the numbers of a fit, to a part in a thousand.
    assert alert["value"] == pytest.approx(3.1507e-10, rel=1e-3)
    assert alert["error"] == pytest.approx(1.124e-11, rel=1e-2)
    assert alert["what"] == (
        "flux of pks2155 (0.592 to 6.18 TeV) 3.15e-10 ± 0.11e-10 cm-2 s-1 from 2006-07-29 21:25 to 21:53 UTC,"
        " above 5e-11 cm-2 s-1"
    )
    assert alert["details"] == [
        "12 of 15 bins are above it, from 2006-07-29 20:24 to 2006-07-30 02:35 UTC; this is the highest."
    ]


@pytest.mark.parametrize("night", QUIET)
@pytest.mark.requirement("R26")
def test_a_quiet_night_tells_nothing(record_of, night):
    record = record_of(night)
    assert record["verdict"]["line"].startswith(f"pks, night {night}: GOOD: 3 expected: 3 ")
    assert record["alerts"] == []
    (curve,) = record["steps"][2]["products"]
    assert curve["metrics"]["points"] == 3
    assert curve["metrics"]["peak_per_cm2_s"] < 1e-11


@pytest.mark.requirement("R26")
def test_a_flare_of_long_ago_is_not_told_again(record_of):
    """All observations up to a quiet night: the flare is in the light curve, and was told when it was new."""
    record = record_of(QUIET[0], cumulative=True)
    (curve,) = record["steps"][2]["products"]
    assert curve["metrics"]["points"] == 18
    assert curve["metrics"]["peak_per_cm2_s"] > 3e-10
    assert record["alerts"] == []
