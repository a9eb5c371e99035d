"""Views: the `.sql` files of a folder, one SELECT each. The path is the name, the first comment the description."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cutlist.compiler import Statement, table_names, view_order
from cutlist.errors import CatalogError, NotFoundError, QueryError


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: its name, the file it stands in, and the file's text, or the reason why there is none."""

    name: str
    path: str
    text: str
    problem: str | None = None

    @property
    def description(self) -> str:
        """The first comment of the file, in one line; empty where there is none."""
        comment = re.match(r"\s*((?:--[^\n]*\n\s*)+|/\*.*?\*/)", self.text, re.DOTALL)
        if comment is None:
            return ""
        lines = [line.strip().removeprefix("--").strip("/* ") for line in comment[1].splitlines()]
        return " ".join(line for line in lines if line)


def load_views(folder: str | os.PathLike[str], *, required: bool = True) -> dict[str, View]:
    """Return the views of a folder by name. `clips/short.sql` is the view `"clips/short"`. Nothing is parsed yet.

    Args:
        folder: Where the `.sql` files are, at any depth.
        required: Whether a folder that is not there is an error, or has no views.

    Raises:
        CatalogError: if the folder is not there, or two files give names that differ only in case.
    """
    top = Path(folder)
    if not top.is_dir():
        if required:
            raise NotFoundError(f'no folder "{folder}" with views; views are .sql files with one SELECT each')
        return {}
    views: dict[str, View] = {}
    lower: dict[str, str] = {}
    for file in sorted(top.rglob("*.sql")):
        name = file.relative_to(top).with_suffix("").as_posix()
        if name.lower() in lower:
            raise CatalogError(f"{file}: its name differs only in case from {lower[name.lower()]}; rename one")
        lower[name.lower()] = str(file)
        try:
            views[name] = View(name=name, path=str(file), text=file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:  # told when the view is used
            views[name] = View(name=name, path=str(file), text="", problem=f"{file}: cannot be read as UTF-8: {error}")
    return views


def needed_views(
    statement: Statement, find: Callable[[str], View | None], parse: Callable[[str, str], Statement]
) -> tuple[Mapping[str, Statement], frozenset[str]]:
    """Return the views that a statement needs, in the order to define them, and every name in their FROM clauses.

    Args:
        find: Name → view, or None where it names a table or nothing.
        parse: Text and place → statement.

    Raises:
        QueryError: if a needed view does not parse, or views use each other in a circle.
    """
    parsed: dict[str, Statement] = {}
    named: set[str] = set()

    def views_of(each: Statement) -> Iterable[str]:
        for table in table_names(each):
            view = find(table.name)
            named.add(table.name)
            if view is not None and view.problem is not None:
                raise QueryError(view.problem)
            if view is not None:
                parsed.setdefault(view.name, parse(view.text, view.path))
                yield view.name

    roots = list(views_of(statement))
    order = view_order(roots, lambda name: list(views_of(parsed[name])))
    return {name: parsed[name] for name in order}, frozenset(named)
