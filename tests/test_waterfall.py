"""What each condition of a query drops, against DuckDB over plain copies, one count at a time.

- Conditions are taken apart where DuckDB's own parser does.
- Kept alone, left in order, dropped by one alone, NULL: each equals a count of its own. The last one left is the count
  of the query.
- Through views; with aliases, subqueries, errors on rows that another condition drops, joins, versions and `_rowid`.
- What cannot be taken apart is refused, or said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.test_cli import run

import cutlist
from cutlist import Session
from cutlist.cli.waterfall import bar
from cutlist.compiler import parse
from cutlist.compiler.conditions import parts_of
from cutlist.errors import QueryError
from cutlist.store import Store

if TYPE_CHECKING:
    from cutlist.answers.waterfall import Waterfall

NUM_ROWS = 210


def rows() -> pa.Table:
    """Return 210 rows: of each 7 `a` is NULL in one, of each 2 `s` is no number in one."""
    return pa.table(
        {
            "id": range(NUM_ROWS),
            "a": pa.array([None if i % 7 == 0 else i for i in range(NUM_ROWS)]),
            "b": [i % 5 for i in range(NUM_ROWS)],
            "s": [str(i) if i % 2 else f"x{i}" for i in range(NUM_ROWS)],
            "flag": pa.array([None if i % 11 == 0 else i % 3 == 0 for i in range(NUM_ROWS)]),
        }
    )


VIEWS = {
    "low": "-- those with a\nSELECT *, a * 2 AS twice\nFROM t\nWHERE a > 20 AND twice < 300",
    "high": "FROM low AS l WHERE b BETWEEN 1 AND 3\n  AND (flag OR l.id % 2 = 0)",
    "top": "SELECT id FROM high WHERE id <> 33",
    "whole": "SELECT id, b, COLUMNS(* EXCLUDE (id, b)) IS NULL FROM low WHERE b < 4",
    "given": "FROM t WHERE COLUMNS(* EXCLUDE (s)) IS NOT NULL",
    "few": "FROM t WHERE b > 1 ORDER BY id LIMIT 50",
    "some": "SELECT DISTINCT b FROM t WHERE b > 1",
    "numbers": "SELECT id, s::INTEGER AS n FROM t WHERE s NOT LIKE 'x%'",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    store = Store(root=str(folder))
    store.append("t", rows(), message="test")
    store.append("u", pa.table({"t_id": [1, 1, 2, 300], "word": ["x", "y", "z", None]}), message="test")
    store.append("u", pa.table({"t_id": [5], "word": ["later"]}), message="test")
    (folder / "views").mkdir()
    for name, text in VIEWS.items():
        (folder / "views" / f"{name}.sql").write_text(text)
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with cutlist.connect(root, views=root / "views") as opened:
        yield opened


@pytest.fixture(scope="module")
def oracle() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("t", rows())
    return connection


def counts(found: Waterfall) -> list[tuple[int, int, int, int]]:
    return [(each.num_kept, each.num_left, each.num_only, each.num_null) for each in found.drops]


def expected(oracle: duckdb.DuckDBPyConnection, source: str, conditions: list[str]) -> list[tuple[int, ...]]:
    """Return the counts, by a query for each."""

    def count(*kept: str) -> int:
        where = " AND ".join(f"({each})" for each in kept) or "true"
        return int(oracle.execute(f"SELECT count(*) FROM {source} WHERE {where}").fetchall()[0][0])

    return [
        (
            count(each),
            count(*conditions[: i + 1]),
            count(*conditions[:i], *conditions[i + 1 :]) - count(*conditions),
            count(f"({each}) IS NULL"),
        )
        for i, each in enumerate(conditions)
    ]


# -- taking apart -----------------------------------------------------------------------------------------------------

COLUMN = st.sampled_from(["a", "b", "id", "flag::INTEGER"])
ATOM = st.one_of(
    st.builds("{} {} {}".format, COLUMN, st.sampled_from(["<", ">", "=", "<>", "IS DISTINCT FROM"]), st.integers(0, 9)),
    st.builds("{} BETWEEN {} AND {}".format, COLUMN, st.integers(0, 50), st.integers(30, 200)),
    st.builds("{} NOT BETWEEN CASE WHEN b > 1 AND flag THEN 1 ELSE 3 END AND {}".format, COLUMN, st.integers(3, 9)),
    st.builds("{} IN ({}, {})".format, COLUMN, st.integers(0, 9), st.integers(0, 9)),
    st.builds("{} IS NOT NULL".format, COLUMN),
    st.sampled_from(["flag", "NOT flag", "s LIKE 'x%'", "s NOT LIKE '%1' /* AND */", '"a" > 3 -- AND\n', "NULL"]),
    st.sampled_from(["id IN (SELECT b FROM t WHERE b > 1 AND flag)", "list_has_any([b], [1, 2])", "coalesce(a, 0)"]),
)
CONDITION = st.recursive(
    ATOM,
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("NOT ({})".format, inner),
        st.builds("{}\n  OR {}".format, inner, inner),
        st.builds("{} AND {}".format, inner, inner),
    ),
    max_leaves=8,
)


def parsed(oracle: duckdb.DuckDBPyConnection, where: str) -> Any:
    """Return DuckDB's tree of a condition, without the places in it."""
    text = oracle.execute("SELECT json_serialize_sql(?)", [f"SELECT 1 WHERE {where}"]).fetchall()[0][0]

    def bare(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: bare(value) for key, value in node.items() if not key.startswith("query_location")}
        return [bare(each) for each in node] if isinstance(node, list) else node

    return bare(json.loads(text)["statements"][0]["node"]["where_clause"])


