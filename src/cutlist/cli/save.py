"""`cutlist save`: the rows of a query in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cutlist import Session
from cutlist.cli.options import AsJson, Query
from cutlist.process.watch import watched
from cutlist.values import counted


def command(
    session: Session,
    query: Query,
    out: Annotated[Path, typer.Argument(help="A .parquet, .arrow, .csv or .json file.")],
    as_json: AsJson = False,
) -> None:
    """Write the rows of a query to a file: whole or not at all. Media references become text; no medium is read.

    Example: `cutlist save hd hd.parquet --root data`

    Example: `cutlist save "SELECT id, caption FROM hd" captions.parquet --root data`
    """
    count = watched(
        lambda: session.save(query, out), interrupt=session.interrupt, fraction=session.progress, title="save"
    )
    typer.echo(json.dumps({"file": str(out), "num_rows": count}) if as_json else f"{out}: {counted(count, 'row')}")
