"""Run the tutorials and keep what their cells show, for `make docs`: docs/execute_tutorials.py [EPOCHS]

What was executed before and has not changed since is kept. A tutorial that cannot run here (no C++ compiler,
say) stands in the documentation without its output.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from etb_hw.files import write_json
from etb_hw.flow.records import key_of

ROOT = Path(__file__).parents[1]
NOTEBOOKS, SHOWN = ROOT / "notebooks", ROOT / ".cache/tutorials"


def key(name: str) -> str:
    """Of a tutorial's text and of all code that it may call."""
    sources = [*sorted((ROOT / "etb_hw").rglob("*.py")), NOTEBOOKS / f"{name}.py"]
    return key_of("tutorial", ROOT, [str(path.relative_to(ROOT)) for path in sources])


def shown(name: str) -> list[list[dict[str, Any]]] | None:
    """The outputs of each code cell as Jupyter has them; None where this text was not executed."""
    try:
        found = json.loads((SHOWN / f"{name}.json").read_text(encoding="utf-8"))
        return list(found["cells"]) if found["key"] == key(name) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def execute(name: str, folder: Path, epochs: int | None = None) -> list[list[dict[str, Any]]]:
    """Run a tutorial in a folder. ``epochs`` in place of its own number. Raises CellExecutionError."""
    import jupytext
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell

    notebook = jupytext.read(NOTEBOOKS / f"{name}.py")
    values = [f"run_dir = {str(folder / 'run')!r}", *([] if epochs is None else [f"epochs = {epochs}"])]
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    after = 1 + next(i for i, found in enumerate(tags) if "parameters" in found)
    notebook.cells.insert(after, new_code_cell("\n".join(values)))
    folder.mkdir(parents=True, exist_ok=True)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=resources).execute()
    del notebook.cells[after]
    return [list(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


def main(epochs: int | None) -> None:
    folder = SHOWN / "work"
    shutil.rmtree(folder, ignore_errors=True)
    for path in sorted(NOTEBOOKS.glob("*.py")):
        if shown(path.stem) is not None:
            continue
        print(f"tutorial {path.stem}", flush=True)
        try:
            cells = execute(path.stem, folder, epochs)
        except Exception as error:  # whatever a cell raises
            print(f"  is shown without output: {str(error).strip().splitlines()[-1]}")
            continue
        write_json(SHOWN / f"{path.stem}.json", {"key": key(path.stem), "cells": cells})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
