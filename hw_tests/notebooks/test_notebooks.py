"""The notebooks run from top to bottom, in a folder of their own, with a shorter training."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


def execute(name: str, run_dir: Path, epochs: int) -> list[str]:
    """Run a notebook; the text its cells print."""
    jupytext = pytest.importorskip("jupytext", reason="needs pip install 'etb-hw[notebooks]'")
    nbclient = pytest.importorskip("nbclient", reason="needs pip install 'etb-hw[notebooks]'")
    nbformat = pytest.importorskip("nbformat")
    notebook = jupytext.read(FOLDER / f"{name}.py")
    after = 1 + next(
        i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])
    )
    values = f"epochs = {epochs}\nrun_dir = {str(run_dir)!r}"
    notebook.cells.insert(after, nbformat.v4.new_code_cell(values))
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(run_dir.parent)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output["text"] for output in outputs if output["output_type"] == "stream"]


def test_all_four_are_there() -> None:
    assert [name[0] for name in NAMES] == ["1", "2", "3", "4"]


def test_second_notebook_by_itself(tmp_path: Path) -> None:
    """One of them in the fast tests: it trains what it needs."""
    text = "".join(execute("2_export_and_streamline", tmp_path / "run", epochs=1))
    assert "Threshold" in text
    assert "BipolarQuant" in text


@pytest.mark.slow
def test_all_notebooks_in_order(tmp_path: Path) -> None:
    texts = {name: "".join(execute(name, tmp_path / "run", epochs=4)) for name in NAMES}
    assert "values of the weights: [-1.  1.]" in texts["1_train_with_etb"]
    assert "frames/s" in texts["3_map_and_estimate"]
    rtl = texts["4_simulate_down_to_rtl"]
    estimated, measured = (int(line.split(":")[1]) for line in rtl.splitlines() if "cycles a frame:" in line)
    assert measured == estimated
