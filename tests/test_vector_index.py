"""Vector indexes: `ORDER BY similarity(…) DESC LIMIT n` gives the rows that it gives without an index.

- Over an exact index the rows are the same, in order and with ties, for any WHERE, with rows that were deleted, rows
  that were appended after the index was made, and rows whose vector is NULL or has no direction.
- Where the rows that an index gives are not sure to be all that a query can use, the table is read.
- Of an index that is not exact, the recall is measured when it is made, and a query that it serves says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import cutlist
from cutlist import Session, cli
from cutlist.engine import searching
from cutlist.errors import CatalogError, QueryWarning
from cutlist.store import Store, nearest_rows, vector_index

LENGTH = 8
QUERY = "[1, 0.5, -1, 0.2, 0, 0.1, 0.7, -0.3]::FLOAT[8]"
INDEX = "IVF_FLAT index (exact)"


def rows(first: int, count: int) -> pa.Table:
    """Return rows: half of the vectors stand three times among them, some are NULL, some all zeros."""
    rng = np.random.default_rng(first)
    vectors: list[list[float] | None] = rng.standard_normal((count, LENGTH)).astype(np.float32).tolist()
    for i in range(0, count - 2, 6):
        vectors[i + 1] = vectors[i + 2] = vectors[i]
    for i in range(5, count, 20):
        vectors[i] = None if i % 40 == 5 else [0.0] * LENGTH
    ids = range(first, first + count)
    return pa.table(
        {
            "id": ids,
            "v": pa.array(vectors, pa.list_(pa.float32(), LENGTH)),
            "height": pa.array([i * 37 % 1000 for i in ids], pa.int32()),
            "kind": [("cat", "dog", None)[i % 3] for i in ids],
        }
    )


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Return a session over `plain` and, with an exact index and the same rows, `indexed`."""
    root = tmp_path_factory.mktemp("vectors") / "data"
    store = Store.at(root, create=True)
    for name in ("plain", "indexed"):
        store.append(name, rows(0, 2400), message="test")
        if name == "indexed":
            with cutlist.connect(root) as first:
                assert first.index("indexed", "v", recall=1) == INDEX
        store.append(name, rows(2400, 120), message="test")
        store.open(name).dataset.delete("id % 11 = 3")
    views = root.parent / "sql"
    views.mkdir()
    (views / "near.sql").write_text(f"SELECT * FROM indexed ORDER BY similarity(v, {QUERY}) DESC, id LIMIT 12")
    with cutlist.connect(root, views=views) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "FEW_ROWS", 0)  # so that small tables show what large ones do
        yield session


def found(session: Session, query: str) -> list[str]:
    """Return how the rows of the scans of a query were found."""
    return [each for scan in session.explain(query).scans for each in scan.filters]


def over(query: str) -> tuple[str, str]:
    """Return a query over `t` as one over `plain` and one over `indexed`."""
    return re.sub(r"(FROM|JOIN) t\b", r"\1 plain", query), re.sub(r"(FROM|JOIN) t\b", r"\1 indexed", query)


ORDER = f"ORDER BY similarity(v, {QUERY}) DESC, id"


