"""The shell as a person sees it: typed at a terminal, its screens compared with those in `screens/`.

Run with `CUTLIST_SCREENS=write` to write them anew, and look at what changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.shell.terminal import Terminal

if TYPE_CHECKING:
    from tests.conftest import Made

SCREENS = Path(__file__).parent / "screens"
WRITE = os.environ.get("CUTLIST_SCREENS") == "write"


@pytest.fixture
def start(made: Made, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Return what starts a shell at a terminal."""
    terminals: list[Terminal] = []

    def begin(*, columns: int = 80, rows: int = 50) -> Terminal:
        (tmp_path / "cache").mkdir(exist_ok=True)
        environment = {"CUTLIST_CACHE_DIR": str(tmp_path / "cache"), "PAGER": "cat", "EDITOR": "true"}
        words = ["shell", "--root", str(made.root), "--views", str(made.views)]
        terminals.append(Terminal(words, environment, columns=columns, rows=rows))
        terminals[-1].wait_for("cutlist>")
        return terminals[-1]

    yield begin
    for each in terminals:
        each.close()


def compare(name: str, lines: Sequence[str], made: Made) -> None:
    """Compare a screen with the one that is kept, but for what differs from run to run."""
    first = next(number for number, line in enumerate(lines) if line.startswith(("┏", "error")))
    text = "\n".join(lines[first:]).partition("\ncutlist>")[0] + "\n"
    text = re.sub(r"in \d+\.\d+ s(, [\d.,]+ \w+ read)?", "in 0.000 s", text)
    file = SCREENS / f"{name}.txt"
    if WRITE:
        SCREENS.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


QUERY = "SELECT path, video, fps, caption FROM my_videos ORDER BY path LIMIT 3;"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_result_at_some_widths(start: Callable[..., Terminal], made: Made, columns: int) -> None:
    terminal = start(columns=columns)
    terminal.type(f"{QUERY}\r")
    compare(f"result-{columns}", terminal.wait_for("3 rows in"), made)


def test_an_error_underlines_its_place(start: Callable[..., Terminal], made: Made) -> None:
    terminal = start()
    terminal.type("SELECT captoin FROM my_videos;\r")
    compare("error", terminal.wait_for("^^^^^^^"), made)
