"""`cutlist loader`: the Python that trains on a query."""

from __future__ import annotations

import json

import typer

from cutlist import Session
from cutlist.answers.contents import ColumnFacts
from cutlist.cli.options import AsJson, Query
from cutlist.values import type_name


def command(session: Session, query: Query, as_json: AsJson = False) -> None:
    """Print the Python that trains on a query: its Loader, and a loop over the batches. It runs as it is.

    Example: `cutlist loader hd --root data > train.py`

    Example: `cutlist loader "SELECT clip(video, 0, 2) AS frames, caption FROM hd" --root data > train.py`
    """
    code = python(query, session.store.root, str(session.views_folder.absolute()), session.schema(query))
    typer.echo(json.dumps({"python": code}, ensure_ascii=False) if as_json else code, nl=as_json)


def python(query: str, root: str, views: str, columns: list[ColumnFacts]) -> str:
    """Return a program that trains on a query.

    Examples:
        >>> print(python("hd", "data", "sql", [ColumnFacts(name="v", type="MEDIA", media=("video",), made_by=())]))
        from cutlist_torch import Loader
        <BLANKLINE>
        QUERY = "hd"
        <BLANKLINE>
        loader = Loader(QUERY, root="data", views="sql", batch_size=8, seed=0)
        for batch in loader:
            batch["v"]  # media video
        <BLANKLINE>
    """
    lines = [
        f"batch[{_quoted(each.name)}]  # {' '.join([type_name(each.type), ', '.join(each.media)]).strip()}"
        for each in columns
    ]
    body = "\n    ".join(lines)
    return (
        f"from cutlist_torch import Loader\n\nQUERY = {_quoted(query.strip())}\n\n"
        f"loader = Loader(QUERY, root={_quoted(root)}, views={_quoted(views)}, batch_size=8, seed=0)\n"
        f"for batch in loader:\n    {body}\n"
    )


def _quoted(text: str) -> str:
    """Return a text as a literal of Python: over several lines where it has some, as it was typed, if that can be."""
    if "\n" in text and "\\" not in text and '"""' not in text:
        return f'"""\\\n{text}\n"""'
    return json.dumps(text, ensure_ascii=False) if '"' not in text and text.isprintable() else repr(text)
