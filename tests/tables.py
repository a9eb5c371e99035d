"""Tables for the differential test: written twice, once as Lance tables and once as DuckDB's own (the oracle).

Where plain tables have bytes, the oracle has values of the type `media`, made here and not by cutlist. DuckDB's own
`rowid` is the oracle of `_rowid`: the rows are inserted in the same order and the same ones are deleted.

What is in them on purpose: NULL everywhere, NaN, both zeros and infinity, an empty blob, deleted rows in the first and
in a later fragment, row ids that are other rows' `id`, duplicates, ids without a partner, an empty table, a table
whose name is a keyword, columns in mixed case, a column that SQL cannot hold, and the types that Lance and Arrow
answer filters on in their own ways.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import lance
import numpy as np
import pyarrow as pa
import pytest

from cutlist.engine.databases import bind_media_once
from cutlist.media.reference import FIELD_NAMES, FIELDS
from cutlist.store import Store, blob_array, blob_field

SQL = Path(__file__).parent / "sql"

NAN, INF = math.nan, math.inf
_MOTION = (2.5, None, NAN, 0.0, -0.0, 1.0, 2.5, INF, 7.25, -3.0, 0.5)
_CATEGORY = ("film", "sport", None, "game", "film", "")
_SCENES = pa.list_(pa.struct([("start_seconds", pa.float64()), ("stop_seconds", pa.float64())]))


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A table's rows in the commits that write them; columns of `media` (name → kind) are binary here."""

    name: str
    parts: Sequence[pa.Table]
    media: dict[str, str] = field(default_factory=dict)
    deleted: str | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that SQL sees."""
        return [each.name for each in self.parts[0].schema if not pa.types.is_float16(each.type)]


def _cycle(values: Sequence[Any], start: int, stop: int, kind: pa.DataType) -> pa.Array:
    return pa.array([values[i % len(values)] for i in range(start, stop)], kind)


def _videos(start: int, stop: int) -> pa.Table:
    rows = range(start, stop)
    return pa.table(
        {
            "id": pa.array([i + 1 for i in rows], pa.int64()),
            "width": _cycle((640, 1920, 1280, None, 3840), start, stop, pa.int32()),
            "height": _cycle((480, 1080, 720, 360, 2160, None, 1080), start, stop, pa.int32()),
            "duration_seconds": pa.array([3.0 + i / 4 for i in rows], pa.float64()),
            "motion": _cycle(_MOTION, start, stop, pa.float64()),
            "category": _cycle(_CATEGORY, start, stop, pa.string()),
            "tags": _cycle((["a", "b"], [], None, ["b", None], ["c"]), start, stop, pa.list_(pa.string())),
            "scenes": pa.array(
                [
                    None
                    if i % 9 == 4
                    else [{"start_seconds": s / 2, "stop_seconds": s / 2 + 1.5} for s in range(i % 4)]
                    for i in rows
                ],
                _SCENES,
            ),
            "created": pa.array(
                [None if i % 8 == 5 else dt.datetime(2024, 1, 1 + i % 28, i % 24) for i in rows], pa.timestamp("us")
            ),
            "embedding": pa.FixedSizeListArray.from_arrays(
                pa.array(np.sin(np.arange(4 * start, 4 * stop, dtype=np.float32))), 4
            ),
            "info": pa.array(
                [None if i % 7 == 6 else {"codec": ("h264", "av1", None)[i % 3], "fps": 24 + i % 3} for i in rows],
                pa.struct([("codec", pa.string()), ("fps", pa.int32())]),
            ),
            "size_bytes": pa.array([4_000_000_000 + i for i in rows], pa.uint32()),
            "half": pa.array(np.arange(start, stop, dtype=np.float16)),
            "video": pa.array(
                [None if i % 6 == 3 else b"" if i == 7 else bytes([i]) * (i + 1) for i in rows], pa.binary()
            ),
        }
    )


def _captions() -> pa.Table:
    count = 46
    return pa.table(
        {
            "video_id": _cycle((1, 2, 2, 5, None, 8, 90, 13, 21, 34, 3, 3), 0, count, pa.int64()),
            "text": _cycle(
                ("a cat", "A dog", "zebra", None, "Émile", "100% sure", "under_score", "", "a cat"),
                0,
                count,
                pa.string(),
            ),
            "lang": _cycle(("en", "de", "en", None, "fr"), 0, count, pa.string()),
            "score": _cycle((0.5, 0.25, None, NAN, 1.0, -1.5, 0.5), 0, count, pa.float32()),
            "seconds": _cycle((0.5, 1.0, 2.0, None), 0, count, pa.float64()),
        }
    )


def _images() -> pa.Table:
    count = 24
    return pa.table(
        {
            "id": pa.array(range(count), pa.int64()),
            "video_id": pa.array([i % 10 + 1 if i % 5 else None for i in range(count)], pa.int64()),
            "ts": pa.array([dt.datetime(2024, 1, 1 + i * 5 % 28) for i in range(count)], pa.timestamp("us")),
            "width": pa.array([64 * (1 + i % 4) for i in range(count)], pa.int32()),
            "height": pa.array([48 * (1 + i % 3) for i in range(count)], pa.int32()),
            "Odd Name": _cycle(("x", 'q"q', "Y", None), 0, count, pa.string()),
            "image": pa.array([None if i % 4 == 2 else bytes([i, i]) for i in range(count)], pa.binary()),
            "thumbnail": pa.array([None if i % 3 == 0 else bytes([i]) for i in range(count)], pa.binary()),
        }
    )


def _types() -> pa.Table:
    count = 20
    day = dt.date(2024, 2, 28)
    return pa.table(
        {
            "k": pa.array(range(count), pa.int64()),
            "i8": _cycle((-128, 127, 0, None, 5), 0, count, pa.int8()),
            "i32": _cycle((2**31 - 1, -(2**31), 7, None, 46341, 0), 0, count, pa.int32()),
            "u8": _cycle((0, 255, None, 128), 0, count, pa.uint8()),
            "u64": _cycle((2**64 - 1, 0, None, 2**63), 0, count, pa.uint64()),
            "f32": _cycle((0.1, -0.0, 0.0, NAN, None, -INF, 16777216.0), 0, count, pa.float32()),
            "f64": _cycle((0.1, -0.0, 0.0, NAN, None, INF, -1e308), 0, count, pa.float64()),
            "flag": _cycle((True, False, None), 0, count, pa.bool_()),
            "price": _cycle((Decimal("1.50"), Decimal("-0.01"), None), 0, count, pa.decimal128(9, 2)),
            "day": pa.array([None if i == 3 else day + dt.timedelta(days=i) for i in range(count)], pa.date32()),
            "clock": _cycle((dt.time(1, 2, 3, 4), None, dt.time(23, 59, 59)), 0, count, pa.time64("us")),
            "moment": pa.array(
                [None if i == 5 else dt.datetime(2024, 2, 28, i, tzinfo=dt.UTC) for i in range(count)],
                pa.timestamp("us", tz="UTC"),
            ),
            "nanos": pa.array([None if i == 6 else 10**18 + i for i in range(count)], pa.timestamp("ns")),
            "word": _cycle(("Apple", "apple", "b_c", None, "b%c", "Äpfel", ""), 0, count, pa.large_string()),
            "code": _cycle(("x", "y", None), 0, count, pa.string()).dictionary_encode(),
            "hash": _cycle((b"\x00\x01", b"", None, b"ab"), 0, count, pa.binary()),
            "place": _cycle(({"x": 1, "y": {"z": "deep"}}, None, {"x": None, "y": None}), 0, count, _PLACE),
            "sizes": _cycle(([1, 2, 3], None, []), 0, count, pa.list_(pa.int32())),
            "Mixed Case": _cycle((1, 2, None), 0, count, pa.int32()),
        }
    )


_PLACE = pa.struct([("x", pa.int32()), ("y", pa.struct([("z", pa.string())]))])


def fixed_lists(values: Sequence[Sequence[float] | None], width: int) -> pa.Array:
    """Return FLOAT[width] values of which some are NULL and none has a NULL inside, not even unseen, as arrays have."""
    there = np.array([[0.0] * width if each is None else each for each in values], dtype=np.float32)
    mask = pa.array([each is None for each in values])
    return pa.FixedSizeListArray.from_arrays(pa.array(there.reshape(-1)), width, mask=mask)


TABLES: tuple[Plain, ...] = (
    Plain(
        name="videos",
        parts=[_videos(0, 10), _videos(10, 13), _videos(13, 30), _videos(30, 40)],
        media={"video": "video"},
        deleted="id IN (3, 12, 13, 14, 40)",
    ),
    Plain(name="captions", parts=[_captions().slice(0, 20), _captions().slice(20)]),
    Plain(name="images", parts=[_images()], media={"image": "image", "thumbnail": "image"}, deleted="id = 0"),
    Plain(name="nothing", parts=[_videos(0, 0).select(["id", "category", "video"])], media={"video": "video"}),
    Plain(name="order", parts=[pa.table({"id": [5, 3, 1], "Where": ["a", None, "b"]})]),
    Plain(name="types", parts=[_types()]),
)


def write_tables(root: Path) -> Store:
    """Write every table as a Lance table under a root."""
    store = Store(root=str(root))
    for plain in TABLES:
        for part in plain.parts:
            store.append(plain.name, _with_blobs(part, plain.media), message="test")
        if plain.deleted is not None:
            lance.dataset(store.uri(plain.name)).delete(plain.deleted)
    return store


def _with_blobs(part: pa.Table, media: dict[str, str]) -> pa.Table:
    fields = [blob_field(each.name, media[each.name]) if each.name in media else each for each in part.schema]
    arrays = [
        blob_array(part[each.name].to_pylist()) if each.name in media else part[each.name] for each in part.schema
    ]
    return pa.table(arrays, schema=pa.schema(fields))


MEDIA = tuple((plain.name, column) for plain in sorted(TABLES, key=lambda each: each.name) for column in plain.media)
"""(table, column) that the oracle's `source` numbers."""


