"""What changes tables: media that come in, columns that featurizers make, indexes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.answers.status import FeatureStatus, status_of
from cutlist.backfill import (
    BackfillReport,
    Declared,
    How,
    MediaProbe,
    PacketIndexes,
    Ray,
    Scope,
    backfill,
    declared,
    declared_again,
    engine_of,
    installed,
)
from cutlist.catalog import fold_case
from cutlist.checking import CheckReport, check_column
from cutlist.compiler import quoted
from cutlist.errors import (
    FeaturizerError,
    NotFoundError,
    QueryError,
    listing,
    suggest,
)
from cutlist.ingest import KINDS, MADE, ingest
from cutlist.metadata import Metadata
from cutlist.settings import num_cores
from cutlist.store import make_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.ingest_report import IngestReport
    from cutlist.statements import Refresh
    from cutlist.store import Table


from cutlist.session.opened import Opened


class Tables(Opened):
    """The tables of a session, and how complete they are."""

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
            >>> from cutlist import connect
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

    @property
    def _checks(self) -> Path:
        return self._folder("_checks")

    def index(
        self,
        table: str,
        column: str,
        *,
        kind: str | None = None,
        recall: float | None = None,
        partitions: int | None = None,
        progress: bool | None = None,
    ) -> str:
        """Make an index of a column, so that queries read just the rows that they need; or, of a media column, the
        packet indexes of the videos that have none, so that clips of them are read by packet. Return what was made.

        A vector index serves `ORDER BY similarity(column, …) DESC LIMIT n` of one table. One that does not look at all
        partitions can miss rows; a query that it serves says so.

        Args:
            kind: Of values: `BTREE` (ranges; the default), `BITMAP` (few distinct values; the default for BOOLEAN),
                `LABEL_LIST` (lists; the default for them), `NGRAM` (parts of text), `ZONEMAP` or `BLOOMFILTER`. Of
                words, for `matches`: `INVERTED`. Of vectors: `IVF_FLAT` (exact distances; the default for them),
                `IVF_SQ`, `IVF_PQ`, `IVF_RQ` (smaller), `IVF_HNSW_FLAT`, `IVF_HNSW_SQ` or `IVF_HNSW_PQ`.
            recall: Of a vector index, the share of the ten nearest rows to find, in (0, 1]: as many partitions are
                looked at as that takes, measured on 64 rows. Default 0.99; with 1, `IVF_FLAT` misses none.
            partitions: Of a vector index; default: the square root of the number of rows.
            progress: Whether to show a progress bar for packet indexes; default: where standard error is a terminal.

        Raises:
            CatalogError: if there is no such table or column, or Lance has no such index for its type.
        """
        found = self._table(table)
        if column in found.media_columns and kind is None:
            return str(self.backfill(found.name, PacketIndexes(column), progress=progress))
        made = make_index(found, column, kind, recall=recall, partitions=partitions)
        self.refresh()
        return made

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
        engine: str | Ray = "local",
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
            engine: `local`, this process; `ray`, workers of a Ray cluster; or the latter with its options, as
                `cutlist.backfill.Ray(workers=4, gpus_per_worker=0.5)`. What one has begun, the other goes on with. A
                featurizer of the table as a whole is computed in this process.
            progress: Whether to show a progress bar; default: where standard error is a terminal.

        Raises:
            FeaturizerError: if there is no such featurizer, or it does not fit the table, returns what it did not
                declare, fails on all of the first rows, or is being run by another process.
            QueryError: if its inputs, `where` or `view` cannot be compiled.
            CatalogError: if there is no such table, or it cannot be written.
            SettingsError: if there is no such engine, or no such cluster.

        Examples:
            >>> import tempfile
            >>> from pathlib import Path
            >>> import pyarrow as pa
            >>> from cutlist.backfill import featurizer
            >>> from cutlist import connect
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
        return self._backfill(table, chosen, scope, device=device, ray=engine_of(engine), progress=progress)

    def _backfill(
        self,
        table: str,
        featurizer: Any,
        scope: Scope,
        *,
        device: str = "cpu",
        ray: Ray | None = None,
        progress: bool | None = None,
        wait: bool = False,
    ) -> BackfillReport:
        chosen = featurizer if isinstance(featurizer, Declared) else declared(featurizer)
        self.refresh()
        found = self._table(table)
        how = How(
            device=device,
            ray=ray,
            wait=wait,
            num_threads=self.settings.num_threads or num_cores(),
            prefetch_bytes=self.settings.prefetch_bytes,
            progress=progress,
        )
        try:
            return backfill(self._engine, self.store, found, chosen, scope, how, self._folder("_backfills"))
        finally:
            self.refresh()

    def status(self, table: str | None = None, *, features: Collection[str] | None = None) -> list[FeatureStatus]:
        """Return how complete the features are: by featurizer how many rows have a value, an old one, a failure, none.

        Args:
            table: Its name; default: every table.
            features: Names of featurizers; default: all that made columns.

        Raises:
            CatalogError: if there is no such table.
        """
        found = self.tables.values() if table is None else [self._table(table)]
        return [status for each in found for status in status_of(self.store, each, features)]

    def _refreshed(self, statement: Refresh) -> BackfillReport:
        """Run a REFRESH COLUMN statement."""
        self.refresh()
        features = self._table(statement.table).features.values()
        known = {column: each for each in features for column in (each.name, *each.columns)}
        feature = fold_case(known, statement.column)
        given: Any = statement.column
        if feature is not None:
            if feature.reference is None and feature.name not in installed():
                raise FeaturizerError(
                    f"{statement.column} was made by the featurizer {feature.name}, which cannot be imported; give it "
                    f"to session.backfill"
                )
            given = declared_again(feature.reference or feature.name, feature.parameters).featurizer
        return self.backfill(statement.table, given, where=statement.where)

    def _rows(self, table: Table, where: str | None, view: str | None) -> NDArray[np.uint64] | None:
        """Return the row ids of a table that a predicate is true for, and a view has; None for all."""
        found: NDArray[np.uint64] | None = None
        if where is not None:
            text = f"SELECT _rowid FROM {quoted(table.name)} WHERE (\n{where}\n)"
            selection = self._compiled(self._engine.plan(self._engine.parse(text, "where"), strict=True)).selection
            found = selection.packed().column(0).to_numpy()
        if view is not None:
            selection = self._compiled(self._plan(view)).selection
            mine = selection.rows_of(table.name)
            if mine is None:
                raise QueryError(
                    f"{view}: has no medium of table {table.name}, so it does not say which rows are meant; select a "
                    f"media column of {table.name} in it, or use `where`"
                )
            found = mine if found is None else np.intersect1d(found, mine)
        return found
