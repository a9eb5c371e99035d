"""Plots: what is drawn is what numpy and Python count of the same rows, and the title says what is not drawn.

- Bins cover the range, their counts add up to the rows that can be drawn, and each is what `numpy.histogram` says.
- Of many points the same ones are drawn whatever the order of the rows and the number of threads.
- No more than a few rows leave DuckDB.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

from cutlist import Session, cli, connect
from cutlist.answers.plotting import NUM_BINS, NUM_CATEGORIES, NUM_COLOURS, NUM_POINTS, chart_of, nice_step
from cutlist.errors import QueryError, SettingsError
from cutlist.store import Store, blob_array, blob_field

NUM_ROWS = 1000
SCORES = [None if i % 10 == 3 else math.nan if i % 250 == 7 else math.sin(i) * 40 for i in range(NUM_ROWS)]
WORDS = [None if i % 50 == 0 else f"w{(i * i) % 97}" for i in range(NUM_ROWS)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    rows = pa.table({"id": range(NUM_ROWS), "score": SCORES, "word": WORDS, "tags": [["a"]] * NUM_ROWS})
    rows = rows.append_column(blob_field("image", "image"), blob_array([b"x"] * NUM_ROWS))
    Store(root=str(folder)).append("t", rows, message="test")
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with connect(root) as opened:
        yield opened


def test_a_histogram_counts_as_numpy_does(session: Session) -> None:
    plot = session.plot_data("SELECT * FROM t", "Score")
    values = [each for each in SCORES if each is not None and math.isfinite(each)]
    assert (plot.kind, plot.x) == ("histogram", "score")
    assert (
        plot.title
        == f"score: 1,000 rows, 100 NULL, {sum(each is not None and math.isnan(each) for each in SCORES)} not finite"
    )
    edges = [row["start"] for row in plot.rows] + [plot.rows[-1]["stop"]]
    assert [row["count"] for row in plot.rows] == np.histogram(values, edges)[0].tolist()
    assert len(plot.rows) <= NUM_BINS
    assert "by" not in plot.rows[0]


@pytest.mark.parametrize("width", [1e-9, 0.1, 1, 7, 29, 30, 1e12])
def test_bins_are_round_and_few(width: float) -> None:
    step = nice_step(width)
    assert width / step <= NUM_BINS
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5)


def test_empty_bins_are_there_and_whole_numbers_have_whole_bins(session: Session) -> None:
    plot = session.plot_data("SELECT unnest([1, 1, 5]) AS n", "n")
    assert [(row["start"], row["count"]) for row in plot.rows] == [(1, 2), (2, 0), (3, 0), (4, 0), (5, 1)]
    assert [row["count"] for row in session.plot_data("SELECT 7.5::DOUBLE AS n", "n").rows] == [1]
    assert session.plot_data("SELECT NULL::DOUBLE AS n", "n").rows == []


def test_bars_are_the_most_frequent_and_the_rest(session: Session) -> None:
    plot = session.plot_data("t", "word")
    counts = Counter(each for each in WORDS if each is not None)
    first = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[: NUM_CATEGORIES - 1]
    other = sum(counts.values()) - sum(count for _, count in first)
    assert [(row["value"], row["count"]) for row in plot.rows] == [*first, ("other", other)]
    assert plot.title == f"word: 1,000 rows, 20 NULL, {len(counts) - NUM_CATEGORIES + 1} rarer values as other"


def test_bars_of_another_column_are_means(session: Session) -> None:
    plot = session.plot_data("SELECT * FROM (VALUES ('a', 1), ('a', 3), ('b', 5), ('b', NULL)) AS v(k, n)", "k", "n")
    assert [(row["value"], row["count"]) for row in plot.rows] == [("a", 2.0), ("b", 5.0)]
    assert plot.title == "mean of n by k: 4 rows, 1 NULL in n"


def test_colours_split_the_counts(session: Session) -> None:
    whole = session.plot_data("SELECT id, id % 3 AS g FROM t", "id")
    split = session.plot_data("SELECT id, id % 3 AS g FROM t", "id", by="g")
    sums: dict[float, int] = {}
    for row in split.rows:
        sums[row["start"]] = sums.get(row["start"], 0) + row["count"]
    assert sums == {row["start"]: row["count"] for row in whole.rows}
    assert {row["by"] for row in split.rows} == {"0", "1", "2"}
    many = {row["by"] for row in session.plot_data("t", "id", by="word").rows}
    assert len(many) == NUM_COLOURS
    assert "other" in many


def test_points_are_all_or_always_the_same(session: Session) -> None:
    few = session.plot_data("t", "id", "score")
    there = [(i, each) for i, each in enumerate(SCORES) if each is not None and math.isfinite(each)]
    assert [(row["x"], row["y"]) for row in few.rows] == there
    assert few.title == "score over id: 1,000 rows, 100 NULL in score, 4 not finite"
    query = "SELECT range AS a, range % 7 AS b FROM range(40000)"
    many = session.plot_data(query, "a", "b")
    assert (many.kind, len(many.rows)) == ("scatter", NUM_POINTS)
    assert many.title == "b over a: 40,000 rows, 5,000 of 40,000 points drawn"
    assert session.plot_data(f"FROM ({query}) ORDER BY hash(a + 1)", "a", "b").rows == many.rows


def test_times_are_lines_and_bins_of_days(session: Session) -> None:
    query = "SELECT DATE '2024-01-01' + range::INT AS day, range AS n FROM range(28)"
    line = session.plot_data(query, "day", "n")
    assert (line.kind, line.is_time, line.rows[1]["x"] - line.rows[0]["x"]) == ("line", True, 86_400)
    assert [row["count"] for row in session.plot_data(query, "day").rows] == [1] * 28


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("t", "scoer"), 'x: no column "scoer"; did you mean "score"\\? The query has: id, image, score'),
        (("t", "id", "wrd"), 'y: no column "wrd"; did you mean "word"'),
        (("t", "id", None, "no"), 'by: no column "no"'),
        (("t", "image"), 'x: column "image" is media; expected a number, a text, a boolean, a date or a time'),
        (("t", "tags"), r'x: column "tags" is varchar\[\]; expected a number'),
        (("t", "id", "word"), 'y: column "word" is varchar; expected a number'),
        (("SELECT idd FROM t", "idd"), 'query:1:8: no column "idd" in t; did you mean "id"'),
        (("SELECT error('so')::INT AS n FROM t", "n"), "so"),
    ],
)
def test_what_cannot_be_drawn_says_why(session: Session, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        session.plot_data(*arguments)


@pytest.mark.parametrize(("arguments", "mark"), [(("id",), "bar"), (("word",), "bar"), (("id", "score"), "circle")])
def test_plot_is_an_altair_chart(session: Session, arguments: tuple[str, ...], mark: str) -> None:
    pytest.importorskip("altair")
    said = session.plot("t", *arguments).to_dict()
    assert said["mark"]["type"] == mark
    assert said["title"].startswith(session.plot_data("t", *arguments).title)


def test_without_altair_it_says_what_to_install(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "altair", None)
    with pytest.raises(SettingsError, match=r"a chart needs altair; pip install 'cutlist\[notebook\]'"):
        chart_of(session.plot_data("t", "id"))


# -- the command line -------------------------------------------------------------------------------------------------


def run(*arguments: str, columns: int = 80) -> str:
    result = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": str(columns), "TERM": "dumb"})
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_terminal_shows_bars(root: Path) -> None:
    lines = run("plot", "SELECT unnest(['a', 'a', 'b', '[b]']) AS w", "w", "--root", str(root), columns=40).splitlines()
    assert lines[0] == "w: 4 rows"
    assert [line.split()[0] for line in lines[1:]] == ["a", "[b]", "b"]
    assert [line.split()[-1] for line in lines[1:]] == ["2", "1", "1"]
    assert lines[1].count("█") == 2 * lines[2].count("█") + lines[1].count("█") % 2


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize(
    "arguments", [("id",), ("word",), ("id", "score"), ("id", "score", "--by", "word"), ("word", "--by", "word")]
)
def test_nothing_is_wider_than_the_terminal(root: Path, columns: int, arguments: tuple[str, ...]) -> None:
    lines = run("plot", "t", *arguments, "--root", str(root), columns=columns).splitlines()
    drawn = [line for line in lines if {*"█▏▎▍▌▋▊▉│└"} & set(line)]
    assert drawn
    assert max(map(len, drawn)) <= columns


def test_the_terminal_shows_points_at_their_places(root: Path) -> None:
    query = "SELECT unnest([0, 10]) AS a, unnest([0, 10]) AS b"
    lines = run("plot", query, "a", "b", "--root", str(root), columns=40).splitlines()
    assert lines[1].startswith("10 │")
    assert lines[1].endswith(chr(0x2808))  # the topmost dot on the right
    assert lines[16].split("│")[1][0] == chr(0x2840)  # the lowest on the left


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_out_writes_a_file(root: Path, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("vl_convert")
    out = tmp_path / f"plot{suffix}"
    assert (
        run("plot", "t", "id", "--out", str(out), "--root", str(root)).replace("\n", "").startswith(f"{out}: id: 1,000")
    )
    assert [each.name for each in tmp_path.iterdir()] == [out.name]
    if suffix == ".png":
        with Image.open(out) as picture:
            assert min(picture.size) > 300


def test_another_file_is_refused_before_anything_runs(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"x\.gif: expected a chart file: \.html, \.png or \.svg"):
        run("plot", "nothing", "id", "--out", "x.gif", "--root", str(root))
    with pytest.raises(SettingsError, match="there is no folder"):
        run("plot", "nothing", "id", "--out", str(tmp_path / "no" / "x.png"), "--root", str(root))
