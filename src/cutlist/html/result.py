"""The result of a query as a notebook shows it: its first rows with their media, and how each column is spread."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from cutlist.html.cells import cell, type_name, words
from cutlist.html.media import Medium
from cutlist.html.page import MOST_COLUMNS, Head, page
from cutlist.html.spread import kind_of, spread_of
from cutlist.packing import is_media, with_refs
from cutlist.process.pool import in_order
from cutlist.settings import num_cores
from cutlist.values import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cutlist.engine import Engine
    from cutlist.html.spread import Spread
    from cutlist.media.reference import MediaRef

NUM_ROWS = 20
"""Rows that are shown, if no other number is asked for."""

NUM_SAMPLED = 100_000
"""Rows of which the spread of the values is shown, at most; of more, of so many at random."""

NUM_PLAYING = 12
"""Rows of which the videos can be played; below them a video is one picture."""

_WIDTH, _WIDEST, _MOST_COLUMNS = 120, 40, 12
"""Of a result in a terminal, in characters: the table, a cell; and how many columns it has."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """The rows of a query. A notebook shows the first of them as a table with pictures; the media in them are decoded
    each time it does, and only then.

    Attributes:
        sql: The query.
        relation: The whole result, lazy: a `duckdb.DuckDBPyRelation`, which runs the query again when it is read.
        num_rows: Of the whole result.
        heads: The columns: names, types, NULLs, how values are spread.
        types: Arrow type of each column.
        rows: The first rows as Python values, with a `Medium` in the place of each media reference.
    """

    sql: str
    relation: Any
    num_rows: int
    heads: Sequence[Head]
    types: Sequence[pa.DataType]
    rows: Sequence[Sequence[Any]]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [each.name for each in self.heads]

    def pl(self) -> Any:
        """Return all rows as a polars data frame; media references are structs."""
        return self.relation.pl()

    def df(self) -> Any:
        """Return all rows as a pandas data frame; needs pandas."""
        return self.relation.df()

    def __repr__(self) -> str:
        table = Grid(box=None, pad_edge=False)
        for each in self.heads[:_MOST_COLUMNS]:
            table.add_column(Text(f"{each.name}\n{each.type}"), justify="right" if each.is_number else "left")
        for row in self.rows:
            table.add_row(*map(_short, row[:_MOST_COLUMNS], self.types))
        out = io.StringIO()
        Console(file=out, width=_WIDTH, color_system=None, force_jupyter=False).print(table)
        hidden = len(self.heads) - _MOST_COLUMNS
        more = [f"and {hidden:,} more columns"] if hidden > 0 else []
        return "\n".join([*(line.rstrip() for line in out.getvalue().splitlines()), *more, self._title])

    def _repr_html_(self) -> str:
        return page(self._title, self.heads, cells(self.rows, self.types), sql=self.sql)

    @property
    def _title(self) -> str:
        count = counted(self.num_rows, "row")
        return count if self.num_rows == len(self.rows) else f"{count}, the first {len(self.rows):,} are shown"


def _short(value: Any, kind: pa.DataType) -> Text:
    """Return a value as text for a terminal, on one line."""
    said = " ".join(words(value, kind).split("\n"))
    return Text(said if len(said) <= _WIDEST else said[: _WIDEST - 1] + "…", no_wrap=True, overflow="ellipsis")


def cells(rows: Iterable[Sequence[Any]], types: Sequence[pa.DataType | None]) -> Iterator[list[str]]:
    """Yield the cells of each row as HTML; media are decoded by a pool of threads, as the rows are asked for."""

    def drawn(each: tuple[int, Sequence[Any]]) -> list[str]:
        number, row = each
        plays = number < NUM_PLAYING
        shown = zip(row[:MOST_COLUMNS], types[:MOST_COLUMNS], strict=True)
        return [cell(value, kind, plays=plays) for value, kind in shown]

    rows = enumerate(rows)
    found = in_order(rows, drawn, num_threads=num_cores(), name=lambda each: f"row {each[0]} of what is shown")
    return (html for _, html in found)


def read_result(engine: Engine, relation: Any, sql: str, *, num_rows: int = NUM_ROWS) -> Result:
    """Return a lazy relation of DuckDB as what a notebook shows; runs it up to three times, for the first rows, the
    counts, and the values whose spread is shown. Reads no medium.

    Raises:
        QueryError: if the query fails.
    """
    with engine.reading(sql):
        first = relation.limit(num_rows + 1).to_arrow_table()
        names, types = list(relation.columns), first.schema.types
        if first.num_rows <= num_rows:
            count, nulls = first.num_rows, [each.null_count for each in first.columns]
            samples = {place: first.column(place) for place, kind in enumerate(map(kind_of, types)) if kind}
        else:
            first = first.slice(0, num_rows)
            count, nulls = _counted(relation, len(names))
            samples = _sampled(relation, types, count)
    rows = rows_of(first, lambda ref, row: _medium(engine, ref, row))
    samples = {place: spread_of(values) for place, values in samples.items()}
    heads = heads_of(names, types, rows, count, nulls, samples)
    return Result(sql=sql, relation=relation, num_rows=count, heads=heads, types=types, rows=rows)


def _counted(relation: Any, num_columns: int) -> tuple[int, list[int]]:
    """Return the number of rows, and of NULLs in each column."""
    counts = "".join(f", count(c{place})" for place in range(num_columns))
    ((count, *there),) = relation.query("asked", f"SELECT count(*){counts} FROM {_aliased(num_columns)}").fetchall()
    return count, [count - each for each in there]


def _sampled(relation: Any, types: Sequence[pa.DataType], num_rows: int) -> dict[int, pa.ChunkedArray]:
    """Return the values of each column that can be spread, by its place; of long texts the start."""
    kinds = dict(enumerate(map(kind_of, types[:MOST_COLUMNS])))
    wanted = [place for place, kind in kinds.items() if kind is not None]
    if not wanted:
        return {}
    cut = {place for place in wanted if kinds[place] == "text" and not pa.types.is_boolean(types[place])}
    chosen = [f"left(c{place}::VARCHAR, 60)" if place in cut else f"c{place}" for place in wanted]
    text = f"SELECT {', '.join(f'{each} AS s{n}' for n, each in enumerate(chosen))} FROM {_aliased(len(types))}"
    if num_rows > NUM_SAMPLED:
        text += f" USING SAMPLE reservoir({NUM_SAMPLED} ROWS) REPEATABLE (1)"
    return dict(zip(wanted, relation.query("asked", text).to_arrow_table().columns, strict=True))


def _aliased(num_columns: int) -> str:
    """Return a relation with its columns named by their places: two of a query's may have one name."""
    return f"asked AS asked({', '.join(f'c{place}' for place in range(num_columns))})"


