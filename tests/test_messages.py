"""What bad queries, views and roots get: a message with the place, the value, what was expected and the nearest match.

- Every query of `tests/sql/refused` raises the error that its headers name, when it is compiled.
- A view binds when it is used: a broken one harms nobody else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from tests.tables import SQL, Query, load_queries, params, write_tables

from cutlist import Session, connect, errors
from cutlist.compiler import Plan, parse
from cutlist.errors import CatalogError, QueryError
from cutlist.store import Store


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write_tables(folder)
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with connect(root, views=SQL / "views") as opened:
        yield opened


@pytest.mark.parametrize("query", params(load_queries("refused")))
def test_refused_with_its_message(session: Session, root: Path, query: Query) -> None:
    saved = set(root.rglob("*.arrow"))
    kind = getattr(errors, query.headers.get("error", "QueryError"))
    with pytest.raises(kind, match=query.headers["match"]):
        session.compile(query.text)
    assert set(root.rglob("*.arrow")) == saved


HIDDEN = "{#1: 2} AS m; CREATE TABLE hacked AS SELECT 42 AS x; SELECT MAP --#}\n {1: 2} AS m"
"""Behind MAP, one query to sqlglot, which leaves out what is before `#}`, and three statements to DuckDB."""

PIVOT = "PIVOT (SELECT 1 AS a) ON a USING count(*)"


def views(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.sql").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("SELECT 1 AS a;\nSELECT 2 AS a", r"broken\.sql:2:1: a second statement starts here; expected one SELECT"),
        ("CREATE TABLE x (a INT)", r"broken\.sql:1:1: this is CREATE, expected one SELECT"),
        (f"SELECT MAP {HIDDEN}", r"broken\.sql:1:12: \{# marks a template; write a space between the two"),
        ("-- nothing\n", r"broken\.sql: empty; expected one SELECT"),
        ("SELECT * FROM vidoes", r'broken\.sql:1:15: no table or view "vidoes"; did you mean "videos"\?'),
        ("SELECT id,\n  hieght FROM videos", r'broken\.sql:2:3: no column "hieght" in videos; did you mean "height"\?'),
        ("SELECT FROM WHERE", r"broken\.sql:1:\d+: .*syntax error"),
    ],
)
def test_a_broken_view_harms_only_its_users(root: Path, tmp_path: Path, text: str, match: str) -> None:
    folder = views(tmp_path, broken=text, good="SELECT id FROM videos", user="SELECT * FROM broken")
    with connect(root, views=folder) as session:
        assert session.compile("good").num_samples == session.compile("FROM videos").num_samples
        for query in ("broken", "FROM broken", "SELECT 1 AS one FROM user", "WITH a AS (FROM user) FROM a"):
            with pytest.raises(QueryError, match=match):
                session.compile(query)
        with pytest.raises(QueryError, match=r"broken\.sql"):
            session.sql("FROM broken")


@pytest.mark.parametrize(
    ("query", "match"),
    [
        (f"SELECT MAP {HIDDEN}", r"query:1:12: \{# marks a template"),
        (f"SELECT MAP --\r{HIDDEN}", r"query:1:15: \{# marks a template"),
        (f"SELECT MAP --\r{HIDDEN}, (SELECT count(*) FROM ({PIVOT})) AS n", r"query:1:15: \{# marks a template"),
    ],
)
def test_statements_that_only_duckdb_sees_are_not_run(tmp_path: Path, query: str, match: str) -> None:
    with connect(tmp_path, views=tmp_path) as session:
        with pytest.raises(QueryError, match=match):
            session.compile(query)
        assert tables_made(session) == []


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("", "query: DuckDB reads nothing here, expected one SELECT"),
        ("SELECT 1; CREATE TABLE hacked AS SELECT 42", "query: DuckDB reads SELECT, CREATE here, expected one SELECT"),
        (f"CREATE TABLE hacked AS SELECT 42; {PIVOT}", "query: DuckDB reads CREATE, MULTI here"),
        (f"{PIVOT}; {PIVOT}", "query: DuckDB reads MULTI, MULTI here"),
        ("CREATE TABLE hacked AS SELECT 42", "query: DuckDB reads CREATE here"),
        (f"CREATE TABLE hacked AS {PIVOT}", 'query.*: syntax error at or near "CREATE"'),
        (f"INSERT INTO hacked FROM ({PIVOT})", "query.*: syntax error at or near"),
    ],
)
def test_what_the_compiler_takes_for_a_pivot_is_one_query_to_duckdb(tmp_path: Path, query: str, match: str) -> None:
    plan = Plan(query=replace(parse(PIVOT), text=query), views={}, strict=True)
    with connect(tmp_path, views=tmp_path) as session:
        with pytest.raises(QueryError, match=match):
            session._engine.bind(plan)
        assert tables_made(session) == []
        assert session.compile(PIVOT).to_arrow().to_pylist() == [{"1": 1}]


def tables_made(session: Session) -> list[tuple[str]]:
    return session._engine.databases.compiling.execute("SELECT table_name FROM duckdb_tables()").fetchall()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT '{# x #}' AS s",
        "SELECT s FROM (SELECT '{# x #}' AS \"{# s #}\") AS t(s) -- {# y #}",
        "SELECT /* {% y %} */ '{# x ' || '#}' AS s",
        "SELECT E'{# x #}' AS s",
        "SELECT $${# x #}$$ AS s",
        "SELECT $a${# x #}$a$ AS s",
        "SELECT '{# x #}' AS s -- \r -- {# y #}",
    ],
)
def test_the_marks_of_templates_in_text_and_comments(session: Session, query: str) -> None:
    assert session.sql(query).fetchall() == [("{# x #}",)]
    assert session.compile(query).to_arrow()["s"].to_pylist() == ["{# x #}"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT table_name FROM information_schema.tables WHERE table_name = 'mine'",
        "SELECT table_name FROM duckdb_tables() WHERE table_name = 'mine'",
        "SELECT 'mine' FROM pragma_table_info('mine') WHERE name = 'x'",
    ],
)
def test_ad_hoc_sql_may_ask_for_what_the_session_has(tmp_path: Path, query: str) -> None:
    with connect(tmp_path, views=tmp_path) as session:
        session.sql("CREATE TABLE mine AS SELECT 1 AS x")
        assert session.sql(query).fetchall() == [("mine",)]
        with pytest.raises(QueryError, match=r"query:1:\d+: \w+ tells of the session"):
            session.compile(query)


@pytest.mark.parametrize("query", ["FROM pragma_table_info('Videos')", "FROM histogram('Videos', 'height')"])
def test_a_table_by_its_name_as_text(session: Session, query: str) -> None:
    with pytest.raises(
        QueryError, match=r'query:1:\d\d: "Videos" is there, but only a plain name in a FROM clause means it'
    ):
        session.sql(query)


def test_a_table_of_another_schema_is_not_its_own_nearest(tmp_path: Path) -> None:
    with connect(tmp_path, views=tmp_path) as session:
        session.sql("CREATE SCHEMA s; CREATE TABLE s.mine AS SELECT 1 AS x; CREATE TABLE other AS SELECT 1 AS x")
        with pytest.raises(QueryError, match=r'no table or view "mine"\. There are: other\.'):
            session.sql("FROM mine")


@pytest.mark.parametrize("name", ["t\u00a0scanned", "t\u00a0with _rowid"])
def test_names_of_tables_and_views_that_a_scan_may_have(tmp_path: Path, name: str) -> None:
    for table in ("t", name):
        Store(root=str(tmp_path)).append(table, pa.table({"id": [1]}), message="test")
    (tmp_path / f"{name} 2.sql").write_text("SELECT 1 AS id")
    with connect(tmp_path, views=tmp_path) as session:
        for each in (name, f"{name} 2"):
            for run in (session.compile, session.sql):
                with pytest.raises(QueryError, match=rf'query:1:25: "{each}" has a no-break space in it; rename it'):
                    run(f'SELECT t._rowid FROM t, "{each}"')
        assert session.compile("SELECT _rowid FROM t").num_samples == 1


def test_names_of_refused_types_in_values_and_fields(session: Session) -> None:
    query = """SELECT {'BIT': 'it''s BIT'::ENUM('it''s BIT', 'TIME WITH TIME ZONE')} AS "VARIANT" """
    assert session.compile(query).to_arrow().to_pylist() == [{"VARIANT": {"BIT": "it's BIT"}}]


def test_views_in_a_circle(root: Path, tmp_path: Path) -> None:
    folder = views(
        tmp_path, a="FROM b", b="SELECT * FROM c", c="SELECT * FROM A", alone="FROM alone", good="SELECT 1 AS x"
    )
    with connect(root, views=folder) as session:
        with pytest.raises(QueryError, match="views use each other in a circle: b → c → a → b"):
            session.compile("a")
        with pytest.raises(QueryError, match="in a circle: b → c → a → b"):
            session.compile("SELECT * FROM b JOIN videos USING (id)")
        with pytest.raises(QueryError, match="in a circle: alone → alone"):
            session.sql("FROM alone")
        assert session.compile("good").num_samples == 1


def test_a_table_wins_over_a_view_of_its_name(root: Path, tmp_path: Path) -> None:
    folder = views(tmp_path, Videos="SELECT 1 AS id")
    with (
        pytest.warns(UserWarning, match=r"Videos\.sql: the view Videos has the name of a table; the table is used"),
        connect(root, views=folder) as session,
    ):
        assert session.compile("FROM videos").num_samples > 1


def test_views_whose_names_differ_in_case(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"its name differs only in case from .*; rename one"):
        connect(root, views=views(tmp_path, a="SELECT 1", A="SELECT 2"))


def test_tables_whose_names_differ_in_case(tmp_path: Path) -> None:
    """Only other programs make such tables; the first in the order of names is the one that SQL finds."""
    store = Store(root=str(tmp_path))
    for name in ("films", "Films", "FILMS"):
        store.append(name, pa.table({"wrote": [name]}), message="test")
    with pytest.warns(UserWarning, match=r"ilms\.lance: its name differs only in case") as warned:
        session = connect(tmp_path)
    with session:
        assert list(session.tables) == ["FILMS"]
        assert session.sql("FROM films").fetchall() == [("FILMS",)]
        assert session.compile("FROM Films").to_arrow()["wrote"].to_pylist() == ["FILMS"]
    assert [str(each.message).removeprefix(f"{tmp_path}/") for each in warned] == [
        f"{name}.lance: its name differs only in case from another's; left out" for name in ("Films", "films")
    ]


def test_no_folder_of_views(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r'no folder ".*absent" with views; views are \.sql files with one SELECT'):
        connect(root, views=tmp_path / "absent")


def test_no_root(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r'no folder ".*absent"; to make it, .*`cutlist ingest .*create=True'):
        connect(tmp_path / "absent")
    with connect(tmp_path / "absent", views=tmp_path, create=True) as session:
        assert dict(session.tables) == {}
        with pytest.raises(QueryError, match=r'no table or view "videos"\. There are: none'):
            session.compile("FROM videos")


def test_a_view_that_is_not_utf8_is_told_when_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "latin.sql").write_bytes("SELECT 1 AS caf\u00e9".encode("latin-1"))
    (tmp_path / "good.sql").write_text("SELECT 1 AS one")
    with connect(tmp_path, views=tmp_path) as session:
        assert session.compile("good").num_samples == 1
        for query in ("latin", "FROM latin"):
            with pytest.raises(QueryError, match=r"latin\.sql: cannot be read as UTF-8"):
                session.compile(query)


def test_a_closed_session_says_so(tmp_path: Path) -> None:
    session = connect(tmp_path)
    session.close()
    with pytest.raises(CatalogError, match="the session is closed; connect again"):
        session.sql("SELECT 1")


def test_a_version_that_is_gone(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    for n in range(3):
        store.append("t", pa.table({"id": [n]}), message="test")
    lance.dataset(store.uri("t")).cleanup_old_versions(older_than=dt.timedelta(0))
    with pytest.raises(CatalogError, match=r"version 1 of table t no longer exists \(its versions: .*3\)"):
        store.open("t", 1)


def test_a_session_s_sql_says_where(session: Session) -> None:
    with pytest.raises(QueryError, match=r'query:1:8: no column "hieght" in videos; did you mean "height"\?'):
        session.sql("SELECT hieght FROM videos")


def test_ad_hoc_sql_may_have_several_statements(session: Session) -> None:
    session.sql("CREATE TEMP TABLE mine AS SELECT id FROM videos")
    relation = session.sql("SELECT 1 AS a; SELECT count(*) AS n FROM videos")
    assert relation.fetchall() == [(35,)]
