"""Every kind of mistake in a config is found when it is read, and told with its place, what is expected, and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gammaops.config import parse_config
from gammaops.config.blocks import GENERAL, block_levels
from gammaops.errors import ConfigError
from gammaops.plan import make_plan
from gammaops.steps import step_specs

CASES = yaml.safe_load((Path(__file__).resolve().parents[2] / "data" / "mistakes.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case['said'][0][:40]}" for number, case in enumerate(CASES)])
@pytest.mark.requirement("A1.4", "R3")
def test_mistake_is_reported_with_its_place(crab: str, case: dict):
    assert case["right"] in crab
    with pytest.raises(ConfigError, match=r"^crab\.yaml:") as caught:
        make_plan(parse_config(crab.replace(case["right"], case["wrong"], 1), "crab", "crab.yaml"))
    known = {"{tags}": sorted(step_specs()), "{blocks}": [name for name in block_levels() if name != GENERAL]}
    said = [f"crab.yaml:{line}" for line in case["said"]]
    for place, names in known.items():
        said = [line.replace(place, ", ".join(names)) for line in said]
    assert [str(problem) for problem in caught.value.problems] == said


def test_table_is_long_enough():
    assert len(CASES) >= 40
    assert len({case["said"][0] for case in CASES}) >= 70
