"""The IPython extension: `%load_ext cutlist` gives `%cutlist ROOT`, which connects, and `%%cutlist`, cells of SQL.

    %cutlist data --views sql

    %%cutlist hd -o big
    -- Videos of at least full-HD area.
    SELECT * FROM videos WHERE height * width >= 1080 * 1920

The session is the variable `session`, which cells of Python use, too, or may have made.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from cutlist.errors import CutlistError, QueryWarning, SettingsError
from cutlist.session import Session, connect

if TYPE_CHECKING:
    from cutlist.html import Result


class _Words(argparse.ArgumentParser):
    """Reads what follows a magic on its line."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{self.prog}: {message}; {' '.join(self.format_usage().split())}")

    def read(self, line: str) -> argparse.Namespace:
        try:
            return self.parse_args(shlex.split(line))
        except ValueError as error:  # a quote that does not end
            self.error(str(error))


_LINE = _Words(prog="%cutlist", add_help=False)
_LINE.add_argument("root", nargs="?")
_LINE.add_argument("--views")
_CELL = _Words(prog="%%cutlist", add_help=False)
_CELL.add_argument("name", nargs="?")
_CELL.add_argument("-o", dest="variable")


def load(shell: Any) -> None:
    """Add the magics, and completion in their cells, to an IPython shell."""
    magics = Magics(shell)
    shell.register_magic_function(magics.connect, "line", "cutlist")
    shell.register_magic_function(magics.query, "cell", "cutlist")

    @context_matcher(identifier="cutlist")  # type: ignore[untyped-decorator]
    def matches(context: CompletionContext) -> SimpleMatcherResult:
        if not context.full_text.startswith("%%cutlist"):
            return {"completions": []}
        typed = re.split(r"\W", context.line_with_cursor)[-1]
        found = [SimpleCompletion(each, type="sql") for each in magics.names(typed)]
        return {"completions": found, "matched_fragment": typed, "suppress": True}

    shell.Completer.custom_matchers.append(matches)
    warnings.showwarning = _one_line_warnings(warnings.showwarning)


def _one_line_warnings(before: Callable[..., None]) -> Callable[..., None]:
    """Return what shows a warning: of a query as one line, as it has its place; others as before."""

    def show(message: Warning | str, category: type[Warning], *rest: Any, **others: Any) -> None:
        if issubclass(category, QueryWarning):
            sys.stderr.write(f"{category.__name__}: {message}\n")
        else:
            before(message, category, *rest, **others)

    return show


class Magics:
    """What `%cutlist` and `%%cutlist` do in a shell."""

    def __init__(self, shell: Any):
        self._shell = shell

    def connect(self, line: str) -> Session:
        """%cutlist [ROOT] [--views DIR]

        Connect to the tables of a root, as the variable `session`, and show them; without a word on its line, show the
        session that there is. ROOT is CUTLIST_ROOT or the current folder, DIR is CUTLIST_VIEWS or sql, if not said.
        """
        with _in_one_line():
            said = _LINE.read(line)
            known = self._session()
            if known is not None and not line.strip():
                return known
            session = connect(said.root, views=said.views)
            self._shell.push({"session": session})
            return session

    def query(self, line: str, cell: str) -> Result | None:
        """%%cutlist [NAME] [-o VARIABLE]

        Run the SQL below, and show what it gives, with pictures; with NAME, after it is written as the view NAME, a
        file in the folder of views. With -o, the result is in that variable, and not shown.
        """
        with _in_one_line():
            said = _CELL.read(line)
            session = self._session()
            if session is None:
                raise SettingsError(
                    "%%cutlist: there is no session; type %cutlist ROOT, or session = cutlist.connect()"
                )
            if said.variable is not None and not said.variable.isidentifier():
                raise SettingsError(f"%%cutlist -o {said.variable}: expected the name of a variable")
            if said.name is not None:
                session.define(said.name, cell)
            result = session.show(cell.strip() if said.name is None else said.name)
            if said.variable is None:
                return result
            self._shell.push({said.variable: result})
            return None

    def names(self, typed: str) -> list[str]:
        """Return the tables, views and columns whose names begin with what is typed."""
        session = self._session()
        if session is None:
            return []
        columns = (name for table in session.tables.values() for name in table.sql_columns)
        every = dict.fromkeys([*session.tables, *session.views, *columns])
        return [each for each in every if each.lower().startswith(typed.lower())]

    def _session(self) -> Session | None:
        found = self._shell.user_ns.get("session")
        return found if isinstance(found, Session) else None


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Show an error of ours as one line: where in Python it was raised says nothing of a query."""
    try:
        yield
    except CutlistError as error:
        lines = [f"{type(error).__name__}: {error}"]
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]  # IPython asks for it
        raise
