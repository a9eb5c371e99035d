"""What stands below the prompt: the root, its tables, and what was found out of the last query meanwhile.

Rows are counted and features looked up in a thread, after the answer; whatever is typed next stops that.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit.formatted_text import FormattedText

from cutlist.values import counted

if TYPE_CHECKING:
    from cutlist import Session
    from cutlist.compiler import Lineage

MOST_TABLES = 6
"""Tables that are named."""

MOST_FEATURES = 4
"""Features whose coverage is told."""


class Toolbar:
    """What is known of a session and of its last query."""

    def __init__(self, changed: Callable[[], None] = lambda: None):
        """Make one.

        Args:
            changed: Called, from any thread, when there is more to show.
        """
        self._changed = changed
        self._turn = 0
        self._threads: list[threading.Thread] = []
        self._shares: dict[tuple[str, int, str], float] = {}
        self.said: tuple[str, ...] = ()

    def text(self, session: Session, width: int = 10**6) -> FormattedText:
        """Return the toolbar: a line, or two where it is longer than the terminal is wide. Reads nothing."""
        named = [f"{name}@{table.version}" for name, table in session.tables.items() if name[0] != "_"]
        more = f"  … {len(named)} tables" if len(named) > MOST_TABLES else ""
        root, tables = f" {_short(session.store.root)}", "  ".join(named[:MOST_TABLES]) + more
        said = "  ".join(self.said)
        gap = "  │ " if len(f"{root}  {tables}  │ {said}") <= width else "\n "
        return FormattedText([("class:bottom-toolbar.root", root), ("", f"  {tables}{gap if said else ''}{said}")])

    def look(self, session: Session, query: str, num_rows: int | None) -> None:
        """Begin to find out what is to be told of a query that was answered.

        Args:
            num_rows: Of its result, if that was read to its end.
        """
        self.stop(session)
        turn = self._turn

        def tell() -> None:
            told: tuple[str, ...] = ()
            try:
                for each in self._facts(session, query, num_rows):
                    if turn != self._turn:
                        return
                    told = (*told, each)
                    self.said = told
                    self._changed()
            except Exception:  # of what is not one SELECT over tables, or was stopped, there is no more to tell
                return

        self._threads.append(threading.Thread(target=tell, name="cutlist toolbar"))
        self._threads[-1].start()

    def stop(self, session: Session, *, wait: bool = False) -> None:
        """Forget the last query, and stop what runs for it."""
        self._turn += 1
        self.said = ()
        while self._threads:
            session.interrupt()  # one that is about to begin its query hears the next one
            self._threads = [each for each in self._threads if each.is_alive()]
            if not wait:
                return
            for each in self._threads:
                each.join(0.05)

    def wait(self) -> None:
        """Wait until all is known of the last query."""
        for each in self._threads:
            each.join()

    def _facts(self, session: Session, query: str, num_rows: int | None) -> Iterator[str]:
        """Yield what there is to tell: the rows, of how many, and how complete the features are."""
        if num_rows is None:
            text = session.statement(query).text
            num_rows = int(session.sql(f"SELECT count(*) FROM (\n{text}\n)").fetchall()[0][0])
        yield counted(num_rows, "row")
        lineage = session.lineage(query)
        tables = {table for table, _ in lineage.base}
        whole = session.tables[next(iter(tables))].dataset.count_rows() if len(tables) == 1 else 0
        if whole and num_rows <= whole and not _is_grouped(session, lineage, query):
            yield f"of {whole:,} {next(iter(tables))} ({num_rows / whole:.0%})"
        yield from self._coverage(session, lineage)

    def _coverage(self, session: Session, lineage: Lineage) -> Iterator[str]:
        """Yield the features that a query uses, each with the share of rows that have it up to date."""
        columns = {(each.of, each.name) for each in lineage.origins if each.kind == "table"} & lineage.base
        used = [
            (table, feature.name)
            for table in sorted({table for table, _ in columns})
            for feature in session.tables[table].features.values()
            if feature.made and any((table, column) in columns for column in feature.columns)
        ]
        for table, name in used[:MOST_FEATURES]:
            key = (table, session.tables[table].version, name)
            if key not in self._shares:
                (status,) = session.status(table, features=[name])
                self._shares[key] = status.num_filled / max(status.num_rows, 1)
            yield f"{name} {self._shares[key]:.0%}"


def _is_grouped(session: Session, lineage: Lineage, query: str) -> bool:
    """Return whether a row of a result may stand for many of the table: it, or a view in it, groups or aggregates."""
    if any(each.clause in ("GROUP BY", "DISTINCT", "DISTINCT ON") for each in lineage.clauses):
        return True
    texts = [query, *(each.text for each in lineage.origins)]
    called = {name.lower() for each in texts for name in re.findall(r"(\w+)\s*\(", each)}
    found = session.sql(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = 'aggregate'"
    )
    return bool(called & {name for (name,) in found.fetchall()}) or re.search(r"\bDISTINCT\b", query, re.I) is not None


def _short(root: str) -> str:
    """Return a root as it is told: from here, or from home, if it is below."""
    for start, called in ((Path.cwd(), ""), (Path.home(), "~/")):
        if "://" not in root and Path(root).is_relative_to(start):
            return called + (Path(root).relative_to(start).as_posix())
    return root
