"""`cutlist selections list | show | drop`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from cutlist import Session
from cutlist.cli.options import AsJson
from cutlist.cli.registry import command
from cutlist.cli.rows import escaped
from cutlist.selection import Selection
from cutlist.values import counted

app = typer.Typer(help="The saved selections of a root: list, show, drop.", no_args_is_help=True)

Fingerprint = Annotated[str, typer.Argument(help="The start of its fingerprint, four digits or more.")]


def about(selection: Selection) -> dict[str, Any]:
    """Return what is told of a selection, saved or not."""
    stat = None if selection.path is None else selection.path.stat()
    return {
        "fingerprint": selection.fingerprint,
        "num_samples": selection.num_samples,
        "size_bytes": stat and stat.st_size,
        "saved": stat and datetime.fromtimestamp(stat.st_mtime).isoformat(sep=" ", timespec="seconds"),
        "tables": [str(each) for each in selection.tables],
        "sql": selection.sql,
        "path": selection.path and str(selection.path),
    }


@command(app, "list")
def list_(session: Session, as_json: AsJson = False) -> None:
    """List the saved selections, the newest first.

    Example: `cutlist selections list --root data`
    """
    found = [about(each) for each in session.saved.all()]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    table = Table("fingerprint", "samples", "size", "saved", "tables", "query")
    for each in found:
        query = " ".join(each["sql"].split())
        table.add_row(
            each["fingerprint"][:12],
            f"{each['num_samples']:,}",
            decimal(each["size_bytes"]),
            each["saved"],
            ", ".join(each["tables"]),
            escaped(query if len(query) <= 200 else query[:200] + " …"),
        )
    Console(highlight=False).print(table if found else "no saved selections")


@command(app)
def show(session: Session, fingerprint: Fingerprint, as_json: AsJson = False) -> None:
    """Show one saved selection: its query, views, tables, columns and warnings.

    Example: `cutlist selections show 3f2a --root data`
    """
    selection = session.saved.find(fingerprint)
    told = {
        **about(selection),
        "views": selection.views,
        "columns": [{"name": each.name, "type": each.type, "num_null": each.null_count} for each in selection.columns],
        "warnings": list(selection.warnings),
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"{told['fingerprint']}  saved {told['saved']}  {decimal(told['size_bytes'])}")
    console.print(f"{counted(selection.num_samples, 'sample')} of {', '.join(told['tables']) or 'no table'}")
    for column in told["columns"]:
        nulls = f", {column['num_null']:,} NULL" if column["num_null"] else ""
        console.print(f"  {column['name']}: {column['type'].lower()}{nulls}")
    for name, text in [*selection.views.items(), ("the query", selection.sql)]:
        console.print(f"\n-- {name}\n{text.strip()}")
    for warning in selection.warnings:
        console.print(f"\nwarning: {warning}")
    console.print(f"\n{told['path']}")


@command(app)
def drop(session: Session, fingerprint: Fingerprint, as_json: AsJson = False) -> None:
    """Delete one saved selection, and the tags of table versions that no other one needs.

    Example: `cutlist selections drop 3f2a --root data`
    """
    selection, free = session.drop_selection(fingerprint)
    if as_json:
        typer.echo(json.dumps({"fingerprint": selection.fingerprint, "untagged": [str(each) for each in free]}))
        return
    typer.echo(f"dropped {selection.fingerprint}")
    for each in free:
        typer.echo(f"no selection needs {each} any more: its tag is dropped")
