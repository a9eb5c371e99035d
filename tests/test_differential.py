"""I1: a compiled query has exactly the rows that DuckDB gives over plain copies of the same tables.

- Every query of `tests/sql/equal`: the names and types of its columns, and its rows as a multiset, are the oracle's,
  compiled and through `Session.sql`.
- Where it has an ORDER BY, the rows are in the oracle's order. A header `-- keys: …` names the output columns that are
  ordered where the ORDER BY leaves ties; without it the order is total.
- Compiled again, it is found again; compiled anew, with another number of threads, it is the same to the last byte.
- No media byte is read for it (I2): the same with the bytes taken away.

A header `-- bug: …` marks what does not hold yet. `test_generated.py` is the same for queries that hypothesis makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import lance
import pyarrow as pa
import pytest
from tests.tables import MEDIA, SQL, Query, Rows, load_queries, oracle, params, write_tables

from cutlist import Session, connect
from cutlist.store import Blobs, Store, blob_array, blob_field

if TYPE_CHECKING:
    from cutlist.selection import Selection

pytestmark = pytest.mark.filterwarnings("ignore::cutlist.errors.QueryWarning")

QUERIES = load_queries("equal")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write_tables(folder)
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with connect(root, views=SQL / "views") as opened:
        yield opened


@pytest.fixture(scope="module")
def truth() -> Iterator[duckdb.DuckDBPyConnection]:
    with oracle(SQL / "views") as con:
        yield con


def check(query: Query, got: Rows, expected: Rows, *, ordered: bool) -> None:
    assert [_same_name(name) for name in got.names] == [_same_name(name) for name in expected.names]
    assert got.bag == expected.bag
    if ordered and "keys" in query.headers:
        keys = query.headers["keys"].split(", ")
        assert got.only(keys) == expected.only(keys)
    elif ordered:
        assert got.rows == expected.rows


def _same_name(name: str) -> str:
    return name.replace("_rowid", "rowid").replace("_ROWID", "rowid")


def compiled(session: Session, text: str) -> tuple[Rows, bool]:
    selection = session.compile(text)
    sources = [(each.table, each.column) for each in selection.sources]
    return Rows.of(with_late_values(session, selection), sources), selection.ordered


def with_late_values(session: Session, selection: Selection) -> pa.Table:
    """Return the samples with values in place of the row ids of late columns."""
    samples = selection.to_arrow()
    for index, column in enumerate(selection.columns):
        if column.late is not None:
            source = selection.sources[column.late]
            values = session.tables[source.table].take(source.column, samples.column(index).combine_chunks())
            samples = samples.set_column(index, column.name, values)
    return samples


@pytest.mark.parametrize("query", params(QUERIES))
def test_rows_are_those_of_duckdb(session: Session, truth: duckdb.DuckDBPyConnection, query: Query) -> None:
    expected = Rows.of(truth.sql(query.oracle).to_arrow_table(), MEDIA)
    got, ordered = compiled(session, query.text)
    check(query, got, expected, ordered=ordered)
    relation = session.sql(query.text)
    got = Rows.of(relation.to_arrow_table(), [(each.table, each.column) for each in session.sources])
    check(query, got, expected, ordered=ordered)


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session over tables of its own, in which no selection is saved yet."""
    folder = tmp_path_factory.mktemp("eager")
    write_tables(folder)
    with connect(folder, views=SQL / "views") as opened:
        yield opened


