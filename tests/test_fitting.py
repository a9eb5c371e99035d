"""Tables that fit: no line is wider than the terminal, what is chosen has room, and a long cell has few lines."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from cutlist.fitting import MOST_LINES, NARROWEST, PICTURE_WIDTH, fitting, shared, table


def lines(names: list[str], types: list[str], rows: list[list[str]], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table(names, types, [[Text(each) for each in row] for row in rows], width, whole="ask for JSON"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", range(10, 120, 7))
def test_columns_that_are_chosen_have_room(width: int) -> None:
    wanted = [3, 30, 8, 8, 50, 1, 12, 9]
    least = [min(each, NARROWEST) for each in wanted]
    chosen = fitting(least, width)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 1 or sum(least[i] + 3 for i in chosen) + 1 <= width
    widths = shared([wanted[i] for i in chosen], [least[i] for i in chosen], width)
    assert sum(each + 3 for each in widths) + 1 <= width
    assert len(chosen) == 1 or all(least[i] <= each <= wanted[i] for i, each in zip(chosen, widths, strict=True))


def test_a_long_cell_has_few_lines_and_says_that_there_is_more() -> None:
    found = lines(["hash", "caption"], ["VARCHAR", "VARCHAR"], [["0123456789abcdef" * 8, "word " * 40]], 40)
    assert len(found) == 5 + MOST_LINES
    assert found[-2].count("…") == 2
    assert {len(each) for each in found} == {len(found[0])}


def test_a_name_is_not_broken_and_numbers_stand_to_the_right() -> None:
    found = lines(["duration_seconds", "caption"], ["DOUBLE", "VARCHAR"], [["1.5", "x" * 60]], 40)
    assert "┃ duration_seconds ┃" in found[1]
    assert "│              1.5 │" in found[4]


def test_what_has_no_room_is_named_with_what_shows_it() -> None:
    names = [f"column_{i}" for i in range(30)]
    found = "\n".join(lines(names, ["INTEGER"] * 30, [["1"] * 30], 60))
    assert "no room for: column_" in found
    assert found.endswith("ask for JSON")


def test_a_picture_has_the_room_that_it_needs() -> None:
    drawn = Text("▀" * PICTURE_WIDTH)
    console = Console(file=io.StringIO(), width=60)
    media = 'STRUCT("source" USMALLINT, "row" UBIGINT)'
    rows = [[Text("video"), Text("word " * 40)]]
    picture = table(["v", "t"], [media, "VARCHAR"], rows, 60, whole="", picture=lambda _, i: drawn if i == 0 else None)
    console.print(picture)
    assert isinstance(console.file, io.StringIO)
    assert f" {'▀' * PICTURE_WIDTH} " in console.file.getvalue()
