"""Lineage: what each column is made of, and never an edge that is not there.

- `tests/sql/lineage`: by hand, the columns of tables behind each output column, and behind each clause.
- For every query of `tests/sql/equal` of which the lineage is whole, the columns of tables in it are exactly those that
  DuckDB scans over plain copies when it only leaves out unused columns: none is missing, none is too many.
- What `explain` says that compiling reads is in the lineage.
- What cannot be resolved is in `problems`, with a reason, and has no columns behind it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from tests.tables import SQL, TABLES, Query, load_queries, oracle, params, write_tables
from typer.testing import CliRunner

from cutlist import Session, cli, connect
from cutlist.answers.lineage import title, to_dict, to_dot
from cutlist.backfill import Batch, featurizer
from cutlist.compiler import Lineage, Origin, walk
from cutlist.errors import QueryError

if TYPE_CHECKING:
    import duckdb
    from tests.conftest import Made

pytestmark = pytest.mark.filterwarnings("ignore::cutlist.errors.QueryWarning")

QUERIES = [each for each in load_queries("equal") if "bug" not in each.headers]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("root")
    write_tables(folder)
    with connect(folder, views=SQL / "views") as opened:
        yield opened


def base(*origins: Origin) -> set[str]:
    return {f"{each.of}.{each.name}" for each in walk(origins, features=False) if each.kind == "table"}


def sets(header: str) -> dict[str, set[str]]:
    """Return what a header says: `a = t.x t.y; b = t.z`."""
    pairs = (each.partition(" =") for each in header.split("; ") if each)
    return {name: set(columns.split()) for name, _, columns in pairs}


@pytest.mark.parametrize("query", params(load_queries("lineage")))
def test_lineage_is_what_a_reader_says(session: Session, query: Query) -> None:
    found = session.lineage(query.text)
    assert not found.problems
    assert {name: base(origin) for name, origin in found.columns} == sets(query.headers["columns"])
    by_clause: dict[str, set[str]] = {}
    for each in found.clauses:
        by_clause.setdefault(each.clause, set()).update(base(*each.inputs))
    assert by_clause == sets(query.headers.get("clauses", ""))


def scanned(con: duckdb.DuckDBPyConnection, query: str) -> set[tuple[str, str]]:
    """Return the (table, column) that DuckDB scans; of a field of a struct the column, and no row ids."""
    ((_, plan),) = con.execute(f"EXPLAIN (FORMAT json) {query}").fetchall()
    known = {(each.name, name) for each in TABLES for name in each.columns}
    found = set()
    waiting = list(json.loads(plan))
    while waiting:
        node = waiting.pop()
        waiting += node["children"]
        said = node["extra_info"].get("Projections", [])
        table = str(node["extra_info"].get("Table", "")).rpartition(".")[2].strip('"')
        for name in [said] if isinstance(said, str) else said:
            found.add((table, name if (table, name) in known else name.partition(".")[0]))
    return {each for each in found if each in known}


ANY_COLUMN = {
    "macros: a subquery as parameter",  # DuckDB carries the whole row beside the subquery
    "rowid: FROM first after a CTE",  # count(*) of a CTE reads some column
}


@pytest.fixture(scope="module")
def plain() -> Iterator[duckdb.DuckDBPyConnection]:
    with oracle(SQL / "views") as con:
        names = [name for (name,) in con.execute("SELECT name FROM duckdb_optimizers()").fetchall()]
        con.execute(f"SET disabled_optimizers = '{','.join(each for each in names if each != 'unused_columns')}'")
        yield con


def test_columns_are_those_that_duckdb_scans(session: Session, plain: duckdb.DuckDBPyConnection) -> None:
    whole = 0
    for query in QUERIES:
        found = session.lineage(query.text)
        if not found.problems and query.name not in ANY_COLUMN:
            named = {each for each in found.base if each[1] != "_rowid"}
            assert named == scanned(plain, query.oracle), query.name
            whole += 1
    assert whole >= 430  # of some 446; the rest are PIVOT and COLUMNS in expressions


@pytest.mark.parametrize("query", QUERIES[::6], ids=[each.name for each in QUERIES[::6]])
def test_what_compiling_reads_is_in_the_lineage(session: Session, query: Query) -> None:
    found = session.lineage(query.text)
    if found.problems or query.name in ANY_COLUMN:
        return
    for scan in session.explain(query.text).scans:
        for name in scan.columns:
            assert name == "_rowid" or (scan.table, name) in found.base


UNRESOLVED = [
    ("PIVOT captions ON lang USING count(*)", "PIVOT makes columns that the text does not tell"),
    ("SELECT min(COLUMNS(['width', 'height'])) FROM images", "which columns it stands for is not in the text"),
    ("SELECT x FROM (SELECT COLUMNS('id') + 1 AS x FROM images)", "which columns it stands for is not in the text"),
]


@pytest.mark.parametrize(("query", "problem"), UNRESOLVED)
def test_what_cannot_be_resolved_says_so(session: Session, query: str, problem: str) -> None:
    found = session.lineage(query)
    assert found.problems
    assert all(problem in each for each in found.problems)
    assert not any(base(origin) for _, origin in found.columns)


def chain(found: Lineage, column: str) -> list[tuple[str, str, str]]:
    """Return the way from a column down its first inputs: what it is, its text, and its place in a file."""
    origin = dict(found.columns)[column]
    steps = []
    while True:
        steps.append((title(origin), origin.text, re.sub(r".*/", "", origin.place)))
        if not origin.inputs:
            return steps
        origin = origin.inputs[0]


def test_a_chain_of_views_has_each_expression_and_its_place(session: Session) -> None:
    version = session.tables["videos"].version
    assert chain(session.lineage('SELECT *\nFROM "clips/short"'), "clip") == [
        ("clip", "*", "query:1:8"),
        ("clips/short.clip", "clip(video, 0.5, 2.5)", "short.sql:2:12"),
        ("hd.video", "video", "hd.sql:3:12"),
        (f"videos@{version}.video", "", ""),
    ]
    found = session.lineage("hd")
    assert found.name == "hd"
    assert [(each.clause, each.of, each.text) for each in found.clauses] == [("WHERE", "hd", "height >= 720")]


def test_an_older_version_is_told(session: Session) -> None:
    found = session.lineage("SELECT id FROM videos AT (VERSION => 1)")
    assert title(found.columns[0][1].inputs[0]) == "videos@1.id"


def test_a_saved_selection_is_an_origin(session: Session) -> None:
    fingerprint = session.compile("SELECT id AS key FROM images").fingerprint
    found = session.lineage(f"SELECT key FROM selection('{fingerprint[:12]}')")
    assert [title(each) for each in found.origins] == ["key", f"{fingerprint[:12]}.key"]


def test_a_query_that_does_not_bind_is_an_error(session: Session) -> None:
    with pytest.raises(QueryError, match=r'query:1:8: no column "captoin"'):
        session.lineage("SELECT captoin FROM captions")
    with pytest.raises(QueryError, match="this is CREATE, expected one SELECT"):
        session.lineage("CREATE TABLE t (a INT)")


def test_json_and_dot_have_every_edge(session: Session) -> None:
    found = session.lineage("""SELECT id AS "a ""b\\", width + height AS s FROM hd ORDER BY motion""")
    said: dict[str, Any] = json.loads(json.dumps(to_dict(found)))
    assert [each["name"] for each in said["columns"]] == ['a "b\\', "s"]
    nodes = said["nodes"]
    assert nodes[said["columns"][1]["node"]]["text"] == "width + height"
    assert [nodes[each]["of"] for each in nodes[said["columns"][1]["node"]]["inputs"]] == ["hd", "hd"]
    dot = to_dot(found)
    edges = sum(len(each["inputs"]) for each in nodes) + sum(len(each["nodes"]) for each in said["clauses"])
    assert dot.count(" -> ") == edges
    quoted = r'"(?:[^"\\\n]|\\.)*"'
    attributes = rf" \[\w+=(?:{quoted}|\w+)(?:, \w+=(?:{quoted}|\w+))*\]"
    for line in dot.splitlines()[2:-1]:
        assert re.fullmatch(rf"  [nc]\d+(?: -> [nc]\d+)?(?:{attributes})?;", line), line


# -- features, and the command line -----------------------------------------------------------------------------------


@featurizer(inputs="resize(image, 8, 8) AS small", outputs=pa.field("brightness", pa.float32()), version=3)
def brightness(batch: Batch) -> list[float]:
    return [float(image.mean()) for image in batch["small"]]


@pytest.fixture(scope="module")
def featured(made: Made, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for a root with a table `pictures` that has a feature, and a view over it."""
    folder = tmp_path_factory.mktemp("featured")
    with connect(folder / "data", create=True) as session:
        session.ingest(made.media, table="pictures", kinds=("image",))
        session.backfill("pictures", brightness)
    (folder / "sql").mkdir()
    (folder / "sql" / "bright.sql").write_text("-- Bright ones.\nSELECT *, brightness / 255 AS share\nFROM pictures\n")
    return ["--root", str(folder / "data"), "--views", str(folder / "sql")]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    if result.exception is not None:
        raise result.exception
    return result.output


