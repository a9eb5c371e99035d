"""Rows of a query in a file: Parquet, Arrow, CSV or JSON, a batch in memory at a time, whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cutlist.errors import QueryError, SettingsError
from cutlist.packing import has_media, is_media, with_refs
from cutlist.values import ref_text, rows, write_csv, write_json

if TYPE_CHECKING:
    from cutlist.selection import Source


def save_rows(relation: Any, sources: Sequence[Source], path: str | os.PathLike[str]) -> int:
    """Write the rows of a lazy DuckDB relation to a file; return how many there are. The ending says the format.

    Media references become text, `videos.video[12].clip(0, 2)`, in every format and at any depth: the numbers in them
    mean something only in this session. Parquet is compressed by zstd.

    Raises:
        QueryError: if two columns have one name.
        SettingsError: if the ending is none of these, the folder is not there, or the file cannot be written.
    """
    target = rows_file(path)
    names = list(relation.columns)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise QueryError(f'query: two columns are named "{twice}", which a file cannot have; give one another name')
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        count = _WRITERS[target.suffix](relation, sources, temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except OSError as error:
        if error.errno is None:  # DuckDB's, while batches are fetched: for who asked the query
            raise
        raise SettingsError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def rows_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file of rows that can be written.

    Raises:
        SettingsError: if its ending is not known, or its folder is not there.

    Examples:
        >>> rows_file("rows.xls")
        Traceback (most recent call last):
        cutlist.errors.SettingsError: rows.xls: expected a file of rows: .arrow, .csv, .json or .parquet
    """
    target = Path(path)
    if target.suffix not in _WRITERS:
        raise SettingsError(f"{target}: expected a file of rows: .arrow, .csv, .json or .parquet")
    if not target.parent.is_dir():
        raise SettingsError(f"{target}: there is no folder {target.parent}")
    return target


def _parquet(relation: Any, sources: Sequence[Source], path: Path) -> int:
    reader = relation.to_arrow_reader()
    schema = _schema(reader.schema)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        return _write_batches(reader, schema, sources, writer)


def _arrow(relation: Any, sources: Sequence[Source], path: Path) -> int:
    reader = relation.to_arrow_reader()
    schema = _schema(reader.schema)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        return _write_batches(reader, schema, sources, writer)


def _write_batches(reader: Any, schema: pa.Schema, sources: Sequence[Source], writer: Any) -> int:
    count = 0
    for batch in reader:
        columns = [
            _as_text(array, field.type, sources) if has_media(array.type) else array
            for array, field in zip(batch.columns, schema, strict=True)
        ]
        writer.write_batch(pa.record_batch(columns, schema=schema))
        count += batch.num_rows
    return count


def _schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with text in place of media references."""
    return pa.schema([pa.field(each.name, _text_type(each.type)) for each in schema])


def _text_type(kind: pa.DataType) -> pa.DataType:
    if not has_media(kind):
        return kind
    if is_media(kind):
        return pa.string()
    inner = [pa.field(kind.field(i).name, _text_type(kind.field(i).type)) for i in range(kind.num_fields)]
    if pa.types.is_struct(kind):
        return pa.struct(inner)
    if pa.types.is_map(kind):
        return pa.map_(_text_type(kind.key_type), _text_type(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(inner[0], kind.list_size)
    return pa.list_(inner[0])


def _as_text(array: pa.Array, kind: pa.DataType, sources: Sequence[Source]) -> pa.Array:
    values = [with_refs(value, array.type, lambda ref: ref_text(ref, sources)) for value in array.to_pylist()]
    return pa.array(values, kind)


def _text_file(write: Callable[..., None]) -> Callable[[Any, Sequence[Source], Path], int]:
    """Return the writer of a format of text."""

    def written(relation: Any, sources: Sequence[Source], path: Path) -> int:
        count = 0

        def counted() -> Iterator[tuple[Any, ...]]:
            nonlocal count
            for row in rows(relation):
                count += 1
                yield row

        with path.open("w", encoding="utf-8", newline="") as stream:
            write(stream, relation.columns, counted(), sources)
        return count

    return written


_WRITERS: dict[str, Callable[[Any, Sequence[Source], Path], int]] = {
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".csv": _text_file(write_csv),
    ".json": _text_file(write_json),
}
