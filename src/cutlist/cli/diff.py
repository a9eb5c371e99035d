"""`cutlist diff`: what differs between two training sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cutlist import Session
from cutlist.answers.diff import Diff, Example, Side
from cutlist.cli.options import AsJson
from cutlist.cli.rows import escaped
from cutlist.values import counted


def diff(
    session: Session,
    a: Annotated[str, typer.Argument(help='A view, a SELECT, "selection(\'3f2a\')", "videos AT (VERSION => 12)".')],
    b: Annotated[str, typer.Argument(help="Another.")],
    on: Annotated[str | None, typer.Option(help="Columns that tell samples apart: id,a. [default: the media]")] = None,
    examples: Annotated[int, typer.Option(help="How many samples of each side to show.", min=0, max=400)] = 5,
    sheet: Annotated[Path | None, typer.Option(help="A picture file to draw those samples into.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show which samples only one of two training sets has, which conditions of the other drop them, and what changed.

    Samples are the same if their media are the same rows, of any version of a table, decoded in the same way.

    Example: `cutlist diff hd hd_middles --root data`

    Example: `cutlist diff hd hd_middles --sheet diff.png --root data`

    Example: `cutlist diff "selection('3f2a91')" hd --on id --root data`
    """
    names = None if on is None else [each.strip() for each in on.split(",") if each.strip()]
    found = session.diff(a, b, on=names, num_examples=examples, sheet=sheet)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
    else:
        show(found, a, b)
    if sheet is not None:
        count = len(found.a.examples) + len(found.b.examples)
        typer.echo(f"{sheet}: {counted(count, 'sample')}", err=as_json)


def show(found: Diff, a: str, b: str) -> None:
    """Print how many samples are in both and in one, and for each side why and which."""
    console = Console(highlight=False)
    most = max(found.num_both, found.a.num_only, found.b.num_only)
    width = len(f"{most:,}")
    for title, count, query, side in (
        ("in both  ", found.num_both, f"by {', '.join(found.keys)}", None),
        ("only in A", found.a.num_only, a, found.a),
        ("only in B", found.b.num_only, b, found.b),
    ):
        total = "" if side is None else f" of {side.num_samples:,}"
        line = Text.assemble((title, "bold"), f"  {count:>{width},}{total}  ", (" ".join(query.split()), "dim"))
        line.truncate(console.width, overflow="ellipsis")
        console.print(line)
    _show_side(console, found.a, "A", "B")
    _show_side(console, found.b, "B", "A")
    changed = {name: count for name, count in found.changed.items() if count}
    if found.changed and found.num_both:
        console.print()
        console.print(Text(f"Values of those in both: {'' if changed else 'the same'}", style="bold"))
        compared = max(map(len, changed), default=0)
        for name, count in changed.items():
            console.print(Text(f"  {name:<{compared}}  {count:,} differ"))
    for note in found.notes:
        console.print(f"[dim]{escaped(note)}[/dim]", soft_wrap=True)


def _show_side(console: Console, side: Side, name: str, other: str) -> None:
    """Print the samples of one side: what drops them in the other, and some of them."""
    if not side.num_only:
        return
    console.print()
    width = len(f"{side.num_only:,}")
    if side.reasons:
        console.print(Text(f"Only in {name}: dropped in {other} by", style="bold"))
    elif side.num_absent is None:
        console.print(Text(f"Only in {name}", style="bold"))
    else:
        console.print(Text(f"Only in {name}: no condition of {other} drops them", style="bold"))
    for each in side.reasons:
        parts = [f"{each.num_only:,} by it alone"] if each.num_only < each.num_dropped else []
        parts += [f"{each.num_null:,} NULL"] if each.num_null else []
        more = f"  ({', '.join(parts)})" if parts else ""
        room = max(console.width - width - len(more) - 6, 8)
        text = each.condition if len(each.condition) <= room else each.condition[: room - 1] + "…"
        console.print(Text.assemble(f"  {each.num_dropped:>{width},}  ", (text, "bold"), more), soft_wrap=True)
    for count, what in (
        (side.num_absent, f"are no row of {other}'s FROM"),
        (side.num_passed, f"are kept by every condition of {other}, and left out later, or there less often"),
    ):
        if count:
            console.print(Text(f"  {count:>{width},}  {what}"))
    for example in side.examples:
        console.print(_line(example, console.width), soft_wrap=True)


def _line(example: Example, width: int) -> Text:
    """Return an example in one line: the sample, and behind it the values that conditions test."""
    parts = [each if "[" in each else f"{name} {each}" for name, each in example.sample.items()]
    sample = " ".join("  ".join(parts).split("\n"))
    values = ", ".join(
        f"{name} {'NULL' if each is None else each}"
        for name, each in example.values.items()
        if name.rpartition(".")[2] not in example.sample
    )
    room = max(width - len(values) - 6, width // 3) if values else width - 2
    line = Text("  " + (sample if len(sample) <= room else sample[: room - 1] + "…"), style="")
    if values:
        line.append(f"  {values}", style="cyan")
    line.truncate(width, overflow="ellipsis")
    return line
