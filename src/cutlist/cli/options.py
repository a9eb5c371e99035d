"""The arguments and options that many commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from cutlist.errors import SettingsError

Root = Annotated[str | None, typer.Option(help="Folder or URI of the tables. [default: CUTLIST_ROOT, else .]")]
Views = Annotated[str | None, typer.Option(help="Folder of the views. [default: CUTLIST_VIEWS, else sql]")]
Query = Annotated[str, typer.Argument(help="A SELECT, or the name of a view.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AllowFiles = Annotated[
    bool, typer.Option("--allow-files", help="Let SQL use any file, the network and extensions of DuckDB.")
]
With = Annotated[
    list[str] | None, typer.Option("--with", help="An argument of it, ARGUMENT=VALUE; any number of times.")
]


def arguments(given: Sequence[str]) -> dict[str, str]:
    """Return what `--with ARGUMENT=VALUE` says, each time that it is given.

    Raises:
        SettingsError: if one is not of that form, or one argument is given twice.

    Examples:
        >>> arguments(["model=ViT-L-14", "pretrained=openai"])
        {'model': 'ViT-L-14', 'pretrained': 'openai'}
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise SettingsError(f"--with {each}: expected ARGUMENT=VALUE, e.g. model=ViT-L-14")
        if name in found:
            raise SettingsError(f"--with {each}: {name} was given before, as {found[name]}")
        found[name] = value
    return found
