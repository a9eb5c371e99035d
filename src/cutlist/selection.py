"""A selection: the compiled training set, written once and memory-mapped. Rows of references and values, and a header.

The file is Arrow IPC with batches of `BATCH_ROWS` rows, so that any position is found by division. Of a media column
only the fields that differ between rows are stored; the constant ones stand in the header, a JSON object under the
schema key `cutlist`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cutlist.errors import SelectionError
from cutlist.media.reference import OPS, Op, op_codes
from cutlist.packing import MEDIA_TYPE, is_media, late_source, unpack
from cutlist.shown import Shown

FORMAT = 2
"""Version of the file format; another is refused. A change is a SELECTION FORMAT BREAKING CHANGE in the changelog."""

BATCH_ROWS = 65_536
"""Rows in each batch of the file but the last."""

_KEY = b"cutlist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A column of a table at a version: what `source` of a media reference numbers.

    `kind` is `video`, `image`, `audio`, None for a medium of unknown kind, or `value` for a late column.
    """

    table: str
    version: int
    column: str
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableVersion:
    """A table at a version; `identity` tells it from another that was made later under its name."""

    name: str
    version: int
    identity: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchVector:
    """What a text, or an image, that a query compares with embeddings became when it was compiled.

    Attributes:
        given: The text, or the path of the image.
        column: `table.column`, the feature column that it is compared with.
        featurizer: What made the column and the vector, `clip_embedding@1`.
        parameters: Of the featurizer.
        vector: float32 numbers.
    """

    given: str
    column: str
    featurizer: str
    parameters: Mapping[str, str]
    vector: tuple[float, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a selection.

    `type` is DuckDB's. `null_count` counts NULLs over all samples, those inside an ARRAY too. For a media column (a
    reference in each sample) `constants` has the fields that are the same in every sample. `late` is the number of the
    source of a column of which only row ids are stored, and whose values are read when a training step needs them.
    """

    name: str
    type: str
    media: bool
    null_count: int
    constants: Mapping[str, Any] = field(default_factory=dict)
    late: int | None = None

    @property
    def ops(self) -> tuple[Op, ...] | None:
        """The operations of a media column with their parameters, or None if they differ between samples.

        A parameter that differs is NaN.
        """
        if not self.media or "ops" not in self.constants:
            return None
        return tuple(
            Op(name, tuple(self.constants.get(each, float("nan")) for each in fields))
            for name, fields in (OPS[code] for code in op_codes(self.constants["ops"]))
        )


class Selection(Shown):
    """A compiled training set: for each sample its media references and its computed columns. Immutable.

    Attributes:
        store: The root that its tables are in, where a session gave it: for a notebook, which shows media of it.
    """

    store: Any = None

    def __init__(self, header: Mapping[str, Any], path: Path | None, table: pa.Table | None):
        self._header = dict(header)
        self._path = path
        self._table = table

    @classmethod
    def build(
        cls,
        table: pa.Table,
        schema: pa.Schema,
        constants: Mapping[str, Mapping[str, Any]],
        sources: Sequence[Source],
        *,
        types: Sequence[str],
        late_types: Mapping[str, pa.DataType] | None = None,
        **about: Any,
    ) -> Selection:
        """Return a selection of packed samples in their final order.

        Args:
            table: Packed samples, from `Packer.finish`.
            schema: The query's result, before packing.
            constants: Per media column the constant fields.
            sources: What the media references' `source` numbers.
            types: DuckDB's type of each column.
            late_types: Arrow type of the values of each late column.
            about: More for the header: `sql`, `tables`, `ordered`, `views`, `warnings`.
        """
        columns = [
            Column(
                name=each.name,
                type="media" if is_media(each.type) else kind,
                media=is_media(each.type),
                null_count=_null_count(table.column(each.name)),
                constants={key: one for key, one in constants.get(each.name, {}).items() if one is not None},
                late=late_source(each.type),
            )
            for each, kind in zip(schema, types, strict=True)
        ]
        batches = _fixed_batches(table)
        content = {
            "format": FORMAT,
            "num_samples": table.num_rows,
            "columns": [asdict(each) for each in columns],
            "sources": [asdict(each) for each in sources],
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
        for batch in batches:
            digest.update(batch.serialize())
        tables = [asdict(each) for each in about.pop("tables", ())]
        late = base64.b64encode(pa.schema(list((late_types or {}).items())).serialize()).decode()
        header = {
            "views": {},
            "warnings": [],
            **content,
            **about,
            "tables": tables,
            "late_schema": late,
            "fingerprint": digest.hexdigest()[:32],
        }
        return cls(header, None, pa.Table.from_batches(batches, schema=table.schema))

    @classmethod
    def load(cls, path: str | Path) -> Selection:
        """Return a saved selection, memory-mapped: opening costs the same for any number of samples.

        Raises:
            SelectionError: if there is no such file, or it is not a selection of this format.

        Examples:
            >>> Selection.load("nothing.arrow")
            Traceback (most recent call last):
            cutlist.errors.SelectionError: nothing.arrow: no such file; `session.compile(query).save(path)` writes one
        """
        path = Path(path)
        if not path.is_file():
            raise SelectionError(f"{path}: no such file; `session.compile(query).save(path)` writes one")
        try:
            mapped = pa.ipc.open_file(pa.memory_map(str(path)))
            header = json.loads((mapped.schema.metadata or {})[_KEY])
            version, sql = header["format"], header["sql"]
        except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            raise SelectionError(f"{path}: not a saved selection, or a damaged one; compile the query again") from error
        except OSError as error:
            raise SelectionError(f"{path}: cannot be read: {error}") from error
        if version != FORMAT:
            raise SelectionError(
                f"{path}: selection format {version}; this version of cutlist reads {FORMAT}, "
                f"so compile the query again: {sql}"
            )
        selection = cls(header, path, None)
        selection._mapped = mapped  # the header's own file, whatever is saved under its name later
        return selection

    def __reduce__(self) -> tuple[Any, ...]:
        return Selection, (self._header, self._path, self._table if self._path is None else None)

    def save(self, path: str | Path, *, replace: bool = True) -> Selection:
        """Write the selection to a file, atomically, and return it memory-mapped from there.

        Args:
            path: Its folder is made if it is not there.
            replace: Whether to replace a file that is there; otherwise that one stays, and is returned.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = self.batches
        schema = self._schema.with_metadata({_KEY: json.dumps(self._header).encode()})
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            try:
                with pa.ipc.new_file(file, schema) as writer:
                    for batch in batches:
                        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)  # a temporary file is its owner's alone
                if replace:
                    Path(file.name).replace(path)
                else:
                    _publish(Path(file.name), path)
            finally:
                Path(file.name).unlink(missing_ok=True)
        return Selection.load(path)

    @property
    def path(self) -> Path | None:
        """The file that the selection is mapped from, or None while it is only in memory."""
        return self._path

    @property
    def sql(self) -> str:
        """The query that was compiled, as written."""
        return str(self._header["sql"])

    @property
    def num_samples(self) -> int:
        """Number of samples."""
        return int(self._header["num_samples"])

    def __len__(self) -> int:
        return self.num_samples

    @property
    def fingerprint(self) -> str:
        """Hash of the content: samples, columns and sources with their versions. 32 hexadecimal digits."""
        return str(self._header["fingerprint"])

    @property
    def ordered(self) -> bool:
        """Whether the query has an ORDER BY, whose order the samples keep."""
        return bool(self._header["ordered"])

    @cached_property
    def tables(self) -> tuple[TableVersion, ...]:
        """The tables that the query read, at their pinned versions."""
        return tuple(TableVersion(**each) for each in self._header["tables"])

    @property
    def views(self) -> dict[str, str]:
        """The text of each view that the query needed, by name."""
        return dict(self._header["views"])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the checks had to say when it was compiled, each with its place in the query."""
        return tuple(self._header["warnings"])

    @cached_property
    def vectors(self) -> tuple[SearchVector, ...]:
        """What the texts and images became that the query compares with embeddings."""
        return tuple(
            SearchVector(**{**each, "vector": tuple(each["vector"])}) for each in self._header.get("vectors", ())
        )

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a sample, in the query's order."""
        return tuple(Column(**each) for each in self._header["columns"])

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """What `source` in a media reference numbers: columns of the query's tables, with their versions."""
        return tuple(Source(**each) for each in self._header["sources"])

    def __repr__(self) -> str:
        names = ", ".join(f"{each.name}{' (media)' if each.media else ''}" for each in self.columns)
        tables = ", ".join(map(str, self.tables))
        return f"Selection({self.num_samples:,} samples of {tables or 'no table'}: {names}; {self.fingerprint[:12]})"

    @cached_property
    def _mapped(self) -> Any:
        return pa.ipc.open_file(pa.memory_map(str(self._path)))

    @property
    def _schema(self) -> pa.Schema:
        return (self._table.schema if self._table is not None else self._mapped.schema).remove_metadata()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the samples: media columns have the type `MEDIA_TYPE`, late ones that of their values."""
        types = {each.name: MEDIA_TYPE for each in self.columns if each.media}
        if any(each.late is not None for each in self.columns):
            late = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self._header["late_schema"])))
            types |= {each.name: each.type for each in late}
        return pa.schema([each.with_type(types.get(each.name, each.type)) for each in self._schema])

    @cached_property
    def batches(self) -> Sequence[pa.RecordBatch]:
        """The samples as stored, without what is constant, `BATCH_ROWS` to a batch; each is mapped when asked for."""
        return self._table.to_batches() if self._table is not None else _LazyBatches(self._mapped)

    def take(self, positions: NDArray[np.int64]) -> pa.Table:
        """Return the samples at positions, in that order, with whole media references and the row ids of late columns.

        Args:
            positions: int64, each in [0, num_samples), shape (n,); repeats allowed.
        """
        return self._unpack(self._taken(positions))

    def excerpt(self, positions: NDArray[np.int64]) -> Selection:
        """Return a copy in memory that has the samples at positions alone, each still at its position: for a process
        that reads no others, on a machine that need not have the file."""
        kept = np.unique(positions)
        return _Excerpt(self._header, self._taken(kept), kept)

    def _taken(self, positions: NDArray[np.int64]) -> pa.Table:
        """Return the samples at positions as stored."""
        if len(positions) == 0:
            return self._schema.empty_table()
        which, within = np.divmod(positions, BATCH_ROWS)
        order = np.argsort(which, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
        parts = [self.batches[int(which[group[0]])].take(pa.array(within[group])) for group in groups]
        taken = pa.Table.from_batches(parts).combine_chunks()
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return taken.take(pa.array(back))

    def packed(self) -> pa.Table:
        """Return all samples as stored: memory-mapped where the selection is saved, without what is constant."""
        return pa.Table.from_batches(list(self.batches), schema=self._schema)

    def to_arrow(self) -> pa.Table:
        """Return all samples; of media columns the references (a STRUCT), of late ones the row ids."""
        return self._unpack(self.packed())

    def rows_of(self, table: str) -> NDArray[np.uint64] | None:
        """Return the rows of a table that samples have media, or late columns, of: row ids, uint64, ascending.

        Returns:
            None if no column is of that table.
        """
        mine = [number for number, each in enumerate(self.sources) if each.table == table]
        found = []
        samples = self.packed()
        for index, column in enumerate(self.columns):
            if column.late in mine:
                found.append(samples.column(index).drop_null().to_numpy())
            elif column.media and mine:
                each = self._media(samples.column(index), column)
                sources, rows = pc.struct_field(each, "source"), pc.struct_field(each, "row")
                found.append(rows.filter(pc.is_in(sources, pa.array(mine, sources.type))).drop_null().to_numpy())
        return np.unique(np.concatenate(found)) if found else None

    def to_polars(self) -> pl.DataFrame:
        """Return all samples as a polars data frame."""
        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _unpack(self, table: pa.Table) -> pa.Table:
        for index, column in enumerate(self.columns):
            if column.media:
                table = table.set_column(index, column.name, self._media(table.column(index), column))
        return table

    @staticmethod
    def _media(packed: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
        """Return whole references, of packed ones."""
        return pa.chunked_array([unpack(each, column.constants) for each in packed.chunks], type=MEDIA_TYPE)


class _Excerpt(Selection):
    """Some samples of a selection, at the positions that they have in it."""

    def __init__(self, header: Mapping[str, Any], samples: pa.Table, positions: NDArray[np.int64]):
        super().__init__(header, None, samples)
        self._samples, self._positions = samples, positions

    def __reduce__(self) -> tuple[Any, ...]:
        return _Excerpt, (self._header, self._samples, self._positions)

    def _taken(self, positions: NDArray[np.int64]) -> pa.Table:
        return self._samples.take(pa.array(np.searchsorted(self._positions, positions)))


class _LazyBatches(Sequence[Any]):
    """The record batches of a mapped file, each opened when first asked for."""

    def __init__(self, reader: Any):
        self._reader = reader
        self._opened: list[Any] = [None] * reader.num_record_batches

    def __len__(self) -> int:
        return len(self._opened)

    def __getitem__(self, index: Any) -> Any:
        if self._opened[index] is None:
            self._opened[index] = self._reader.get_batch(index)
        return self._opened[index]

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


def _publish(written: Path, path: Path) -> None:
    """Give a written file its name, unless another has that name already."""
    try:
        os.link(written, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links: the last one wins, and both are whole
        written.replace(path)


def _null_count(column: pa.ChunkedArray) -> int:
    """Return how many values are NULL, those inside fixed-size arrays counted too."""
    count = int(column.null_count)
    while pa.types.is_fixed_size_list(column.type):
        column = pa.chunked_array([chunk.flatten() for chunk in column.chunks], type=column.type.value_type)
        count += int(column.null_count)
    return count


def _fixed_batches(table: pa.Table) -> list[pa.RecordBatch]:
    """Return a table as batches of `BATCH_ROWS` rows (the last may be shorter), so that equal rows give equal bytes."""
    batches = []
    for start in range(0, table.num_rows, BATCH_ROWS):
        part = table.slice(start, BATCH_ROWS)
        columns = [_same_bytes(column.combine_chunks()) for column in part.columns]
        batches.append(pa.record_batch(columns, schema=table.schema))
    return batches


def _same_bytes(array: pa.Array) -> pa.Array:
    """Return an array, copied unless its bytes depend on its values alone, as those of numbers without NULL do."""
    if array.null_count == 0 and (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return array
    if array.null_count == 0 and pa.types.is_struct(array.type) and array.type.num_fields:
        fields = [array.type.field(i) for i in range(array.type.num_fields)]
        return pa.StructArray.from_arrays([_same_bytes(each) for each in array.flatten()], fields=fields)
    return array.take(pa.array(np.arange(len(array))))