@pytest.mark.filterwarnings("ignore:.* rows of .* have no kind")
@pytest.mark.parametrize(
    "query",
    [
        f"SELECT id FROM t {ORDER} LIMIT 1",
        f"SELECT id FROM t {ORDER} LIMIT 10",
        f"SELECT id, similarity(v, {QUERY}) AS s FROM t ORDER BY s DESC, id DESC LIMIT 25 OFFSET 5",
        f"SELECT id FROM t WHERE height < 50 {ORDER} LIMIT 10",
        f"SELECT id FROM t WHERE height * 2 < 1100 AND kind = 'cat' {ORDER} LIMIT 10",
        f"SELECT id FROM t WHERE kind IS NULL OR id % 7 = 2 {ORDER} LIMIT 10",
        f"SELECT id FROM t WHERE id > 2390 {ORDER} LIMIT 10",
        f"SELECT id FROM t WHERE similarity(v, {QUERY}) < 0.4 {ORDER} LIMIT 10",
        f"SELECT id FROM t WHERE id IN (SELECT id + 1 FROM t WHERE kind = 'dog') {ORDER} LIMIT 10",
        f"SELECT x.id, x.v FROM t AS x WHERE x.height > 3 ORDER BY x.v.similarity({QUERY}) DESC, x.id LIMIT 3",
        "SELECT id FROM t ORDER BY similarity(v, (SELECT v FROM t WHERE id = 12)) DESC, id LIMIT 9",
        f"SELECT max(id) AS m, count(*) AS n FROM (SELECT id FROM t {ORDER} LIMIT 40)",
        f"(SELECT id FROM t {ORDER} LIMIT 4) UNION ALL (SELECT id FROM t WHERE id < 3)",
        f"WITH near AS (SELECT id FROM t {ORDER} LIMIT 4) SELECT a.id, b.height FROM near a JOIN t b USING (id)",
        f"SELECT *, (SELECT count(*) FROM t) AS n FROM t {ORDER} LIMIT 2",
        f"SELECT id, _rowid AS r FROM t WHERE _rowid > 100 {ORDER} LIMIT 5",
        f"FROM t SELECT id, [x * 2 FOR x IN [height]] AS twice {ORDER} LIMIT 5",
    ],
)
def test_an_exact_index_gives_the_rows_that_no_index_gives(session: Session, query: str) -> None:
    one, other = over(query)
    assert any(f"by the {INDEX} of v" in each for each in found(session, other))
    expected = session.sql(one).fetchall()
    assert expected
    assert session.sql(other).fetchall() == expected
    first, second = (session.compile(each).to_polars() for each in (one, other))
    assert first.equals(second)


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT id FROM t {ORDER}",
        f"SELECT id FROM t ORDER BY similarity(v, {QUERY}), id LIMIT 10",
        f"SELECT id FROM t ORDER BY similarity(v, {QUERY}) DESC NULLS FIRST, id LIMIT 10",
        f"SELECT id FROM t ORDER BY height, similarity(v, {QUERY}) DESC, id LIMIT 10",
        f"SELECT id FROM t ORDER BY -similarity(v, {QUERY}) DESC, id LIMIT 10",
        f"SELECT id FROM t ORDER BY abs(similarity(v, {QUERY})) DESC, id LIMIT 10",
        f"SELECT id FROM t ORDER BY v.similarity({QUERY}) IS NULL DESC, id LIMIT 10",
        f"SELECT id, row_number() OVER (ORDER BY id) AS n FROM t {ORDER} LIMIT 10",
        f"SELECT DISTINCT height, round(similarity(v, {QUERY}), 1) AS s FROM t ORDER BY s DESC, height LIMIT 10",
        f"SELECT kind, count(*) AS n FROM t GROUP BY kind, v ORDER BY similarity(v, {QUERY}) DESC, n, kind LIMIT 10",
        f"SELECT a.id FROM t a JOIN t b ON a.id = b.id + 1 ORDER BY similarity(a.v, {QUERY}) DESC, a.id LIMIT 10",
        f"SELECT id, unnest([1, 2]) AS u FROM t {ORDER}, u LIMIT 10",
        f"SELECT id FROM (SELECT * FROM t WHERE id < 50) {ORDER} LIMIT 10",
        "SELECT id, (SELECT b.id FROM t b ORDER BY similarity(b.v, a.v) DESC, b.id LIMIT 1) AS n FROM t a WHERE id < 9",
        f"SELECT id FROM t {ORDER} LIMIT 2400",  # has rows without a vector
        f"SELECT id FROM t WHERE height < 4 {ORDER} LIMIT 30",  # which has fewer
        f"WITH w AS (SELECT 3 AS id) SELECT id FROM t WHERE id > (SELECT max(id) FROM w) {ORDER} LIMIT 10",
    ],
)
def test_what_is_not_sure_reads_the_table(session: Session, query: str) -> None:
    one, other = over(query)
    assert not any("index" in each for each in found(session, other))
    assert session.sql(other).fetchall() == session.sql(one).fetchall()


