"""The command line: `cutlist ingest | sql | compile | sheet | version`. Thin: each command is one call of a session."""

from __future__ import annotations

import csv
import json
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

import cutlist
from cutlist.errors import CutlistError, QueryError
from cutlist.ingest import KINDS
from cutlist.media.reference import FIELD_NAMES, to_ref
from cutlist.selection import Source
from cutlist.watch import watched

app = typer.Typer(
    help="Your training set is a SQL query: videos, images and their columns in Lance tables, selected by SQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

SHOWN_ROWS = 40
"""Rows that a table in the terminal shows; JSON and CSV have all."""

Root = Annotated[str | None, typer.Option(help="Folder or URI of the tables. [default: CUTLIST_ROOT, else .]")]
Views = Annotated[str | None, typer.Option(help="Folder of the views. [default: CUTLIST_VIEWS, else sql]")]
Query = Annotated[str, typer.Argument(help="A SELECT, or the name of a view.")]


class Format(StrEnum):
    """How `cutlist sql` prints rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command()
def ingest(
    sources: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, and folders to search.")],
    table: Annotated[str, typer.Option(help="The table, made if it is not there.")],
    metadata_file: Annotated[
        str | None, typer.Option("--metadata", help="CSV, Parquet or JSONL with captions and other columns.")
    ] = None,
    on: Annotated[str, typer.Option(help="The metadata's column that has the paths.")] = "path",
    columns: Annotated[str | None, typer.Option(help="The metadata's columns to take: a,b,c. [default: all]")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only video, image or audio; may be repeated.")] = None,
    root: Root = None,
    views: Views = None,
) -> None:
    """Add videos, images and sounds to a table, one row for each file. A second run adds only what is new.

    Example: `cutlist ingest clips/ --table videos --metadata captions.csv --root data`
    """
    chosen = None if columns is None else [each.strip() for each in columns.split(",") if each.strip()]
    with cutlist.connect(root, views=views, create=True) as session:
        report = session.ingest(
            sources, table=table, metadata=metadata_file, on=on, columns=chosen, kinds=kind or KINDS
        )
    typer.echo(str(report))
    if report.num_failed and not report.num_added and not report.num_known:
        raise typer.Exit(1)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="Any DuckDB SQL over the tables and views.")],
    format: Annotated[Format, typer.Option(help="How to print the rows.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    root: Root = None,
    views: Views = None,
) -> None:
    """Run SQL and print the rows.

    Example: `cutlist sql "SELECT count(*) FROM videos WHERE height * width >= 1080 * 1920" --root data`
    """
    with cutlist.connect(root, views=views) as session:
        relation = session.sql(query)
        if relation is None:
            return
        names, types = relation.columns, [str(kind) for kind in relation.types]
        chosen = Format.JSON if as_json else format

        def printed() -> None:
            if chosen is Format.JSON:
                _print_json(names, _rows(relation), session.sources)
            elif chosen is Format.CSV:
                writer = csv.writer(sys.stdout)
                writer.writerow(names)
                writer.writerows([_text(value, session.sources) for value in row] for row in _rows(relation))
            else:
                _print_table(names, types, list(_rows(relation.limit(SHOWN_ROWS + 1))), session.sources)

        if chosen is Format.JSON and len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise QueryError(f'query: two columns are named "{twice}", which JSON cannot have; give one another name')
        with session.reading(query):
            watched(printed, interrupt=session.interrupt, fraction=session.progress, title="query")


def _rows(relation: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a relation as Python values, a batch in memory at a time."""
    for batch in relation.to_arrow_reader():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _print_json(names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]) -> None:
    separator = "[\n "
    for row in rows:
        values = {name: _json(value, sources) for name, value in zip(names, row, strict=True)}
        sys.stdout.write(separator + json.dumps(values, ensure_ascii=False))
        separator = ",\n "
    sys.stdout.write("[]\n" if separator == "[\n " else "\n]\n")


