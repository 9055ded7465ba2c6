"""Alerts in the analysis: what is accepted, and every mistake with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.plan import make_plan

pytestmark = pytest.mark.requirement("R26")

CONFIGS = Path(__file__).resolve().parents[3] / "include" / "configs"
# crab.yaml has 32 lines, and a schedule; its chain makes no light curve.
CURVE = "  - {name: curve, tag: light-curve, products: light_curve}\n"
RULES = "one of flux_above, quarantined_above, failed, deadline"


def parsed(text: str):
    config = parse_config(text, "crab", "crab.yaml")
    make_plan(config)
    return config


def test_what_is_told_is_normalised_and_frozen(crab):
    rules = "  flare: {flux_above: 3e-7 m-2 s-1, tell: slack}\n  late: {deadline: 90 min, tell: [a, b]}\n"
    config = parsed(f"{crab}{CURVE}alerts:\n{rules}")
    assert config.alerts["flare"]["flux_above"] == "3e-11 cm-2 s-1"
    assert config.alerts["flare"]["tell"] == ["slack"]
    assert config.alerts["late"]["deadline"] == "1.5 h"
    again = parse_config(config.to_yaml(), "crab", "again")
    assert (again.alerts, again.digest) == (config.alerts, config.digest)


def test_an_analysis_that_tells_nobody_keeps_its_digest(crab):
    assert parsed(f"{crab}alerts: {{}}\n").digest == parsed(crab).digest
    assert parsed(f"{crab}alerts: {{red: {{failed: true, tell: mail}}}}\n").digest != parsed(crab).digest


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "  flare: {flux_above: 3e-11 cm-2 s-1 TeV-1, tell: a}",
            [
                "35:11: alerts.flare.flux_above: 'cm-2 s-1 TeV-1' is a unit of unknown;"
                " expected a quantity such as 1 cm-2 s-1"
            ],
        ),
        (
            "  flare: {flux_above: 3.0e-11, tell: a}",
            [
                "35:11: alerts.flare.flux_above: 3e-11 has no unit; expected a quantity such as 1 cm-2 s-1;"
                " did you mean 3e-11 cm-2 s-1?"
            ],
        ),
        (
            "  flare: {flux_above: -1 cm-2 s-1, tell: a}",
            ["35:11: alerts.flare.flux_above: -1 cm-2 s-1 is out of range; expected more than 0 cm-2 s-1"],
        ),
        (
            "  flare: {flux_abov: 3e-11 cm-2 s-1, tell: a}",
            [
                "35:11: alerts.flare.flux_abov: unknown key; expected one of: flux_above, product, energy, n_sigma,"
                " quarantined_above, failed, deadline, tell, backfills; did you mean flux_above?"
            ],
        ),
        ("  red: {failed: true}", ["35:3: alerts.red.tell: not given; expected names of Airflow connections"]),
        (
            "  red: {failed: false, tell: a}",
            [f"35:3: alerts.red: says of nothing that it is to be told; expected {RULES}"],
        ),
        (
            "  red:\n    failed: true\n    quarantined_above: 20 %\n    tell: a",
            [f"36:5: alerts.red.failed: quarantined_above, failed given together; expected {RULES}"],
        ),
        (
            "  red:\n    failed: true\n    n_sigma: 5\n    tell: a",
            ["37:5: alerts.red.n_sigma: given, but the alert is failed; expected no such key, or flux_above"],
        ),
        (
            "  lost:\n    quarantined_above: 120 %\n    tell: https://hooks.slack.com/services/T/B/x",
            [
                "36:5: alerts.lost.quarantined_above: 120 % is out of range; expected at most 100 %",
                "37:5: alerts.lost.tell: 'https://hooks.slack.com/services/T/B/x' does not fit;"
                " expected text that matches [A-Za-z0-9_][A-Za-z0-9_.-]{0,199}",
            ],
        ),
        (
            "  flare: {flux_above: 3e-11 cm-2 s-1, product: light_curv, tell: a}",
            [
                "35:39: alerts.flare.product: 'light_curv' is made by no step; expected one of: light_curve;"
                " did you mean light_curve?"
            ],
        ),
        (
            "  flare: {flux_above: 3e-11 cm-2 s-1, product: fit, tell: a}",
            ["35:39: alerts.flare.product: 'fit' is not a light curve; expected one of: light_curve"],
        ),
        (
            "  a b: {failed: true, tell: a}",
            ["35:3: alerts.a b: 'a b' does not fit; expected a name that matches [A-Za-z0-9][A-Za-z0-9_-]{0,79}"],
        ),
        ("  red: yes please", ["35:3: alerts.red: 'yes please' does not fit; expected keys and values"]),
    ],
)
def test_a_mistake_is_told_with_its_place(crab, lines, said):
    with pytest.raises(ConfigError) as caught:
        parsed(f"{crab}{CURVE}alerts:\n{lines}\n")
    assert [str(problem) for problem in caught.value.problems] == [f"crab.yaml:{line}" for line in said]


def test_a_flux_needs_a_light_curve_and_of_several_the_one_that_is_meant(crab):
    rule = "alerts: {flare: {flux_above: 3e-11 cm-2 s-1, tell: a}}\n"
    with pytest.raises(ConfigError, match="no step of this analysis makes a light curve; expected a step light-curve"):
        parsed(crab + rule)
    two = f"{crab}{CURVE}  - {{name: weeks, tag: light-curve, products: weekly}}\n"
    with pytest.raises(ConfigError, match="several light curves; expected product: one of: light_curve, weekly"):
        parsed(two + rule)
    assert parsed(two + rule.replace("tell", "product: weekly, tell"))


def test_a_deadline_needs_a_schedule(crab):
    text = crab.replace("schedule: nightly", "schedule: null")
    with pytest.raises(ConfigError, match=r"alerts\.late\.deadline: without dag\.schedule no run is ever due"):
        parsed(f"{text}alerts: {{late: {{deadline: 3 h, tell: a}}}}\n")


def test_a_step_cannot_be_called_like_the_task_that_tells(crab):
    with pytest.raises(ConfigError, match="'alerts' is a task that every DAG has"):
        parsed(f"{crab}  - {{name: alerts, tag: stack}}\n")


def test_the_alert_of_the_shipped_flare_holds_once_it_is_taken_out_of_its_comment():
    text = (CONFIGS / "pks2155-flare-lc.yaml").read_text(encoding="utf-8")
    assert parse_config(text, "flare", "flare.yaml").alerts == {}
    shown = re.sub(r"^# (alerts:|  \w+: \{)", r"\1", text, flags=re.MULTILINE)
    config = parse_config(shown, "flare", "flare.yaml")
    make_plan(config)
    assert config.alerts["flare"]["flux_above"] == "1e-10 cm-2 s-1"
    assert set(config.alerts) == {"flare", "lost", "red"}


def test_the_alerts_of_the_how_to_hold(crab):
    page = (CONFIGS.parents[1] / "docs" / "howto" / "tell-people.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    assert list(parsed(crab + CURVE + block).alerts) == ["flare", "lost", "red", "late"]
