"""A session: the tables of a root, pinned, and the views over them; and what one does with both."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cutlist.backfill import (
    BackfillReport,
    Declared,
    How,
    MediaProbe,
    PacketIndexes,
    Scope,
    backfill,
    declared,
    installed,
)
from cutlist.catalog import Snapshot, fold_case
from cutlist.checking import CheckReport, check_column
from cutlist.compiler import quoted
from cutlist.defining import create_view, drop_view
from cutlist.diff import Diff, diff
from cutlist.drawing import draw_sheet, picture_file
from cutlist.engine import DUCKDB_VERSION, Compiled, Databases, Engine, Failed, compile_plan, digest
from cutlist.errors import (
    CatalogError,
    FeaturizerError,
    NotFoundError,
    QueryError,
    QueryWarning,
    SelectionError,
    SettingsError,
    listing,
    suggest,
)
from cutlist.explain import Explanation, explain
from cutlist.exporting import rows_file, save_rows
from cutlist.ingest import KINDS, MADE, ingest
from cutlist.lineage import lineage_of
from cutlist.log import Log, Stored, check_columns
from cutlist.metadata import Metadata
from cutlist.order import Batching, BucketPlan, Rules, order_of, plan_buckets, whole
from cutlist.plotting import Plot, chart_of, plot_of
from cutlist.reader import Reader
from cutlist.saved import Saved
from cutlist.selection import FORMAT, Selection, Source, TableVersion
from cutlist.settings import Settings, num_cores, read_settings
from cutlist.sidecar import drop_sidecars, sidecar_of
from cutlist.statements import CreateView, DropView, Refresh, own_statement
from cutlist.status import FeatureStatus, status_of
from cutlist.store import Store, Table
from cutlist.trace import Trace, trace
from cutlist.views import View, load_views
from cutlist.watch import watched
from cutlist.waterfall import Waterfall, waterfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.compiler import Lineage, Plan, Remark, Statement
    from cutlist.ingest_report import IngestReport


def connect(
    root: str | os.PathLike[str] | None = None,
    *,
    views: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, str] | None = None,
    versions: Mapping[str, int | str] | None = None,
    create: bool = False,
    settings: Settings | None = None,
) -> Session:
    """Return a session over the Lance tables in a folder or object store.

    Args:
        root: Folder or URI with the tables; default `CUTLIST_ROOT`, else `.`.
        views: Folder with the views; default `CUTLIST_VIEWS`, else `sql`, which need not be there.
        storage_options: For an object store, as Lance takes them; never shown or saved.
        versions: Name of a table → its version, or a tag; default the latest of each.
        create: Whether a local root that is not there is made, when something is first written.
        settings: Settings in place of those of the environment.

    Raises:
        CatalogError: if the root, or a `views` that was given, is not there.

    Examples:
        >>> import tempfile
        >>> with connect(tempfile.mkdtemp()) as session:
        ...     session.sql("SELECT 6 * 7 AS answer").fetchall()
        [(42,)]
    """
    settings = settings or read_settings()
    where = settings.root if root is None else root
    store = Store.at(where, storage_options=storage_options, settings=settings, create=create)
    given = views is not None or "views" in settings.model_fields_set
    folder = Path(settings.views if views is None else views)
    return Session(store, load_views(folder, required=given), settings, versions=versions, folder=folder)


class Session:
    """Tables at pinned versions, and views. Made by `cutlist.connect`; close it, or use it in a `with` statement."""

    def __init__(
        self,
        store: Store,
        views: Mapping[str, View],
        settings: Settings,
        *,
        versions: Mapping[str, int | str] | None = None,
        folder: Path | None = None,
    ):
        self.store = store
        self.settings = settings
        self._views_folder = Path(settings.views) if folder is None else folder
        self.views = dict(views)
        self._log = Log(store)
        self._engine = Engine(Snapshot.take(store, versions), self.views, _saved(store, settings), Databases())
        lower = {name.lower() for name in self.tables}
        for name in sorted(each for each in self.views if each.lower() in lower):
            warnings.warn(
                f"{self.views[name].path}: the view {name} has the name of a table; the table is used", stacklevel=3
            )

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        tables = ", ".join(f"{name}@{table.version}" for name, table in self.tables.items())
        return f"Session({self.store.root}: tables {tables or 'none'}; views {', '.join(self.views) or 'none'})"

    def close(self) -> None:
        """Write what was logged, and close the session's DuckDB; relations that it returned can no longer be read."""
        self._log.close()
        self._engine.databases.close()

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

    def refresh(self) -> Session:
        """Move on to the latest versions of the tables; return the session."""
        self._engine = Engine(Snapshot.take(self.store), self.views, self.saved, self._engine.databases)
        return self

    def sql(self, query: str) -> Any:
        """Run any DuckDB SQL over the tables and views.

        A media column is a media reference, and `_rowid` a column of every table that is there when it is named. Each
        call has a DuckDB connection of its own: tables that are made stay, SET and TEMP do not.

        `REFRESH COLUMN column ON table [WHERE predicate]` computes a feature where it is lacking or out of date, as
        `backfill` does, and returns its report as a row. `CREATE [OR REPLACE] VIEW name AS SELECT …` writes the query,
        as typed and with the comments above it, to a file of the folder of views, once it is known to compile.
        `DROP VIEW [IF EXISTS] name` removes the file, but not while other views need it; with CASCADE it does, and
        leaves those as they are. Both return a row.

        Returns:
            A lazy `duckdb.DuckDBPyRelation` (`.fetchall()`, `.pl()`, `.to_arrow_table()`, `.show()`), or None for a
            statement without rows.

        Raises:
            QueryError: if DuckDB refuses it; has the place where that can be told.
            CatalogError: if a view cannot have that name, or cannot be dropped.
        """
        own = own_statement(query)
        if own is not None:
            row = self._refreshed(own).row() if isinstance(own, Refresh) else self._defined(own, query)
            return self._engine.relation(pa.Table.from_pylist([row]))
        return self._engine.sql(query)

    def compile(self, query: str, *, exclude_failures: bool = False) -> Selection:
        """Return the training set that a query, or a view by its name, stands for.

        The selection is saved under the root and found again for the same query, views and table versions, which are
        tagged, so that no clean-up deletes what it needs.

        Args:
            exclude_failures: Whether samples with a medium that is in `_failures` are left out (of the query's rows:
                a LIMIT counts them).

        Raises:
            QueryError: if it is not one SELECT that DuckDB accepts over the tables and views, or one of which the rows
                are not the same each time.
            SelectionError: if the result is empty.

        Warns:
            QueryWarning: for what is legal and probably not meant, with its place; also when it is found again.
        """
        statement = self.statement(query)
        plan = self._engine.plan(statement, strict=True)
        failed = self.store.failed_media() if exclude_failures else {}
        parts = [str(FORMAT), DUCKDB_VERSION, self._engine.key(plan), *([digest(failed)] if failed else [])]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
        selection = self.saved.load(key)
        if selection is None:
            with self.saved.alone(key):  # the other ranks of a machine wait, and find what the first one saved
                selection = self.saved.load(key)
                if selection is None:
                    selection = self._save(self._compiled(plan, failed).selection, statement.place, key)
        said: Iterable[str] = selection.warnings
        if said and selection.sql != statement.text and not failed:  # found by another text, with other places
            said = map(str, self._engine.remarks(plan))
        for each in said:
            warnings.warn(each, QueryWarning, stacklevel=2)
        return selection

    def _compiled(self, plan: Plan, failed: Failed | None = None) -> Compiled:
        return watched(
            lambda: compile_plan(self._engine, plan, failed),
            interrupt=self.interrupt,
            fraction=self.progress,
            title="compile",
        )

    def _save(self, selection: Selection, place: str, key: str) -> Selection:
        """Save a selection and tag the versions that it needs; where that cannot be, warn and return it as it is."""
        if selection.num_samples == 0:
            raise SelectionError(
                f"{place}: the selection is empty: the query returns no rows over "
                f"{', '.join(map(str, selection.tables)) or 'no table'}"
            )
        try:
            tables = [self._engine.table_at(each.name, each.version) for each in selection.tables]
            for table in tables:
                table.pin()
            saved = selection.save(self.saved.path(key), replace=False)
            for table in tables:  # again, as another process may have dropped the last selection of a version meanwhile
                table.pin()
            return saved
        except (OSError, CatalogError, SelectionError) as error:
            warnings.warn(f"the selection is not saved: {error}", stacklevel=3)
            return selection

    def drop_selection(self, fingerprint: str) -> tuple[Selection, list[TableVersion]]:
        """Delete a saved selection, by the start of its fingerprint, and the tags of versions that no other one needs.

        Under a root that is not local the tags stay: other machines may have saved selections of their own.

        Returns:
            The selection, and the versions whose tags were dropped; Lance's clean-up may now delete those.

        Raises:
            CatalogError: if there is no such selection, or several.
        """
        selection = self.saved.find(fingerprint)
        for other in self.saved.all():  # of one content there may be several files: for several texts
            if other.path is not None and other.fingerprint == selection.fingerprint:
                other.path.unlink(missing_ok=True)
                drop_sidecars(other.path)
        needed = {each for other in self.saved.all() for each in other.tables} if self.store.is_local else None
        free = [each for each in selection.tables if needed is not None and each not in needed]
        return selection, [each for each in free if self._unpin(each)]

    def _unpin(self, each: TableVersion) -> bool:
        """Drop the tag of a version; return whether there was one, of that very table."""
        try:
            table = self._engine.table_at(each.name, each.version)
        except CatalogError:  # the table or the version is gone
            return False
        if table.identity != each.identity:  # another table of that name
            return False
        table.unpin()
        return True

    def explain(self, query: str, *, exact: bool = False) -> Explanation:
        """Return what a query reads: from which tables, which columns when compiling and which by the loader, why, and
        how many bytes an epoch takes, from packet indexes and stored sizes. Compiles the query, and saves nothing.

        Args:
            exact: Whether to plan the clips of all samples, also of many thousands.

        Raises:
            QueryError: as `compile` does.
        """
        compiled = self._compiled(self._engine.plan(self.statement(query), strict=True))
        keys = [(each.name, each.version) for each in compiled.selection.tables]
        return explain(compiled, {key: self._engine.table_at(*key) for key in keys}, exact=exact)

    def waterfall(self, query: str) -> Waterfall:
        """Return which condition of a query, or of a view, drops how many rows: alone, after those before it, and only
        it; and for how many of them it is NULL. Reads just the columns in the conditions, and saves nothing.

        While FROM names one view alone, the conditions of that view come first.

        Raises:
            QueryError: if it is not one SELECT with a FROM, or as `compile` does.

        Examples:
            >>> import tempfile
            >>> import pyarrow as pa
            >>> from cutlist.store import Store
            >>> root = tempfile.mkdtemp()
            >>> _ = Store(root=root).append("t", pa.table({"a": [1, 2, 3, None], "b": [5, 6, 5, 6]}), message="rows")
            >>> with connect(root) as session:
            ...     found = session.waterfall("SELECT a FROM t WHERE a > 1 AND b = 5")
            >>> found.num_rows, [(each.condition, each.num_left, each.num_null) for each in found.drops]
            (4, [('a > 1', 2, 1), ('b = 5', 1, 0)])
        """
        plan = self._engine.plan(self.statement(query), strict=True)
        return watched(
            lambda: waterfall(self._engine, plan),
            interrupt=self.interrupt,
            fraction=self.progress,
            title="waterfall",
        )

    def diff(
        self,
        a: str,
        b: str,
        *,
        on: Sequence[str] | None = None,
        num_examples: int = 5,
        sheet: str | os.PathLike[str] | None = None,
    ) -> Diff:
        """Return what differs between two training sets: the samples that only one has, the conditions of the other
        that drop them, and the shared columns whose values changed. Saves nothing.

        Samples are the same if their media are the same rows, of any version of a table, decoded in the same way.

        Args:
            a: A view, a query, `selection('3f2a')` or `videos AT (VERSION => 12)`.
            b: Another.
            on: Columns of both that tell samples apart, in place of the media.
            num_examples: Samples to show of each side.
            sheet: A picture file to draw those samples into, `A:` or `B:` before the caption.

        Raises:
            QueryError: as `compile` does.
            SelectionError: if nothing tells samples apart.

        Examples:
            >>> import tempfile
            >>> import pyarrow as pa
            >>> from cutlist.store import Store
            >>> root = tempfile.mkdtemp()
            >>> _ = Store(root=root).append("t", pa.table({"id": [1, 2, 3], "a": [5, 6, None]}), message="rows")
            >>> with connect(root) as session:
            ...     found = session.diff("FROM t", "FROM t WHERE a > 5", on=["id"])
            >>> found.num_both, found.a.num_only, [(each.condition, each.num_null) for each in found.a.reasons]
            (1, 2, [('a > 5', 1)])
        """
        target = None if sheet is None else picture_file(sheet)
        plans = (
            self._engine.plan(self.statement(a), strict=True),
            self._engine.plan(self.statement(b), strict=True),
        )
        selections = (self._compiled(plans[0]).selection, self._compiled(plans[1]).selection)
        found = watched(
            lambda: diff(self._engine, plans, selections, on=on, num_examples=num_examples),
            interrupt=self.interrupt,
            fraction=self.progress,
            title="diff",
        )
        if target is not None:
            chosen = [np.array([each.position for each in side.examples], np.int64) for side in (found.a, found.b)]
            drawn = [(number, each) for number, each in enumerate(chosen) if len(each)]
            if not drawn:
                raise SelectionError("a sheet needs samples that differ, and there are none to show")
            titles = ["AB"[number] + ": " for number, _ in drawn]
            draw_sheet(self._reader(selections), [[each] for each in drawn], target, titles=titles)
        return found

    def lint(self, query: str | None = None) -> list[Remark]:
        """Return what the checks have to say about a query, or about every view; compiles nothing.

        Args:
            query: A SELECT or the name of a view; default: every view. DuckDB must be able to bind it, too.
        """
        names = [query] if query is not None else sorted(self.views)
        return list(dict.fromkeys(remark for name in names for remark in self._engine.lint(self.statement, name)))

    def lineage(self, query: str) -> Lineage:
        """Return what each column of a query, or of a view by its name, is made of, down to the columns of tables and
        the featurizers that made those; and the clauses that decide which rows there are. Reads no row.

        What its text and the schemas do not tell, such as the columns of a PIVOT, is in `problems`.

        Raises:
            QueryError: if it is not one SELECT that DuckDB can bind.

        Examples:
            >>> import tempfile
            >>> with connect(tempfile.mkdtemp()) as session:
            ...     found = session.lineage("SELECT n + 1 AS more FROM (SELECT range AS n FROM range(3))")
            ...     [(name, origin.text, origin.place) for name, origin in found.columns]
            [('more', 'n + 1', 'query:1:8')]
        """
        view = self._engine.find_view(query.strip())
        plan = self._engine.plan(self.statement(query), strict=True)
        return lineage_of(self._engine, plan, "query" if view is None else view.name)

    def plot(self, query: str, x: str, y: str | None = None, by: str | None = None) -> Any:
        """Return an altair chart of a column of a query: a histogram of a number or a time, bars of a text; with `y`
        the points of both, a line over times, or the mean of `y` for each text.

        DuckDB bins and counts, so the chart holds little. NULLs are counted in the title, and so is how many points
        are drawn where there are more than `plotting.NUM_POINTS`: always the same of the same rows.

        Args:
            by: A column that colours tell apart.

        Raises:
            QueryError: if there is no such column, or it cannot be drawn.
            SettingsError: if altair is not installed.
        """
        return chart_of(self.plot_data(query, x, y, by))

    def plot_data(self, query: str, x: str, y: str | None = None, by: str | None = None) -> Plot:
        """Return what `plot` draws, as plain values.

        Raises:
            QueryError: as `plot` does.
        """
        text = self.statement(query).text
        with self._engine.reading(text):
            return plot_of(self._engine.sql(text), x, y, by)

    def save(self, query: str, path: str | os.PathLike[str]) -> int:
        """Write the rows of a query to a `.parquet`, `.arrow`, `.csv` or `.json` file; return how many there are.

        A batch is in memory at a time, and the file is there as a whole or not at all. Media references become text,
        `videos.video[12].clip(0, 2)`; no medium is read.

        Raises:
            QueryError: if the query cannot be run, or two of its columns have one name.
            SettingsError: if the file cannot be written.
        """
        rows_file(path)
        text = self.statement(query).text
        with self._engine.reading(text):
            return save_rows(self._engine.sql(text), self.sources, path)

    def index(self, table: str, column: str, *, kind: str | None = None, progress: bool | None = None) -> str:
        """Make a scalar index of a column, so that filters on it read just the rows that match; or, of a media column,
        the packet indexes of the videos that have none, so that clips of them are read by packet. Return what was made.

        Args:
            kind: Of a scalar index: `BTREE` (ranges; the default), `BITMAP` (few distinct values; the default for
                BOOLEAN), `LABEL_LIST` (lists; the default for them), `NGRAM` (parts of text), `ZONEMAP` or
                `BLOOMFILTER`.
            progress: Whether to show a progress bar for packet indexes; default: where standard error is a terminal.

        Raises:
            CatalogError: if there is no such table or column, or Lance has no such index for its type.
        """
        found = self._table(table)
        if column in found.media_columns and kind is None:
            return str(self.backfill(found.name, PacketIndexes(column), progress=progress))
        made = found.create_index(column, kind)
        self.refresh()
        return made

    def reading(self, query: str) -> AbstractContextManager[None]:
        """Return a context in which the errors of reading `sql(query)`, which runs only then, are QueryErrors."""
        return self._engine.reading(query)

    def ingest(
        self,
        sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        table: str,
        metadata: str | os.PathLike[str] | None = None,
        on: str = "path",
        columns: Sequence[str] | None = None,
        kinds: Collection[str] = KINDS,
        reference: bool = False,
        progress: bool | None = None,
    ) -> IngestReport:
        """Add files and folders of video, image and audio to a table; then move on to its new version.

        An uncompressed `.tar` is a shard, as WebDataset writes them: each key of it that has a medium is a row, with
        columns from its `.json` (one for each top-level key), `.txt` and `.cls` members.

        Args:
            sources: Files and folders, searched at any depth; or `s3://` and `gs://` URIs of objects and prefixes.
            table: Name of the table, made if it is not there.
            metadata: A CSV, Parquet or JSONL file with captions and other columns, one row for each file.
            on: The column of `metadata` that has the paths.
            columns: The columns of `metadata` to take; default all.
            kinds: Which of `video`, `image` and `audio` to add.
            reference: Whether the table only points at the media where they are, instead of having a copy. They must
                stay there, as they are: what is read is not compared with what was ingested.
            progress: Whether to show a progress bar; default: where standard error is a terminal.

        Raises:
            IngestError: for sources that are not there, or a table, metadata or columns of shards that do not fit.

        Examples:
            >>> import tempfile
            >>> from pathlib import Path
            >>> folder = Path(tempfile.mkdtemp())
            >>> _ = (folder / "dot.ppm").write_bytes(b"P6 2 1 255 RGBrgb")
            >>> with connect(folder / "data", create=True) as session:
            ...     print(session.ingest(folder / "dot.ppm", table="dots", reference=True))
            ...     session.sql("SELECT path, width, height FROM dots").fetchall()
            dots: 1 added (0.0 MiB, referenced where they are)
            [('dot.ppm', 2, 1)]
        """
        named = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
        joined = None if metadata is None else Metadata(metadata, on=on, columns=columns, made=MADE)
        try:
            report = ingest(
                self.store,
                named,
                table=table,
                metadata=joined,
                kinds=kinds,
                reference=reference,
                num_threads=self.settings.num_threads,
                progress=progress,
            )
        finally:
            self.refresh()
        if table in self.tables:  # what was not made in passing, now or in a run that was stopped
            self._backfill(table, MediaProbe(), Scope(), progress=progress, wait=True)
            if "video" in self.tables[table].media_columns:
                self._backfill(table, PacketIndexes(), Scope(), progress=progress, wait=True)
        return report

    def check(
        self,
        table: str,
        column: str | None = None,
        *,
        only_probe: bool = False,
        again: bool = False,
        progress: bool | None = None,
    ) -> list[CheckReport]:
        """Decode every medium of a table, in parallel; record in `_failures` what cannot be decoded.

        A check that was stopped goes on where it was, and one of a table that grew begins at the new rows.

        Args:
            table: Its name.
            column: A media column; default: each.
            only_probe: Read what a file says of itself, and its first picture, instead of decoding all of it.
            again: Begin at the first row, whatever was checked before.
            progress: Whether to show a progress bar; default: where standard error is a terminal.

        Raises:
            CatalogError: if there is no such table or media column.
        """
        found = self._table(table)
        media = found.media_columns
        if column is not None and column not in media:
            raise NotFoundError(
                f'table {found.name} has no media column "{column}"{suggest(column, media)} It has: {listing(media)}.'
            )
        return [
            check_column(
                self.store,
                found,
                each,
                self._checks,
                only_probe=only_probe,
                again=again,
                num_threads=self.settings.num_threads or num_cores(),
                progress=progress,
            )
            for each in (media if column is None else [column])
        ]

    def backfill(
        self,
        table: str,
        featurizer: Any,
        *,
        where: str | None = None,
        view: str | None = None,
        errors_only: bool = False,
        again: bool = False,
        device: str = "cpu",
        progress: bool | None = None,
    ) -> BackfillReport:
        """Compute the columns of a featurizer for the rows that lack them, or have them out of date.

        Columns that are not there are added, and the session moves on to the new version. What is computed is kept, so
        a run that was stopped goes on where it was; no medium is written, and row ids stay. Rows on which the
        featurizer fails are recorded in `_failures`, and left alone from then on.

        Args:
            table: Its name.
            featurizer: The name of an installed one, `module:name`, or the object (`cutlist.backfill.Featurizer`).
            where: Only rows for which this is true, SQL over the columns of the table.
            view: Only rows of which a view, or a query, has a medium, or another column that is read late.
            errors_only: Only rows on which it failed before.
            again: Also rows that have a value.
            device: Of the featurizer's model, as torch has it.
            progress: Whether to show a progress bar; default: where standard error is a terminal.

        Raises:
            FeaturizerError: if there is no such featurizer, or it does not fit the table, returns what it did not
                declare, fails on all of the first rows, or is being run by another process.
            QueryError: if its inputs, `where` or `view` cannot be compiled.
            CatalogError: if there is no such table, or it cannot be written.

        Examples:
            >>> import tempfile
            >>> from pathlib import Path
            >>> import pyarrow as pa
            >>> from cutlist.backfill import featurizer
            >>> @featurizer(inputs="image", outputs=pa.field("brightness", pa.float32()))
            ... def brightness(batch):
            ...     return [image.mean() for image in batch["image"]]
            >>> folder = Path(tempfile.mkdtemp())
            >>> _ = (folder / "dot.ppm").write_bytes(b"P6 2 1 255 RGBrgb")
            >>> with connect(folder / "data", create=True) as session:
            ...     _ = session.ingest(folder / "dot.ppm", table="dots")
            ...     print(session.backfill("dots", brightness))
            ...     session.sql("SELECT brightness FROM dots").fetchall()
            dots.brightness by brightness@1: 1 computed
            [(89.0,)]
        """
        chosen = declared(featurizer)
        self.refresh()
        scope = Scope(row_ids=self._rows(self._table(table), where, view), errors_only=errors_only, again=again)
        return self._backfill(table, chosen, scope, device=device, progress=progress)

    def _backfill(
        self,
        table: str,
        featurizer: Any,
        scope: Scope,
        *,
        device: str = "cpu",
        progress: bool | None = None,
        wait: bool = False,
    ) -> BackfillReport:
        chosen = featurizer if isinstance(featurizer, Declared) else declared(featurizer)
        self.refresh()
        found = self._table(table)
        how = How(
            device=device,
            wait=wait,
            num_threads=self.settings.num_threads or num_cores(),
            prefetch_bytes=self.settings.prefetch_bytes,
            progress=progress,
        )
        try:
            return backfill(self._engine, self.store, found, chosen, scope, how, self._folder("_backfills"))
        finally:
            self.refresh()

    def status(self, table: str | None = None) -> list[FeatureStatus]:
        """Return how complete the features are: by featurizer how many rows have a value, an old one, a failure, none.

        Args:
            table: Its name; default: every table.

        Raises:
            CatalogError: if there is no such table.
        """
        found = self.tables.values() if table is None else [self._table(table)]
        return [status for each in found for status in status_of(self.store, each)]

    def _refreshed(self, statement: Refresh) -> BackfillReport:
        """Run a REFRESH COLUMN statement."""
        self.refresh()
        features = self._table(statement.table).features.values()
        known = {column: each for each in features for column in (each.name, *each.columns)}
        feature = fold_case(known, statement.column)
        given = statement.column
        if feature is not None:
            given = feature.reference or feature.name
            if feature.reference is None and feature.name not in installed():
                raise FeaturizerError(
                    f"{statement.column} was made by the featurizer {feature.name}, which cannot be imported; give it "
                    f"to session.backfill"
                )
            made, now = feature.parameters, dict(declared(given).parameters)
            if made != now:
                raise FeaturizerError(
                    f"{statement.column} was made by {feature.name} with {made}, and {given} has {now}; give the "
                    f"featurizer itself to session.backfill"
                )
        return self.backfill(statement.table, given, where=statement.where)

    def _defined(self, statement: CreateView | DropView, typed: str) -> dict[str, Any]:
        """Run a CREATE VIEW or a DROP VIEW statement."""
        if isinstance(statement, CreateView):
            view = create_view(self._engine, self._views_folder, statement, typed)
            self.views[view.name] = view
            return {"created": view.name, "file": view.path, "description": view.description}
        dropped, broken = drop_view(self._engine, statement, typed)
        if dropped is not None:
            del self.views[dropped.name]
        if broken:
            warnings.warn(f"these views need {statement.name}, and are broken now: {listing(broken)}", stacklevel=3)
        return {"dropped": dropped and dropped.name, "file": dropped and dropped.path, "broken": list(broken)}

    def _rows(self, table: Table, where: str | None, view: str | None) -> NDArray[np.uint64] | None:
        """Return the row ids of a table that a predicate is true for, and a view has; None for all."""
        found: NDArray[np.uint64] | None = None
        if where is not None:
            text = f"SELECT _rowid FROM {quoted(table.name)} WHERE (\n{where}\n)"
            selection = self._compiled(self._engine.plan(self._engine.parse(text, "where"), strict=True)).selection
            found = selection.packed().column(0).to_numpy()
        if view is not None:
            selection = self._compiled(self._engine.plan(self.statement(view), strict=True)).selection
            mine = selection.rows_of(table.name)
            if mine is None:
                raise QueryError(
                    f"{view}: has no medium of table {table.name}, so it does not say which rows are meant; select a "
                    f"media column of {table.name} in it, or use `where`"
                )
            found = mine if found is None else np.intersect1d(found, mine)
        return found

    @property
    def _checks(self) -> Path:
        return self._folder("_checks")

    def _folder(self, name: str) -> Path:
        """Return a folder for what is no table: in the root, or in the local cache if the root is not local."""
        return self.saved.folder.with_name(name) if self.store.is_local else self.saved.folder / name

    def _table(self, name: str) -> Table:
        found = fold_case(self.tables, name)
        if found is None:
            raise NotFoundError(f'no table "{name}"{suggest(name, self.tables)} There are: {listing(self.tables)}.')
        return found

    def sheet(self, query: str, path: str | os.PathLike[str], *, num_samples: int = 24) -> int:
        """Draw the first samples of a query into a picture file: each medium with what else its row has.

        Returns:
            How many samples were drawn.

        Raises:
            SettingsError: if the file is no picture's, or its folder is not there.
            SelectionError: if the query has no media column, or no rows.
            MediaError: if a sample cannot be decoded.
        """
        target = picture_file(path)
        selection = self.compile(query)
        count = min(num_samples, selection.num_samples)
        steps = ([(0, part)] for part in np.array_split(np.arange(count), -(-count // 8)))
        return draw_sheet(self._reader([selection]), steps, target)

    def plan(
        self, query: str, batching: Batching | None = None, *, world_size: int = 1, drop_last: bool = True
    ) -> list[BucketPlan]:
        """Return what an epoch of a query has, bucket by bucket: samples, steps, samples left out, shapes.

        Args:
            batching: How batches are made; default: of one sample.
            world_size: Number of ranks.
            drop_last: Whether a last, smaller batch of each bucket is left out.

        Raises:
            QueryError, SelectionError: as `compile` does.
            OrderError: for a column or size that does not fit.
        """
        selection = self.compile(query)
        each = batching or Batching(batch_size=1)
        keys = each.keys(None)
        sidecar = sidecar_of(selection, keys)
        sizes = each.sizes(sidecar, world_size)
        return plan_buckets(selection, sidecar, keys, sizes, rules=Rules(drop_last=drop_last))

    def trace(
        self,
        state: Mapping[str, Any],
        *,
        epoch: int | None = None,
        step: int | None = None,
        rank: int | None = None,
        world_size: int = 1,
        sheet: str | os.PathLike[str] | None = None,
    ) -> Trace:
        """Return the samples of any step of a run, from any of its checkpoints; reads no media but for a sheet.

        Args:
            state: What `Loader.state_dict` returned. The selections that it names must be saved under the root.
            epoch: Counted from 0; without it, `step` counts from the start of the run.
            step: Default: the next step of the state; of another epoch the first.
            rank: Only the part of this rank.
            world_size: Number of ranks.
            sheet: A picture file to draw the samples into.

        Raises:
            StateError: if the state is not one of this version.
            CatalogError: if a selection is not there.
            OrderError: if there is no such step or rank.
        """
        target = None if sheet is None else picture_file(sheet)
        order = order_of(state, self.saved.find, store=self.store)
        if step is None:
            epoch, step = order.place(state) if epoch is None else (epoch, 0)
        found = trace(order, self.store, epoch=epoch, step=step, rank=rank, world_size=world_size)
        if target is not None:
            reader = self._reader([each.selection for each in order.components], seed=order.rules.seed)
            draw_sheet(reader, [found.parts], target)
        return found

    def log(self, run: str, step: int, columns: Mapping[str, Any], *, table: str, epoch: int = 0) -> None:
        """Add values of rows that a training step drew to the table `_log`: for loops of one's own; see `Loader.log`.

        They are written every ten seconds, by `flush_log`, when the session is closed, and at exit.

        Args:
            run: Name of the training run.
            step: Of the epoch, at least 0.
            columns: `row_id`, each row's `_rowid`; and by name the values, a number or None for each row, that become
                columns of DOUBLE, in lower case. What is not finite is NULL.
            table: That the rows are of, at the session's version.
            epoch: Counted from 0.

        Raises:
            CatalogError: if there is no such table.
            SettingsError: if the row ids are none, a name is none for a column, or values are no numbers or not one for
                each row.

        Examples:
            >>> import tempfile
            >>> from pathlib import Path
            >>> folder = Path(tempfile.mkdtemp())
            >>> _ = (folder / "dot.ppm").write_bytes(b"P6 2 1 255 RGBrgb")
            >>> with connect(folder / "data", create=True) as session:
            ...     _ = session.ingest(folder / "dot.ppm", table="dots")
            ...     session.log("baseline", 7, {"row_id": [0], "loss": [0.25]}, table="dots")
            ...     session.flush_log()
            ...     session.sql("SELECT path, step, loss FROM _log JOIN dots ON dots._rowid = row_id").fetchall()
            [('dot.ppm', 7, 0.25)]
        """
        found = self._table(table)
        given = np.asarray(columns.get("row_id", []))
        if given.ndim != 1 or given.dtype.kind not in "iu" or len(given) == 0 or given.min() < 0:
            raise SettingsError("log: columns need a row_id, the _rowid of each row: {'row_id': [7, 3], 'loss': …}")
        values = check_columns({name: each for name, each in columns.items() if name != "row_id"}, len(given))
        self._log.add(
            Stored(table=found.name, version=found.version, row_ids=given.astype(np.uint64)),
            values,
            run=str(run),
            epoch=whole("epoch", epoch, at_least=0),
            step=whole("step", step, at_least=0),
        )

    def flush_log(self) -> None:
        """Write what was logged, and move on to the latest versions of the tables.

        Warns:
            UserWarning: if it cannot be written; it is tried again.
        """
        self._log.flush()
        self.refresh()

    def _reader(self, selections: Sequence[Selection], *, seed: int = 0) -> Reader:
        settings = self.settings
        return Reader(
            selections,
            self.store,
            num_threads=settings.num_threads,
            prefetch_bytes=settings.prefetch_bytes,
            seed=seed,
        )

    def statement(self, query: str) -> Statement:
        """Return the parsed statement of a query, or of a view or table by its name.

        Raises:
            QueryError: if it is not one SELECT.
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
                raise QueryError(self._engine.no_table("query", name))
            query = f"FROM {quoted(name)}"
        return self._engine.parse(query)

    @property
    def saved(self) -> Saved:
        """The saved selections: under the root, or in the local cache if the root is not local."""
        return self._engine.saved


def _saved(store: Store, settings: Settings) -> Saved:
    if store.is_local:
        return Saved(folder=Path(store.root) / "_selections")
    root = hashlib.sha256(store.root.encode()).hexdigest()[:12]
    return Saved(folder=settings.cache_dir.expanduser() / "selections" / root)
