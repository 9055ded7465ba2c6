"""The tutorial runs as it is, and prints the numbers of the Crab nebula."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def printed(notebook: nbformat.NotebookNode) -> str:
    """Everything that the cells wrote."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.slow
@pytest.mark.requires_data
@pytest.mark.requirement("A6.7", "R33")
def test_the_first_analysis_runs_and_gives_the_crab_nebula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(NOTEBOOKS / "first-analysis.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    text = printed(notebook)
    assert "crab-1d, night 2004-12-04: GOOD" in text
    index = float(re.search(r"crab.*index +([\d.]+) ", text)[1])
    # The published gammapy 1D fit: 2.629 +- 0.074.
    assert index == pytest.approx(2.629, abs=0.074)
    assert re.search(r"index \d\.\d\d ± 0\.\d\d between 1 and 10 TeV", text)
    # A figure is shown: nothing that was imported has taken the notebook's backend away.
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ()))


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert [cell.id for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
