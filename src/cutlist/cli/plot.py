"""`cutlist plot`: a column of a query, or two, as a chart in a file, or as text in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cutlist import Session
from cutlist.answers.plotting import Plot, chart_file, chart_of, save_chart
from cutlist.cli.options import AsJson, Query
from cutlist.cli.rows import escaped
from cutlist.process.watch import watched

COLOURS = ("blue", "dark_orange", "green", "red", "magenta", "cyan", "yellow", "white")


def command(
    session: Session,
    query: Query,
    x: Annotated[str, typer.Argument(help="The column: a histogram of a number or a time, bars of a text.")],
    y: Annotated[str | None, typer.Argument(help="A number, drawn over x: points, or a line over times.")] = None,
    by: Annotated[str | None, typer.Option(help="A column that colours tell apart.")] = None,
    out: Annotated[Path | None, typer.Option(help="A .html, .png or .svg file. [default: the terminal]")] = None,
    as_json: AsJson = False,
) -> None:
    """Plot a column of a query, or one over another. DuckDB bins and counts, so it may have many rows.

    Example: `cutlist plot hd motion --by codec --root data`

    Example: `cutlist plot "SELECT width, height FROM videos" width height --out sizes.png --root data`
    """
    target = None if out is None else chart_file(out)
    plot = watched(
        lambda: session.plot_data(query, x, y, by),
        interrupt=session.interrupt,
        fraction=session.progress,
        title="plot",
    )
    if as_json:
        told = {"title": plot.title, "kind": plot.kind, "rows": [dict(each) for each in plot.rows]}
        typer.echo(json.dumps(told, ensure_ascii=False, default=str, indent=1))
    elif target is None:
        show(plot)
    else:
        typer.echo(f"{save_chart(chart_of(plot), target)}: {plot.title}")


def show(plot: Plot) -> None:
    """Print a plot: bars by blocks, points by braille dots, with `by` by colours."""
    console = Console(highlight=False)
    console.print(f"[bold]{escaped(plot.title)}[/bold]")
    values = list(dict.fromkeys(str(row["by"]) for row in plot.rows)) if plot.by is not None else [""]
    colour = dict(zip(values, COLOURS, strict=False))
    if not plot.rows:
        console.print("nothing to draw")
    elif plot.kind in ("histogram", "bars"):
        _show_bars(console, plot, colour)
    else:
        _show_points(console, plot, colour)
    if plot.by is not None and plot.rows:
        said = "  ".join(f"[{each}]■[/{each}] {escaped(value)}" for value, each in sorted(colour.items()))
        console.print(f"{escaped(plot.by)}: {said}")


def _show_bars(console: Console, plot: Plot, colour: dict[str, str]) -> None:
    """Print a bar for each bin or value: counts of `by` behind each other, means below each other."""
    number = (
        _number_of([bound for row in plot.rows for bound in (row["start"], row["stop"])])
        if plot.kind == "histogram"
        else str
    )
    bars: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for row in plot.rows:
        by = str(row.get("by", ""))
        label = (
            _time(row["start"])
            if plot.is_time
            else number(row["start"])
            if plot.kind == "histogram"
            else str(row["value"])
        )
        bars.setdefault((label, by if plot.y is not None else ""), []).append((by, row["count"]))
    sums = [sum(max(count, 0) for _, count in parts) for parts in bars.values()]
    label_width = min(max(len(label) for label, _ in bars), console.width // 3)
    room = max(
        console.width - label_width - max(len(f"{each:,.6g}" if plot.y else f"{each:,}") for each in sums) - 4, 8
    )
    most = max(sums) or 1
    table = Table.grid(padding=(0, 1))
    table.add_column(
        justify="right" if plot.kind == "histogram" else "left",
        max_width=label_width,
        overflow="ellipsis",
        no_wrap=True,
    )
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for ((label, _), parts), total in zip(bars.items(), sums, strict=True):
        bar, before, drawn = "", 0.0, 0
        for by, count in parts:
            before += max(count, 0)
            cells = round(before / most * room * 8) - drawn
            drawn += cells
            bar += f"[{colour[by]}]{_blocks(cells, last=by == parts[-1][0])}[/{colour[by]}]"
            drawn -= cells % 8 if by != parts[-1][0] else 0
        table.add_row(escaped(label), bar, f"{total:,.6g}" if plot.y is not None else f"{total:,}")
    console.print(table)


def _blocks(eighths: int, *, last: bool) -> str:
    """Return a bar of so many eighths of a cell; only a last one ends within a cell."""
    return "█" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8].strip() if last else "")


def _show_points(console: Console, plot: Plot, colour: dict[str, str]) -> None:
    """Print points as braille dots, two by four to a cell; a cell has the colour of its last point."""
    xs, ys = ([float(row[name]) for row in plot.rows] for name in ("x", "y"))
    number = _number_of(ys)
    low, high = min(ys), max(ys)
    margin = max(len(number(low)), len(number(high)))
    width, height = max(console.width - margin - 3, 10), 16
    cells: dict[tuple[int, int], int] = {}
    tints: dict[tuple[int, int], str] = {}
    for row, x, y in zip(plot.rows, xs, ys, strict=True):
        column = round((x - min(xs)) / ((max(xs) - min(xs)) or 1) * (width * 2 - 1))
        line = round((high - y) / ((high - low) or 1) * (height * 4 - 1))
        place = (line // 4, column // 2)
        cells[place] = cells.get(place, 0) | _DOTS[line % 4][column % 2]
        tints[place] = colour[str(row.get("by", ""))]
    for at in range(height):
        side = number(high) if at == 0 else number(low) if at == height - 1 else ""
        dots = "".join(
            f"[{tints[at, each]}]{chr(0x2800 + cells[at, each])}[/{tints[at, each]}]" if (at, each) in cells else " "
            for each in range(width)
        )
        console.print(f"{side:>{margin}} │{dots}", no_wrap=True)
    number = _number_of(xs)
    first, last = (_time(min(xs)), _time(max(xs))) if plot.is_time else (number(min(xs)), number(max(xs)))
    gap = " " * max(width - len(first) - len(last), 1)
    console.print(f"{'':>{margin}} └{'─' * width}")
    console.print(f"{'':>{margin}}  {first}{gap}{last}")


_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots of a braille character, by line and column."""


def _number_of(values: Sequence[float]) -> Callable[[float], str]:
    """Return how to write numbers of a range: with as many digits as tell them apart."""
    return lambda value: f"{value:,.6g}"


def _time(seconds: float) -> str:
    """Return a time as text, to the minute, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
