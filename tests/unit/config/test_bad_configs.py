"""Every kind of mistake in a config is found when it is read, and told with its place, what is expected, and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gammaops.config import parse_config
from gammaops.errors import ConfigError
from gammaops.steps import step_specs

CASES = yaml.safe_load((Path(__file__).resolve().parents[2] / "data" / "mistakes.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case['said'][0][:40]}" for number, case in enumerate(CASES)])
@pytest.mark.requirement("A1.4", "R3")
def test_mistake_is_reported_with_its_place(crab: str, case: dict):
    assert case["right"] in crab
    with pytest.raises(ConfigError, match=r"^crab\.yaml:") as caught:
        parse_config(crab.replace(case["right"], case["wrong"], 1), "crab", "crab.yaml")
    tags = ", ".join(sorted(step_specs()))
    said = [f"crab.yaml:{line.replace('{tags}', tags)}" for line in case["said"]]
    assert [str(problem) for problem in caught.value.problems] == said


def test_table_is_long_enough():
    assert len(CASES) >= 40
    assert len({case["said"][0] for case in CASES}) >= 70
