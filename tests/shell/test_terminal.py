"""The shell as a person drives it: one process at a terminal, from test to test, and a second one after it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.shell.terminal import Terminal

if TYPE_CHECKING:
    from tests.conftest import Made

PAGED = "the pager was here"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the history, and of a pager that says so."""
    folder = tmp_path_factory.mktemp("cache")
    pager = folder / "pager"
    pager.write_text(f"#!/bin/sh\ncat >/dev/null; echo {PAGED}\n")
    pager.chmod(pager.stat().st_mode | stat.S_IXUSR)
    return folder


def opened(made: Made, cache: Path) -> Terminal:
    environment = {"CUTLIST_CACHE_DIR": str(cache), "PAGER": str(cache / "pager")}
    terminal = Terminal(
        ["shell", "--root", str(made.root), "--views", str(made.views)], environment, columns=100, rows=40
    )
    terminal.wait_for("my_videos@1")  # the toolbar
    return terminal


@pytest.fixture(scope="module")
def driven(made: Made, cache: Path) -> Iterator[Terminal]:
    terminal = opened(made, cache)
    yield terminal
    terminal.close()


@pytest.fixture
def terminal(driven: Terminal) -> Terminal:
    """The terminal, cleared, with an empty line to type in."""
    driven.type("\x03")
    driven.read(0.1)
    driven.type("\x0c")  # Ctrl-L
    driven.wait_until(lambda lines: lines[0] == "cutlist>" and "my_videos@1" in "".join(lines[-2:]))
    return driven


def test_the_menu_completes_from_the_catalog(terminal: Terminal) -> None:
    terminal.type("SELECT path FROM my_vi")
    terminal.wait_for("table, version 1")
    terminal.type("\t")
    terminal.wait_for("cutlist> SELECT path FROM my_videos")
    terminal.type(" WHERE durat")
    terminal.wait_for("my_videos · double")


def test_enter_runs_a_command_whose_name_more_begin_with(terminal: Terminal) -> None:
    terminal.type(".schema hd")
    terminal.wait_for("hd_middles")  # the menu
    terminal.type("\r")
    terminal.wait_for("media_probe@1")


def test_enter_takes_what_is_chosen_and_runs_nothing(terminal: Terminal) -> None:
    terminal.type("SELECT path FROM my_")
    terminal.wait_for("table, version 1")
    terminal.type("\t\r LIMIT 1;\r")
    lines = terminal.wait_for("1 row in")
    assert lines[0] == "cutlist> SELECT path FROM my_images LIMIT 1;"


def test_what_is_pasted_may_be_several_statements(terminal: Terminal) -> None:
    terminal.paste("SELECT 'first' AS a;\n.timer off\nSELECT 'third; ' || 3 AS b;\n.timer on\n")
    terminal.wait_for(".timer on")
    terminal.type("\r")
    terminal.wait_for("third; 3")
    assert any("first" in line for line in terminal.wait_for("timer on"))


def test_ctrl_c_stops_a_query_and_not_the_shell(terminal: Terminal) -> None:
    terminal.type("SELECT sum(sin(a.range) * cos(b.range)) FROM range(10000000) a, range(100000) b;\r")
    terminal.wait_for("0:00:0")  # the progress bar
    terminal.type("\x03")
    terminal.wait_for("cancelled")
    terminal.type("SELECT 6 * 7 AS answer;\r")
    terminal.wait_for("42")


def test_200_lines_are_pasted_as_one_statement(terminal: Terminal) -> None:
    lines = "\n".join(f"  + {number} -- line; {number}" for number in range(198))
    terminal.paste(f"SELECT 0\n{lines}\nAS total;")
    terminal.wait_for("AS total;")
    assert "row in" not in "\n".join(terminal.lines)
    terminal.type("\r")
    terminal.wait_for(str(sum(range(198))))
    terminal.wait_for("1 row in")


def test_it_follows_the_size_of_the_terminal(terminal: Terminal) -> None:
    terminal.resize(60, 40)
    terminal.type("SELECT path, video, caption FROM my_videos WHERE fps > 0 ORDER BY path LIMIT 2;\r")
    lines = terminal.wait_for("of 24 my_videos (8%)")
    assert lines[-1].startswith(" 2 rows  of 24")  # the toolbar has two lines
    top = next(line for line in lines if line.startswith("┏"))
    assert len(top) <= 60
    terminal.resize(100, 40)


def test_texts_in_other_scripts_keep_their_columns(terminal: Terminal) -> None:
    terminal.type("SELECT '犬🐕 naïve' AS dog, 1 AS n;\r")
    terminal.wait_for("1 row in")
    assert any("犬" in line and "🐕" in line and "naïve" in line for line in terminal.lines)


def test_an_empty_result_and_one_of_300_columns(terminal: Terminal) -> None:
    terminal.type("SELECT id, caption FROM my_videos WHERE false;\r")
    assert "caption" in "\n".join(terminal.wait_for("0 rows in"))
    terminal.type("SELECT columns(lambda c: c LIKE 'c%') FROM (PIVOT range(300) r(c) ON 'c' || c USING sum(c));\r")
    terminal.wait_for("in all)")
    assert max(map(len, terminal.lines)) <= 100


def test_a_query_that_fails_has_its_place_underlined(terminal: Terminal) -> None:
    terminal.type("SELECT captoin FROM my_videos;\r")
    lines = terminal.wait_for("^^^^^^^")
    at = next(number for number, line in enumerate(lines) if line.strip() == "^^^^^^^")
    assert lines[at].index("^") == lines[at - 1].index("captoin")


def test_what_is_longer_than_the_screen_is_paged(terminal: Terminal) -> None:
    terminal.type("FROM range(60);\r")
    terminal.wait_for(PAGED)
    terminal.type(".pager off\r")
    terminal.wait_for("pager off")
    terminal.type("FROM range(60);\r")
    terminal.wait_for("60 rows in")


def test_drop_view_asks_and_keeps_the_view_without_an_answer(terminal: Terminal, made: Made) -> None:
    terminal.type("DROP VIEW hd;\r")
    terminal.wait_for("and remove its file? (y/N)")
    terminal.type("\r")
    terminal.wait_for("nothing is dropped")
    assert (made.views / "hd.sql").exists()


def test_what_was_typed_is_found_in_the_next_session(terminal: Terminal, made: Made, cache: Path) -> None:
    terminal.type("SELECT 'found again' AS said;\r")
    terminal.wait_for("1 row in")
    terminal.type("\x04")  # Ctrl-D
    assert terminal.process.wait(timeout=60) == 0
    other = opened(made, cache)
    try:
        other.type("\x12found")  # Ctrl-R
        other.wait_for("cutlist> SELECT 'found again' AS said;")
        other.type("\r")
        other.wait_for("1 row in")
    finally:
        other.close()
