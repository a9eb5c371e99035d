"""What a plot of a query shows: bins, counts or points, made by DuckDB, so that the rows themselves stay there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cutlist.catalog import fold_case
from cutlist.compiler import quoted
from cutlist.errors import QueryError, SettingsError, listing, suggest

NUM_BINS = 30
"""Bars of a histogram, at most."""

NUM_CATEGORIES = 30
"""Bars of a category, at most; the rest is one bar, `other`."""

NUM_COLOURS = 8
"""Values of `by`, at most; the rest is one colour, `other`."""

NUM_POINTS = 5_000
"""Points of a scatter plot or a line, at most: of more rows, those of the smallest hash."""

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_FLOATS = ("FLOAT", "DOUBLE", "DECIMAL", "UHUGEINT")
_TIMES = ("DATE", "TIMESTAMP")
_TEXTS = ("VARCHAR", "BOOLEAN", "ENUM", "UUID")

Kind = Literal["histogram", "bars", "scatter", "line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What is drawn: the kind, the title, and rows of values that are few whatever the query has.

    Rows of a histogram have `start`, `stop` (of times: seconds since 1970, UTC) and `count`; of bars `value` and
    `count`, or the mean of `y`; of points `x` and `y`. All have `by` where it was asked for.
    """

    kind: Kind
    x: str
    y: str | None
    by: str | None
    is_time: bool
    title: str
    rows: Sequence[Mapping[str, Any]]


