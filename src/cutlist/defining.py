"""CREATE VIEW and DROP VIEW: a view's file is written once its query is known to work, removed if nothing needs it."""

from __future__ import annotations

import os
import re
import secrets
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from cutlist.catalog import fold_case
from cutlist.compiler import COMPILING, apply, locate, table_names
from cutlist.engine import Engine, column_names
from cutlist.errors import CatalogError, CutlistError, QueryError, QueryWarning, listing, suggest
from cutlist.views import View

if TYPE_CHECKING:
    from cutlist.statements import CreateView, DropView

_PART = re.compile(r"\w(?:[\w .-]*\w)?")


def create_view(engine: Engine, folder: Path, statement: CreateView, typed: str) -> View:
    """Write a view into a folder, and return it: the comments above the statement, and its query as typed.

    The query is planned, checked and bound first; where that fails, nothing is written. Views that were fine, and are
    not with the new one, are warned about.

    Args:
        engine: With the views that there are.
        typed: The whole statement, for the places in messages.

    Raises:
        CatalogError: if the name is taken, or is no name of a file, or the file cannot be written.
        QueryError: if the query is not one SELECT that can be compiled.
    """
    place = locate("query", typed, statement.offset)
    old = fold_case(engine.views, statement.name)
    name = statement.name if old is None else old.name
    file = Path(old.path) if old is not None else folder / f"{_checked(place, name)}.sql"
    if engine.snapshot.find(name) is not None:
        raise CatalogError(f'{place}: "{name}" is a table; a view needs a name of its own')
    if not statement.replace and (old is not None or file.exists()):
        raise CatalogError(f'{place}: there is a view "{name}" already, {file}; CREATE OR REPLACE VIEW writes it anew')
    text = "\n".join(each for each in (statement.comment, statement.text) if each) + "\n"
    view = View(name=name, path=str(file), text=text)
    trial = Engine(engine.snapshot, {**engine.views, name: view}, engine.saved, engine.databases, engine.encode)
    # as long as what was typed, so that lines and columns are those of the statement
    blank = re.sub(r"[^\n]", " ", typed[: statement.start])
    parsed = trial.parse(blank + statement.text)
    plan = trial.plan(parsed, strict=True)
    error = next((each for each in apply(COMPILING, plan, trial.facts).remarks if each.error), None)
    if error is not None:
        raise QueryError(str(error))
    column_names(trial, plan)
    broken = [each for each in dependants(engine, name) if _works(engine, each) and not _works(trial, each)]
    _write(file, text, replace=statement.replace)
    if broken:
        text = f"{file}: with the new {name}, these views can no longer be bound: {listing(broken)}"
        warnings.warn(text, QueryWarning, stacklevel=4)
    return view


def drop_view(engine: Engine, statement: DropView, typed: str) -> tuple[View | None, tuple[str, ...]]:
    """Remove the file of a view; return the view, and the names of the views that need it and are broken now.

    Those are left as they are: CASCADE removes no other file. None for a view that need not be there, and is not.

    Raises:
        CatalogError: if there is no such view, or others need it and CASCADE is not said.
    """
    place = locate("query", typed, statement.offset)
    if engine.snapshot.find(statement.name) is not None:
        raise CatalogError(f'{place}: "{statement.name}" is a table, not a view')
    view = fold_case(engine.views, statement.name)
    if view is None and statement.if_exists:
        return None, ()
    if view is None:
        known = suggest(statement.name, engine.views)
        raise CatalogError(f'{place}: no view "{statement.name}"{known} There are: {listing(engine.views)}.')
    needing = dependants(engine, view.name)
    if needing and not statement.cascade:
        raise CatalogError(
            f'{place}: the view "{view.name}" is needed by {listing(needing)}; DROP VIEW … CASCADE drops it all the '
            f"same, and leaves their files as they are"
        )
    try:
        Path(view.path).unlink(missing_ok=True)
    except OSError as error:
        raise CatalogError(f"{view.path}: cannot be removed: {error.strerror}") from error
    return view, needing


def dependants(engine: Engine, name: str) -> tuple[str, ...]:
    """Return the views whose text names a view, directly or through others, in order of their names."""
    uses: dict[str, set[str]] = {}
    for each, view in engine.views.items():
        try:
            uses[each] = {used.name.lower() for used in table_names(engine.parse(view.text, view.path))}
        except CutlistError:  # it cannot be used as it is
            uses[each] = set()
    found = {name}
    while more := {each for each, used in uses.items() if each not in found and used & {one.lower() for one in found}}:
        found |= more
    return tuple(sorted(found - {name}))


def _works(engine: Engine, name: str) -> bool:
    """Return whether a view can be bound."""
    view = engine.views[name]
    try:
        column_names(engine, engine.plan(engine.parse(view.text, view.path), strict=True))
    except CutlistError:
        return False
    return True


def _checked(place: str, name: str) -> str:
    """Return a name that can be a file's: words, spaces, dots and hyphens, and `/` between folders."""
    bad = next((part for part in name.split("/") if not _PART.fullmatch(part)), None)
    if bad is not None or len(name.encode()) > 200:
        raise CatalogError(
            f'{place}: "{name}" cannot be the name of a file; expected letters, digits, _, and inside also . - and '
            f"spaces, with / between folders"
        )
    return name


def _write(file: Path, text: str, *, replace: bool) -> None:
    """Write a file as a whole, or not at all; where it must not be there, fail if another process made it meanwhile."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(6)}.tmp")
        try:
            with temporary.open("x", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            if replace:
                temporary.replace(file)
            else:
                os.link(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError as error:
        raise CatalogError(f"{file}: is there already; CREATE OR REPLACE VIEW writes it anew") from error
    except OSError as error:
        raise CatalogError(f"{file}: cannot be written: {error.strerror}") from error
