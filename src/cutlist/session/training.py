"""Training sets: compiled and saved, planned, traced, and what training says of them."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from cutlist.answers.drawing import draw_sheet, picture_file, sheet_of
from cutlist.answers.trace import Trace, trace
from cutlist.engine import DUCKDB_VERSION, digest
from cutlist.errors import (
    CatalogError,
    QueryWarning,
    SelectionError,
    SettingsError,
)
from cutlist.log import Stored, check_columns
from cutlist.order import Batching, BucketPlan, Rules, order_of, plan_buckets, whole
from cutlist.selection import FORMAT, Selection, TableVersion
from cutlist.session.opened import Opened
from cutlist.sidecar import drop_sidecars, sidecar_of

if TYPE_CHECKING:
    from cutlist.media.sheet import Picture


class Training(Opened):
    """Selections of a session, and the runs over them."""

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
            said = map(str, self._engine.remarks(plan, selection.vectors))
        for each in said:
            warnings.warn(each, QueryWarning, stacklevel=2)
        selection.store = self.store
        return selection

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

    @overload
    def sheet(self, query: str, path: None = None, *, num_samples: int = 24) -> Picture: ...

    @overload
    def sheet(self, query: str, path: str | os.PathLike[str], *, num_samples: int = 24) -> int: ...

    def sheet(self, query: str, path: str | os.PathLike[str] | None = None, *, num_samples: int = 24) -> Picture | int:
        """Draw the first samples of a query as a picture: each medium with what else its row has.

        Args:
            path: A file to write the picture into.

        Returns:
            The picture, a Pillow image, which a notebook shows; with `path`, how many samples were drawn.

        Raises:
            SettingsError: if the file is no picture's, or its folder is not there.
            SelectionError: if the query has no media column, or no rows.
            MediaError: if a sample cannot be decoded.
        """
        target = None if path is None else picture_file(path)
        selection = self.compile(query)
        count = min(num_samples, selection.num_samples)
        steps = ([(0, part)] for part in np.array_split(np.arange(count), -(-count // 8)))
        reader = self._reader([selection])
        return sheet_of(reader, steps)[0] if target is None else draw_sheet(reader, steps, target)

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
            >>> from cutlist import connect
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