def test_where_rows_without_a_vector_come_first(session: Session) -> None:
    one, other = over(f"SELECT id FROM t ORDER BY (similarity(v, {QUERY})) DESC, id LIMIT 10")
    try:
        for order in ("nulls_first", "nulls_last_on_asc_first_on_desc", "sqlite", "nulls_last"):
            session.sql(f"SET default_null_order = '{order}'")
            assert session.sql(other).fetchall() == session.sql(one).fetchall()
    finally:
        session.sql("RESET default_null_order")


def test_of_a_few_rows_all_are_compared(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    query = f"SELECT id FROM indexed WHERE height < 50 {ORDER} LIMIT 10"
    with_index = session.sql(query).fetchall()
    monkeypatch.setattr(searching, "FEW_ROWS", 200)
    assert not any("index" in each for each in found(session, query))
    assert session.sql(query).fetchall() == with_index


def test_a_view_is_served_too(session: Session) -> None:
    assert any(INDEX in each for each in found(session, "near"))
    expected = session.sql(f"SELECT id FROM plain {ORDER} LIMIT 12").fetchall()
    assert session.sql("SELECT id FROM near").fetchall() == expected
    assert len(session.compile("near")) == 12


def test_the_conditions_that_lance_takes_are_asked_with_the_vector(session: Session) -> None:
    table = session.tables["indexed"]
    index = vector_index(table, "v")
    assert index is not None
    vector = np.array(json.loads(QUERY.partition("::")[0]), np.float32)
    ids, distances = nearest_rows(table, "v", vector, 5, index, "height < 4")
    known = dict(session.sql(f"SELECT _rowid, similarity(v, {QUERY}) FROM indexed WHERE height < 4").fetchall())
    assert set(ids.tolist()) <= set(known)
    np.testing.assert_allclose([known[i] for i in ids.tolist()], 1 - distances, atol=1e-5)
    assert (np.diff(distances) >= 0).all()


@pytest.mark.parametrize("kind", ["IVF_FLAT", "ivf_pq", "IVF_HNSW_SQ", "IVF_SQ"])
def test_the_recall_of_an_index_is_measured_and_told(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((3000, LENGTH)).astype(np.float32)
    table = pa.table({"id": range(3000), "v": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), LENGTH)})
    Store.at(tmp_path).append("t", table, message="test")
    with cutlist.connect(tmp_path) as session:
        made = session.index("t", "v", kind=kind, recall=0.7, partitions=16)
        index = vector_index(session.tables["t"], "v")
        assert index is not None
        assert (index.kind, index.partitions, made) == (kind.upper(), 16, str(index))
        assert caplog.messages == []  # Lance logs how long it took, as INFO
        assert index.recall is not None
        assert 0.7 <= index.recall <= 1
        assert not index.is_exact
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        shares = []
        for number in range(40, 60):
            query = f"SELECT id FROM t ORDER BY similarity(v, (SELECT v FROM t WHERE id = {number})) DESC, id LIMIT 10"
            best = np.argsort(-(unit @ unit[number]), kind="stable")[:10]
            shares.append(len(np.intersect1d(best, [i for (i,) in session.sql(query).fetchall()])) / 10)
        assert np.mean(shares) > 0.6
        with pytest.warns(
            QueryWarning, match=r"query:1:16: the most similar of t are 100 rows by the .* can miss some; `cut"
        ):
            session.compile("SELECT id FROM t ORDER BY similarity(v, (SELECT v FROM t WHERE id = 7)) DESC, id LIMIT 10")


