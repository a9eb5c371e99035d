"""What the columns of buckets, weights and costs have, read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutlist.errors import OrderError, listing, suggest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.selection import Column, Selection, Source

MAX_BUCKETS = 10_000
"""Most buckets that a column may make: beyond it, the column is not one of buckets."""

SHAPE_FIELDS = (
    "num_frames",
    "width",
    "height",
    "side",
    "crop_width",
    "crop_height",
    "center_width",
    "center_height",
    "random_width",
    "random_height",
)
"""Fields of a media reference that decide the shape of what is decoded."""

FragmentsOf = Callable[["Source", "NDArray[np.uint64]"], "NDArray[np.int64]"]
"""Source and row ids → the number of the fragment that each row is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a sidecar is made of: columns of the selection, and whether by fragments of the first media column too."""

    bucket_by: str | None = None
    weight_by: str | None = None
    cost_by: str | None = None
    fragments: bool = False

    def __bool__(self) -> bool:
        return bool(self.bucket_by or self.weight_by or self.cost_by or self.fragments)


FRAGMENTS = 2**32
"""A row's code is the number of its bucket times this, and the number of its fragment."""


class Survey:
    """What the batches of a selection have: how many rows of each code, and by bucket the largest costs and shapes."""

    def __init__(self, selection: Selection, keys: Keys, fragments_of: FragmentsOf | None):
        self._selection = selection
        self._keys = keys
        self._fragments_of = fragments_of
        for argument, name in (
            ("bucket_by", keys.bucket_by),
            ("weight_by", keys.weight_by),
            ("batch_budget", keys.cost_by),
        ):
            self._check(argument, name)
        self._labels: dict[str, int] = {} if keys.bucket_by is not None else {"": 0}
        self._counts: dict[int, int] = {}
        self._costs: dict[int, float] = {}
        self._shapes: dict[tuple[str, str], dict[int, int | None]] = {}
        self._first = 0

    def _check(self, argument: str, name: str | None) -> None:
        columns = {each.name: each for each in self._selection.columns}
        if name is None:
            return
        if name not in columns:
            raise OrderError(
                f'{argument}="{name}": the query has no such column{suggest(name, columns)} It has: {listing(columns)}.'
            )
        if columns[name].media or columns[name].late is not None:
            raise OrderError(f'{argument}="{name}": a column of type {columns[name].type} cannot be used for that')

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch."""
        codes = self.codes(batch)
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
            self._counts[int(code)] = self._counts.get(int(code), 0) + int(count)
        buckets = codes // FRAGMENTS
        present = np.unique(buckets)
        if self._keys.cost_by is not None:
            costs = self.numbers(batch, self._keys.cost_by)
            for bucket in present.tolist():
                self._costs[bucket] = max(self._costs.get(bucket, 0.0), float(costs[buckets == bucket].max()))
        for column, name, values in self._varying(batch):
            known = self._shapes.setdefault((column, name), {})
            for bucket in present.tolist():
                here = np.unique(values[buckets == bucket])
                value = int(here[0]) if len(here) == 1 else None
                known[bucket] = value if known.get(bucket, value) == value else None
        self._first += batch.num_rows

    def _varying(self, batch: pa.RecordBatch) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
        """Yield (media column, field, values) for fields that decide shapes, of references that are never NULL."""
        if self._keys.bucket_by is None:
            return
        for index, column in enumerate(self._selection.columns):
            if not column.media or column.null_count or "ops" not in column.constants:
                continue
            stored = batch.column(index)
            for name in SHAPE_FIELDS:
                if stored.type.get_field_index(name) >= 0:
                    field = stored.field(name)
                    if not field.null_count:
                        yield column.name, name, field.to_numpy().astype(np.int64)

    def codes(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the code of each row; buckets are numbered as they are met."""
        codes = np.zeros(batch.num_rows, dtype=np.int64)
        if self._keys.bucket_by is not None:
            codes += self._bucket_numbers(batch, self._keys.bucket_by) * FRAGMENTS
        if self._keys.fragments:
            codes += self._fragments(batch)
        return codes

    def _bucket_numbers(self, batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
        column = batch.column(name)
        kind = column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_label(kind)):
            raise OrderError(
                f'bucket_by="{name}": its type makes no buckets: {kind}; expected text, whole numbers or BOOLEAN, '
                f"so write e.g. CAST(… AS VARCHAR) AS {name} in the query"
            )
        if column.null_count:
            raise OrderError(
                f'bucket_by="{name}": {self._nulls(name)} of {self._selection.num_samples:,} samples have NULL for a '
                f"bucket; add WHERE {name} IS NOT NULL to the query, or COALESCE"
            )
        encoded = pc.dictionary_encode(column)
        names = [str(each).lower() if isinstance(each, bool) else str(each) for each in encoded.dictionary.to_pylist()]
        numbers = np.array([self._labels.setdefault(each, len(self._labels)) for each in names], dtype=np.int64)
        if len(self._labels) > MAX_BUCKETS:
            raise OrderError(
                f'bucket_by="{name}" has more than {MAX_BUCKETS:,} different values; expected a column of buckets, '
                f"such as one made by aspect_bucket(width, height)"
            )
        return np.asarray(numbers[encoded.indices.to_numpy()])

    def _fragments(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the number of the fragment of each row's first medium, over all sources; 0 for none."""
        assert self._fragments_of is not None
        column, values = self._first_stored(batch)
        fragments = np.zeros(batch.num_rows, dtype=np.int64)
        there = ~values.is_null().to_numpy(zero_copy_only=False)
        if column.media:
            rows, sources = (_field(values, column, name) for name in ("row", "source"))
        else:
            rows, sources = values.fill_null(0).to_numpy(), np.full(len(values), column.late)
        for number in np.unique(sources[there]).tolist():
            here = np.flatnonzero(there & (sources == number))
            source = self._selection.sources[number]
            fragments[here] = 1 + self._fragments_of(source, rows[here].astype(np.uint64)) + number * 2**24
        return fragments

    def _first_stored(self, batch: pa.RecordBatch) -> tuple[Column, pa.Array]:
        for index, column in enumerate(self._selection.columns):
            if column.media or column.late is not None:
                return column, batch.column(index)
        raise OrderError(
            'Block(rows="fragment"): the query has no media column, so nothing is read from fragments; give a number'
        )

    def numbers(self, batch: pa.RecordBatch, name: str | None) -> NDArray[np.float64]:
        """Return the values of a column of weights or costs."""
        argument = "weight_by" if name == self._keys.weight_by else "batch_budget"
        column = batch.column(name)
        if not (_is_label(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
            raise OrderError(f'{argument}="{name}": expected numbers, not {column.type}')
        if column.null_count:
            raise OrderError(
                f'{argument}="{name}": {self._nulls(name)} of {self._selection.num_samples:,} samples have NULL; '
                f"write COALESCE({name}, 0) AS {name} in the query, or leave them out with WHERE"
            )
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if len(bad):
            raise OrderError(f'{argument}="{name}": a sample has {values[bad[0]]}; expected numbers of at least 0')
        return np.asarray(values)

    def _nulls(self, name: str | None) -> str:
        return f"{next(each.null_count for each in self._selection.columns if each.name == name):,}"

    def groups(self) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
        """Return the buckets by name, the codes in their order, and the first place of each code, and of none.

        From now on buckets are numbered in the order of their names.
        """
        names = sorted(self._labels)
        new = {self._labels[name]: number for number, name in enumerate(names)}
        self._labels = {name: number for number, name in enumerate(names)}
        counts = {new[code // FRAGMENTS] * FRAGMENTS + code % FRAGMENTS: n for code, n in self._counts.items()}
        self._costs = {new[number]: cost for number, cost in self._costs.items()}
        self._shapes = {key: {new[n]: value for n, value in each.items()} for key, each in self._shapes.items()}
        groups = np.array(sorted(counts), dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum([counts[code] for code in groups.tolist()])]).astype(np.int64)
        return names, groups, starts

    def costs(self) -> tuple[float, ...] | None:
        """Return the largest cost of each bucket, by name, or None."""
        return tuple(self._costs[number] for number in sorted(self._costs)) if self._keys.cost_by is not None else None

    def shapes(self) -> dict[str, dict[str, list[int]]]:
        """Return column → field → its value in each bucket, for fields with one value in each."""
        found: dict[str, dict[str, list[int]]] = {}
        for (column, name), by_bucket in self._shapes.items():
            values = [by_bucket.get(number) for number in range(len(self._labels))]
            if None not in values:
                found.setdefault(column, {})[name] = [value for value in values if value is not None]
        return found


def _is_label(kind: pa.DataType) -> bool:
    is_hugeint = pa.types.is_decimal(kind) and kind.scale == 0
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or is_hugeint)


def _field(values: pa.StructArray, column: Column, name: str) -> NDArray[Any]:
    """Return a field of packed references, 0 where there is none."""
    if values.type.get_field_index(name) < 0:
        return np.full(len(values), column.constants[name])
    return np.asarray(values.field(name).fill_null(0).to_numpy(zero_copy_only=False))
