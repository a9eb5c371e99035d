"""The pure functions of the compiler: names, places, views in order, `_rowid`, an order without ties, recognition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tables import Query, load_queries

from cutlist.compiler import (
    NAMING,
    ColumnFacts,
    Plan,
    TableFacts,
    apply,
    canonical,
    has_order,
    parse,
    table_names,
    total_order,
    view_order,
)
from cutlist.errors import CatalogError, QueryError


def tables(sql: str) -> list[str]:
    return [each.name for each in table_names(parse(sql))]


# parse


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT 1;", "SELECT 1 ;;\n", "  SELECT 1  -- the end"])
def test_parse_leaves_off_what_follows_the_statement(text: str) -> None:
    assert parse(text).text.strip() == "SELECT 1"


def test_parse_says_where_the_second_statement_is() -> None:
    with pytest.raises(QueryError, match=r"v\.sql:3:2: a second statement starts here"):
        parse("SELECT ';'; -- one\n\n SELECT 2", "v.sql")


@pytest.mark.parametrize("text", ["", "  ", ";", "-- nothing", "/* nothing */ ;"])
def test_parse_refuses_nothing(text: str) -> None:
    with pytest.raises(QueryError, match="query: empty; expected one SELECT"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "FROM t",
        "TABLE t",
        "VALUES (1)",
        "(SELECT 1)",
        "WITH a AS (SELECT 1) FROM a",
        "PIVOT t ON a USING sum(b)",
        "UNPIVOT t ON a, b",
        "SELECT 1 UNION SELECT 2",
        "FROM t SELECT a",
    ],
)
def test_parse_takes_every_kind_of_query(text: str) -> None:
    assert parse(text).text == text


def test_places_count_lines_and_columns_from_one() -> None:
    statement = parse("SELECT\n  a,\n\tb FROM t", "v.sql")
    assert [statement.at(offset) for offset in (0, 9, 13)] == ["v.sql:1:1", "v.sql:2:3", "v.sql:3:2"]


# table_names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM a, b JOIN c USING (x)", ["a", "b", "c"]),
        ("SELECT * FROM a x JOIN A y ON true", ["a"]),
        ('SELECT * FROM "a/b" JOIN "c d" ON true', ["a/b", "c d"]),
        ("SELECT (SELECT max(x) FROM b) FROM a WHERE EXISTS (FROM c)", ["b", "a", "c"]),
        ("WITH a AS (FROM a) FROM a", ["a"]),
        ("WITH a AS (FROM b) FROM a", ["b"]),
        ("WITH x AS (FROM y), y AS (FROM x) FROM y", ["y"]),
        ("WITH RECURSIVE r AS (FROM a UNION ALL FROM r) FROM r", ["a"]),
        ("WITH x AS (WITH y AS (FROM a) FROM y) FROM x, y", ["a", "y"]),
        ("FROM (WITH x AS (SELECT 1) FROM x), x", ["x"]),
        ("WITH x AS (SELECT 1) SELECT * FROM a WHERE b IN (FROM X)", ["a"]),
        ("WITH x AS (SELECT 1) FROM a UNION ALL FROM x", ["a"]),
        ("SELECT * FROM range(3), unnest([1]), read_csv('f.csv')", []),
        ("SELECT * FROM information_schema.tables", []),
        ("SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x)", ["a", "b"]),
        ("PIVOT a ON b USING sum(c)", ["a"]),
        ("FROM (PIVOT a ON b USING sum(c)) JOIN d ON true", ["a", "d"]),
        ("SELECT * FROM a ASOF JOIN b ON a.t >= b.t POSITIONAL JOIN c", ["a", "b", "c"]),
        ("SELECT * FROM a SEMI JOIN b USING (x) ANTI JOIN c USING (x)", ["a", "b", "c"]),
    ],
)
def test_table_names(sql: str, names: list[str]) -> None:
    assert tables(sql) == names


def test_table_names_have_their_places() -> None:
    assert [each.offset for each in table_names(parse('SELECT * FROM "a b", c'))] == [14, 21]


# view_order


def test_views_come_after_those_that_they_use() -> None:
    graph = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}
    assert view_order(["a"], graph.__getitem__) == ("d", "b", "c", "a")


def test_view_order_tells_the_circle_without_the_way_to_it() -> None:
    graph = {"a": ["b"], "b": ["c"], "c": ["b"]}
    with pytest.raises(QueryError, match=r"in a circle: b → c → b$"):
        view_order(["a"], graph.__getitem__)


# the rules that every query needs


class Tables:
    """A catalog of the tables t and u at version 3, and of the view v."""

    def table(self, name: str, version: int | str | None = None) -> TableFacts | None:
        if name.lower() not in ("t", "u"):
            return None
        if version not in (None, 1, 2, 3, "old"):
            raise CatalogError(f"{name} has no version {version}")
        number = 1 if version == "old" else 3 if version is None else int(version)
        return TableFacts(name=name.lower(), version=number, columns={"a": ColumnFacts(type="INTEGER")})

    def selection(self, fingerprint: str) -> TableFacts:
        if not "abcdef123".startswith(fingerprint):
            raise CatalogError("no such selection")
        return TableFacts(name="abcdef123")

    def is_view(self, name: str) -> bool:
        return name.lower() == "v"

    def no_table(self, place: str, name: str) -> str:
        return f"{place}: no {name}"

    def written(self, item: str) -> str:
        return item


def planned(sql: str, *, strict: bool = True) -> Plan:
    return apply(NAMING, Plan(query=parse(sql), views={}, strict=strict), Tables())


RULES = load_queries("rules")


@pytest.mark.parametrize("query", RULES, ids=[query.name for query in RULES])
def test_rules(query: Query) -> None:
    """What DuckDB gets stands behind `-- oracle:`, the names of what is scanned in `-- scans:`."""
    if "error" in query.headers:
        with pytest.raises(QueryError, match=query.headers["error"]):
            planned(query.text)
        return
    plan = planned(query.text)
    assert plan.text("") == query.oracle
    if "scans" in query.headers:
        assert list(plan.scans) == query.headers["scans"].split(", ")


def test_a_name_that_only_duckdb_may_know_is_left_to_it() -> None:
    assert planned("FROM mine", strict=False).uses == ()
    with pytest.raises(QueryError, match="query:1:6: no mine"):
        planned("FROM mine")


# has_order, total_order


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("FROM t ORDER BY a", True),
        ("(FROM t ORDER BY a)", True),
        ("FROM t UNION FROM u ORDER BY a", True),
        ("WITH c AS (FROM t) FROM c ORDER BY a", True),
        ("FROM (FROM t ORDER BY a)", False),
        ("(FROM t ORDER BY a LIMIT 3) UNION ALL FROM u", False),
        ("WITH c AS (FROM t ORDER BY a) FROM c", False),
        ("SELECT list(a ORDER BY a) FROM t", False),
        ("SELECT rank() OVER w FROM t WINDOW w AS (ORDER BY a)", False),
    ],
)
def test_has_order(sql: str, ordered: bool) -> None:
    statement = parse(sql)
    assert has_order(statement) is ordered
    assert (total_order(statement, 2) != sql) is ordered


@pytest.mark.parametrize(
    ("sql", "total"),
    [
        ("SELECT a, b FROM t ORDER BY a", "SELECT a, b FROM t ORDER BY a, 1, 2"),
        ("SELECT a, b FROM t ORDER BY a LIMIT 3 OFFSET 1", "SELECT a, b FROM t ORDER BY a, 1, 2 LIMIT 3 OFFSET 1"),
        ("SELECT a, b FROM t ORDER BY f(a, (SELECT 1))", "SELECT a, b FROM t ORDER BY f(a, (SELECT 1)), 1, 2"),
        ("(SELECT a, b FROM t ORDER BY a)", "(SELECT a, b FROM t ORDER BY a, 1, 2)"),
        ("SELECT a, b FROM t ORDER BY a -- last", "SELECT a, b FROM t ORDER BY a, 1, 2"),
        ("SELECT a, b FROM t ORDER BY a DESC NULLS LAST", "SELECT a, b FROM t ORDER BY a DESC NULLS LAST, 1, 2"),
        ("SELECT a, b FROM t ORDER BY ALL DESC", "SELECT a, b FROM t ORDER BY ALL DESC"),
        ("FROM (SELECT a, b FROM t ORDER BY b) ORDER BY a", "FROM (SELECT a, b FROM t ORDER BY b) ORDER BY a, 1, 2"),
    ],
)
def test_total_order(sql: str, total: str) -> None:
    assert total_order(parse(sql), 2) == total


# canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t", "select   a\nfrom t ;"),
        ("SELECT a /* x */ FROM t -- y", "SELECT a FROM t"),
    ],
)
def test_canonical_ignores_what_has_no_meaning(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 'a  b'", "SELECT 'a b'"),
        ("SELECT 'a'", 'SELECT "a"'),
        ("SELECT a", "SELECT A"),
        ("SELECT '-- x'", "SELECT ''"),
        ("SELECT 1 - -1", "SELECT 1 -1"),
    ],
)
def test_canonical_keeps_what_has_a_meaning(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@given(st.text(alphabet="aA'\"$-/*; \n1", max_size=12))
def test_canonical_takes_any_text(text: str) -> None:
    assert canonical(canonical(text)) is not None  # and raises nothing
