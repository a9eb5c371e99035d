"""I1: a compiled query has exactly the rows that DuckDB gives over plain copies of the same tables.

- Every query of `tests/sql/equal`: the names and types of its columns, and its rows as a multiset, are the oracle's,
  compiled and through `Session.sql`.
- Where it has an ORDER BY, the rows are in the oracle's order. A header `-- keys: …` names the output columns that are
  ordered where the ORDER BY leaves ties; without it the order is total.
- Compiled again, it is found again; compiled anew, with another number of threads, it is the same to the last byte.
- No media byte is read for it (I2): the same with the bytes taken away.
- So do queries that hypothesis makes from a small grammar.

A header `-- bug: …` marks what does not hold yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import lance
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables import MEDIA, SQL, Query, Rows, load_queries, oracle, params, write_tables

from cutlist import Session, connect
from cutlist.store import Store, Table, blob_array, blob_field

pytestmark = pytest.mark.filterwarnings("ignore::cutlist.errors.QueryWarning")

QUERIES = load_queries("equal")
NUM_EXAMPLES = 150


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
    return Rows.of(selection.to_arrow(), sources), selection.ordered


@pytest.mark.parametrize("query", params(QUERIES))
def test_rows_are_those_of_duckdb(session: Session, truth: duckdb.DuckDBPyConnection, query: Query) -> None:
    expected = Rows.of(truth.sql(query.oracle).to_arrow_table(), MEDIA)
    got, ordered = compiled(session, query.text)
    check(query, got, expected, ordered=ordered)
    relation = session.sql(query.text)
    got = Rows.of(relation.to_arrow_table(), [(each.table, each.column) for each in session.sources])
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

    for name in ("read_blobs", "open_blobs", "blob_sizes"):
        monkeypatch.setattr(Table, name, refuse)
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


# Queries made by hypothesis

NUMBERS = ("id", "width", "height", "motion", "duration_seconds")
CONSTANTS = st.sampled_from(
    ["0", "1", "2.5", "720", "-3", "-0.0::DOUBLE", "'nan'::DOUBLE", "'inf'::DOUBLE", "NULL", "20"]
)
OPERATORS = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"])


@st.composite
def predicates(draw: st.DrawFn, alias: str = "v", depth: int = 2) -> str:
    """Return a condition over the columns of `videos`."""
    kinds = ["compare", "null", "text", "list", "columns", "between", "subquery"]
    kind = draw(st.sampled_from([*kinds, "and", "or", "not"] if depth else kinds))
    column = f"{alias}.{draw(st.sampled_from(NUMBERS))}"
    if kind in ("and", "or"):
        parts = [draw(predicates(alias, depth - 1)) for _ in range(2)]
        return f"({parts[0]} {kind.upper()} {parts[1]})"
    if kind == "not":
        return f"(NOT {draw(predicates(alias, depth - 1))})"
    if kind == "null":
        each = draw(st.sampled_from(["motion", "category", "video", "info", "tags", "created", "info.codec"]))
        return f"{alias}.{each} IS {draw(st.sampled_from(['', 'NOT ']))}NULL"
    if kind == "text":
        return draw(
            st.sampled_from(
                [
                    f"{alias}.category LIKE 'f%'",
                    f"{alias}.category = ''",
                    f"{alias}.category > 'film'",
                    f"{alias}.info.codec = 'h264'",
                    f"list_contains({alias}.tags, 'b')",
                    f"{alias}.created > '2024-01-12'",
                ]
            )
        )
    if kind == "list":
        values = draw(st.lists(CONSTANTS, min_size=1, max_size=3))
        return f"{column} {draw(st.sampled_from(['IN', 'NOT IN']))} ({', '.join(values)})"
    if kind == "between":
        return f"{column} BETWEEN {draw(CONSTANTS)} AND {draw(CONSTANTS)}"
    if kind == "columns":
        return f"{column} {draw(OPERATORS)} {alias}.{draw(st.sampled_from(NUMBERS))}"
    if kind == "subquery":
        inner = draw(st.sampled_from(["lang = 'en'", "score > 0", "text IS NULL", f"c._rowid = {alias}._rowid"]))
        return draw(
            st.sampled_from(
                [
                    f"EXISTS (FROM captions c WHERE c.video_id = {alias}.id AND {inner})",
                    f"{alias}.id IN (SELECT video_id FROM captions c WHERE {inner})",
                    f"{alias}._rowid < (SELECT count(*) FROM captions c WHERE {inner})",
                ]
            )
        )
    return f"{column} {draw(OPERATORS)} {draw(CONSTANTS)}"


@st.composite
def sources(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return a FROM clause in which `v` has the columns of `videos`, and more columns that it gives."""
    videos = draw(
        st.sampled_from(
            [
                "videos v",
                "Videos AS v",
                f"(SELECT *, _rowid FROM videos WHERE {draw(predicates('videos', 1))}) v",
                "(SELECT *, _rowid FROM videos ORDER BY id DESC LIMIT 20) v",
            ]
        )
    )
    kind = draw(st.sampled_from(["", "", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "lateral", "unnest"]))
    if kind == "":
        return videos, []
    if kind == "lateral":
        return f"{videos}, LATERAL (SELECT image FROM images i WHERE i.video_id = v.id) AS x(image)", ["x.image"]
    if kind == "unnest":
        return f"{videos}, UNNEST(v.scenes) AS u(s)", ["s", "clip(v.video, s.start_seconds, s.stop_seconds)"]
    if draw(st.booleans()):
        return f"{videos} {kind} captions c ON c.video_id = v.id", ["c.text", "c.score", "c._rowid"]
    return f"{videos} {kind} images i ON i.video_id = v.id AND i.width > 64", ["i.image", "COALESCE(i.image, v.video)"]


