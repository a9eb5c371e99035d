"""Run notebooks from top to bottom, and keep what their cells show: `python notebooks/run.py [FILE …]`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def sources_of(notebook: nbformat.NotebookNode) -> str:
    """Return a hash of the code in a notebook, which tells whether its outputs are those of its cells."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()[:16]


def run(path: Path) -> nbformat.NotebookNode:
    """Return a notebook after every cell was run, in order, by a new kernel.

    Raises:
        CellExecutionError: if a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=200, resources=resources, record_timing=False, coalesce_streams=True).execute()
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        if "image/png" in output.get("data", {}):
            output.data.pop("image/jpeg", None)  # the same picture again
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}, "cutlist_sources": sources_of(notebook)}
    notebook.metadata = nbformat.from_dict(about)
    return notebook


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or sorted(FOLDER.glob("*.ipynb"))):
        done = run(path)
        nbformat.write(done, path)
        sys.stdout.write(f"{path.name}: {sum(cell.cell_type == 'code' for cell in done.cells)} cells\n")
