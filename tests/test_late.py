"""What is deferred: only columns that nothing but the output uses.

- Every query of `tests/sql/late` says which columns of its tables are late; `-- name: SELECT …` is a view.
- The oracle is DuckDB: a query over the tables has the rows that it has over tables where each late column is a
  reference, once the references in the result are replaced by their values. References compare, sort and group
  otherwise than values do, and NULL has a reference too.
- So it is for queries that hypothesis makes from a grammar that has every clause of the fixtures.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from tests.tables import Query, load_queries

from cutlist.compiler.late import late_columns
from cutlist.compiler.names import table_names
from cutlist.compiler.text import parse
from cutlist.errors import QueryError

NUM_EXAMPLES = 100

WIDE = {
    "videos": frozenset({"embedding"}),
    "images": frozenset({"embedding"}),
    "documents": frozenset({"text"}),
}
# embeddings are lists here: DuckDB 2.0.0 itself loses arrays that are NULL behind a LEFT JOIN with a filtered side
TABLES = {
    "videos": """(VALUES
        (1, 'film', 0.5, [3, 3, 3, 3]::FLOAT[]), (2, 'sport', NULL, [1, 0, 0, 0]), (3, NULL, 2.5, NULL),
        (4, 'film', -1.0, [3, 3, 3, 3]), (5, 'game', 1.0, [0, 9, 0, 0]), (6, 'film', 0.5, NULL)
        ) AS t(id, category, score, embedding)""",
    "images": """(VALUES
        (1, 1, [1, 0, 0, 0]::FLOAT[]), (2, 1, [3, 3, 3, 3]), (3, 2, NULL), (4, NULL, [5, 5, 5, 5]),
        (5, 4, [3, 3, 3, 3])
        ) AS t(id, video_id, embedding)""",
    "documents": """(VALUES
        (1, 1, 'a', 'four'), (2, 2, 'b', 'words'), (3, 2, NULL, 'four'), (4, 9, 'd', NULL), (5, 5, 'a', 'z')
        ) AS t(id, video_id, title, text)""",
    "numbers": "(VALUES (1), (2), (5)) AS t(id)",
}
QUERIES = load_queries("late")
SOURCES = [(table, column) for table, columns in WIDE.items() for column in sorted(columns)]


def views_of(query: Query) -> dict[str, str]:
    return {name: text for name, text in query.headers.items() if name != "late"}


def late(text: str, views: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    return late_columns(parse(text), {name: parse(view, name) for name, view in views.items()}, WIDE)


@pytest.mark.parametrize("query", [pytest.param(query, id=query.name) for query in QUERIES])
def test_what_is_late(query: Query) -> None:
    views = views_of(query)
    named = {each.name.lower() for text in (query.text, *views.values()) for each in table_names(parse(text))}
    found = late(query.text, views)
    got = {f"{table}.{column}" for table in named & found.keys() for column in found[table]}
    assert got == set(query.headers["late"].split(", ")) - {"none"}


class Databases:
    """DuckDB with the tables as they are, and with references for late columns."""

    def __init__(self) -> None:
        self.plain = duckdb.connect(config={"python_enable_replacements": "false"})
        self.deferred = duckdb.connect(config={"python_enable_replacements": "false"})
        for name, rows in TABLES.items():
            self.plain.execute(f"CREATE TABLE {name} AS FROM {rows}")
            self.deferred.execute(f'CREATE TABLE "{name} as it is" AS FROM {rows}')
        self.values = [
            dict(self.plain.sql(f"SELECT rowid, {column} FROM {table}").fetchall()) for table, column in SOURCES
        ]

    def rows(self, text: str, views: Mapping[str, str]) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the tables as they are."""
        with self.plain.cursor() as cursor:
            return self._run(cursor, text, views)

    def rows_read_later(
        self, text: str, views: Mapping[str, str], late: Mapping[str, frozenset[str]]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query over references, with their values in their place."""
        with self.deferred.cursor() as cursor:
            for name in TABLES:
                columns = [
                    f"{{'source': {number}, 'row': rowid * 7 % 11, 'at': rowid}} AS {column}"
                    for number, (table, column) in enumerate(SOURCES)
                    if table == name and column in late.get(name, ())
                ]
                replaced = f" REPLACE ({', '.join(columns)})" if columns else ""
                cursor.execute(f'CREATE TEMP VIEW {name} AS SELECT *{replaced} FROM "{name} as it is"')
            return [tuple(map(self._resolved, row)) for row in self._run(cursor, text, views)]

    def _run(self, cursor: duckdb.DuckDBPyConnection, text: str, views: Mapping[str, str]) -> list[tuple[Any, ...]]:
        for name, view in views.items():
            cursor.execute(f"CREATE TEMP VIEW {name} AS {view}")
        return cursor.sql(text).fetchall()

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, dict) and tuple(value) == ("source", "row", "at"):
            return self.values[value["source"]][value["at"]]
        return value


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    made = Databases()
    yield made
    made.plain.close()
    made.deferred.close()


def bag(rows: list[tuple[Any, ...]]) -> Counter[str]:
    return Counter(map(repr, rows))


@pytest.mark.parametrize("query", [pytest.param(query, id=query.name) for query in QUERIES])
def test_late_values_are_the_same(databases: Databases, query: Query) -> None:
    views = views_of(query)
    expected = databases.rows(query.text, views)
    assert bag(databases.rows_read_later(query.text, views, late(query.text, views))) == bag(expected)


def test_a_name_that_is_not_ascii_is_read_now() -> None:
    query = parse('SELECT "Größe" FROM t')
    assert late_columns(query, {}, {"t": frozenset({"Größe"})}) == {}


def test_names_come_back_as_they_were_given() -> None:
    query = parse("SELECT clip_embedding FROM videos")
    wide = {"Videos": frozenset({"Clip_Embedding", "TEXT"})}
    assert late_columns(query, {}, wide) == wide


def test_without_candidates_nothing_is_late() -> None:
    assert late_columns(parse("FROM t"), {}, {}) == {}


# Queries made by hypothesis: (text, columns), where the names of columns are those that DuckDB gives

COLUMNS = {
    "videos": ["id", "category", "score", "embedding"],
    "images": ["id", "video_id", "embedding"],
    "documents": ["id", "video_id", "title", "text"],
    "numbers": ["id"],
}
ALIASES = ("a", "b", "e", "id", "t", "videos", "embedding", "embedding_1", "text", "x")
Relation = tuple[str, list[str]]


def _unique(columns: list[str]) -> list[str]:
    """Return names of columns as those of a subquery: a second one of a name gets a number."""
    seen: dict[str, int] = {}
    names = []
    for each in columns:
        count = seen.get(each, 0)
        seen[each] = count + 1
        names.append(f"{each}_{count}" if count else each)
    return names


@st.composite
def relations(draw: st.DrawFn, known: dict[str, list[str]], depth: int) -> Relation:
    """Return what can stand in FROM, without an alias."""
    if depth and draw(st.integers(0, 2)) == 0:
        text, columns = draw(queries(known, depth - 1))
        return f"({text})", _unique(columns)
    name = draw(st.sampled_from([*known, "videos", "videos"]))
    return name, known[name]


@st.composite
def expressions(draw: st.DrawFn, columns: list[str], known: dict[str, list[str]], row: str, depth: int) -> str:
    """Return an expression that may look at any column, by its name or otherwise."""
    column = draw(st.sampled_from(columns))
    forms = [
        f"hash({column})",
        f"{column} IS NULL",
        f"{column}::VARCHAR",
        f"[{column}]",
        f"{{k: {column}}}",
        f"coalesce({column}, NULL)",
        f"CASE WHEN {column} IS NOT NULL THEN 1 END",
        f"({column})",
        f"max({column}) OVER (ORDER BY {draw(st.sampled_from(columns))})",
        f"{column}.hash()",
        f"list_transform([1], lambda x: {column})",
        "(SELECT count(*) FROM images)",
        "1",
    ]
    rare = [row, f"hash({row})", f"{row}.to_json()", f"max(COLUMNS('{column[:1]}.*')) OVER ()"]
    if draw(st.integers(0, 5)) == 0:
        forms = rare
    if depth and draw(st.integers(0, 4)) == 0:
        text, _ = draw(queries(known, 0))
        forms = [f"EXISTS ({text})", f"({text})", f"{column} IN ({text})", f"ARRAY({text})"]
    return draw(st.sampled_from(forms))


@st.composite
def stars(draw: st.DrawFn, columns: list[str], row: str) -> tuple[str, list[str]]:
    """Return a star and the columns that it gives."""
    prefix = draw(st.sampled_from(["", f"{row}."]))
    column, alias = draw(st.sampled_from(columns)), draw(st.sampled_from(ALIASES))
    kind = draw(st.sampled_from(["", "", "EXCLUDE", "RENAME", "REPLACE", "LIKE"]))
    if kind == "EXCLUDE":
        return f"{prefix}* EXCLUDE ({column})", [each for each in columns if each != column] or columns
    if kind == "RENAME":
        return f"{prefix}* RENAME ({column} AS {alias})", [alias if each == column else each for each in columns]
    if kind == "REPLACE":
        value = draw(st.sampled_from([f"hash({column})", draw(st.sampled_from(columns)), "1"]))
        return f"{prefix}* REPLACE ({value} AS {column})", columns
    if kind == "LIKE":
        return f"* LIKE '{column[:2]}%'", [each for each in columns if each.startswith(column[:2])] or columns
    return f"{prefix}*", columns


@st.composite
def items(draw: st.DrawFn, columns: list[str], row: str, known: dict[str, list[str]], depth: int) -> Relation:
    """Return the list of a SELECT and the columns that it gives."""
    texts: list[str] = []
    names: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["column", "column", "alias", "alias", "star", "star", "expression"]))
        column, alias = draw(st.sampled_from(columns)), draw(st.sampled_from(ALIASES))
        if kind == "column":
            texts.append(draw(st.sampled_from([column, f"{row}.{column}"])))
            names.append(column)
        elif kind == "alias":
            texts.append(
                draw(st.sampled_from([f"{column} AS {alias}", f"{alias}: {column}", f"{row}.{column} {alias}"]))
            )
            names.append(alias)
        elif kind == "star":
            text, given_ = draw(stars(columns, row))
            texts.append(text)
            names += given_
        else:
            texts.append(f"{draw(expressions(columns, known, row, depth))} AS {alias}")
            names.append(alias)
    return ", ".join(texts), names


@st.composite
def queries(draw: st.DrawFn, known: dict[str, list[str]], depth: int) -> Relation:
    """Return a query and the columns that it gives; it may use any of the relations that are known."""
    known = dict(known)
    ctes = ""
    if depth and draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(["c", "videos", "embedding"]))
        text, columns = draw(queries(known, depth - 1))
        known[name] = _unique(columns)
        if draw(st.integers(0, 4)) == 0:
            known[name] = [f"k{number}" for number in range(len(columns))]
            name_and_columns = f"{name}({', '.join(known[name])})"
        else:
            name_and_columns = name
        ctes = f"WITH {name_and_columns} AS ({text}) "
    text, columns = draw(selects(known, depth))
    if draw(st.integers(0, 9)) == 0:
        word = draw(st.sampled_from(["UNION", "UNION ALL", "EXCEPT", "INTERSECT", "UNION ALL BY NAME"]))
        other, _ = draw(selects(known, 0))
        same = draw(st.sampled_from([text, text, other]))
        text = f"({text}) {word} ({same})"
    return f"{ctes}{text}", columns


@st.composite
def selects(draw: st.DrawFn, known: dict[str, list[str]], depth: int) -> Relation:
    """Return a SELECT and the columns that it gives."""
    source, columns = draw(relations(known, depth))
    row = draw(st.sampled_from(["r", "r", "embedding", "v"]))
    origin = f"{source} AS {row}"
    if draw(st.integers(0, 9)) == 0:
        columns = [f"k{number}" for number in range(len(columns))]
        origin += f"({', '.join(columns)})"
    visible = columns
    if draw(st.integers(0, 2)) == 0:
        other, more = draw(relations(known, depth))
        kind = draw(
            st.sampled_from(
                ["JOIN", "JOIN", "LEFT JOIN", "FULL JOIN", "SEMI JOIN", "NATURAL JOIN", "LATERAL", "LATERAL"]
            )
        )
        shared = [each for each in more if each in columns]
        condition = "ON true"
        if "id" in shared:
            condition = draw(st.sampled_from([f"ON {row}.id = s.id", "USING (id)"]))
        if shared and draw(st.integers(0, 9)) == 0:
            condition = f"USING ({draw(st.sampled_from(shared))})"
        if kind == "LATERAL":
            column = draw(st.sampled_from(columns))
            more = [draw(st.sampled_from(ALIASES))]
            origin = f"{origin}, LATERAL (SELECT {row}.{column} AS {more[0]}) AS s"
        elif kind == "NATURAL JOIN":
            origin = f"{origin} NATURAL JOIN {other} AS s"
        else:
            origin = f"{origin} {kind} {other} AS s {condition}"
        visible = [each for each in columns if each not in more] + [each for each in more if each not in columns]
        visible = visible or columns
        if kind == "SEMI JOIN":
            visible = columns
    if draw(st.integers(0, 9)) == 0:
        return f"FROM {origin}", columns
    listed, names = draw(items(visible, row, known, depth))
    distinct = draw(st.sampled_from(["", "", "", "", "", "DISTINCT "]))
    text = f"SELECT {distinct}{listed} FROM {origin}"
    if draw(st.integers(0, 2)) == 0:
        column = draw(st.sampled_from([*visible, *names]))
        text += f" WHERE {draw(st.sampled_from([f'{column} IS NOT NULL', 'id > 1', f'hash({column}) % 2 = 0']))}"
    if draw(st.integers(0, 9)) == 0:
        text += draw(st.sampled_from([" GROUP BY ALL", " GROUP BY 1", f" GROUP BY {visible[0]}"]))
    if draw(st.integers(0, 2)) == 0:
        key = draw(st.sampled_from(["1", f"{len(names)}", f"({len(names)})", "ALL", *visible, *names]))
        unique = source in COLUMNS and "GROUP" not in text and visible is columns and columns[0] == "id"
        text += f" ORDER BY {key}" + (f", {row}.id" if unique and key != "ALL" and not distinct else "")
        if key == "ALL" or (unique and not distinct):  # no ties, so that LIMIT has one answer
            text += " LIMIT 2"
    return text, names


@st.composite
def whole_queries(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """Return a query and the views that it may use."""
    known = dict(COLUMNS)
    views = {}
    for name in itertools.islice(("first", "second"), draw(st.integers(0, 2))):
        views[name], columns = draw(queries(known, 1))
        known[name] = _unique(columns)
    return draw(queries(known, 2))[0], views


def test_queries_made_by_hypothesis(databases: Databases) -> None:
    @settings(max_examples=NUM_EXAMPLES, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
    @given(whole_queries())
    def agree(made: tuple[str, dict[str, str]]) -> None:
        text, views = made
        try:
            expected = databases.rows(text, views)
            found = late(text, views)
        except (duckdb.Error, QueryError):  # what sqlglot cannot read is refused
            assume(False)
        named = {each.name.lower() for part in (text, *views.values()) for each in table_names(parse(part))}
        event(f"late: {bool(named & found.keys())}")
        assert bag(databases.rows_read_later(text, views, found)) == bag(expected)

    agree()
