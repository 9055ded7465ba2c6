"""``general.log``: followed by the command line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gammaops.cli import main

pytestmark = [pytest.mark.usefixtures("toys", "logging_kept"), pytest.mark.requirement("A4.1")]
STEPS = "toy: {words: [a, disk]}\nsteps: [{name: reduce, tag: toy-reduce}]\n"


@pytest.fixture
def logging_kept():
    """Loggers as they were, after a test that configures them."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def config_file(folder: Path, general: str) -> Path:
    path = folder / "toy.yaml"
    path.write_text(f"general: {{{general}}}\n{STEPS}", encoding="utf-8")
    return path


def test_the_command_line_writes_the_log_file_below_the_store(tmp_path: Path) -> None:
    log = "log: {level: error, filename: night/toy.log, format: '%(levelname)s|%(message)s'}"
    code = main(["run", "--filename", str(config_file(tmp_path, log)), "--out", str(tmp_path / "out")])
    lines = (tmp_path / "out" / "logs" / "night" / "toy.log").read_text(encoding="utf-8").splitlines()
    assert code == 2
    assert lines[0].startswith("ERROR|task 1 of the step 'reduce' failed: ")
    assert not [line for line in lines if line.startswith(("INFO|", "WARNING|"))]


@pytest.mark.parametrize("name", ["/etc/x.log", "../x.log", "a/../../x.log", "~/x.log"])
def test_a_log_file_elsewhere_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = config_file(tmp_path, f"log: {{filename: {name}}}")
    assert main(["lint", str(path)]) == 1
    assert f"{path}:1:17: general.log.filename" in "".join(capsys.readouterr())


def test_a_format_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config_file(tmp_path, "log: {filename: x.log, format: nothing}")
    assert main(["run", "--filename", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "general.log.format" in capsys.readouterr().err