def flat(tree: Any) -> list[Any]:
    """Return what AND joins, at any depth."""
    if tree["type"] != "CONJUNCTION_AND":
        return [tree]
    return [each for child in tree["children"] for each in flat(child)]


@settings(max_examples=150, deadline=None)
@given(CONDITION)
def test_conditions_are_those_of_duckdb(oracle: duckdb.DuckDBPyConnection, where: str) -> None:
    text = f"SELECT id FROM t WHERE {where}"
    parts = parts_of(parse(text))
    assert parts is not None
    pieces = [parsed(oracle, text[slice(*each.span)]) for each in parts.conditions]
    assert [one for piece in pieces for one in flat(piece)] == flat(parsed(oracle, where))
    assert all(len(flat(piece)) == 1 for piece in pieces)


@pytest.mark.parametrize(
    ("query", "conditions", "after"),
    [
        ("FROM t WHERE a AND b", ["a", "b"], ()),
        ("FROM t SELECT a WHERE b IS DISTINCT FROM c AND d", ["b IS DISTINCT FROM c", "d"], ()),
        ("SELECT a IS DISTINCT FROM b AS x FROM t WHERE c", ["c"], ()),
        ("(SELECT a FROM t WHERE b AND c)", ["b", "c"], ()),
        ("WITH x AS (SELECT 1 WHERE true AND false) SELECT a FROM x WHERE b", ["b"], ()),
        ("SELECT DISTINCT ON (a, b) a, FROM t WHERE b QUALIFY c LIMIT 1", ["b"], ("QUALIFY", "DISTINCT", "LIMIT")),
        ("SELECT max(a), FROM t WHERE x ORDER BY b", ["x"], ("an aggregate",)),
        ("SELECT max(a) OVER (), unnest(b) FROM t WHERE x", ["x"], ("a window function", "unnest()")),
        ("SELECT (SELECT max(a) FROM u) AS m FROM t WHERE x", ["x"], ()),
        ("SELECT a FROM t WHERE a -> 'k' = 1 AND b", ["a -> 'k' = 1 AND b"], ()),
        ("SELECT a FROM t WHERE m.end = 1 AND m.case", ["m.end = 1", "m.case"], ()),
        ("SELECT a FROM t", [], ()),
    ],
)
def test_parts_of_a_select(query: str, conditions: list[str], after: tuple[str, ...]) -> None:
    parts = parts_of(parse(query))
    assert parts is not None
    assert ([each.text for each in parts.conditions], parts.after) == (conditions, after)


# -- counting ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(CONDITION, min_size=1, max_size=5))
def test_counts_equal_those_of_queries_of_their_own(
    session: Session, oracle: duckdb.DuckDBPyConnection, conditions: list[str]
) -> None:
    query = "SELECT id FROM t WHERE " + " AND ".join(f"({each})" for each in conditions)
    found = session.waterfall(query)
    assert found.num_rows == NUM_ROWS
    assert counts(found) == expected(oracle, "t", [each.condition for each in found.drops])
    assert found.num_left == oracle.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]


