"""Checking a table: every medium of a column decoded, or only probed; what fails is recorded in `_failures`.

Rows are checked in the order of their row ids, and how far that came is kept in a small file, so that a check that was
stopped, or is run again after rows were added, goes on where it was.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.errors import MediaError
from cutlist.media import examine, probe
from cutlist.process.pool import in_order
from cutlist.process.watch import counting
from cutlist.store import Blobs, place_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.store import Store, Table

SAVE_SECONDS = 2.0
"""How often a check keeps what it has found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check did with one column. `num_before` are rows that an earlier one had checked."""

    table: str
    column: str
    num_checked: int
    num_failed: int
    num_before: int

    def __str__(self) -> str:
        before = f"; {self.num_before:,} were checked before" if self.num_before else ""
        failed = f"{self.num_failed:,} failed"
        hint = " (SELECT row_id, message FROM _failures)" if self.num_failed else ""
        return f"{self.table}.{self.column}: {self.num_checked:,} checked, {failed}{hint}{before}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failed:
    row_id: int
    error_type: str
    message: str


def check_column(
    store: Store,
    table: Table,
    column: str,
    folder: Path,
    *,
    only_probe: bool = False,
    again: bool = False,
    num_threads: int,
    progress: bool | None = None,
) -> CheckReport:
    """Check one media column of a table.

    Args:
        store: The root, for `_failures`.
        table: At the version that is to be checked.
        column: A media column.
        folder: Where to keep how far the check came.
        only_probe: Read the header of each file, instead of decoding all of it.
        again: Begin at the first row, whatever was checked before.
        num_threads: Threads that decode.
        progress: Whether to show a progress bar; default: where standard error is a terminal.
    """
    file = folder / f"{table.name}.{column}.{'probe' if only_probe else 'decode'}.json"
    rows = table.media_rows(column)
    last = -1 if again else _last(file, table.identity)
    todo = rows[np.searchsorted(rows, last + 1) :] if last >= 0 else rows
    failures: list[_Failed] = []
    num_failed, num_checked = 0, 0
    saved = time.monotonic()

    def save(row_id: int) -> None:
        nonlocal saved
        about = {"table": table.name, "version": table.version, "column": column, "stage": "decode"}
        store.record_failures([{**asdict(each), **about} for each in failures])
        failures.clear()
        _write(file, {"identity": table.identity, "row_id": row_id})
        saved = time.monotonic()

    with counting("rows", progress) as bar:
        task = bar.add_task(f"check {table.name}.{column}", total=len(todo))
        checked = -1
        try:
            for row_id, failed in _check_all(table, column, todo, only_probe, num_threads):
                if failed is not None:
                    failures.append(failed)
                    num_failed += 1
                num_checked += 1
                checked = row_id
                bar.advance(task)
                if num_failed:
                    bar.update(task, description=f"check {table.name}.{column} ({num_failed:,} failed)")
                if time.monotonic() - saved > SAVE_SECONDS:
                    save(checked)
        finally:
            if checked >= 0:
                save(checked)
    return CheckReport(
        table=table.name,
        column=column,
        num_checked=num_checked,
        num_failed=num_failed,
        num_before=len(rows) - len(todo),
    )


def _check_all(
    table: Table, column: str, rows: NDArray[np.uint64], only_probe: bool, num_threads: int
) -> Iterator[tuple[int, _Failed | None]]:
    """Yield each row id and what is wrong with its medium, in order."""
    look: Any = probe if only_probe else examine

    def check(row_id: int) -> _Failed | None:
        dead = table.dead_pointer(column, row_id)
        if dead is not None:
            return _Failed(row_id=row_id, error_type=MediaError.__name__, message=dead)
        try:
            Blobs(table, column).open(row_id).given_to(look)
        except MediaError as error:
            return _Failed(row_id=row_id, error_type=type(error).__name__, message=str(error))
        return None

    def name(row_id: int) -> str:
        return place_of(table.name, table.version, [row_id], column)

    return in_order(rows.tolist(), check, num_threads=num_threads, name=name)


def _last(file: Path, identity: str) -> int:
    """Return the last row id that was checked, -1 if none was; a file that is damaged, or of another table, is none."""
    try:
        state = json.loads(file.read_text())
        return int(state["row_id"]) if state["identity"] == identity else -1
    except (OSError, ValueError, KeyError, TypeError):
        return -1


def _write(file: Path, state: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(state))
    temporary.replace(file)
