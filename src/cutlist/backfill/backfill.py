"""The run of a featurizer over a table: which rows, read how, computed, kept, committed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cutlist.backfill.checkpoint import Checkpoint, left_behind
from cutlist.backfill.computing import Computing
from cutlist.backfill.engines import opened
from cutlist.backfill.inputs import Input, inputs_of
from cutlist.backfill.report import BackfillReport
from cutlist.backfill.stale import Rows, changed_rows, rows_of
from cutlist.errors import CatalogError, FeaturizerError
from cutlist.process.watch import counting
from cutlist.store import FEATURIZER, STAMP_OF, Feature, Store, Table, feature_fields

if TYPE_CHECKING:
    from cutlist.backfill.computing import Computed
    from cutlist.backfill.featurizer import Declared
    from cutlist.backfill.how import How
    from cutlist.engine import Engine

COMMIT_SECONDS = 30.0
"""Results are committed when a fragment ends, but not sooner than so after the last commit, unless they are many."""

COMMIT_BYTES = 64 * 2**20
"""So many bytes of results are many: they are committed where the fragment ends."""

MOST_BYTES = 2**30
"""So many are committed before it ends, which writes what there is of its column once more."""

HOPELESS_ROWS = 32
"""If so many rows in a row fail, the featurizer is at fault, or its inputs or its device; not the rows."""

_FAILED = [pa.field("_error_type", pa.string()), pa.field("_message", pa.string()), pa.field("_column", pa.string())]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which rows are to be computed.

    Attributes:
        row_ids: Only these, uint64, of a predicate or view; None: all.
        errors_only: Those that failed before, and no others.
        again: All of them, also those that have a value.
    """

    row_ids: NDArray[np.uint64] | None = None
    errors_only: bool = False
    again: bool = False

    def chosen(self, rows: Rows, fingerprint: int) -> NDArray[np.int64]:
        """Return the places of the rows that are to be computed, int64."""
        if self.again:
            wanted = np.ones(len(rows.row_ids), dtype=bool)
        elif self.errors_only:
            wanted = rows.failed
        else:
            wanted = rows.never | rows.stale(fingerprint)
        return np.flatnonzero(wanted & self.within(rows))

    def within(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows it is about at all."""
        if self.row_ids is None:
            return np.ones(len(rows.row_ids), dtype=bool)
        return np.isin(rows.row_ids, self.row_ids)


@dataclass(kw_only=True)
class _Run:
    """A run under way."""

    store: Store
    table: Table
    declared: Declared
    inputs: Sequence[Input]
    checkpoint: Checkpoint
    how: How
    columns: frozenset[str]  # of the table, that it reads
    report: BackfillReport
    in_a_row: int = 0
    num_failed: int = 0
    began: float = field(default_factory=time.monotonic)
    committed: float = field(default_factory=time.monotonic)

    @property
    def feature(self) -> Feature:
        """The feature in the table."""
        return self.table.features[self.declared.name]

    def count(self, **more: int) -> None:
        """Add to counts of the report."""
        self.report = replace(self.report, **{name: getattr(self.report, name) + by for name, by in more.items()})


def backfill(
    engine: Engine, store: Store, table: Table, declared: Declared, scope: Scope, how: How, folder: Path
) -> BackfillReport:
    """Compute a feature for the rows of a table that are to have it, and write it into the table.

    Args:
        engine: Over the latest versions of the tables.
        table: At its latest version.
        folder: Where results are kept that are not committed yet.

    Raises:
        FeaturizerError: if it does not fit the table, returns what it did not declare, fails on all of the first rows,
            or is being run by another process.
        QueryError: if its inputs cannot be compiled.
        CatalogError: if the table cannot be written.
    """
    inputs = inputs_of(engine, table, declared)
    mine = folder / f"{table.name}.{declared.name}"
    if not table.has_stable_row_ids:
        raise FeaturizerError(
            f"table {table.name} has no stable row ids, so what was computed cannot be told by row; write it anew by "
            f"lance.write_dataset(…, enable_stable_row_ids=True)"
        )
    lock = filelock.FileLock(folder / f"{table.name}.{declared.name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if how.wait else 0)
    except filelock.Timeout:  # which is an OSError, too
        raise FeaturizerError(
            f"featurizer {declared.name} is being run over table {table.name} by another process; wait until it ends"
        ) from None
    except OSError as error:
        raise CatalogError(f"cannot keep what is computed in {folder}: {error}") from error
    try:
        columns = frozenset(name for each in inputs for name in each.columns)
        table = _prepared(store, table, declared, columns, again=scope.again)
        read = engine.snapshot.tables[table.name]
        fields = [pa.field("_rowid", pa.uint64()), *declared.outputs, *_FAILED]
        schema = pa.schema([each.with_nullable(True) for each in fields])
        run = _Run(
            store=store,
            table=table,
            declared=declared,
            inputs=inputs,
            checkpoint=Checkpoint(
                mine, schema, key=str(declared.fingerprint), version=read.version, identity=read.identity
            ),
            how=how,
            columns=columns,
            report=BackfillReport(
                table=table.name,
                featurizer=declared.title,
                columns=tuple(each.name for each in declared.outputs),
                version=table.version,
            ),
        )
        restored = [np.zeros(0, dtype=np.uint64)]
        for left in left_behind(mine, str(declared.fingerprint)):
            try:
                store.pinned(table.name, left.version, left.identity)
            except CatalogError:  # a table that was made anew, or the version is gone
                left.file.unlink()
                continue
            _write(run, left.results, left.version)
            left.file.unlink()
            restored.append(left.results["_rowid"].to_numpy())
        run.count(num_restored=run.report.num_computed + run.report.num_failed)
        rows = rows_of(store, store.open(table.name), table.features[declared.name], columns)
        _settle(run, rows)
        with_input = np.isin(rows.row_ids, np.concatenate([each.row_ids for each in inputs]))
        todo = scope.chosen(rows, declared.fingerprint)
        _forget(run, rows.row_ids[~with_input & ~rows.never & scope.within(rows)])
        run.count(num_skipped=int((~with_input & scope.within(rows)).sum()))
        todo = todo[with_input[todo]]
        if declared.featurizer.whole and not scope.errors_only:
            every = np.flatnonzero(with_input & scope.within(rows))
            signature = hashlib.sha256(np.sort(rows.row_ids[every]).tobytes()).hexdigest()[:16]
            if len(todo) or table.features[declared.name].made[declared.fingerprint].get("rows") != signature:
                todo = every
        there = ~(rows.never | rows.stale(declared.fingerprint))
        there[todo] = False
        there &= with_input & scope.within(rows) & ~np.isin(rows.row_ids, np.concatenate(restored))
        run.count(num_before=int((there & ~rows.failed).sum()), num_failed_before=int((there & rows.failed).sum()))
        if len(todo):
            _compute(run, rows, todo)
            if declared.featurizer.whole and not scope.errors_only:
                store.note_featurizer(table.name, declared.name, declared.fingerprint, {"rows": signature})
        return replace(run.report, seconds=time.monotonic() - run.began)
    finally:
        lock.release()


def _prepared(store: Store, table: Table, declared: Declared, columns: Collection[str], *, again: bool) -> Table:
    """Return the table with the columns of the featurizer, and its version in their metadata."""
    fields = feature_fields(declared.name, declared.outputs)
    outputs = [each.name for each in declared.outputs]
    known = table.features.get(declared.name)
    if known is not None:
        newest = max((int(each["version"]) for each in known.made.values()), default=declared.version)
        if newest > declared.version and not again:
            raise FeaturizerError(
                f"featurizer {declared.title} is older than {declared.name}@{newest}, which was run over table "
                f"{table.name}; to go back, compute it again (again=True, --again)"
            )
        other = [each for each in known.columns if each not in outputs]
        if other and set(outputs) - set(known.columns):
            raise FeaturizerError(
                f"featurizer {declared.title} does not make {', '.join(other)}, which {declared.name} made in table "
                f"{table.name} before; give it another name"
            )
    for each in fields:
        there = next((one for one in table.schema if one.name.lower() == each.name.lower()), None)
        if there is None:
            continue
        by = (there.metadata or {}).get(FEATURIZER, b"").decode()
        stamp = (there.metadata or {}).get(STAMP_OF, b"").decode()
        if (by if each.name in outputs else stamp) != declared.name:
            owner = f"the featurizer {by}" if by else "another hand"
            raise FeaturizerError(
                f"featurizer {declared.title} makes a column {each.name}, and table {table.name} has one by {owner}; "
                f"give the output another name"
            )
        if there.type != each.type:
            raise FeaturizerError(
                f"featurizer {declared.title} makes {each.name} as {each.type}, and table {table.name} has it as "
                f"{there.type}; give the output another name, or drop the column"
            )
    lacking = known is not None and not set(outputs) <= set(table.schema.names)
    table = store.add_columns(table.name, fields)
    if lacking:  # a column was dropped by hand: no row has all of its values any more
        stamps = [each for each in fields if each.name not in outputs]
        ids = table.dataset.scanner(columns=["_rowid"]).to_table()["_rowid"]
        nulls = {each.name: pa.nulls(len(ids), each.type) for each in stamps}
        table, _ = store.fill(table.name, lambda base: pa.table({"_rowid": ids, **nulls}))
    return store.note_featurizer(table.name, declared.name, declared.fingerprint, declared.facts(columns))


def _settle(run: _Run, rows: Rows) -> None:
    """Note of rows that were written since, and have the same inputs still, that this was looked at.

    Not where other features are made of this one: to them it would be a newer value.
    """
    made = set(run.report.columns)
    is_input = any(made & each.inputs for each in run.table.features.values())
    if rows.compared.any() and not is_input:
        mine = {
            "_rowid": pa.array(rows.row_ids[rows.compared]),
            run.feature.made_at: pa.array(np.where(rows.failed, -rows.version, rows.version)[rows.compared]),
        }
        run.store.fill(run.table.name, lambda base: pa.table(mine))


def _forget(run: _Run, row_ids: NDArray[np.uint64]) -> None:
    """Take the values of rows away that have an input no more, as a run over the table as it is would give none."""
    if len(row_ids):
        fields = feature_fields(run.declared.name, run.declared.outputs)
        nulls = {each.name: pa.nulls(len(row_ids), each.type) for each in fields}
        run.store.fill(run.table.name, lambda base: pa.table({"_rowid": pa.array(row_ids), **nulls}))


# -- computing --------------------------------------------------------------------------------------------------------


def _compute(run: _Run, rows: Rows, todo: NDArray[np.int64]) -> None:
    """Compute rows, fragment by fragment, and commit them."""
    computing = Computing(declared=run.declared, store=run.store, table=run.table, how=run.how)
    todo = todo[np.lexsort((rows.row_ids[todo], rows.fragments[todo]))]
    row_ids, fragments = rows.row_ids[todo], rows.fragments[todo]
    title = f"{run.declared.name} of {run.table.name}"
    with counting("rows", run.how.progress) as bar:
        task = bar.add_task(title, total=len(todo))
        try:
            with opened(computing) as engine:
                for each in run.inputs:
                    positions, mine = each.split(row_ids)
                    left = _Left(row_ids[mine], fragments[mine])
                    for computed in engine.batches(each, positions):
                        _keep(run, computed)
                        if _is_due(run, ended=left.without(computed.row_ids)):
                            _commit(run)
                        said = [*engine.remarks, *([f"{run.num_failed:,} failed"] if run.num_failed else [])]
                        bar.update(task, description=f"{title} ({', '.join(said)})" if said else title)
                        bar.advance(task, len(computed.row_ids))
                    row_ids, fragments = row_ids[~mine], fragments[~mine]
        finally:
            _commit(run)


class _Left:
    """How many rows of each fragment are to be computed still."""

    def __init__(self, row_ids: NDArray[np.uint64], fragments: NDArray[np.int64]):
        order = np.argsort(row_ids)
        self._row_ids, self._fragments = row_ids[order], fragments[order]
        self._counts = np.bincount(fragments)

    def without(self, row_ids: Sequence[int]) -> bool:
        """Take rows away; return whether a fragment has ended by that."""
        done = self._fragments[np.searchsorted(self._row_ids, np.array(row_ids, dtype=np.uint64))]
        np.subtract.at(self._counts, done, 1)
        return bool((self._counts[done] == 0).any())


def _is_due(run: _Run, *, ended: bool) -> bool:
    """Return whether to commit: where a fragment ends, so that its column is written once, and a while has passed."""
    if run.checkpoint.num_bytes >= COMMIT_BYTES:
        return ended or run.checkpoint.num_bytes >= MOST_BYTES
    return ended and time.monotonic() - run.committed >= COMMIT_SECONDS


# -- keeping ----------------------------------------------------------------------------------------------------------


def _keep(run: _Run, computed: Computed) -> None:
    """Keep what was computed until it is committed.

    Raises:
        FeaturizerError: if nothing but failures of the featurizer has come for many rows; they are not kept.
    """
    failures = [computed.failures.get(number) for number in range(len(computed.row_ids))]
    mine = run.declared.outputs[0].name
    run.num_failed += sum(each is not None for each in failures)
    for each in failures:
        run.in_a_row = 0 if each is None else run.in_a_row + (each.column == mine)
    said = [[getattr(each, name, None) for each in failures] for name in ("error_type", "message", "column")]
    columns = [
        pa.array(computed.row_ids, pa.uint64()),
        *computed.arrays,
        *(pa.array(each, pa.string()) for each in said),
    ]
    run.checkpoint.add(pa.record_batch(columns, schema=run.checkpoint.schema))
    if run.in_a_row >= HOPELESS_ROWS:
        results = run.checkpoint.results()
        _write(run, results.filter(pc.fill_null(pc.not_equal(results["_column"], mine), True)), run.checkpoint.version)
        run.checkpoint.clear()
        last = next(each for each in reversed(failures) if each is not None and each.column == mine)
        raise FeaturizerError(
            f"featurizer {run.declared.title} failed on {run.in_a_row:,} rows of {run.table.name} in a row, which are "
            f"left as they were; the last: {last.error_type}: {last.message}"
        )


def _commit(run: _Run) -> None:
    """Write what was kept into the table."""
    if run.checkpoint.num_rows:
        _write(run, run.checkpoint.results(), run.checkpoint.version)
        run.checkpoint.clear()
    run.committed = time.monotonic()


def _write(run: _Run, results: pa.Table, version: int) -> None:
    """Write results into the table, but those of rows that are gone, or whose inputs are not those of a version."""
    if not len(results):
        return
    declared = run.declared
    names = [each.name for each in declared.outputs]

    def make(base: Table) -> pa.Table:
        there = results.filter(pa.array(base.has_rows(results["_rowid"].to_numpy())))
        ids = there["_rowid"].to_numpy()
        since = np.full(len(ids), version)
        changed, _ = changed_rows(run.store, base, run.columns, ids, since)
        there = there.filter(pa.array(~changed))
        failed = pc.is_valid(there["_error_type"]).to_numpy()
        stamps = {
            run.feature.made_by: pa.array(np.full(len(there), declared.fingerprint)),
            run.feature.made_at: pa.array(np.where(failed, -base.version, base.version)),
        }
        return pa.table({name: there[name] for name in ("_rowid", *names)} | stamps)

    told = results.filter(pc.is_valid(pc.field("_error_type")))
    run.store.record_failures(  # before the rows say that they failed
        {
            "table": run.table.name,
            "version": version,
            "row_id": row["_rowid"],
            "column": row["_column"],
            "stage": "featurizer" if row["_column"] in names else "decode",
            "error_type": row["_error_type"],
            "message": row["_message"],
        }
        for row in told.select(["_rowid", *(each.name for each in _FAILED)]).to_pylist()
    )
    table, written = run.store.fill(run.table.name, make)
    run.report = replace(run.report, version=table.version)
    failed = int(pc.sum(pc.less(written[run.feature.made_at], 0)).as_py() or 0)
    run.count(num_computed=len(written) - failed, num_failed=failed, num_changed=len(results) - len(written))
