"""`cutlist lineage`: where the columns of a view come from, as a tree for a terminal, DOT or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.tree import Tree

from cutlist import Session
from cutlist.answers.lineage import title, to_dict, to_dot
from cutlist.cli.options import Query
from cutlist.cli.rows import escaped
from cutlist.compiler import Lineage, Origin


class LineageFormat(StrEnum):
    """How `cutlist lineage` prints."""

    TEXT = "text"
    DOT = "dot"
    JSON = "json"


def command(
    session: Session,
    query: Query,
    format: Annotated[LineageFormat, typer.Option(help="A tree, a graph for Graphviz, or JSON.")] = LineageFormat.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Show what each column of a view is made of: expressions with their places, views, table columns, featurizers.

    Below the columns stand the clauses that decide which rows there are: WHERE, JOIN, GROUP BY, ORDER BY.

    Example: `cutlist lineage hd --root data`

    Example: `cutlist lineage hd --format dot --root data | dot -Tsvg > hd.svg`
    """
    found = session.lineage(query)
    if as_json or format is LineageFormat.JSON:
        typer.echo(json.dumps(to_dict(found), ensure_ascii=False, indent=1))
    elif format is LineageFormat.DOT:
        typer.echo(to_dot(found), nl=False)
    else:
        show(found)


def show(found: Lineage) -> None:
    """Print a lineage as a tree. Columns that a `*` hands on from one table are one line."""
    console = Console(highlight=False)
    top = Tree(f"[bold]{escaped(found.name)}[/bold]", guide_style="dim")
    shown: set[Origin] = set()
    together: dict[tuple[str, ...], list[str]] = {}
    for name, origin in found.columns:
        path = _handed_on(origin)
        if path is None:
            _add(top, origin, shown, name)
        elif path in together:
            together[path].append(name)
        else:
            together[path] = [name]
    for path, names in together.items():
        console_line = f"[bold]{escaped(', '.join(names))}[/bold]"
        branch = top.add(console_line)
        for each in path:
            branch = branch.add(each)
    console.print(top)
    if found.clauses:
        rows = Tree("which rows, and in which order", guide_style="dim")
        for clause in found.clauses:
            text = f"[bold]{clause.clause}[/bold] {escaped(clause.text)}  [dim]{escaped(clause.place)}[/dim]"
            _add_all(rows.add(text), clause.inputs, shown)
        console.print(rows)
    for problem in found.problems:
        console.print(f"[yellow]not resolved:[/yellow] {escaped(problem)}")


def _handed_on(origin: Origin) -> tuple[str, ...] | None:
    """Return the lines below a column that only stars hand on from a table, without its name; None for any other."""
    lines = []
    while origin.text.endswith("*") and len(origin.inputs) == 1 and origin.name == origin.inputs[0].name:
        lines.append(f"{escaped(origin.text)}  [dim]{escaped(origin.place)}[/dim]")
        origin = origin.inputs[0]
    if not lines or origin.kind not in ("table", "selection") or origin.made_by:
        return None
    return (*lines, escaped(title(origin).rpartition(".")[0]))


def _add(tree: Tree, origin: Origin, shown: set[Origin], name: str | None = None) -> None:
    """Add a column with what it is made of; the second time without."""
    label = f"[bold]{escaped(name)}[/bold]" if name is not None else escaped(title(origin))
    if origin.made_by:
        label += f"  [cyan]by {escaped(origin.made_by)}[/cyan]"
    if origin.text and origin.text != (name or title(origin)):
        label += f"  {escaped(origin.text)}"
    if origin.place:
        label += f"  [dim]{escaped(origin.place)}[/dim]"
    if origin.problem:
        label += f"  [yellow]not resolved: {escaped(origin.problem)}[/yellow]"
    if origin in shown and origin.inputs:
        tree.add(f"{label}  [dim]as above[/dim]")
        return
    shown.add(origin)
    _add_all(tree.add(label), origin.inputs, shown)


def _add_all(tree: Tree, origins: Iterable[Origin], shown: set[Origin]) -> None:
    for each in origins:
        _add(tree, each, shown)
