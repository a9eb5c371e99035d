"""The checks of queries, and the NULLs that conditions drop.

- Every query of `tests/sql/checks` gets the remarks that its headers name, and no others; each check has a file there.
- The queries of `tests/sql/equal`, which DuckDB and cutlist answer in the same way, get no errors but for those listed.
- The lists of functions are DuckDB's own: what it calls volatile is refused, what is taken as strict is.
"""

from __future__ import annotations

import re

import duckdb
import pytest
from tests.tables import SQL, Query, load_queries, params

from cutlist.compiler import parse
from cutlist.compiler.checks import CHECKS, check
from cutlist.compiler.checks.aggregates import EVERY
from cutlist.compiler.checks.floats import MACROS, MOMENTS, SUMS
from cutlist.compiler.checks.volatile import VOLATILE
from cutlist.compiler.checks.windows import ORDERED
from cutlist.compiler.coverage import STRICT, dropped_nulls
from cutlist.compiler.facts import ColumnFacts, Remark, TableFacts
from cutlist.compiler.names import HIDING, TELLING, TELLING_STARTS
from cutlist.errors import QueryError

SCHEMAS = {
    "videos": "id BIGINT; width INTEGER; height INTEGER; duration_seconds DOUBLE; motion DOUBLE; category VARCHAR; "
    "tags VARCHAR[]; created TIMESTAMP; embedding FLOAT[4]; "
    "scenes STRUCT(start_seconds DOUBLE, stop_seconds DOUBLE)[]; "
    "info STRUCT(codec VARCHAR, fps INTEGER); size_bytes UINTEGER; flag BOOLEAN; video media",
    "captions": "video_id BIGINT; text VARCHAR; lang VARCHAR; score FLOAT; seconds DOUBLE",
    "images": "id BIGINT; video_id BIGINT; ts TIMESTAMP; width INTEGER; height INTEGER; Odd Name VARCHAR; image media; "
    "thumbnail media",
    "nothing": "id BIGINT; category VARCHAR; video media",
    "order": "id BIGINT; Where VARCHAR",
    "types": "k BIGINT; i32 INTEGER; f32 FLOAT; f64 DOUBLE; price DECIMAL(9,2)",
}
TABLES = {
    name: TableFacts(
        name=name,
        columns={
            column.replace("Odd_", "Odd "): ColumnFacts(type=kind, nullable=column != "id")
            for column, _, kind in (each.replace("Odd ", "Odd_").partition(" ") for each in columns.split("; "))
        },
    )
    for name, columns in SCHEMAS.items()
}
VIEWS = [parse(file.read_text(), str(file)) for file in sorted((SQL / "views").rglob("*.sql"))]


def find(name: str) -> TableFacts | None:
    return TABLES.get(name.lower())


def remarks(sql: str) -> tuple[Remark, ...]:
    return check([parse(sql), *VIEWS], find)


# check


@pytest.mark.parametrize("query", params(load_queries("checks")))
def test_remarks(query: Query) -> None:
    found = [("error" if each.error else "warning", str(each)) for each in remarks(query.text)]
    assert [kind for kind, _ in found] == list(query.headers)
    for kind, text in found:
        assert re.fullmatch(query.headers[kind], text), text
        line, column = map(int, text.split(":")[1:3])
        assert query.text.split("\n")[line - 1][column - 1] not in " \t,)"


def test_each_check_has_its_fixtures() -> None:
    files = {file.stem: file.read_text() for file in (SQL / "checks").glob("*.sql")}
    assert {f"check_{name}" for name in files} == {each.__name__ for each in CHECKS}
    for name, text in files.items():
        titles, said = text.count("-- title: "), len(re.findall("^-- (error|warning): ", text, re.MULTILINE))
        assert 2 < said < titles, f"{name}: {said} of {titles} have a remark"


@pytest.mark.parametrize("query", load_queries("checks"), ids=lambda query: query.name)
def test_what_is_proposed_gets_no_such_remark(query: Query) -> None:
    """A call that is proposed in place of the one remarked on, in the same query, leaves nothing to remark on."""
    for each in remarks(query.text):
        found = re.search(r"(\w+\([^;]*\)).*; write (\w+\(.*?\))(, or .*)?$", each.text)
        if found is not None and found[1] in query.text and "…" not in found[2]:
            assert remarks(query.text.replace(found[1], found[2])) == ()


