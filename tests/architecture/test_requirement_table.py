"""Every requirement has its row in docs/requirements.yaml, and every row its tests, unless it says what is to come."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

TABLE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "requirement_table.py"))
ROWS = {name: row for rows in TABLE["parts"]().values() for name, row in rows.items()}
TESTS = TABLE["tests_by_requirement"]()


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_a_test_or_says_what_is_to_come(name: str):
    row = ROWS[name]
    assert set(row) <= {"asked", "later"}
    assert TESTS.get(name) or row.get("later"), (
        f'{name} ({row["asked"]}): mark the test that shows it with @pytest.mark.requirement("{name}")'
    )


def test_markers_name_rows():
    unknown = {name: tests for name, tests in TESTS.items() if name not in ROWS}
    assert unknown == {}, "their rows are missing in docs/requirements.yaml"