def _medium(engine: Engine, ref: MediaRef, row: int) -> Medium:
    """Return the medium that a reference of a result of `session.sql` stands for."""
    source = engine.sources[ref.source]
    table = engine.table_at(source.table, source.version)
    return Medium(table=table, column=source.column, kind=source.kind, row=ref.row, ops=ref.ops, sample=row)


def heads_of(
    names: Sequence[str],
    types: Sequence[pa.DataType],
    rows: Sequence[Sequence[Any]],
    num_rows: int,
    nulls: Sequence[int],
    spreads: Mapping[int, Spread | None],
) -> list[Head]:
    """Return what stands above columns.

    Args:
        rows: Of which the media say what kind they are.
        nulls: NULLs of each column, in `num_rows` rows.
        spreads: By the place of a column, where there is one.
    """
    return [
        Head(
            name=name,
            type=_kind_of_media([row[place] for row in rows]) if is_media(kind) else type_name(kind),
            num_rows=num_rows,
            num_null=nulls[place],
            spread=spreads.get(place),
            is_number=kind_of(kind) == "number",
        )
        for place, (name, kind) in enumerate(zip(names, types, strict=True))
    ]


def _kind_of_media(values: Sequence[Any]) -> str:
    return next((each.shown_kind for each in values if isinstance(each, Medium)), "media")


def rows_of(table: pa.Table, medium: Callable[[MediaRef, int], Any]) -> list[list[Any]]:
    """Return the rows of an Arrow table as Python values.

    Args:
        medium: What stands in the place of a media reference in a row, by its number.
    """
    columns = [
        [
            with_refs(value, column.type, partial(_placed, medium, number))
            for number, value in enumerate(column.to_pylist())
        ]
        for column in table.columns
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _placed(medium: Callable[[MediaRef, int], Any], number: int, ref: MediaRef) -> Any:
    return medium(ref, number)
