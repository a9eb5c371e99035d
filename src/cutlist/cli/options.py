"""The arguments and options that many commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Root = Annotated[str | None, typer.Option(help="Folder or URI of the tables. [default: CUTLIST_ROOT, else .]")]
Views = Annotated[str | None, typer.Option(help="Folder of the views. [default: CUTLIST_VIEWS, else sql]")]
Query = Annotated[str, typer.Argument(help="A SELECT, or the name of a view.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AllowFiles = Annotated[
    bool, typer.Option("--allow-files", help="Let SQL use any file, the network and extensions of DuckDB.")
]
