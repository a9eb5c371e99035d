"""The list of all commands in the README: `python -m cutlist.cli.reference README.md` writes it anew."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from cutlist.cli import app

BEGIN, END = "<!-- commands: written by python -m cutlist.cli.reference README.md -->", "<!-- end of commands -->"

WIDEST = 120
"""Of a line that is longer, what stands behind a comma is left out."""


def reference() -> str:
    """Return the list of all commands, as Markdown: a code block with an example of each and what it does."""
    told = sorted((example_of(text), task_of(text)) for _, text in helps(app))
    width = max(len(example) for example, _ in told)
    lines = [f"{example:<{width}}  # {task}" for example, task in told]
    short = [each if len(each) <= WIDEST else each[: each.rfind(",", 0, WIDEST)] for each in lines]
    return "\n".join([BEGIN, "```sh", *short, "```", END])


def helps(commands: typer.Typer, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield each command of an app and of the groups in it: its words, and its help."""
    for each in commands.registered_commands:
        yield f"{before}{each.name or each.callback.__name__}", each.callback.__doc__ or ""  # type: ignore[union-attr]
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            yield from helps(group.typer_instance, f"{before}{group.name} ")


def example_of(text: str) -> str:
    """Return the shortest example of a help, without the root.

    Examples:
        >>> example_of("Do it.\\n\\nExample: `cutlist do it now --root data`\\n\\nExample: `cutlist do it --root data`")
        'cutlist do it'
    """
    found: list[str] = re.findall(r"Example: `(.*?)`", text)
    return min((each.replace(" --root data", "") for each in found), key=len)


def task_of(text: str) -> str:
    """Return what a command does: the beginning of its help.

    Examples:
        >>> task_of("Show it: this, and that.\\n\\nMore.")
        'show it'
    """
    first = re.split(r"[.:;](?:\s|$)", text.strip())[0]
    return " ".join((first[:1].lower() + first[1:]).split())


def written(text: str) -> str:
    """Return a README with the list of today.

    Raises:
        ValueError: if the marks are not there.
    """
    return text[: text.index(BEGIN)] + reference() + text[text.index(END) + len(END) :]


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(written(file.read_text(encoding="utf-8")), encoding="utf-8")