def _print_table(
    names: Sequence[str], types: Sequence[str], rows: Sequence[tuple[Any, ...]], sources: Sequence[Source]
) -> None:
    table = RichTable(header_style="bold", row_styles=["", "dim"])
    for name, kind in zip(names, types, strict=True):
        kind = "media" if kind.startswith('STRUCT("source" USMALLINT') else kind.lower()
        number = kind.startswith(("bigint", "integer", "double", "float", "decimal", "hugeint", "ubigint", "smallint"))
        table.add_column(f"{name}\n[dim]{kind}[/dim]", justify="right" if number else "left", overflow="fold")
    for row in rows[:SHOWN_ROWS]:
        table.add_row(*("[dim]NULL[/dim]" if value is None else _escaped(_shown(value, sources)) for value in row))
    console = Console()
    console.print(table)
    if len(rows) > SHOWN_ROWS:
        console.print(f"the first {SHOWN_ROWS} rows; --format csv or json prints all")


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and tuple(value) == FIELD_NAMES


def _text(value: Any, sources: Sequence[Source]) -> str:
    """Return a value as text; a media reference as `videos.video[12].clip(0, 2)`."""
    if value is None:
        return ""
    if _is_reference(value):
        ref = to_ref(value)
        assert ref is not None
        source = sources[ref.source]
        return ".".join([f"{source.table}.{source.column}[{ref.row}]", *map(str, ref.ops)])
    if isinstance(value, list | dict):
        return json.dumps(_json(value, sources), ensure_ascii=False)
    return value.hex() if isinstance(value, bytes) else str(value)


def _shown(value: Any, sources: Sequence[Source]) -> str:
    """Return a value as a table shows it: floats with six digits."""
    return f"{value:.6g}" if isinstance(value, float) else _text(value, sources)


def _json(value: Any, sources: Sequence[Source]) -> Any:
    """Return a value as JSON can hold it; a media reference is its text, bytes are hexadecimal, NaN is null."""
    if _is_reference(value):
        return _text(value, sources)
    if isinstance(value, dict):
        return {str(key): _json(each, sources) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each, sources) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    return (
        value.isoformat()
        if isinstance(value, date | datetime | time)
        else (str(value) if isinstance(value, timedelta) else value)
    )


@app.command("compile")
def compile_(query: Query, root: Root = None, views: Views = None) -> None:
    """Compile a query into a training set: row ids pinned to table versions, saved under the root.

    Example: `cutlist compile hd --root data`
    """
    with cutlist.connect(root, views=views) as session:
        selection = session.compile(query)
    console = Console()
    console.print(f"{selection.num_samples:,} samples, fingerprint {selection.fingerprint}")
    for each in selection.tables:
        console.print(f"  from {each.name} at version {each.version}")
    for column in selection.columns:
        ops = "" if not column.ops else " " + ".".join(op.name for op in column.ops)
        nulls = f", {column.null_count:,} NULL" if column.null_count else ""
        console.print(f"  {column.name}: {column.type.lower()}{ops}{nulls}", markup=False)
    if selection.path is not None:
        console.print(f"saved in {selection.path}", soft_wrap=True)


@app.command()
def sheet(
    query: Query,
    out: Annotated[Path, typer.Argument(help="The picture file to write, e.g. out.png.")],
    samples: Annotated[int, typer.Option(help="How many samples to draw.", min=1, max=400)] = 24,
    root: Root = None,
    views: Views = None,
) -> None:
    """Draw the first samples of a query into a picture: a contact sheet.

    Example: `cutlist sheet "SELECT clip(video, 0, 2) AS frames, caption FROM hd" hd.png --root data`
    """
    with cutlist.connect(root, views=views) as session:
        count = session.sheet(query, out, num_samples=samples)
    typer.echo(f"{out}: {count} samples")


@app.command()
def version(root: Root = None, views: Views = None) -> None:
    """Print the version of cutlist and of the libraries that decide what a query means. Needs no root.

    Example: `cutlist version`
    """
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("duckdb", "pylance", "av", "pillow"))
    typer.echo(f"cutlist {cutlist.__version__} ({libraries})")


def main() -> None:
    """Run the command line; an error of ours is one message on standard error and exit status 1, Ctrl-C is 130."""
    complain = Console(stderr=True, soft_wrap=True, highlight=False).print

    def warn(text: Warning | str, *_: Any) -> None:
        complain(f"[bold yellow]warning:[/bold yellow] {_escaped(str(text))}")

    warnings.showwarning = warn
    try:
        app()
    except CutlistError as error:
        complain(f"[bold red]error:[/bold red] {_escaped(str(error))}")
        sys.exit(1)
    except SystemExit as error:
        if error.code == 130:  # typer's own, after Ctrl-C
            complain("interrupted; what was committed before stays")
        raise
