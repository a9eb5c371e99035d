"""Completion of SQL from the live catalog: tables, views, columns, functions and keywords, each with what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion

if TYPE_CHECKING:
    from prompt_toolkit.document import Document

    from cutlist import Session

_WORD = re.compile(r"[\w/]+$")
_AFTER_DOT = re.compile(r"(\w+)\.(\w*)$")
_TABLE_PLACE = re.compile(r"\b(from|join|table|describe|summarize|on)\s+[\w\"/]*$", re.IGNORECASE)
_ALIAS = re.compile(r"\b(?:from|join|,)\s+\"?([\w/]+)\"?(?:\s+as)?\s+(\w+)", re.IGNORECASE)
_NAMED = re.compile(r"\b(?:from|join)\s+\"?([\w/]+)\"?", re.IGNORECASE)


class Names:
    """The names of a session, read once for each state of its catalog."""

    def __init__(self, session: Session):
        self._session = session
        self._columns: dict[str, Mapping[str, str]] = {}
        self._state: object = None
        self._functions: dict[str, str] = {}
        self._keywords: list[str] = []

    def _fresh(self) -> None:
        state = tuple((name, table.version) for name, table in self._session.tables.items()), tuple(self._session.views)
        if state != self._state:
            self._columns.clear()
            self._state = state

    @property
    def tables(self) -> dict[str, str]:
        """Tables and views → what they are."""
        tables = {name: f"table, version {table.version}" for name, table in self._session.tables.items()}
        return tables | {name: f"view: {view.description}"[:60] for name, view in self._session.views.items()}

    def columns(self, name: str) -> Mapping[str, str]:
        """Return the columns of a table or view → their types; none if it cannot be bound."""
        self._fresh()
        if name not in self._columns:
            try:
                quoted = name.replace('"', '""')
                relation = self._session.sql(f'SELECT * FROM "{quoted}" LIMIT 0')
                types = [str(kind) for kind in relation.types]
                self._columns[name] = dict(zip(relation.columns, types, strict=True))
            except Exception:  # what is half typed need not bind
                self._columns[name] = {}
        return self._columns[name]

    @property
    def functions(self) -> dict[str, str]:
        """Functions and macros → what they are."""
        if not self._functions:
            rows = self._session.sql(
                "SELECT function_name, any_value(function_type), any_value(internal), any_value(parameters) "
                "FROM duckdb_functions() WHERE regexp_matches(function_name, '^[a-z]\\w*$') GROUP BY 1"
            ).fetchall()
            for name, kind, internal, parameters in rows:
                own = not internal and kind == "macro"
                self._functions[name] = f"{'media macro' if own else kind}({', '.join(map(str, parameters or ()))})"[
                    :60
                ]
        return self._functions

    @property
    def keywords(self) -> Sequence[str]:
        """Keywords of DuckDB."""
        if not self._keywords:
            found = self._session.sql("SELECT upper(keyword_name) FROM duckdb_keywords()").fetchall()
            self._keywords = sorted({word for (word,) in found})
        return self._keywords


class SqlCompleter(Completer):
    """Completes what stands before the cursor."""

    def __init__(self, names: Names, commands: Mapping[str, str]):
        """Make one.

        Args:
            commands: Name of a command, without its dot → what it does.
        """
        self.names = names
        self._commands = commands

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield what may stand here, the likeliest first."""
        before = document.text_before_cursor
        line = document.current_line_before_cursor.lstrip()
        if line.startswith(".") and "\n" not in before.strip():
            yield from self._command(line)
            return
        dotted = _AFTER_DOT.search(before)
        if dotted is not None:
            yield from self._after_dot(document.text, dotted[1], dotted[2])
            return
        word = _WORD.search(before)
        start = word[0] if word else ""
        if _TABLE_PLACE.search(before):
            yield from matching(start, self.names.tables)
            return
        if not start and not complete_event.completion_requested:
            return
        yield from matching(start, self._columns(document.text))
        yield from matching(start, self.names.tables)
        if start:
            functions = self.names.functions
            own = {name: what for name, what in functions.items() if what.startswith("media macro")}
            yield from matching(start, own, after="(")
            yield from matching(start, {name: what for name, what in functions.items() if name not in own}, after="(")
            yield from matching(start, dict.fromkeys(self.names.keywords, "keyword"), upper=start.isupper())

    def _command(self, line: str) -> Iterator[Completion]:
        words = line[1:].split(" ")
        if len(words) == 1:
            yield from matching(words[0], self._commands)
        else:
            yield from matching(words[-1], self.names.tables)

    def _after_dot(self, text: str, name: str, start: str) -> Iterator[Completion]:
        """Yield the columns of a table or alias, or for a column of media the macros that it may be given to."""
        tables = {alias: table for table, alias in _ALIAS.findall(text)} | {table: table for table in self.names.tables}
        if name in tables:
            yield from matching(start, self.names.columns(tables[name]))
            return
        functions = self.names.functions
        yield from matching(
            start, {each: what for each, what in functions.items() if what.startswith("media macro")}, after="("
        )

    def _columns(self, text: str) -> dict[str, str]:
        """Return the columns of the tables that a text names, of all tables if it names none."""
        known = self.names.tables
        named = [name for name in dict.fromkeys(_NAMED.findall(text)) if name in known] or list(known)
        found: dict[str, str] = {}
        for name in named:
            for column, kind in self.names.columns(name).items():
                short = "media" if kind.startswith('STRUCT("source"') else kind.lower()[:30]
                found.setdefault(column, f"{name} · {short}")
        return found


def matching(
    start: str, words: Mapping[str, str], *, after: str = "", upper: bool | None = None
) -> Iterator[Completion]:
    """Yield the words that begin so, ignoring case, each with what it is.

    Args:
        upper: Whether to write them in upper or lower case; None: as they are.
    """
    lower = start.lower()
    for word in sorted(words, key=str.lower):
        if word.lower().startswith(lower) and word.lower() != lower:
            text = word if upper is None else word.upper() if upper else word.lower()
            if not re.fullmatch(r"\w+", text):
                text = f'"{text}"'
            yield Completion(text + after, start_position=-len(start), display=word, display_meta=words[word])