@pytest.mark.parametrize(
    "query",
    [
        *(name for name in VIEWS if name != "given"),
        "SELECT id FROM t WHERE a > 30 AND id IN (SELECT t_id FROM u WHERE word IS NOT NULL)",
        "SELECT id FROM t WHERE a > 30 AND EXISTS (FROM u WHERE u.t_id < t.b)",
        "SELECT s FROM t WHERE s NOT LIKE 'x%' AND s::INTEGER > 100",
        "SELECT 100 // b AS q FROM t WHERE b <> 0 AND q > 25",
        "SELECT t.id FROM t LEFT JOIN u ON u.t_id = t.id WHERE word IS NULL OR word <> 'x'",
        "SELECT t.id FROM t, u WHERE t.id = u.t_id AND t.b < 2 AND word <> 'x'",
        "SELECT id FROM given WHERE b > 1",
        "SELECT id FROM low WHERE hash(low) % 2 = 0 AND b > 1",
        "SELECT id FROM low AS l WHERE hash(l) % 2 = 0 AND b > 1",
        "SELECT id FROM low WHERE len(struct_keys(struct_pack(*))) = 6 AND b > 1",
        "SELECT id FROM whole WHERE b > 1",
        "SELECT id FROM t, u WHERE id = t_id AND b < 2",
        "SELECT id FROM t, unnest([1, 2, 3]) AS n(x) WHERE t.b = n.x AND id > 20",
        "SELECT a * 2 AS twice FROM t WHERE id IN (SELECT t_id FROM u WHERE t_id < twice) AND b < 4",
        "SELECT * EXCLUDE (a) FROM low WHERE sample(id, 0.5)",
        "SELECT _rowid AS r FROM t WHERE _rowid > 30 AND b = 1",
        "SELECT * FROM u AT (VERSION => 1) WHERE t_id < 100",
        "WITH w AS (FROM low WHERE b > 1) SELECT id FROM w WHERE id > 50",
        "SELECT id FROM numbers WHERE n > 100",
        "SELECT id FROM few AS f WHERE id > 20 AND f.b = 2",
    ],
)
def test_the_last_one_left_is_the_count_of_the_query(session: Session, query: str) -> None:
    found = session.waterfall(query)
    relation = session.sql(VIEWS.get(query, query))
    if not any("counted are the rows" in note for note in found.notes):
        assert found.num_left == len(relation.fetchall())
    assert [each.num_left for each in found.drops] == sorted((each.num_left for each in found.drops), reverse=True)


def test_a_view_of_views_has_the_innermost_first(
    session: Session, oracle: duckdb.DuckDBPyConnection, root: Path
) -> None:
    found = session.waterfall("top")
    assert [(each.place.removeprefix(f"{root}/views/"), each.condition) for each in found.drops] == [
        ("low.sql:4:7", "a > 20"),
        ("low.sql:4:18", "twice < 300"),
        ("high.sql:1:21", "b BETWEEN 1 AND 3"),
        ("high.sql:2:7", "(flag OR l.id % 2 = 0)"),
        ("top.sql:1:27", "id <> 33"),
    ]
    plain = ["a > 20", "a * 2 < 300", "b BETWEEN 1 AND 3", "flag OR id % 2 = 0", "id <> 33"]
    assert counts(found) == expected(oracle, "t", plain)
    assert found.notes == ()


def test_null_is_not_false(session: Session) -> None:
    (drop,) = session.waterfall("SELECT id FROM t WHERE a > 104").drops
    assert (drop.num_kept, drop.num_only, drop.num_null) == (90, 120, 30)


def test_errors_on_rows_that_another_condition_drops_are_null(session: Session) -> None:
    found = session.waterfall("SELECT s FROM t WHERE s NOT LIKE 'x%' AND s::INTEGER > 100")
    assert counts(found) == [(105, 105, 0, 0), (55, 55, 50, 105)]
    (note,) = found.notes
    assert note.startswith(
        "query: a condition fails on rows that another one drops, and counts as NULL there: Conversion"
    )


def test_a_view_that_computes_what_fails_is_left_whole(session: Session, root: Path) -> None:
    found = session.waterfall("SELECT id FROM numbers WHERE n > 100")
    assert (found.num_rows, counts(found)) == (105, [(55, 55, 50, 0)])
    assert found.notes == (
        f"{root}/views/numbers.sql: the conditions of numbers cannot be evaluated on the rows that it drops",
    )