@pytest.mark.parametrize("query", load_queries("equal"), ids=lambda query: query.name)
def test_no_errors_where_nothing_is_wrong(query: Query) -> None:
    try:
        errors = [str(each) for each in remarks(query.text) if each.error]
    except QueryError:
        assert "bug" in query.headers
        return
    assert not errors


def test_remarks_of_a_view_have_its_place() -> None:
    view = parse("SELECT id,\n  random() AS r FROM videos", "sql/noisy.sql")
    found = check([parse("SELECT r, uuid() AS u FROM noisy LIMIT 3"), view], find)
    assert [each.place for each in found] == ["query:1:11", "query:1:34", "sql/noisy.sql:2:3"]


def test_a_view_is_told_from_one_of_the_same_name_in_a_folder() -> None:
    inner = parse("SELECT id AS video FROM videos", "sql/a/v.sql")
    outer = parse("SELECT video FROM videos", "sql/v.sql")
    assert len(check([parse("SELECT video::VARCHAR AS a FROM v"), inner, outer], find)) == 1
    assert len(check([parse('SELECT video::VARCHAR AS a FROM "a/v"'), inner, outer], find)) == 0


def test_views_that_are_not_given_are_not_known() -> None:
    assert check([parse("SELECT video::VARCHAR AS a, sum(motion) AS s FROM hd")], find) == ()


@pytest.mark.parametrize(
    "sql",
    [
        "PIVOT videos ON category USING sum(height)",
        "UNPIVOT (SELECT id, width, height FROM videos) ON width, height",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r",
        "SELECT a AS b, b AS a FROM videos",
        "SELECT COLUMNS(*) FROM videos",
        "SELECT contains([video], video) AS c FROM videos",
        "SELECT id FROM images WHERE [thumbnail, image].contains(image)",
        "SELECT * FROM read_csv('x.csv')",
        "FROM videos SELECT id, unnest(scenes, recursive := true)",
        "SELECT x FROM (SELECT 1) AS t(x)",
        "VALUES (1)",
        "SELECT 1",
    ],
)
def test_odd_queries_get_no_remarks(sql: str) -> None:
    assert remarks(sql) == ()


# DuckDB's own lists


HARMLESS = {
    *("error", "sleep_ms", "write_log"),  # give nothing that could differ
    *("current_database", "current_schema", "current_schemas", "in_search_path"),  # the same in every session of ours
}


