"""What Lance may leave out: only rows that the query cannot use.

- Every query of `tests/sql/push` says which conditions are pushed for which of its tables, in order; `-- wide: table`
  says that a wide column of it is read.
- The oracle is DuckDB. For any condition over `types` (all of its columns, literals of all kinds), Lance with what is
  pushed gives every row that DuckDB gives, and raises nothing: without indexes, and with one of each fitting kind.
- So it does in queries with joins: their rows do not change.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import lance
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from tests.tables import TABLES, Query, load_queries

from cutlist.compiler.facts import ColumnFacts, TableFacts
from cutlist.compiler.push import pushed_filters
from cutlist.compiler.text import parse
from cutlist.errors import QueryError

NUM_EXAMPLES = 100
QUERIES = load_queries("push")


def column(kind: str, *indexes: str) -> ColumnFacts:
    return ColumnFacts(type=kind, indexes=frozenset(indexes))


KNOWN = {
    "videos": TableFacts(
        name="videos",
        columns={
            "id": column("BIGINT"),
            "width": column("INTEGER", "BTREE"),
            "height": column("INTEGER"),
            "score": column("DOUBLE", "BTREE"),
            "price": column("DECIMAL(9,2)", "BTREE"),
            "flag": column("BOOLEAN", "BITMAP"),
            "category": column("VARCHAR", "BITMAP"),
            "title": column("VARCHAR", "BTREE"),
            "caption": column("VARCHAR", "NGRAM"),
            "tags": column("VARCHAR[]", "LABEL_LIST"),
            "day": column("DATE", "ZONEMAP"),
            "created": column("TIMESTAMP", "BTREE"),
            "Odd Name": column("INTEGER", "BLOOMFILTER"),
            "info": column("STRUCT(width INTEGER)"),
            "embedding": column("FLOAT[768]"),
            "video": column("media"),
        },
    ),
    "images": TableFacts(
        name="images", columns={"id": column("BIGINT", "BTREE"), "video_id": column("BIGINT", "BTREE")}
    ),
    "numbers": TableFacts(name="numbers", columns={"id": column("BIGINT")}),
}


@pytest.mark.parametrize("query", [pytest.param(query, id=query.name) for query in QUERIES])
def test_what_is_pushed(query: Query) -> None:
    wide = query.headers.get("wide", "").split(", ")
    pushed = pushed_filters(parse(query.text), lambda name: KNOWN.get(name.lower()), lambda name: name.lower() in wide)
    names = sorted(KNOWN, key=len, reverse=True)
    found = [
        f"{next(name for name in names if query.text.lower().startswith(name, offset))}: {pushed[offset]}"
        for offset in sorted(pushed)
    ]
    assert "; ".join(found or ["none"]) == query.headers["pushed"]


@pytest.mark.parametrize("name", ["a`b", "a{b"])
def test_a_name_that_lance_cannot_be_told_is_left(name: str) -> None:
    facts = TableFacts(name="t", columns={name: column("INTEGER", "BTREE")})
    assert pushed_filters(parse(f'FROM t WHERE "{name}" = 1'), lambda _: facts) == {}


# Lance and DuckDB over the same rows

NAN, INF = math.nan, math.inf
TEXTS = (
    "Apple",
    "apple",
    "a\nb",
    None,
    "100%",
    "a_b",
    "",
    "Ä",
    "ä",
    "İ",
    "ß",
    "a'b",
    "a\\b",
    "e\u0301",
    "AAB",
    "naïve",
)
INDEXED = {
    "BTREE": [
        "i8",
        "i64",
        "u8",
        "u64",
        "f32",
        "f64",
        "flag",
        "price",
        "day",
        "moment",
        "nanos",
        "word",
        "text",
        "hash",
    ],
    "BITMAP": ["i32", "u32", "f64", "flag", "word", "day", "seconds", "price"],
    "ZONEMAP": ["i16", "f32", "text", "millis"],
    "BLOOMFILTER": ["u16", "word", "Mixed Case"],
    "LABEL_LIST": ["tags", "sizes", "longs"],
    "NGRAM": ["text", "word"],
}


def rows_of_all_types() -> pa.Table:
    """Return 42 rows with columns of every type."""
    types = next(each for each in TABLES if each.name == "types").parts[0]
    count = len(types)

    def cycle(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
        return pa.array([values[i % len(values)] for i in range(count)], kind)

    def moments(unit: int, kind: pa.DataType) -> pa.Array:  # some hours, then the years 9999 and 1494
        hours = [1_709_078_400 * unit + 3600 * unit * i + unit // 2 for i in range(count)]
        return pa.array([253_402_300_799 * unit, None, -15_000_000_000 * unit, *hours[3:]], kind)

    more = {
        "i16": cycle((-32768, 32767, 0, None, 300), pa.int16()),
        "i64": cycle((-(2**63), 2**63 - 1, 0, None, 2**53 + 1, 2**53), pa.int64()),
        "u16": cycle((0, 65535, None, 7), pa.uint16()),
        "u32": cycle((0, 2**32 - 1, None, 7), pa.uint32()),
        "text": cycle(TEXTS, pa.string()),
        "real": cycle((NAN, INF, -INF, None, -0.0, 0.0, 0.1, 2.5, 5.0), pa.float64()),
        "fine": cycle((Decimal("123456789012.345678"), Decimal("0.5"), None), pa.decimal128(18, 6)),
        "seconds": moments(1, pa.timestamp("s")),
        "millis": moments(1_000, pa.timestamp("ms")),
        "micros": moments(1_000_000, pa.timestamp("us")),
        "select": cycle((1, 2, None), pa.int64()),
        "tags": cycle((["a", "b"], [], None, ["b", None], ["c"]), pa.list_(pa.string())),
        "longs": cycle(([1, 2], [], None, [3, None]), pa.list_(pa.int64())),
        "bytes8": cycle(([1, 2], [], None, [255, None]), pa.list_(pa.uint8())),
        "vector": pa.array([None if i % 4 == 1 else [float(i)] * 2 for i in range(count)], pa.list_(pa.float32(), 2)),
    }
    for name, values in more.items():
        types = types.append_column(name, values)
    order = [*range(count), *range(13), *range(5, 14)]
    rows = types.take(pa.array(order))
    return rows.set_column(0, "k", pa.array(range(len(order)), pa.int64()))


@dataclass(frozen=True, kw_only=True)
class Both:
    """DuckDB with the table `types`, and the same rows in Lance, without and with indexes."""

    con: duckdb.DuckDBPyConnection
    datasets: tuple[lance.LanceDataset, ...]
    facts: TableFacts

    def find(self, name: str) -> TableFacts | None:
        return self.facts if name.lower() == "types" else None


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("types")
    rows = rows_of_all_types()
    with duckdb.connect(config={"python_enable_replacements": "false"}) as con:
        con.register("arrow", rows.combine_chunks())
        con.execute("CREATE TABLE types AS FROM arrow")
        con.execute("DELETE FROM types WHERE k IN (2, 16, 30)")
        kinds = {name: ColumnFacts(type=kind) for name, kind, *_ in con.sql("DESCRIBE types").fetchall()}
        plain = write(folder / "plain", rows, {})
        indexed = write(folder / "indexed", rows, INDEXED)
        yield Both(con=con, datasets=(plain, indexed), facts=TableFacts(name="types", columns=kinds))


def write(path: Path, rows: pa.Table, indexes: dict[Any, list[str]]) -> lance.LanceDataset:
    """Write rows in four fragments, of which the last is in no index, and delete some before and after."""
    bounds = [0, 7, 15, 25, len(rows)]
    for number, (start, stop) in enumerate(pairwise(bounds)):
        if number == 3:
            lance.dataset(path).delete("k IN (2, 16)")
            for kind, names in indexes.items():
                for name in names:
                    lance.dataset(path).create_scalar_index(name, kind, name=f"{name} {kind}")
        part = rows.take(pa.array(range(start, stop)))  # Lance 14 panics at slices of NULL structs
        lance.write_dataset(part, path, mode="append" if number else "create", enable_stable_row_ids=True)
    lance.dataset(path).delete("k = 30")
    return lance.dataset(path)


def kept(dataset: lance.LanceDataset, condition: str) -> set[int]:
    return set(dataset.scanner(columns=["k"], filter=condition).to_table()["k"].to_pylist())


WHOLE = ["0", "1", "-1", "5", "7", "127", "128", "-128", "255", "256", "300", "65535", "46341", "2147483647"]
WHOLE += ["-2147483648", "4294967295", "9007199254740993", "9223372036854775807", "-9223372036854775808"]
WHOLE += ["18446744073709551615", "99999999999999999999", "1_000"]
REAL = [
    "0.0",
    "-0.0",
    "0.1",
    "2.5",
    "1.5",
    "-0.01",
    "1.505",
    "16777216.0",
    "16777217",
    "1e-1",
    "1e300",
    "-1e308",
    "1e400",
]
REAL += [
    "'nan'::DOUBLE",
    "'inf'::DOUBLE",
    "'nan'",
    "0.10000000149011612",
    ".5",
    "5.",
    "0.5000001",
    "123456789012.345678",
]
WORDS = ["'a'", "''", "'apple'", "'Apple'", "'Ä'", "'a''b'", "'a\\b'", "'b%c'", "'x'", "'100%'", "'İ'", "'1'", "'true'"]
TIMES = ["DATE '2024-03-01'", "'2024-03-01'", "'2024-03-01'::DATE", "TIMESTAMP '2024-02-28 05:00:00'", "'2024-2-28'"]
TIMES += ["'2024-02-28 05:00:00'", "TIMESTAMP '2024-02-28 00:00:00.5'", "'2024-02-28 00:00:00.505'", "'infinity'"]
TIMES += ["TIMESTAMP '2001-09-09 01:46:40'", "'2001-09-09 01:46:40.000000003'", "'2024-02-28 00:00:00.123457'"]
TIMES += ["TIMESTAMPTZ '2024-02-28 05:00:00+00'", "TIME '01:02:03'", "'2024-02-28T05:00:00'", "DATE '2024-02-28'"]
OTHERS = ["NULL", "true", "false", "'ab'::BLOB"]
LITERALS = {
    "i8 i16 i32 i64 u8 u16 u32 u64 k select Mixed_Case": WHOLE,
    "f32 f64 real price fine": REAL + WHOLE,
    "word text code": WORDS,
    "day moment nanos seconds millis micros clock": TIMES,
    "flag hash": OTHERS + WORDS,
}
EVERY = [*WHOLE, *REAL, *WORDS, *TIMES, *OTHERS]
PATTERNS = [
    "a%",
    "%a%",
    "A%",
    "%ppl%",
    "a_b",
    "%_b",
    "100\\%",
    "%\\%%",
    "",
    "%",
    "_",
    "%Ä%",
    "ap%le",
    "a\nb",
    "%''%",
    "naï%",
]
NAMES = {"Mixed_Case": '"Mixed Case"', "select": '"select"'}


@st.composite
def conditions(draw: st.DrawFn, alias: str = "", depth: int = 2) -> str:
    """Return a condition on the columns of `types`."""
    if depth and draw(st.integers(0, 2)) == 0:
        parts = [draw(conditions(alias, depth - 1)) for _ in range(2)]
        return draw(
            st.sampled_from([f"({parts[0]} OR {parts[1]})", f"({parts[0]} AND {parts[1]})", f"NOT ({parts[0]})"])
        )
    names = draw(st.sampled_from([*LITERALS, "lists", "text", "nulls"]))
    if names == "lists":
        return draw(list_conditions(alias))
    if names == "text":
        return draw(text_conditions(alias))
    if names == "nulls":
        name = draw(
            st.sampled_from(["i8", "text", "tags", "place", "vector", "hash", "clock", "moment", "flag", "price"])
        )
        return f"{alias}{name} IS {draw(st.sampled_from(['', 'NOT ']))}NULL"
    name = draw(st.sampled_from(names.split()))
    values = st.sampled_from(LITERALS[names])
    value = draw(values) if draw(st.integers(0, 5)) else draw(st.sampled_from(EVERY))
    column = f"{alias}{NAMES.get(name, name)}"
    operator = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "=="]))
    flags = [f"{alias}flag", f"{alias}flag IS TRUE", f"{alias}flag IS NOT FALSE"] if "flag" in names else []
    return draw(
        st.sampled_from(
            [
                f"{column} {operator} {value}",
                f"{value} {operator} {column}",
                f"{column} IN ({value}, {draw(values)})",
                f"{column} NOT IN ({value}, {draw(values)})",
                f"{column} IN [{value}, {draw(values)}]",
                f"{column} BETWEEN {value} AND {draw(values)}",
                f"{column} NOT BETWEEN {draw(values)} AND {value}",
                *flags,
            ]
        )
    )


@st.composite
def text_conditions(draw: st.DrawFn, alias: str) -> str:
    name = alias + draw(st.sampled_from(["text", "word", "code"]))
    word, pattern = draw(st.sampled_from([*WORDS, "'ppl'", "'a'", "'Äp'"])), draw(st.sampled_from(PATTERNS))
    function = draw(st.sampled_from(["contains", "starts_with", "prefix", "ends_with", "suffix"]))
    like = draw(st.sampled_from(["LIKE", "NOT LIKE", "ILIKE", "SIMILAR TO"]))
    return draw(st.sampled_from([f"{function}({name}, {word})", f"{name} {like} '{pattern}'", f"{name} ^@ {word}"]))


@st.composite
def list_conditions(draw: st.DrawFn, alias: str) -> str:
    name = draw(st.sampled_from(["tags", "sizes", "longs", "bytes8"]))
    values = st.sampled_from(["'a'", "'b'", "'z'", "NULL"] if name == "tags" else ["1", "3", "255", "300", "-1", "2.0"])
    some = ", ".join(draw(st.lists(values, max_size=2)))
    function = draw(st.sampled_from(["list_contains", "list_has", "array_contains", "contains"]))
    several = draw(st.sampled_from(["list_has_any", "list_has_all"]))
    return draw(
        st.sampled_from(
            [
                f"{function}({alias}{name}, {draw(values)})",
                f"{several}({alias}{name}, [{some}])",
                f"{alias}{name} && [{some}]",
            ]
        )
    )


def test_lance_gives_every_row_that_duckdb_gives(both: Both) -> None:
    @settings(max_examples=NUM_EXAMPLES, suppress_health_check=[HealthCheck.filter_too_much])
    @given(conditions())
    def agree(condition: str) -> None:
        text = f"SELECT k FROM types WHERE {condition}"
        try:
            statement = parse(text)
            expected = {row[0] for row in both.con.sql(text).fetchall()}
        except (duckdb.Error, QueryError):
            assume(False)
        pushed = pushed_filters(statement, both.find, lambda table: True)
        event(f"pushed: {bool(pushed)}")
        for dataset in both.datasets if pushed else ():
            rows = kept(dataset, pushed[text.index("types")])
            assert rows >= expected, pushed
            event(f"the same: {rows == expected}")

    agree()


@pytest.mark.parametrize(
    "condition",
    [
        "NOT (f32 <> 0.1)",
        "NOT (NOT (f32 IN (-1, 0.1)))",
        "NOT (f32 < 0.1 OR f32 > 0.1)",
        "NOT (u64 <> 18446744073709551615)",
        "NOT (micros > TIMESTAMP '2024-02-28 05:00:00')",
        "NOT (NOT (flag AND NOT flag IS NULL))",
    ],
)
def test_literals_fit_their_columns_behind_not(both: Both, condition: str) -> None:
    text = f"SELECT k FROM types WHERE {condition}"
    expected = {row[0] for row in both.con.sql(text).fetchall()}
    pushed = pushed_filters(parse(text), both.find, lambda table: True)
    assert [kept(dataset, pushed[14]) for dataset in both.datasets] == [expected, expected]
    assert expected


@st.composite
def joins(draw: st.DrawFn) -> str:
    """Return a query over `types` twice, a view of it and a subquery."""
    other = draw(st.sampled_from(["types", "types", "few", "(SELECT * FROM types WHERE i8 > 0)"]))
    first = draw(st.sampled_from(["types", "few", "types"]))
    kind = draw(
        st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN", "ASOF JOIN"])
    )
    on = "a.k >= b.k" if kind == "ASOF JOIN" else f"a.k % 5 = b.k % 7{draw(extra('a.'))}{draw(extra('b.'))}"
    using = draw(st.sampled_from([f"ON {on}", "USING (k)" if kind != "ASOF JOIN" else f"ON {on}"]))
    origin = f"{first} AS a {kind} {other} AS b {using}"
    if draw(st.integers(0, 3)) == 0:
        origin += f" {draw(st.sampled_from(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN']))} few AS c ON a.k = c.k"
    one_side = kind in ("SEMI JOIN", "ANTI JOIN")
    columns = "a.k, a.text" if one_side else "a.k, b.k AS other, b.text"
    where = [draw(conditions("a."))] + ([] if one_side else [draw(conditions("b."))])
    condition = " AND ".join(draw(st.lists(st.sampled_from(where), min_size=1, max_size=2)))
    if draw(st.integers(0, 4)) == 0:
        condition += f" AND EXISTS (FROM types WHERE k > a.k AND {draw(conditions())})"
    return f"SELECT {columns} FROM {origin} WHERE {condition}"


@st.composite
def extra(draw: st.DrawFn, alias: str) -> str:
    return draw(st.sampled_from(["", f" AND {draw(conditions(alias, 0))}"]))


def test_joins_of_what_is_left_are_the_same(both: Both) -> None:
    both.con.execute("CREATE OR REPLACE TEMP VIEW few AS SELECT * FROM types WHERE k % 3 = 0")

    @settings(max_examples=NUM_EXAMPLES, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
    @given(joins(), st.booleans())
    def agree(text: str, indexed: bool) -> None:
        try:
            statement = parse(text)
            expected = Counter(both.con.sql(text).fetchall())
        except (duckdb.Error, QueryError):
            assume(False)
        pushed = pushed_filters(statement, both.find, lambda table: True)
        event(f"pushed: {len(pushed)}")
        edits = []
        for offset, condition in pushed.items():
            ids = ", ".join(map(str, kept(both.datasets[indexed], condition))) or "NULL"
            edits.append((offset, offset + len("types"), f"(SELECT * FROM types WHERE k IN ({ids}))"))
        assert Counter(both.con.sql(statement.edited(edits)).fetchall()) == expected

    agree()