def test_what_is_not_looked_into_is_said(session: Session, root: Path) -> None:
    found = session.waterfall("SELECT id FROM few WHERE id > 20")
    assert found.num_rows == 50
    assert found.notes == (f"{root}/views/few.sql: the conditions of few are not looked into: it has LIMIT",)
    found = session.waterfall("SELECT id FROM whole WHERE b > 1")
    assert [each.condition for each in found.drops] == ["b < 4", "b > 1"]
    (note,) = found.notes
    folder = f"{root}/views"
    assert (
        note
        == f"{folder}/low.sql: the conditions of low are not looked into: {folder}/whole.sql uses all of its "
        + ("columns at once")
    )
    (note,) = session.waterfall("some").notes
    assert note == f"{root}/views/some.sql: counted are the rows that WHERE leaves, before DISTINCT"
    found = session.waterfall("SELECT t.id FROM t, u WHERE t.id = u.t_id AND t.b < 2")
    assert (found.num_rows, counts(found)) == (4, [(3, 3, 1, 0)])
    (note,) = found.notes
    assert note == "query:1:29: t.id = u.t_id says which rows belong together, so it counts as part of FROM"
    assert session.waterfall("SELECT id FROM t, u WHERE id = t_id AND b < 2").num_rows == 4
    unnested = session.waterfall("SELECT id FROM t, unnest([1, 2, 3]) AS n(x) WHERE t.b = n.x AND id > 20")
    assert (unnested.num_rows, len(unnested.drops), unnested.notes) == (3 * NUM_ROWS, 2, ())


def test_without_where_every_row_is_kept(session: Session) -> None:
    found = session.waterfall("t")
    assert (found.num_rows, found.num_left, found.drops) == (NUM_ROWS, NUM_ROWS, ())
    assert found.notes == ("query: no WHERE, so every row is kept",)


@pytest.mark.parametrize(
    ("query", "match"),
    [
        (
            "SELECT id FROM t WHERE b UNION SELECT t_id FROM u",
            r"query: no WHERE to take apart here: expected SELECT … FROM",
        ),
        ("SELECT 1 AS one", "no WHERE to take apart here"),
        ("SELECT nope FROM t WHERE b > 1", r'query:1:8: no column "nope" in t'),
        ("SELECT id FROM t WHERE random() < 0.5", r"query:1:24: random\(\) differs in every run"),
        ("SELECT s FROM t WHERE s NOT LIKE 'x%' AND s::INTEGER > (SELECT max(b) FROM t)", "Could not convert string"),
        ("given", r"given.sql:1:14: COLUMNS in a WHERE is a condition for each column; write those"),
        ("nothing", 'no table or view "nothing"'),
    ],
)
def test_what_cannot_be_counted_is_refused(session: Session, query: str, match: str) -> None:
    with pytest.raises(QueryError, match=match):
        session.waterfall(query)


# -- showing ----------------------------------------------------------------------------------------------------------


def test_the_command_prints_every_count(root: Path) -> None:
    places = ["--root", str(root), "--views", str(root / "views")]
    said = run("waterfall", "top", *places).splitlines()
    assert said[0].split() == ["left", "kept", "alone", "only", "it", "drops", "NULL"]
    assert said[1].startswith(" 210  █") or said[1].split()[0] == "210"
    assert [line.strip().partition("  ")[0] for line in said[2::2][:5]] == [
        *("a > 20", "twice < 300", "b BETWEEN 1 AND 3", "(flag OR l.id % 2 = 0)", "id <> 33")
    ]
    assert said[-1].endswith("%)")
    again = json.loads(run("waterfall", "top", "--json", *places))
    assert list(again) == ["sql", "num_rows", "drops", "notes", "num_left"]
    assert f"{again['num_left']} of 210 rows are left" in said[-1]
    assert [str(each["num_kept"]) for each in again["drops"]] == [line.split()[-3] for line in said[3::2][:5]]


def test_a_bar_is_as_long_as_its_share() -> None:
    assert [bar(part, 16, 2) for part in (16, 8, 1, 0)] == ["██", "█", "▏", ""]
    assert bar(0, 0, 2) == ""