@st.composite
def selects(draw: st.DrawFn, width: int) -> str:
    """Return a SELECT of `width` columns: one whole number, one medium, the others of any kind."""
    origin, more = draw(sources())
    others = [*more, "v.motion", "v.category", "v.video", "v._rowid", "v.tags", "resize(v.video, 8, v.height)"]
    condition = draw(predicates())
    columns = [draw(st.sampled_from(others)) for _ in range(width - 2)]
    kind = draw(st.sampled_from(["rows", "rows", "distinct", "groups", "window"]))
    if kind == "groups":
        key = draw(st.sampled_from(["v.category", "v.width", "v.motion + 0", "v.video", "v._rowid % 3"]))
        items = ["count(*)", "max(v.video)", key, *(f"max({each})" for each in columns[1:])][:width]
        return f"SELECT {_named(items)} FROM {origin} WHERE {condition} GROUP BY {key}"
    if kind == "window":
        number = "rank() OVER (PARTITION BY v.category ORDER BY v.motion DESC, v.id)"
        return f"SELECT {_named([number, 'v.video', *columns])} FROM {origin} WHERE {condition}"
    word = "DISTINCT " if kind == "distinct" else ""
    return f"SELECT {word}{_named(['v.id', 'v.video', *columns])} FROM {origin} WHERE {condition}"


def _named(items: list[str]) -> str:
    return ", ".join(f"{item} AS c{n}" for n, item in enumerate(items))


@st.composite
def queries(draw: st.DrawFn) -> str:
    width = draw(st.sampled_from([2, 3, 4]))
    text = draw(selects(width))
    if draw(st.integers(0, 3)) == 0:
        word = draw(st.sampled_from(["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL"]))
        text = f"SELECT c0, c1 FROM ({text}) {word} SELECT c0, c1 FROM ({draw(selects(2))})"
        width = 2
    order = draw(st.sampled_from(["", "", "1 DESC", "2 NULLS FIRST"]))
    if order:  # total, so that LIMIT is too
        text += f" ORDER BY {order}, {', '.join(str(n + 1) for n in range(width))}"
        if draw(st.booleans()):
            text += f" LIMIT {draw(st.integers(1, 12))} OFFSET {draw(st.integers(0, 3))}"
    return text


def test_queries_made_by_hypothesis(session: Session, truth: duckdb.DuckDBPyConnection) -> None:
    @settings(max_examples=NUM_EXAMPLES)
    @given(queries())
    def agree(text: str) -> None:
        ordered = " ORDER BY " in text.rsplit(")", 1)[-1]
        query = Query(name="made", text=text, headers={}, oracle=text)
        expected = Rows.of(truth.sql(text.replace("_rowid", "rowid")).to_arrow_table(), MEDIA)
        relation = session.sql(text).to_arrow_table()
        check(
            query, Rows.of(relation, [(each.table, each.column) for each in session.sources]), expected, ordered=ordered
        )
        if expected.rows:
            got, _ = compiled(session, text)
            check(query, got, expected, ordered=ordered)

    agree()
