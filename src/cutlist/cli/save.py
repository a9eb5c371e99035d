"""`cutlist save`: the rows of a query in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cutlist
from cutlist.cli.options import Query, Root, Views
from cutlist.watch import watched


def command(
    query: Query,
    out: Annotated[Path, typer.Argument(help="A .parquet, .arrow, .csv or .json file.")],
    root: Root = None,
    views: Views = None,
) -> None:
    """Write the rows of a query to a file: whole or not at all. Media references become text; no medium is read.

    Example: `cutlist save "SELECT id, caption FROM hd" captions.parquet --root data`
    """
    with cutlist.connect(root, views=views) as session:
        count = watched(
            lambda: session.save(query, out), interrupt=session.interrupt, fraction=session.progress, title="save"
        )
    typer.echo(f"{out}: {count:,} rows")