def test_a_feature_column_says_what_made_it(featured: list[str]) -> None:
    with connect(featured[1], views=featured[3]) as session:
        found = session.lineage("bright")
        version = session.tables["pictures"].version
    share = dict(found.columns)["share"]
    (feature,) = share.inputs
    assert (feature.made_by, feature.text) == ("brightness@3", "resize(image, 8, 8) AS small")
    assert [title(each) for each in feature.inputs] == [f"pictures@{version}.image"]
    assert ("pictures", "brightness") in found.base
    assert ("pictures", "image") in found.base  # by the star


def test_the_command_prints_a_tree(featured: list[str]) -> None:
    text = run("lineage", "bright", *featured)
    assert text.startswith("bright\n")
    assert re.search(r"── share  brightness / 255  \S*bright.sql:2:11\n", text)
    assert "by brightness@3  resize(image, 8, 8) AS small" in text
    assert re.search(r"id, path, .*sha256", text)  # one line for what the star hands on
    assert "which rows" not in text
    clauses = run("lineage", "SELECT id FROM bright WHERE share > 0.5 ORDER BY path", *featured)
    assert "WHERE share > 0.5  query:1:29" in clauses
    assert "ORDER BY path  query:1:50" in clauses
    assert "not resolved: " in run("lineage", "PIVOT pictures ON width USING count(*)", *featured)


def test_the_command_prints_json_and_dot(featured: list[str]) -> None:
    assert json.loads(run("lineage", "bright", "--json", *featured))["name"] == "bright"
    assert run("lineage", "bright", "--format", "dot", *featured).startswith('digraph "bright" {\n')
