"""``gammaops steps`` in a pipe: a line for each step type, of which nothing is cut."""

from __future__ import annotations

import pytest

from gammaops.cli import main
from gammaops.steps import step_specs


def test_a_pipe_gets_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["steps"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "tag"
    specs = [spec for _, spec in sorted(step_specs().items())]
    assert [line.split()[0] for line in lines] == [spec.tag for spec in specs]
    assert all(line.endswith(spec.doc) for line, spec in zip(lines, specs, strict=True))
