"""`cutlist tables`, `cutlist views` and `cutlist schema`: what there is to query."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from cutlist import Session
from cutlist.cli.options import AsJson
from cutlist.values import type_name


def tables(session: Session, as_json: AsJson = False) -> None:
    """List the tables: versions, rows, media columns, bytes, and featurizers that were run.

    Example: `cutlist tables --root data`
    """
    found = session.describe_tables()
    if as_json:
        _print_json(found)
        return
    shown = _table("table", "version", "rows", "media columns", "bytes", "of media", "features", right=(1, 2, 4, 5))
    for each in found:
        shown.add_row(
            Text(each.name, style="bold"),
            str(each.version),
            f"{each.num_rows:,}",
            Text("\n".join(name if kind in (None, name) else f"{name}: {kind}" for name, kind in each.media.items())),
            decimal(each.num_bytes),
            "" if each.media_bytes is None else decimal(each.media_bytes),
            Text(", ".join(each.features)),
        )
    Console(highlight=False).print(shown if found else "no tables; `cutlist ingest PATH --table videos` makes one")


def views(session: Session, as_json: AsJson = False) -> None:
    """List the views: what each is for, its file, and whether it can be bound to the tables that there are.

    Example: `cutlist views --root data`
    """
    found = session.describe_views()
    if as_json:
        _print_json(found)
        return
    shown = _table("view", "description", "file")
    for each in found:
        said = Text(re.split(r"(?<=\.) ", each.description)[0])
        if each.problem is not None:
            problem = re.split(r"(?<=[.?]) ", each.problem)[0]  # what there is instead, JSON and `cutlist lint` tell
            said.append(f"{chr(10) if said else ''}{problem}", style="red")
        shown.add_row(Text(each.name, style="bold" if each.problem is None else "bold red"), said, Text(each.file))
    Console(highlight=False).print(shown if found else "no views; CREATE VIEW name AS SELECT … writes one")


def schema(
    session: Session,
    query: Annotated[str, typer.Argument(help="A table, a view, or a SELECT.")],
    as_json: AsJson = False,
) -> None:
    """Show the columns of a table, a view or a query: types, which are media, which featurizers made them.

    Example: `cutlist schema videos --root data`
    """
    found = session.schema(query)
    if as_json:
        _print_json(found)
        return
    shown = _table("column", "type", "made by")
    for each in found:
        kinds = f" {', '.join(each.media)}" if each.media else ""
        kind = Text(f"{type_name(each.type)}{kinds}", style="cyan" if each.media else "")
        shown.add_row(Text(each.name, style="bold"), kind, Text(", ".join(each.made_by), style="dim"))
    Console(highlight=False).print(shown)


def _table(*names: str, right: Sequence[int] = ()) -> Table:
    """Return a table without borders."""
    made = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for number, name in enumerate(names):
        made.add_column(name, justify="right" if number in right else "left", overflow="fold", no_wrap=number == 0)
    return made


def _print_json(found: Sequence[Any]) -> None:
    typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=1))