@pytest.mark.parametrize("query", params(QUERIES))
def test_rows_are_those_of_duckdb_with_late_columns(
    eager: Session, truth: duckdb.DuckDBPyConnection, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever may be read late is: here, a column is wide if it has any byte."""
    monkeypatch.setattr("cutlist.compiler.rules.WIDE_BYTES", 1e-9)
    expected = Rows.of(truth.sql(query.oracle).to_arrow_table(), MEDIA)
    got, ordered = compiled(eager, query.text)
    check(query, got, expected, ordered=ordered)


@pytest.mark.parametrize(
    "query", params([query for query in QUERIES if "rowid" not in query.text.lower() and "with_ids" not in query.text])
)
def test_types_are_those_of_duckdb(session: Session, truth: duckdb.DuckDBPyConnection, query: Query) -> None:
    media = str(truth.sql("SELECT NULL::media").types[0])
    expected = ["media" if str(kind) == media else str(kind) for kind in truth.sql(query.oracle).types]
    assert [each.type for each in session.compile(query.text).columns] == expected


def test_a_query_is_found_again(session: Session, root: Path) -> None:
    first = session.compile("SELECT id, video FROM videos WHERE motion > 1")
    again = session.compile("select id, video\n  from videos -- the same\n  where motion > 1;")
    assert (again.path, again.fingerprint) == (first.path, first.fingerprint)
    with connect(root, views=SQL / "views") as other:
        assert other.compile("SELECT id, video FROM videos WHERE motion > 1").path == first.path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT id AS a FROM videos", "SELECT id AS A FROM videos"),
        ("SELECT id FROM videos WHERE category = 'film'", "SELECT id FROM videos WHERE category <> 'film'"),
        ("SELECT 'a' AS t", "SELECT 'A' AS t"),
        ("SELECT id AS text FROM videos", "SELECT id AS TEXT FROM videos"),
        ("SELECT {date: id} AS s FROM videos", "SELECT {DATE: id} AS s FROM videos"),
        ("SELECT E'a' AS t", "SELECT E'A' AS t"),
        ("SELECT $$a$$ AS t", "SELECT $$A$$ AS t"),
    ],
)
def test_another_query_is_not_taken_for_it(session: Session, one: str, other: str) -> None:
    assert session.compile(one).path != session.compile(other).path


def test_a_view_that_changes_is_another_query(root: Path, tmp_path: Path) -> None:
    (tmp_path / "v.sql").write_text("SELECT id FROM videos WHERE id < 9")
    with connect(root, views=tmp_path) as session:
        few = session.compile("FROM v")
    (tmp_path / "v.sql").write_text("SELECT id FROM videos")
    with connect(root, views=tmp_path) as session:
        many = session.compile("FROM v")
    assert many.num_samples > few.num_samples


def test_new_rows_are_another_query(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    store.append("t", pa.table({"id": [1, 2]}), message="test")
    with connect(tmp_path) as session:
        before = session.compile("FROM t")
        store.append("t", pa.table({"id": [3]}), message="test")
        assert session.compile("FROM t").fingerprint == before.fingerprint
        after = session.refresh().compile("FROM t")
    assert (before.num_samples, after.num_samples) == (2, 3)
    assert [[each.version for each in selection.tables] for selection in (before, after)] == [[1], [2]]


@pytest.mark.parametrize(
    "query", ["FROM videos", "FROM types", "SELECT list(video ORDER BY id) AS l FROM videos GROUP BY ALL"]
)
def test_sql_and_compile_keep_to_the_version_of_the_session(tmp_path: Path, query: str) -> None:
    store = write_tables(tmp_path)
    with connect(tmp_path) as session:
        lance.dataset(store.uri("videos")).delete("id > 20")
        lance.dataset(store.uri("types")).delete("k > 9")
        with oracle() as truth:
            expected = Rows.of(truth.sql(query).to_arrow_table(), MEDIA)
        assert compiled(session, query)[0].bag == expected.bag


@pytest.mark.parametrize("threads", [1, 4])
def test_bytes_do_not_depend_on_threads(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    connect_duckdb = duckdb.connect

    def with_threads(config: dict[str, str]) -> duckdb.DuckDBPyConnection:
        return connect_duckdb(config={**config, "threads": str(threads)})

    monkeypatch.setattr("cutlist.engine.databases.duckdb.connect", with_threads)
    write_tables(tmp_path)
    with connect(tmp_path, views=SQL / "views") as other:
        for query in QUERIES[::7]:
            if "bug" not in query.headers and "NaN" not in query.name:  # zeros: the next test
                assert other.compile(query.text).fingerprint == session.compile(query.text).fingerprint, query.name


@pytest.mark.parametrize("order", ["", " ORDER BY x"])
def test_bytes_do_not_depend_on_the_order_of_zeros(session: Session, order: str) -> None:
    one = session.compile(f"SELECT x FROM (VALUES ('0.0'::DOUBLE), ('-0.0'::DOUBLE)) AS t(x){order}")
    other = session.compile(f"SELECT x FROM (VALUES ('-0.0'::DOUBLE), ('0.0'::DOUBLE)) AS t(x){order}")
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    "query",
    [
        "SELECT i FROM range(200000) t(i) WHERE i % 3 = 0",
        "SELECT i FROM range(200000) t(i) ORDER BY i % 10, i DESC",
        "SELECT i, clip(video, 0, 1 + i // 150000) AS c, CASE WHEN i < 131072 THEN resize(video, 5, 5) END AS d "
        "FROM range(200000) t(i) LEFT JOIN videos ON id = i % 64",
        "SELECT (i % 3)::VARCHAR::ENUM('0', '1', '2') AS e, i FROM range(200000) t(i)",
    ],
)
def test_rows_of_many_batches(session: Session, truth: duckdb.DuckDBPyConnection, query: str) -> None:
    expected = Rows.of(truth.sql(query).to_arrow_table(), MEDIA)
    got, ordered = compiled(session, query)
    assert got.bag == expected.bag
    assert not ordered or got.rows == expected.rows


def test_no_media_byte_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("media were read")

    for name in ("read", "read_ranges", "open", "sizes"):
        monkeypatch.setattr(Blobs, name, refuse)
    rows = pa.table(
        [[1, 2, 3], blob_array([bytes(80_000), None, bytes(90_000)])],
        schema=pa.schema([("id", pa.int64()), blob_field("video", "video")]),
    )
    Store(root=str(tmp_path)).append("t", rows, message="test")
    blobs = list(tmp_path.rglob("*.blob"))
    assert blobs
    for file in blobs:
        file.unlink()
    with connect(tmp_path) as session:
        selection = session.compile(
            "SELECT id, video.clip(0, 2) AS clip FROM t WHERE video IS NOT NULL ORDER BY video DESC"
        )
        assert [row["id"] for row in selection.to_arrow().to_pylist()] == [3, 1]