def oracle(views: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB with plain copies of the tables, and the views of a folder."""
    con = duckdb.connect(config={"python_enable_replacements": "false"})
    con.execute(f"CREATE TYPE media AS STRUCT({', '.join(f'{name} {kind}' for name, kind in FIELDS)})")
    con.execute(files("cutlist").joinpath("macros.sql").read_text(encoding="utf-8"))
    bind_media_once(con)
    nulls = "".join(f", '{name}': NULL" for name in FIELD_NAMES[3:])
    for plain in TABLES:
        rows = pa.concat_tables(plain.parts).select(plain.columns)
        con.register("plain", rows.append_column("position", pa.array(range(len(rows)), pa.uint64())))
        columns = [
            f"CASE WHEN {name} IS NOT NULL THEN "
            f"{{'source': {MEDIA.index((plain.name, name))}, 'row': position, 'ops': 0{nulls}}}::media END AS {name}"
            if name in plain.media
            else f'"{name}"'
            for name in plain.columns
        ]
        con.execute(f'CREATE TABLE "{plain.name}" AS SELECT {", ".join(columns)} FROM plain')
        con.unregister("plain")
        if plain.deleted is not None:
            con.execute(f'DELETE FROM "{plain.name}" WHERE {plain.deleted}')
    if views is not None:
        _define_views(con, views)
    return con


def _define_views(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Define the views of a folder, in any order that works."""
    waiting = {file.relative_to(folder).with_suffix("").as_posix(): file for file in folder.rglob("*.sql")}
    while waiting:
        before = len(waiting)
        for name, file in list(waiting.items()):
            try:
                con.execute(f'CREATE VIEW "{name}" AS {for_oracle(file.read_text())}')
            except duckdb.CatalogException:
                continue
            del waiting[name]
        assert len(waiting) < before, f"views that cannot be defined: {sorted(waiting)}"


def for_oracle(query: str) -> str:
    """Return a query with `_rowid` called what DuckDB calls it."""
    return re.sub(r"\b_rowid\b", "rowid", query, flags=re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A result in a form to compare: names of columns, and rows as nested tuples in which NaN equals NaN."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    @classmethod
    def of(cls, table: pa.Table, sources: Iterable[tuple[str, str]]) -> Rows:
        """Return the rows of an Arrow table; `sources` says which (table, column) a reference's source numbers."""
        numbered = dict(enumerate(sources))
        columns = [[_canonical(value, numbered) for value in _values(column)] for column in table.columns]
        return cls(names=tuple(table.column_names), rows=list(zip(*columns, strict=True)))

    @property
    def bag(self) -> Counter[tuple[Any, ...]]:
        """The rows as a multiset."""
        return Counter(self.rows)

    def only(self, keys: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return some columns of the rows, in order."""
        at = [self.names.index(key) for key in keys]
        return [tuple(row[i] for i in at) for row in self.rows]


def _values(column: pa.ChunkedArray) -> list[Any]:
    if column.type == pa.timestamp("ns"):  # which Python's datetime cannot hold
        column = column.cast(pa.int64())
    return list(column.to_pylist())


def _canonical(value: Any, sources: dict[int, tuple[str, str]]) -> Any:
    if isinstance(value, dict):
        if tuple(value) == FIELD_NAMES:
            rest = tuple((key, value[key]) for key in FIELD_NAMES[1:] if value[key] is not None)
            return ("media", *sources[value["source"]], *rest)
        return tuple((key, _canonical(each, sources)) for key, each in value.items())
    if isinstance(value, list | tuple):
        return (type(value).__name__, *(_canonical(each, sources) for each in value))
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    return value


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query of a fixture file: its headers, and its text with the comments in it."""

    name: str
    text: str
    headers: dict[str, str]
    oracle: str


def load_queries(folder: str) -> list[Query]:
    """Return the queries of the .sql files of a folder under `tests/sql`.

    A query starts at a line `-- title: …`; more headers (`-- word: …`) may follow it. What comes after a line
    `-- oracle:` is what the oracle runs instead of the query's own text.
    """
    queries = []
    for file in sorted((SQL / folder).rglob("*.sql")):
        for block in re.split(r"^-- title: ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            title, _, rest = block.partition("\n")
            headers = {}
            while found := re.match(r"-- (\w+): (.*)\n", rest):
                headers[found[1]] = found[2]
                rest = rest[found.end() :]
            text, _, other = rest.rstrip("\n").partition("\n-- oracle:\n")
            name = f"{file.stem}: {title}"
            queries.append(Query(name=name, text=text, headers=headers, oracle=other or for_oracle(text)))
    names = [each.name for each in queries]
    assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]
    return queries


def params(queries: Iterable[Query]) -> list[Any]:
    """Return queries as parameters of a test; one with a header `-- bug: …` is expected to fail."""
    return [
        pytest.param(
            query,
            id=query.name,
            marks=[pytest.mark.xfail(reason=query.headers["bug"])] if "bug" in query.headers else [],
        )
        for query in queries
    ]