def plot_of(relation: Any, x: str, y: str | None = None, by: str | None = None) -> Plot:
    """Return what a plot of a lazy DuckDB relation shows; runs it a few times, and fetches only what is drawn.

    Raises:
        QueryError: if there is no such column, or it is of a kind that cannot be drawn.
    """
    types = {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
    x, kind = _column(types, x, "x")
    y_name, y_kind = _column(types, y, "y") if y is not None else (None, None)
    by_name, _ = _column(types, by, "by") if by is not None else (None, None)
    if y_name is not None and y_kind != "number":
        raise QueryError(f'y: column "{y_name}" is {types[y_name].lower()}; expected a number')
    is_time = kind == "time"
    value = f"epoch({quoted(x)}::TIMESTAMP)" if is_time else quoted(x)
    value = f"({value})::DOUBLE" if kind != "text" else f"({value})::VARCHAR"
    chosen = f"SELECT {value} AS x"
    chosen += f", {quoted(y_name)}::DOUBLE AS y" if y_name is not None else ", NULL::DOUBLE AS y"
    chosen += f", coalesce({quoted(by_name)}::VARCHAR, 'NULL') AS b" if by_name is not None else ", '' AS b"
    points = _Points(
        relation=relation, chosen=f"{chosen} FROM plotted", has_y=y_name is not None, is_text=kind == "text"
    )
    if by_name is not None:
        points = points.coloured()
    said, low, high = points.survey(x, y_name)
    if kind == "text":
        rows, more = points.bars()
        of = "" if y_name is None else f"mean of {y_name} by "
        drawn: Kind = "bars"
        title = f"{of}{x}: {said}{more}"
    elif y_name is None:
        whole = types[x].startswith(_NUMBERS)
        rows, drawn = points.bins(low, high, whole=whole, is_time=is_time), "histogram"
        title = f"{x}: {said}"
    else:
        rows, more = points.sampled()
        drawn = "line" if is_time else "scatter"
        title = f"{y_name} over {x}: {said}{more}"
    shown = rows if by_name is not None else [{k: v for k, v in row.items() if k != "by"} for row in rows]
    return Plot(kind=drawn, x=x, y=y_name, by=by_name, is_time=is_time, title=title, rows=shown)


def _column(types: Mapping[str, str], name: str, role: str) -> tuple[str, str]:
    """Return the name of a column as the query has it, and its kind: `number`, `time` or `text`."""
    found = fold_case({each: each for each in types}, name)
    if found is None:
        raise QueryError(f'{role}: no column "{name}"{suggest(name, types)} The query has: {listing(types)}.')
    kind = types[found]
    plain = not kind.endswith("]")
    if plain and kind.startswith(_NUMBERS + _FLOATS):
        return found, "number"
    if plain and kind.startswith(_TIMES):
        return found, "time"
    if plain and kind.startswith(_TEXTS):
        return found, "text"
    shown = "media" if kind.startswith('STRUCT("source" USMALLINT') else kind.lower()
    raise QueryError(f'{role}: column "{found}" is {shown}; expected a number, a text, a boolean, a date or a time')


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    """The values that are drawn, as SQL over a relation: `x`, `y` and `b`."""

    relation: Any
    chosen: str
    has_y: bool
    is_text: bool

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query over `points`."""
        text = f"WITH points AS ({self.chosen}) {query}"
        return list(self.relation.query("plotted", text).fetchall())

    @property
    def there(self) -> str:
        """The condition that a row can be drawn."""
        x = "x IS NOT NULL" if self.is_text else "isfinite(x)"
        return f"({x} AND isfinite(y))" if self.has_y else f"({x})"

    def coloured(self) -> _Points:
        """Return the same with the rarer values of `b` as one, `other`."""
        top = self.ask(f"SELECT b FROM points GROUP BY b ORDER BY count(*) DESC, b LIMIT {NUM_COLOURS + 1}")
        if len(top) <= NUM_COLOURS:
            return self
        kept = ", ".join("'" + each.replace("'", "''") + "'" for (each,) in top[: NUM_COLOURS - 1])
        return replace(
            self, chosen=f"SELECT x, y, CASE WHEN b IN ({kept}) THEN b ELSE 'other' END AS b FROM ({self.chosen})"
        )

    def survey(self, x: str, y: str | None) -> tuple[str, float, float]:
        """Return how many rows there are, and how many cannot be drawn and why, as text; and the range of x."""
        numbers = "" if self.is_text else f", min(x) FILTER (WHERE {self.there}), max(x) FILTER (WHERE {self.there})"
        known = "x IS NOT NULL AND y IS NOT NULL" if self.has_y else "x IS NOT NULL"
        ((count, no_x, no_y, odd, *ends),) = self.ask(
            "SELECT count(*), count(*) - count(x), count(*) - count(y), "
            f"count(*) FILTER (WHERE {known} AND NOT {self.there}){numbers} FROM points"
        )
        said = [f"{count:,} rows"]
        said += [f"{no_x:,} NULL" + (f" in {x}" if y is not None else "")] if no_x else []
        said += [f"{no_y:,} NULL in {y}"] if no_y and y is not None else []
        said += [f"{odd:,} not finite"] if odd else []
        low, high = (ends[0], ends[1]) if ends and ends[0] is not None else (0.0, 0.0)
        return ", ".join(said), low, high

    def bins(self, low: float, high: float, *, whole: bool, is_time: bool) -> list[dict[str, Any]]:
        """Return the counts of a histogram: its bins are 1, 2 or 5 times a power of ten wide."""
        step = time_step(high - low) if is_time else nice_step(high - low, whole=whole)
        start = math.floor(low / step)
        found = self.ask(
            f"SELECT least(floor(x / {step!r}), {max(math.floor(high / step), start)}) AS bin, b, count(*) "
            f"FROM points WHERE {self.there} GROUP BY ALL ORDER BY ALL"
        )
        there = {int(bin) for bin, _, _ in found}
        empty = [(bin, found[0][1], 0) for bin in range(min(there), max(there)) if bin not in there] if found else []
        return [
            {"start": bin * step, "stop": (bin + 1) * step, "count": count, "by": by}
            for bin, by, count in sorted([*found, *empty], key=lambda each: each[0])
        ]

    def bars(self) -> tuple[list[dict[str, Any]], str]:
        """Return the counts of a category, or the means of y, the most frequent first; and how many are one bar."""
        measure = "sum(total) / sum(n)" if self.has_y else "sum(n)::BIGINT"
        found = self.ask(
            f", groups AS (SELECT x, b, count(*) AS n, sum(y) AS total FROM points WHERE {self.there} GROUP BY x, b)"
            ", ranked AS (SELECT x, row_number() OVER (ORDER BY sum(n) DESC, x) AS rank, count(*) OVER () AS num "
            "FROM groups GROUP BY x)"
            f", kept AS (SELECT *, rank < {NUM_CATEGORIES} OR num <= {NUM_CATEGORIES} AS is_kept FROM ranked) "
            f"SELECT CASE WHEN is_kept THEN x ELSE 'other' END AS value, b, {measure}, any_value(num), "
            "min(rank) AS place FROM groups JOIN kept USING (x) GROUP BY value, b, is_kept "
            "ORDER BY NOT is_kept, place, b"
        )
        num = found[0][3] if found else 0
        more = f", {num - NUM_CATEGORIES + 1:,} rarer values as other" if num > NUM_CATEGORIES else ""
        return [{"value": value, "count": count, "by": b} for value, b, count, _, _ in found], more

    def sampled(self) -> tuple[list[dict[str, Any]], str]:
        """Return the points, of many those of the smallest hash, in the order of x; and how many of how many."""
        ((count,),) = self.ask(f"SELECT count(*) FROM points WHERE {self.there}")
        found = self.ask(
            f"SELECT x, y, b FROM (SELECT x, y, b FROM points WHERE {self.there} "
            f"ORDER BY hash(x, y, b), x, y, b LIMIT {NUM_POINTS}) ORDER BY ALL"
        )
        more = f", {NUM_POINTS:,} of {count:,} points drawn" if count > NUM_POINTS else ""
        return [{"x": x, "y": y, "by": b} for x, y, b in found], more


def nice_step(width: float, *, whole: bool = False) -> float:
    """Return the width of bins of which at most `NUM_BINS` cover a range: 1, 2 or 5 times a power of ten.

    Examples:
        >>> nice_step(100.0), nice_step(3, whole=True)
        (5.0, 1.0)
    """
    if not width > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(width / NUM_BINS))
    step = next(power * each for each in (1, 2, 5, 10, 20) if width / (power * each) <= NUM_BINS - 1)
    return max(step, 1.0) if whole else step


def time_step(seconds: float) -> float:
    """Return the width of bins of times, in seconds: a second, a minute, an hour, a day, or a round number of them.

    Examples:
        >>> time_step(200 * 86_400) / 86_400
        7.0
    """
    ladder = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400, 7 * 86_400, 28 * 86_400)
    return float(next((each for each in ladder if seconds / each <= NUM_BINS - 1), 0)) or (
        86_400 * nice_step(seconds / 86_400, whole=True)
    )


def chart_of(plot: Plot) -> Any:
    """Return an altair chart.

    Raises:
        SettingsError: if altair is not installed.
    """
    try:
        import altair as alt  # optional: it is for notebooks, and takes a second to import
    except ImportError as error:
        raise SettingsError("a chart needs altair; pip install 'cutlist[notebook]'") from error
    scale = 1000 if plot.is_time else 1  # Vega counts milliseconds
    rows = [
        {name: each * scale if name in ("start", "stop", "x") else each for name, each in row.items()}
        for row in plot.rows
    ]
    data: Any = alt.Data
    chart: Any = alt.Chart(data(values=rows), title=plot.title)
    kind: Any = "temporal" if plot.is_time else "quantitative"
    colour: Any = {"color": alt.Color("by", type="nominal", title=plot.by)} if plot.by is not None else {}
    if plot.kind == "histogram":
        binned: Any = {"scale": alt.Scale(type="utc")} if plot.is_time else {"bin": "binned"}
        count = alt.Y("count", type="quantitative", title="rows", stack="zero")
        return chart.mark_bar().encode(
            x=alt.X("start", type=kind, title=plot.x, **binned), x2="stop", y=count, **colour
        )
    if plot.kind == "bars":
        title = "rows" if plot.y is None else f"mean of {plot.y}"
        order = list(dict.fromkeys(row["value"] for row in plot.rows))
        offset: Any = (
            {"yOffset": alt.YOffset("by", type="nominal")} if plot.y is not None and plot.by is not None else {}
        )
        value = alt.Y("value", type="nominal", sort=order, title=plot.x)
        return chart.mark_bar().encode(x=alt.X("count", type="quantitative", title=title), y=value, **offset, **colour)
    mark = chart.mark_line() if plot.kind == "line" else chart.mark_circle(opacity=0.5)
    axis = alt.Scale(type="utc") if plot.is_time else alt.Scale(zero=False)
    return mark.encode(
        x=alt.X("x", type=kind, title=plot.x, scale=axis),
        y=alt.Y("y", type="quantitative", title=plot.y, scale=alt.Scale(zero=False)),
        **colour,
    )


def save_chart(chart: Any, path: str | Path) -> Path:
    """Write a chart to a file, as a whole or not at all; return its path.

    Raises:
        SettingsError: if the file is no chart's, its folder is not there, or `vl-convert-python` is not installed.
    """
    target = chart_file(path)
    temporary = target.with_name(f".{target.stem}.tmp{target.suffix}")
    try:
        chart.save(str(temporary), **({"scale_factor": 2} if target.suffix == ".png" else {}))
        temporary.replace(target)
    except (ImportError, ValueError) as error:
        raise SettingsError(f"{target}: cannot be drawn: {error}; pip install 'cutlist[notebook]'") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def chart_file(path: str | Path) -> Path:
    """Return the path of a chart that can be written.

    Raises:
        SettingsError: if the file is no chart's, or its folder is not there.

    Examples:
        >>> chart_file("plot.gif")
        Traceback (most recent call last):
        cutlist.errors.SettingsError: plot.gif: expected a chart file: .html, .png or .svg
    """
    target = Path(path)
    if target.suffix not in (".html", ".png", ".svg"):
        raise SettingsError(f"{target}: expected a chart file: .html, .png or .svg")
    if not target.parent.is_dir():
        raise SettingsError(f"{target}: there is no folder {target.parent}")
    return target
