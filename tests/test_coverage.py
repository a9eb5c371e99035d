"""Rows that a condition drops because a column is NULL are counted and told (I8), with the place of the condition.

- The counts are those of the version that is read, deleted rows left out; told when compiled and when found again.
- `IS NOT NULL` says that it is meant. A column without NULLs is not told of.
- In a view the place is in the view's file.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest

import cutlist
from cutlist import Session
from cutlist.errors import QueryWarning
from cutlist.store import Store, blob_array, blob_field

NUM_ROWS = 24


def write(root: Path) -> Store:
    """Write `t`: 24 rows, of which 4 are deleted, one with and three without `c`; `full` has no NULL any more."""
    rows = pa.table(
        {
            "id": range(NUM_ROWS),
            "c": pa.array([None if i % 3 == 0 else i / 2 for i in range(NUM_ROWS)]),
            "word": pa.array([None if i % 4 == 0 else f"w{i % 5}" for i in range(NUM_ROWS)]),
            "full": list(range(NUM_ROWS)),
            "was": pa.array([None if i == 6 else i for i in range(NUM_ROWS)]),
            "Odd Name": pa.array([None] * 3 + [1] * (NUM_ROWS - 3)),
        }
    ).append_column(blob_field("image", "image"), blob_array([None if i % 2 else b"x" for i in range(NUM_ROWS)]))
    store = Store(root=str(root))
    for part in range(3):
        store.append("t", rows.slice(part * 8, 8), message="test")
    lance.dataset(store.uri("t")).delete("id IN (3, 6, 9, 10)")
    return store


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with cutlist.connect(root, views=root) as opened:
        yield opened


def said(session: Session, query: str) -> list[str]:
    """Return the warnings of a query, which are the same when it is found again."""
    found = []
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            session.compile(query)
        assert all(each.category is QueryWarning for each in caught)
        found.append([str(each.message) for each in caught])
    assert found[0] == found[1]
    return found[0]


def message(place: str, count: int, column: str, condition: str) -> str:
    return (
        f"{place}: {count} of 20 rows of t have no {column} and are dropped by `{condition}`; "
        f"to say that this is meant, add `{column} IS NOT NULL`"
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT id FROM t WHERE c > 1", [("query:1:24", 5, "c", "c > 1")]),
        ("SELECT id FROM t AS x WHERE x.C > 1", [("query:1:29", 5, "c", "x.C > 1")]),
        ("SELECT id FROM t WHERE c > 1 AND c < 9", [("query:1:24", 5, "c", "c > 1")]),
        (
            "SELECT id FROM t WHERE c > 1\n  AND word LIKE 'w%'",
            [("query:1:24", 5, "c", "c > 1"), ("query:2:7", 6, "word", "word LIKE 'w%'")],
        ),
        ("SELECT id FROM t WHERE NOT (c < 1)", [("query:1:29", 5, "c", "NOT (c < 1)")]),
        ("SELECT id FROM t WHERE c BETWEEN 1 AND 5", [("query:1:24", 5, "c", "c BETWEEN 1 AND 5")]),
        ("SELECT id FROM t WHERE word IN ('w1', 'w2')", [("query:1:24", 6, "word", "word IN ('w1', 'w2')")]),
        ("SELECT a.id FROM t AS a JOIN t AS b ON a.id = b.c", [("query:1:47", 5, "c", "a.id = b.c")]),
        ("WITH x AS (SELECT id FROM t WHERE c > 1) SELECT id FROM x", [("query:1:35", 5, "c", "c > 1")]),
        ("SELECT id FROM (SELECT * FROM t WHERE c > 1) WHERE id > 3", [("query:1:39", 5, "c", "c > 1")]),
        (
            "SELECT id FROM t WHERE c > 1 UNION ALL SELECT id FROM t WHERE c > 2",
            [("query:1:24", 5, "c", "c > 1"), ("query:1:63", 5, "c", "c > 2")],
        ),
    ],
)
def test_dropped_rows_are_counted(session: Session, query: str, expected: list[tuple[str, int, str, str]]) -> None:
    assert said(session, query) == [message(*each) for each in expected]


def test_a_name_that_needs_quotes(session: Session) -> None:
    (found,) = said(session, 'SELECT id FROM t WHERE "Odd Name" = 1')
    assert found.startswith('query:1:24: 3 of 20 rows of t have no Odd Name and are dropped by `"Odd Name" = 1`')


def test_the_remedy_can_be_typed(session: Session) -> None:
    query = 'SELECT id FROM t WHERE "Odd Name" > 0'
    (found,) = said(session, query)
    remedy = re.search(r"add `(.*)`$", found)
    assert remedy is not None
    assert said(session, f"{query} AND {remedy[1]}") == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM t WHERE c > 1 AND c IS NOT NULL",
        "SELECT id FROM t WHERE c IS NOT NULL AND NOT (c < 1)",
        "SELECT id FROM t AS x WHERE x.c > 1 AND c IS NOT NULL",
        "SELECT id FROM t WHERE c > 1 AND c NOTNULL",
        "SELECT id FROM t WHERE c > 1 OR c IS NULL",
        "SELECT id FROM t WHERE coalesce(c, 0) > 1",
        "SELECT id FROM t WHERE c IS NULL",
        "SELECT id FROM t WHERE c IS DISTINCT FROM 1",
        "SELECT id FROM t WHERE c > 1 OR id > 3",
        "SELECT id FROM t WHERE id > 3",
        'SELECT id FROM t WHERE "full" > 3',
        "SELECT id FROM t WHERE was > 3",  # the only NULL was in a row that is deleted
        "SELECT id FROM t WHERE CASE WHEN c IS NULL THEN true ELSE c > 1 END",
        "SELECT a.id FROM t AS a LEFT JOIN t AS b ON a.id = b.c",
        "SELECT count(*) FILTER (c > 1) AS n FROM t",
        "SELECT id, c > 1 AS big FROM t",
        "SELECT id, image FROM t WHERE image IS NOT NULL",
    ],
)
def test_silent(session: Session, query: str) -> None:
    assert said(session, query) == []


def test_a_view_has_its_own_place(root: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.sql").write_text("-- those with c\nSELECT id, word\nFROM t\nWHERE c > 1\n")
    (tmp_path / "meant.sql").write_text("SELECT id FROM t WHERE c > 1 AND c IS NOT NULL")
    with cutlist.connect(root, views=tmp_path) as session:
        for query in ("kept", "FROM kept", "SELECT id FROM kept WHERE id > 3"):
            assert said(session, query) == [message(f"{tmp_path}/kept.sql:4:7", 5, "c", "c > 1")]
        assert said(session, "FROM meant") == []


def test_the_warning_is_that_of_the_caller(session: Session) -> None:
    with pytest.warns(QueryWarning, match=r"query:1:24: 5 of 20 rows of t have no c") as caught:
        session.compile("SELECT id FROM t WHERE c > 7")
    assert [each.filename for each in caught] == [__file__]


def test_as_an_error_it_leaves_the_selection_saved(session: Session) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(QueryWarning, match="5 of 20 rows of t have no c"):
            session.compile("SELECT id FROM t WHERE c > 8")
    assert said(session, "SELECT id FROM t WHERE c > 8")


def test_places_are_those_of_the_text(session: Session) -> None:
    assert said(session, "SELECT id FROM t WHERE c > 2")[0].startswith("query:1:24: ")
    assert said(session, "SELECT id\nFROM t\nWHERE c > 2")[0].startswith("query:3:7: ")


def test_a_version_that_came_later_has_its_own_counts(tmp_path: Path) -> None:
    store = write(tmp_path)
    query = "SELECT id FROM t WHERE c > 1"
    with cutlist.connect(tmp_path) as session:
        assert "5 of 20 rows" in said(session, query)[0]
        store.append("t", pa.table({"id": [100], "c": pa.array([None], pa.float64())}), message="test")
        assert "5 of 20 rows" in said(session, query)[0]
        session.refresh()
        assert "6 of 21 rows" in said(session, query)[0]
        lance.dataset(store.uri("t")).update({"c": "0.5"}, where="c IS NULL")
        session.refresh()
        assert said(session, query) == []


def test_thousands_have_commas(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    store.append("t", pa.table({"c": pa.array([None if i % 2 else i for i in range(5000)])}), message="test")
    with cutlist.connect(tmp_path) as session:
        assert said(session, "SELECT c FROM t WHERE c > 1")[0].startswith("query:1:23: 2,500 of 5,000 rows of t have")
