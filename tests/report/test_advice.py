"""Every class of reason that an observation can be left out for is explained to the shifter."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gammaops.report.advice import meaning, next_action

PHYSICS = Path(__file__).resolve().parents[2] / "plugins" / "gammaops" / "physics"


def raised_classes() -> set[str]:
    """First arguments of every `DataError` that the package raises."""
    calls = [node for path in PHYSICS.glob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    return {
        node.args[0].value
        for node in calls
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "DataError"
        and isinstance(node.args[0], ast.Constant)
    }


@pytest.mark.parametrize("reason_class", sorted(raised_classes()))
def test_a_reason_has_a_meaning_and_somebody_who_acts(reason_class: str) -> None:
    assert meaning(reason_class)
    assert next_action("quarantined", reason_class).startswith(("Ask ", "Tell ", "Check "))


def test_settings_that_do_not_fit_are_not_blamed_on_the_data() -> None:
    assert "The data may be fine" in next_action("quarantined", "wrong-enclosure")