def test_an_index_that_others_made_is_looked_through(tmp_path: Path) -> None:
    table = Store.at(tmp_path).append("t", rows(0, 1200), message="test")
    table.dataset.create_index("v", "IVF_FLAT", metric="cosine", num_partitions=4)
    with cutlist.connect(tmp_path) as session:
        query = f"SELECT id FROM t {ORDER} LIMIT 10"
        assert any(INDEX in each for each in found(session, query))
        expected = session.sql(f"SELECT id FROM (SELECT * FROM t) {ORDER} LIMIT 10").fetchall()
        assert session.sql(query).fetchall() == expected
    table.dataset.create_index("v", "IVF_FLAT", metric="l2", num_partitions=4, replace=True)
    with cutlist.connect(tmp_path) as session:
        assert session.tables["t"].indexes == {"v": {"IVF_FLAT (other)"}}
        assert not any("index" in each for each in found(session, query))
        assert session.sql(query).fetchall() == expected


def test_an_exact_index_that_others_made_anew_is_looked_through(tmp_path: Path) -> None:
    units = np.random.default_rng(5).standard_normal((6000, LENGTH)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(units.ravel()), LENGTH)
    store = Store.at(tmp_path)
    store.append("t", pa.table({"id": range(6000), "v": vectors}), message="test")
    with cutlist.connect(tmp_path) as session:
        assert session.index("t", "v", recall=1, partitions=1) == INDEX
    store.open("t").dataset.create_index("v", "IVF_FLAT", metric="cosine", num_partitions=20, replace=True)
    table = store.open("t")
    index = vector_index(table, "v")
    assert index is not None
    assert index.is_exact
    for unit in units[:20]:
        distances = nearest_rows(table, "v", unit, 100, index)[1]
        np.testing.assert_allclose(distances, np.sort(1 - units @ unit)[:100], atol=1e-5)


def test_the_command(tmp_path: Path) -> None:
    Store.at(tmp_path).append("t", rows(0, 600), message="test")

    def run(*words: str) -> Any:
        return CliRunner().invoke(cli.app, ["index", "t", *words, "--root", str(tmp_path), "--views", str(tmp_path)])

    done = run("v", "--kind", "ivf_flat", "--recall", "1")
    assert (done.exit_code, done.stdout) == (0, f"t.v: {INDEX}, in version 3\n")
    assert json.loads(run("v", "--partitions", "2", "--json").stdout)["made"].startswith("IVF_FLAT index (")


@pytest.mark.parametrize(
    ("column", "options", "text"),
    [
        ("id", {"kind": "IVF_FLAT"}, r"t.id is of int64; a vector index needs float32 vectors of one length"),
        ("empty", {}, r"t.empty has no vector in any row; index it when it has, `cutlist backfill t`"),
        ("v", {"recall": 2}, r"recall 2: expected a share in \(0, 1\], like 0.99; 1 looks at everything"),
        ("v", {"partitions": 1000}, r"1000 partitions for 5\d\d rows with a v; expected 1 to 5\d\d"),
        (
            "id",
            {"kind": "BTREE", "recall": 0.5},
            r"recall and partitions are of vector indexes, IVF_FLAT, .*; not of BTREE",
        ),
        ("id", {"kind": "IVFFLAT"}, r'no index of kind "IVFFLAT"; did you mean "IVF_FLAT"\? There are BTREE, BITMAP'),
        ("half", {"kind": "IVF_FLAT"}, r"t.half is a media column, which has no index; index its embeddings"),
    ],
)
def test_an_index_that_cannot_be_is_refused(tmp_path: Path, column: str, options: dict[str, Any], text: str) -> None:
    half = pa.array([[0.5]] * 600, pa.list_(pa.float16(), 1))
    empty = pa.nulls(600, pa.list_(pa.float32(), 2))
    table = rows(0, 600).append_column("half", half).append_column("empty", empty)
    Store.at(tmp_path).append("t", table, message="test")
    with cutlist.connect(tmp_path) as session, pytest.raises(CatalogError, match=text):
        session.index("t", column, **options)