def functions(where: str) -> set[str]:
    rows = duckdb.connect().execute(f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE {where}").fetchall()
    return {row[0] for row in rows}


def test_what_duckdb_calls_volatile_is_refused() -> None:
    assert functions("stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY') AND function_type = 'scalar'") <= (
        VOLATILE | HARMLESS
    )


def test_every_table_function_of_duckdb_is_judged() -> None:
    same = {
        *("range", "generate_series", "repeat", "repeat_row", "unnest", "json_each", "json_tree", "summary"),
        *("test_all_types", "test_vector_types", "icu_calendar_names"),
    }
    files = {"glob", "sniff_csv", "parquet_scan", "parquet_schema", "parquet_bloom_probe"}  # of which there are none
    inner = {"seq_scan", "arrow_scan", "arrow_scan_dumb", "pandas_scan", "python_arrow_scan", "python_map_function"}
    starts = (*TELLING_STARTS, "read_", "parquet_")
    found = {name for name in functions("function_type LIKE 'table%'") if not name.startswith(starts)}
    assert found <= HIDING | TELLING | same | files | inner


def test_every_aggregate_of_duckdb_is_judged() -> None:
    exact = {
        *("count", "count_star", "count_if", "countif", "min", "max", "bool_and", "bool_or", "bit_and", "bit_or"),
        *("bit_xor", "bitstring_agg", "histogram", "histogram_exact", "entropy", "median", "mad", "quantile"),
        *("quantile_cont", "quantile_disc", "approx_count_distinct", "regr_count", "sum_no_overflow"),
        *("combine_aggr", "decimal_average", "variant_group_object"),  # not for users
    }
    assert functions("function_type = 'aggregate'") <= EVERY | SUMS | MACROS | MOMENTS | exact
    assert not exact & (EVERY | SUMS | MACROS | MOMENTS | ORDERED)


def test_strict_functions_give_null_for_null() -> None:
    con = duckdb.connect()
    known = functions("true")
    con.execute("CREATE TABLE t AS SELECT 'a' AS s, 0.5::DOUBLE AS d, 1 AS i, [1.0, 2.0]::DOUBLE[] AS l, ['a'] AS w")
    con.execute("ALTER TABLE t ADD COLUMN a FLOAT[2] DEFAULT [1, 2]::FLOAT[2]")
    con.execute("ALTER TABLE t ADD COLUMN m TIMESTAMP DEFAULT '2024-01-31'")
    shapes = [
        "d",
        "s",
        "m",
        "l",
        "s, s",
        "d, d",
        "w, s",
        "l, l",
        "a, a",
        "'day', m",
        "m, '%d'",
        "s, i",
        "s, i, i",
        "s, s, s",
    ]
    for name in sorted(STRICT - {"extract", "cardinality"}):
        assert name in known, name
        tried = 0
        for shape in shapes:
            columns = shape.split(", ")
            try:
                con.execute(f"SELECT {name}({shape}) FROM t")
            except duckdb.Error:
                continue
            for i, column in enumerate(columns):
                if column in "sdilwam":
                    given = ", ".join([*columns[:i], f"CASE WHEN false THEN {column} END", *columns[i + 1 :]])
                    assert con.execute(f"SELECT {name}({given}) FROM t").fetchall() == [(None,)], f"{name}({given})"
                    tried += 1
        assert tried, name


# dropped_nulls


@pytest.mark.parametrize(
    ("sql", "dropped"),
    [
        ("SELECT id FROM videos WHERE motion > 2", ["query:1:29 videos.motion: motion > 2"]),
        ("SELECT id FROM videos WHERE 2 <= Motion", ["query:1:34 videos.motion: 2 <= Motion"]),
        (
            "SELECT id FROM videos v WHERE v.height * v.width >= 1080 * 1920 AND id > 3",
            [
                "query:1:31 videos.height: v.height * v.width >= 1080 * 1920",
                "query:1:42 videos.width: v.height * v.width >= 1080 * 1920",
            ],
        ),
        ("FROM videos WHERE motion BETWEEN 0 AND 2", ["query:1:19 videos.motion: motion BETWEEN 0 AND 2"]),
        ("FROM videos WHERE motion NOT BETWEEN 0 AND 2", ["query:1:19 videos.motion: motion NOT BETWEEN 0 AND 2"]),
        ("FROM videos WHERE category IN ('a', 'b')", ["query:1:19 videos.category: category IN ('a', 'b')"]),
        ("FROM videos WHERE category NOT IN ('a')", ["query:1:19 videos.category: category NOT IN ('a')"]),
        ("FROM videos WHERE lower(category) LIKE 'f%'", ["query:1:25 videos.category: lower(category) LIKE 'f%'"]),
        ("FROM videos WHERE category ILIKE 'f%'", ["query:1:19 videos.category: category ILIKE 'f%'"]),
        ("FROM videos WHERE NOT (motion > 2)", ["query:1:24 videos.motion: NOT (motion > 2)"]),
        ("FROM videos WHERE flag", ["query:1:19 videos.flag: flag"]),
        ("FROM videos WHERE flag IS TRUE", ["query:1:19 videos.flag: flag IS TRUE"]),
        ("FROM videos WHERE motion::INTEGER = 1", ["query:1:19 videos.motion: motion::INTEGER = 1"]),
        ("FROM videos WHERE list_contains(tags, 'b')", ["query:1:33 videos.tags: list_contains(tags, 'b')"]),
        ("FROM videos WHERE tags[1] = 'a'", ["query:1:19 videos.tags: tags[1] = 'a'"]),
        ("FROM videos WHERE info.fps < 26", ["query:1:19 videos.info: info.fps < 26"]),
        ("FROM videos v WHERE v.info.fps < 26", ["query:1:21 videos.info: v.info.fps < 26"]),
        ("FROM videos WHERE motion > 2 OR motion < 1", ["query:1:19 videos.motion: motion > 2 OR motion < 1"]),
        (
            "FROM videos WHERE NOT (motion > 2 OR category = 'a')",
            [
                "query:1:24 videos.motion: NOT (motion > 2 OR category = 'a')",
                "query:1:38 videos.category: NOT (motion > 2 OR category = 'a')",
            ],
        ),
        ("FROM videos WHERE motion > 1 AND motion < 2", ["query:1:19 videos.motion: motion > 1"]),
        (
            "FROM videos WHERE motion > (SELECT avg(height) FROM images)",
            ["query:1:19 videos.motion: motion > (SELECT avg(height) FROM images)"],
        ),
        (
            "SELECT v.id FROM videos v JOIN captions c ON c.video_id = v.id",
            ["query:1:46 captions.video_id: c.video_id = v.id"],
        ),
        ("SELECT text, ts FROM captions c, images i WHERE score > 1", ["query:1:49 captions.score: score > 1"]),
        ("SELECT t FROM videos v, UNNEST(v.tags) u(t) WHERE motion > 1", ["query:1:51 videos.motion: motion > 1"]),
        (
            "SELECT id FROM videos v WHERE EXISTS (FROM captions c WHERE c.score > 1)",
            ["query:1:61 captions.score: c.score > 1"],
        ),
        ("WITH a AS (FROM videos WHERE motion > 1) FROM a WHERE width > 1", ["query:1:30 videos.motion: motion > 1"]),
        (
            "SELECT id FROM videos WHERE category <> motion::VARCHAR",
            [
                "query:1:29 videos.category: category <> motion::VARCHAR",
                "query:1:41 videos.motion: category <> motion::VARCHAR",
            ],
        ),
        # none
        ("FROM videos", []),
        ("FROM videos WHERE id > 3", []),
        ("FROM videos WHERE motion IS NULL", []),
        ("FROM videos WHERE motion IS NOT NULL", []),
        ("FROM videos WHERE motion IS NOT NULL AND motion > 2", []),
        ("FROM videos v WHERE v.motion > 2 AND (motion IS NOT NULL)", []),
        ("FROM videos WHERE motion > 2 OR category = 'a'", []),
        ("FROM videos WHERE motion > 2 OR motion IS NULL", []),
        ("FROM videos WHERE NOT (motion > 2 AND category = 'a')", []),
        ("FROM videos WHERE (NOT (motion > 2 OR category = 'a')) = false", []),
        ("FROM videos WHERE COALESCE(motion, 0) > 2", []),
        ("FROM videos WHERE CASE WHEN motion > 2 THEN true ELSE width > 3 END", []),
        ("FROM videos WHERE category IS DISTINCT FROM 'a'", []),
        ("FROM videos WHERE flag IS NOT TRUE", []),
        ("FROM videos WHERE category IN (SELECT lang FROM captions)", []),
        ("FROM videos WHERE category NOT IN (SELECT lang FROM captions)", []),
        ("FROM videos WHERE motion >= ALL (SELECT score FROM captions)", []),
        ("FROM videos WHERE 3 NOT BETWEEN motion AND width", []),
        ("FROM videos WHERE concat(category, 'x') = 'x'", []),
        ("FROM videos WHERE greatest(motion, width) > 3", []),
        ("FROM videos WHERE list_transform(tags, lambda t: t || 'x') IS NULL", []),
        ("FROM videos WHERE video = video", []),
        ("FROM hd WHERE motion > 2", []),
        ("SELECT v.id FROM videos v LEFT JOIN captions c ON c.video_id = v.id AND v.motion > 1", []),
        ("SELECT id, height * 2 AS tall FROM nothing WHERE tall > 3", []),
        ("SELECT v.id FROM videos v JOIN images i ON i.id = v.id WHERE width > 3", []),
        ("SELECT id FROM videos QUALIFY row_number() OVER (ORDER BY motion) > 1", []),
        (
            "SELECT (SELECT max(score) FROM captions WHERE text = v.category) AS m FROM nothing v WHERE v.id = 2",
            ["query:1:47 captions.text: text = v.category"],
        ),
    ],
)
def test_dropped_nulls(sql: str, dropped: list[str]) -> None:
    found = dropped_nulls(parse(sql), find)
    assert [f"{each.place} {each.table}.{each.column}: {each.conjunct}" for each in found] == dropped


@pytest.mark.parametrize("query", load_queries("equal"), ids=lambda query: query.name)
def test_dropped_nulls_takes_every_query(query: Query) -> None:
    try:
        statement = parse(query.text)
    except QueryError:
        assert "bug" in query.headers
        return
    for each in dropped_nulls(statement, find):
        assert each.column in TABLES[each.table].columns
