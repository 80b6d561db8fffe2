"""The notebook of examples/: committed without outputs, and run from its first cell to its last."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOK = Path(__file__).parents[2] / "examples/first_run.ipynb"
LONG = "steps=500, eval_every=100"
SHORT = "steps=4, eval_every=2, eval_samples=100, filters=4, tracking=False, figures=False, quiet=True"


@pytest.fixture
def notebook() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_holds_no_outputs_and_nothing_of_a_machine(notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert not re.search(r'["\s(](/|~|[A-Z]:\\)\w', NOTEBOOK.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_cell_runs_and_shows_its_result(notebook: NotebookNode, tmp_path: Path) -> None:
    """The training is shortened to four steps; all else is as committed."""
    (training,) = (cell for cell in notebook.cells if LONG in cell.source)
    training.source = training.source.replace(LONG, SHORT)
    folder = tmp_path / "folder"
    folder.mkdir()
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    cells = {
        cell.source.splitlines()[-1]: cell.outputs for cell in notebook.cells if cell.cell_type == "code"
    }
    assert not [each for outputs in cells.values() for each in outputs if each.output_type == "stream"]
    shown = {line: output.data for line, outputs in cells.items() for output in outputs}
    (result,) = (data for line, data in shown.items() if line == "run")
    for line in ("run", "generator", 'bench.read_run("last")'):
        assert "<table>" in shown[line]["text/html"]
        assert "data:image/png" in shown[line]["text/html"]
        assert len(shown[line]["text/plain"]) < 160
    assert result == shown['bench.read_run("last")']
    (plot,) = (data for line, data in shown.items() if ".plot(" in line)
    assert plot["image/png"]
    assert re.search(r"<th>4</th>", shown["trajectory.tail()"]["text/html"])
    # every cell but that of the training ends in something to see
    assert len(shown) == len(cells) - 1
    assert not list(folder.iterdir())
