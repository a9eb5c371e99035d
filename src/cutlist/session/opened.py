"""The tables of a root, pinned, and the views over them: what every part of a session stands on."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cutlist.backfill import Encoders
from cutlist.catalog import Snapshot, fold_case
from cutlist.compiler import quoted
from cutlist.engine import Compiled, Databases, Engine, Failed, compile_plan
from cutlist.errors import NoQueryError, NotFoundError, QueryError, listing, suggest
from cutlist.log import Log
from cutlist.process.watch import watched
from cutlist.reader import Reader
from cutlist.saved import Saved
from cutlist.views import load_views

if TYPE_CHECKING:
    from cutlist.compiler import Plan, Statement
    from cutlist.selection import Selection, Source
    from cutlist.settings import Settings
    from cutlist.store import Store, Table
    from cutlist.views import View


class Opened:
    """Tables at pinned versions, and views; a query over them is parsed and compiled here."""

    def __init__(
        self,
        store: Store,
        views: Mapping[str, View],
        settings: Settings,
        *,
        versions: Mapping[str, int | str] | None = None,
        folder: Path | None = None,
        allow_files: bool = True,
    ):
        self.store = store
        self.allow_files = allow_files
        self.settings = settings
        self.views_folder = Path(settings.views) if folder is None else folder
        self.views = dict(views)
        self._log = Log(store)
        mine = [*([store.root] if store.is_local else []), str(Path.cwd())]
        databases = Databases(None if allow_files else mine)
        snapshot = Snapshot.take(store, versions)
        self._engine = Engine(snapshot, self.views, _saved(store, settings), databases, Encoders())
        lower = {name.lower() for name in self.tables}
        for name in sorted(each for each in self.views if each.lower() in lower):
            warnings.warn(
                f"{self.views[name].path}: the view {name} has the name of a table; the table is used", stacklevel=3
            )

    @property
    def tables(self) -> Mapping[str, Table]:
        """The tables by name, each at its pinned version."""
        return self._engine.snapshot.tables

    @property
    def sources(self) -> tuple[Source, ...]:
        """What the `source` field of a media reference in a result of `sql` numbers: media columns of tables."""
        return self._engine.sources

    def table_at(self, name: str, version: int) -> Table:
        """Return a table at a version, as `sources` name them.

        Raises:
            CatalogError: if it is gone.
        """
        return self._engine.table_at(name, version)

    def interrupt(self) -> None:
        """Stop every query of the session that is running; may be called from any thread."""
        self._engine.databases.interrupt()

    def progress(self) -> float:
        """Return how much of the running query is done, 0 to 1, or a negative number while that is not known."""
        return self._engine.databases.progress()

    def refresh(self) -> Self:
        """Move on to the latest versions of the tables, and to the views as their files are now; return the session."""
        found = load_views(self.views_folder, required=False)
        self.views.clear()
        self.views.update(found)
        self._engine = Engine(
            Snapshot.take(self.store), self.views, self.saved, self._engine.databases, self._engine.encode
        )
        return self

    def reading(self, query: str) -> AbstractContextManager[None]:
        """Return a context in which the errors of reading `sql(query)`, which runs only then, are QueryErrors."""
        return self._engine.reading(query)

    def statement(self, query: str) -> Statement:
        """Return the parsed statement of a query, or of a view or table by its name.

        Raises:
            QueryError: if it is not one SELECT; a NoQueryError if it is a name that is not there.
        """
        name = query.strip()
        view = self._engine.find_view(name)
        if view is not None and view.problem is not None:
            raise QueryError(view.problem)
        if view is not None:
            return self._engine.parse(view.text, view.path)
        if re.fullmatch(r"selection\s*\([^()]*\)|\w+\s+AT\s*\([^()]*\)", name, re.IGNORECASE):
            return self._engine.parse(f"FROM {query}")
        if re.fullmatch(r"\w+", name):
            if self._engine.snapshot.find(name) is None:
                raise NoQueryError(self._engine.no_table("query", name))
            query = f"FROM {quoted(name)}"
        return self._engine.parse(query)

    @property
    def saved(self) -> Saved:
        """The saved selections: under the root, or in the local cache if the root is not local."""
        return self._engine.saved

    def _plan(self, query: str) -> Plan:
        return self._engine.plan(self.statement(query), strict=True)

    def _compiled(self, plan: Plan, failed: Failed | None = None) -> Compiled:
        return watched(
            lambda: compile_plan(self._engine, plan, failed),
            interrupt=self.interrupt,
            fraction=self.progress,
            title="compile",
        )

    def _table(self, name: str) -> Table:
        found = fold_case(self.tables, name)
        if found is None:
            raise NotFoundError(f'no table "{name}"{suggest(name, self.tables)} There are: {listing(self.tables)}.')
        return found

    def _folder(self, name: str) -> Path:
        """Return a folder for what is no table: in the root, or in the local cache if the root is not local."""
        return self.saved.folder.with_name(name) if self.store.is_local else self.saved.folder / name

    def _reader(self, selections: Sequence[Selection], *, seed: int = 0) -> Reader:
        settings = self.settings
        return Reader(
            selections,
            self.store,
            num_threads=settings.num_threads,
            prefetch_bytes=settings.prefetch_bytes,
            seed=seed,
        )


def _saved(store: Store, settings: Settings) -> Saved:
    if store.is_local:
        return Saved(folder=Path(store.root) / "_selections")
    root = hashlib.sha256(store.root.encode()).hexdigest()[:12]
    return Saved(folder=settings.cache_dir.expanduser() / "selections" / root)
