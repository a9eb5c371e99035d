"""Older versions of tables, and saved selections as tables.

- `t AT (VERSION => n)`, or a tag, has the rows of that version wherever a table may stand: the oracle is DuckDB over
  plain copies of every version. A reference to an old version is read from it, whatever became of the row since.
- A selection names the versions that it read, and they alone are tagged, by compiling alone.
- A tag that moves makes another query of the same text.
- `selection('…')` has the rows of that selection, with their types, media and late values.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import lance
import numpy as np
import pyarrow as pa
import pytest
from tests.tables import fixed_lists

import cutlist
from cutlist import Selection, Session
from cutlist.errors import CatalogError, QueryError
from cutlist.reader import Reader
from cutlist.store import Store, blob_array, blob_field

pytestmark = pytest.mark.filterwarnings("ignore::cutlist.errors.QueryWarning")

WIDTH = 300
"""FLOAT[300] is 1,200 bytes: late."""


def rows_of(ids: list[int], word: str) -> pa.Table:
    """Return rows whose image says which version wrote it; `c` is NULL in every fourth."""
    rows = pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "c": pa.array([None if i % 4 == 1 else i * 1.5 for i in ids], pa.float64()),
            "embedding": vectors([None if i % 5 == 3 else i for i in ids]),
        }
    )
    return rows.append_column(blob_field("image", "image"), blob_array([f"{word} {i}".encode() for i in ids]))


def vectors(starts: list[int | None]) -> pa.Array:
    """Return FLOAT[300] values that begin with a number and count on, or NULL."""
    return fixed_lists([None if each is None else [each + i / 1024 for i in range(WIDTH)] for each in starts], WIDTH)


VERSIONS = 7


def write(root: Path) -> Store:
    """Write `t`: 1 eight rows, 2 two deleted, 3 one of them anew and two more, 4 an update, 5 and 6 a new column."""
    store = Store(root=str(root))
    store.append("t", rows_of(list(range(8)), "first"), message="test")
    dataset = lance.dataset(store.uri("t"))
    dataset.tags.create("base", 1)
    dataset.delete("id IN (2, 3)")
    store.append("t", rows_of([2, 8, 9], "third"), message="test")
    lance.dataset(store.uri("t")).update({"c": "100.0"}, where="id = 5")
    rows = rows_of([10], "sixth").append_column("extra", pa.array(["new"]))
    store.append("t", rows, message="test")
    lance.dataset(store.uri("t")).tags.create("wide", 5)
    lance.dataset(store.uri("t")).delete("id = 0")
    assert lance.dataset(store.uri("t")).version == VERSIONS
    return store


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write(folder)
    (folder / "views").mkdir()
    (folder / "views" / "old.sql").write_text("SELECT id, c, image FROM t AS x AT (VERSION => 'base') WHERE id > 1")
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with cutlist.connect(root, views=root / "views") as opened:
        yield opened


@pytest.fixture(scope="module")
def truth(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over copies: `t3` is version 3, without the media; `_rowid` is a plain column."""
    with duckdb.connect() as con:
        for version in range(1, VERSIONS + 1):
            dataset = lance.dataset(f"{root}/t.lance", version=version)
            columns = [name for name in dataset.schema.names if name != "image"]
            con.register("plain", dataset.scanner(columns=columns, with_row_id=True).to_table())
            con.execute(f"CREATE TABLE t{version} AS FROM plain")
        con.execute("CREATE VIEW old AS SELECT id, c FROM t1 WHERE id > 1")
        yield con


def for_truth(query: str) -> str:
    """Return a query over copies: `t AS x AT (VERSION => 3)` is `t3 AS x`, and `t` is the latest."""
    numbers = {"'base'": "1", "'wide'": "5"}
    query = re.sub(
        r"\bt( AS \w+(?:\(\w+(?:, \w+)*\))?)? AT \(VERSION => ([\w']+)\)",
        lambda found: f"t{numbers.get(found[2], found[2])}{found[1] or ' AS t'}",
        query,
    )
    return re.sub(r"(FROM|JOIN|,) t\b(?! AS)", rf"\1 t{VERSIONS} AS t", re.sub(r"\bt AS\b", f"t{VERSIONS} AS", query))


def read(session: Session, selection: Selection) -> list[dict[str, Any]]:
    """Return the samples of a selection, decoded."""
    reader = Reader([selection], session.store)
    return [row for rows in reader.read([[(0, np.arange(len(selection)))]]) for row in rows]


def bag(rows: list[tuple[Any, ...]]) -> Counter[str]:
    return Counter(map(repr, rows))


QUERIES = [
    "SELECT id, c FROM t AT (VERSION => 1)",
    "SELECT id, c FROM t AT (VERSION => 'base')",
    "SELECT id, c FROM t AT (VERSION => 7)",
    "SELECT x.id, x.c FROM t AS x AT (VERSION => 3) WHERE x.c IS NOT NULL",
    "SELECT a, b FROM t AS x(a, b) AT (VERSION => 2)",
    "SELECT t.id FROM t AT (VERSION => 4) WHERE t.id = 5 AND t.c = 100",
    "SELECT n.id, o.c AS before, n.c AS after FROM t AS n JOIN t AS o AT (VERSION => 1) USING (id)",
    "SELECT n.id, o.c AS before, n.c AS after FROM t AS n FULL JOIN t AS o AT (VERSION => 1) ON n.id = o.id",
    "SELECT o.id, p.c FROM t AS o AT (VERSION => 2) JOIN t AS p AT (VERSION => 4) ON o._rowid = p._rowid",
    "SELECT _rowid, id FROM t AT (VERSION => 3)",
    "WITH o AS (FROM t AT (VERSION => 2)) SELECT id, c FROM o WHERE id > 3",
    "SELECT id FROM (SELECT id, c FROM t AS y AT (VERSION => 1) WHERE id < 4) WHERE c IS NULL",
    "SELECT id FROM t UNION ALL SELECT id FROM t AT (VERSION => 1)",
    "SELECT id FROM t AT (VERSION => 1) EXCEPT SELECT id FROM t",
    "SELECT id, (SELECT count(*) FROM t AS y AT (VERSION => 1) WHERE y.id < t.id) AS n FROM t",
    "SELECT id FROM t WHERE EXISTS (FROM t AS y AT (VERSION => 1) WHERE y.id = t.id)",
    "SELECT id, c FROM old",
    "SELECT n.id, old.c FROM t AS n JOIN old USING (id)",
    "SELECT count(*) AS n FROM t AS a AT (VERSION => 1), t AS b AT (VERSION => 2), t AS c",
]


@pytest.mark.parametrize("query", QUERIES)
def test_rows_are_those_of_the_versions(session: Session, truth: duckdb.DuckDBPyConnection, query: str) -> None:
    expected = truth.sql(for_truth(query)).fetchall()
    assert expected
    assert bag([tuple(row.values()) for row in read(session, session.compile(query))]) == bag(expected)
    assert bag(session.sql(query).fetchall()) == bag(expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT id, raw(image) AS m FROM t AT (VERSION => 1) WHERE id IN (2, 3)", {2: b"first 2", 3: b"first 3"}),
        ("SELECT id, raw(image) AS m FROM t AS x AT (VERSION => 3) WHERE id IN (1, 2)", {1: b"first 1", 2: b"third 2"}),
        ("SELECT id, raw(image) AS m FROM t AT (VERSION => 'base') WHERE id = 5", {5: b"first 5"}),
        ("SELECT id, raw(image) AS m FROM t WHERE id = 5", {5: b"first 5"}),
        ("SELECT id, raw(image) AS m FROM old WHERE id < 4", {2: b"first 2", 3: b"first 3"}),
        (
            "SELECT o.id, [raw(o.image), raw(n.image)] AS m FROM t AS n JOIN t AS o AT (VERSION => 1) USING (id) "
            "WHERE id = 2",
            {2: [b"first 2", b"third 2"]},
        ),
        (
            "WITH o AS (FROM t AT (VERSION => 2)) SELECT -id AS id, raw(image) AS m FROM o WHERE id = 0 "
            "UNION ALL SELECT id, raw(image) FROM t WHERE id = 10",
            {0: b"first 0", 10: b"sixth 10"},
        ),
    ],
)
def test_media_are_those_of_the_version(session: Session, query: str, expected: dict[int, Any]) -> None:
    assert {row["id"]: row["m"] for row in read(session, session.compile(query))} == expected


def test_late_values_are_those_of_the_version(session: Session) -> None:
    """Row 5 was written anew by the update, row 2 was deleted and another one appended."""
    query = """SELECT o.id, o.embedding AS before, n.embedding AS after
               FROM t AS o AT (VERSION => 1) LEFT JOIN t AS n ON o.id = n.id AND n.id <> 4"""
    selection = session.compile(query)
    assert [column.late is not None for column in selection.columns] == [False, True, True]
    assert {(each.version, each.column) for each in selection.sources if each.kind == "value"} == {
        (1, "embedding"),
        (VERSIONS, "embedding"),
    }
    firsts = {row["id"]: tuple(None if row[k] is None else row[k][0] for k in ("before", "after")) for row in
              read(session, selection)}  # fmt: skip
    alive = {1, 2, 5, 6, 7}
    assert firsts == {i: (None if i == 3 else float(i), float(i) if i in alive else None) for i in range(8)}


def test_versions_are_in_the_selection_and_ad_hoc_sql_tags_none(tmp_path: Path) -> None:
    store = write(tmp_path)
    with cutlist.connect(tmp_path) as session:
        session.sql("SELECT id FROM t AT (VERSION => 4)").fetchall()
        session.explain("SELECT id FROM t AT (VERSION => 2)")
        session.lint("SELECT id FROM t AT (VERSION => 2)")
        assert set(lance.dataset(store.uri("t")).tags.list()) == {"base", "wide"}
        selection = session.compile("SELECT n.id FROM t AS n JOIN t AS o AT (VERSION => 'base') USING (id)")
        assert [str(each) for each in selection.tables] == ["t@1", f"t@{VERSIONS}"]
        only = session.compile("SELECT id FROM t AT (VERSION => 3)")
        assert [str(each) for each in only.tables] == ["t@3"]
        tags = {name: each["version"] for name, each in lance.dataset(store.uri("t")).tags.list().items()}
        ours = {f"cutlist-v{version}": version for version in (1, 3, VERSIONS)}
        assert tags == {"base": 1, "wide": 5, **ours}
        lance.dataset(store.uri("t")).cleanup_old_versions(
            older_than=dt.timedelta(0), error_if_tagged_old_versions=False
        )
        assert [row["m"] for row in read(session, session.compile("SELECT raw(image) AS m FROM t AT (VERSION => 1)"))]
    with (
        cutlist.connect(tmp_path) as session,
        pytest.raises(QueryError, match=r"query:1:18: version 2 of table t no longer exists \(its versions: 1, 3"),
    ):
        session.compile("SELECT id FROM t AT (VERSION => 2)")


def test_a_version_that_goes_while_a_session_is_open(tmp_path: Path) -> None:
    store = write(tmp_path)
    with cutlist.connect(tmp_path) as session:
        assert session.sql("SELECT count(*) FROM t AT (VERSION => 2)").fetchall() == [(6,)]
        lance.dataset(store.uri("t")).cleanup_old_versions(
            older_than=dt.timedelta(0), error_if_tagged_old_versions=False
        )
        with pytest.raises(cutlist.CutlistError, match="version 2 of table t no longer exists"):
            session.compile("SELECT id FROM t AT (VERSION => 2)")


def test_a_tag_that_moved_is_another_query(tmp_path: Path) -> None:
    store = write(tmp_path)
    query = "SELECT count(*) AS n FROM t AT (VERSION => 'base')"
    with cutlist.connect(tmp_path) as session:
        before = session.compile(query)
        lance.dataset(store.uri("t")).tags.update("base", 2)
        assert session.compile(query).path == before.path  # a session stays where it is
        after = session.refresh().compile(query)
    assert [selection.to_arrow()["n"].to_pylist() for selection in (before, after)] == [[8], [6]]
    assert [str(each) for each in after.tables] == ["t@2"]


def test_tags_that_changed_places_are_another_query(tmp_path: Path) -> None:
    store = write(tmp_path)
    query = "SELECT (SELECT count(*) FROM t AT (VERSION => 'base')) - (SELECT count(*) FROM t AT (VERSION => 'b')) AS n"
    tags = lance.dataset(store.uri("t")).tags
    tags.create("b", 2)
    with cutlist.connect(tmp_path) as session:
        before = session.compile(query)
        tags.update("base", 2)
        tags.update("b", 1)
        after = session.refresh().compile(query)
    assert [selection.to_arrow()["n"].to_pylist() for selection in (before, after)] == [[2], [-2]]


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("SELECT id FROM t AT (VERSION => 99)", r"query:1:18: table t has no version 99 yet; its latest is 7"),
        ("SELECT id FROM t AT (VERSION => 999999999999999999)", r"query:1:18: table t has no version 9{18} yet"),
        ("SELECT id FROM t AT (VERSION => 'bsae')", r'table t has no tag "bsae"; did you mean "base"\? Its tags: base'),
        ("SELECT id FROM t AT (VERSION => -1)", r"query:1:18: expected AT \(VERSION => 12\), a number"),
        ("SELECT id FROM old AT (VERSION => 1)", r"query:1:16: old is no table, so it has no versions; write AT"),
    ],
)
def test_no_such_version(session: Session, query: str, match: str) -> None:
    for run in (session.compile, session.sql):
        with pytest.raises(QueryError, match=match):
            run(query)


@pytest.mark.parametrize("version", ["1.5", "1e3", "99999999999999999999999", "-99999999999999999999999"])
def test_a_version_is_a_whole_number(session: Session, version: str) -> None:
    for run in (session.compile, session.sql):
        with pytest.raises(QueryError, match=r"query:1:18: expected AT \(VERSION => 12\), a number"):
            run(f"SELECT id FROM t AT (VERSION => {version})")


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("SELECT extr FROM t", r'query:1:8: no column "extr" in t; did you mean "extra"\? t has: c, embedding, extra'),
        (
            "SELECT extra FROM t AT (VERSION => 4)",
            r'query:1:8: no column "extra" in t. t has: c, embedding, id, image',
        ),
        (
            "SELECT id, capt FROM t WHERE _rowid > 1",
            r'query:1:12: no column "capt" in t. t has: c, embedding',
        ),
    ],
)
def test_a_column_that_a_version_lacks(session: Session, query: str, match: str) -> None:
    for run in (session.compile, session.sql):
        with pytest.raises(QueryError, match=match):
            run(query)


def test_a_column_has_the_type_of_its_version(tmp_path: Path) -> None:
    """`c` becomes text, `was` goes, and `doc` is late in one version and short in the other."""
    store = Store(root=str(tmp_path))
    store.append("t", pa.table({"id": [1, 2], "c": [1.5, 2.5], "was": [7, 8], "doc": ["a", "b"]}), message="test")
    dataset = lance.dataset(store.uri("t"))
    dataset.drop_columns(["c", "was", "doc"])
    dataset.add_columns(pa.table({"c": ["x", None], "doc": ["long " * 400] * 2}).to_reader())
    with cutlist.connect(tmp_path) as session:
        assert session.tables["t"].version == 3
        old = session.compile("SELECT id, c, was, doc FROM t AT (VERSION => 1)")
        assert [each.type for each in old.columns] == ["BIGINT", "DOUBLE", "BIGINT", "VARCHAR"]
        assert read(session, old)[1] == {"id": 2, "c": 2.5, "was": 8, "doc": "b"}
        both = session.compile(
            "SELECT o.id, o.c AS before, n.c AS after, o.doc AS short, n.doc AS long "
            "FROM t AS n JOIN t AS o AT (VERSION => 1) USING (id) ORDER BY id"
        )
        assert [each.type for each in both.columns] == ["BIGINT", "DOUBLE", "VARCHAR", "VARCHAR", "VARCHAR"]
        assert [tuple(row.values()) for row in read(session, both)] == [
            (1, 1.5, "x", "a", "long " * 400),
            (2, 2.5, None, "b", "long " * 400),
        ]
        silent = session.lint("SELECT count(*) AS n FROM t AT (VERSION => 1) WHERE c > 1")
        assert silent == []


def test_checks_look_at_the_version_that_is_named(tmp_path: Path) -> None:
    """`c` has no NULL in version 1, and one in version 2."""
    store = Store(root=str(tmp_path))
    store.append("t", pa.table({"id": [1, 2], "c": [1.5, 2.5]}), message="test")
    store.append("t", pa.table({"id": [3], "c": pa.array([None], pa.float64())}), message="test")
    with cutlist.connect(tmp_path) as session:
        query = "SELECT n.id FROM t AS n JOIN t AS o AT (VERSION => 1) USING (id) WHERE o.c > 1"
        assert session.lint(query) == []


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("t @ 1", 'SELECT max(id) AS id, (SELECT max(n) FROM "t @ 1") AS n FROM t AT (VERSION => 1)'),
        ("t with _rowid", 'SELECT max(id) AS id, (SELECT max(n) FROM "t with _rowid") AS n FROM t WHERE t._rowid < 8'),
        ("t scanned", 'SELECT max(id) AS id, (SELECT max(n) FROM "t scanned") AS n FROM t WHERE id < 8'),
    ],
)
def test_a_table_may_be_called_as_a_scan_is(tmp_path: Path, name: str, query: str) -> None:
    store = write(tmp_path)
    store.append(name, pa.table({"id": [70], "n": [71]}), message="test")
    with cutlist.connect(tmp_path) as session:
        for _ in range(2):
            assert session.sql(query).fetchall() == [(7, 71)]
        assert read(session, session.compile(query)) == [{"id": 7, "n": 71}]
        assert session.compile(f'SELECT id, _rowid FROM "{name}" AT (VERSION => 1)').num_samples == 1


# -- saved selections as tables ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(session: Session) -> Selection:
    """Ids 1, 2 and 4 to 10 with media and late values, of the latest version."""
    return session.compile("SELECT id, c, embedding, raw(image) AS m FROM t")


def call(selection: Selection, digits: int = 12) -> str:
    return f"selection('{selection.fingerprint[:digits]}')"


def comparable(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows as text, in order: arrays and lists by their first number."""

    def short(value: Any) -> Any:
        return ("floats", len(value), float(value[0])) if isinstance(value, list | np.ndarray) else value

    return [repr({name: short(value) for name, value in row.items()}) for row in rows]


def test_rows_are_those_of_the_selection(session: Session, base: Selection) -> None:
    again = session.compile(f"FROM {call(base)}")
    assert [(each.name, each.type) for each in again.columns] == [(each.name, each.type) for each in base.columns]
    assert comparable(read(session, again)) == comparable(read(session, base))


def test_media_and_plain_columns_of_a_selection(session: Session, base: Selection) -> None:
    expected = [{"id": row["id"], "c": row["c"], "m": row["m"]} for row in read(session, base)]
    for form in (f"FROM {call(base)}", f"FROM {call(base, 4).upper().replace('SELECTION', 'Selection')} AS s"):
        again = session.compile(f"SELECT id, c, m {form}")
        assert read(session, again) == expected
        assert [str(each) for each in again.tables] == [f"t@{VERSIONS}"]
        assert session.sql(f"SELECT id, c {form} ORDER BY id").fetchall() == [(r["id"], r["c"]) for r in expected]
    ordered = session.compile(f"SELECT id, m FROM {call(base)} ORDER BY id DESC")
    assert [row["id"] for row in read(session, ordered)] == [row["id"] for row in expected][::-1]


def test_late_values_of_a_selection_used_and_carried_on(session: Session) -> None:
    base = session.compile("SELECT id, embedding FROM t WHERE id NOT IN (3, 8)")
    assert base.columns[1].late is not None
    firsts = {row["id"]: row["embedding"][0] for row in read(session, base)}
    assert firsts == {i: float(i) for i in (1, 2, 4, 5, 6, 7, 9, 10)}
    used = session.compile(f"SELECT id, embedding[1] AS first, len(embedding) AS n FROM {call(base)}")
    assert {row["id"]: row["first"] for row in read(session, used)} == firsts
    assert {row["n"] for row in read(session, used)} == {WIDTH}
    carried = session.compile(f"SELECT id, embedding AS e FROM {call(base)} WHERE id > 3")
    assert {row["id"]: float(row["e"][0]) for row in read(session, carried)} == {
        i: first for i, first in firsts.items() if i > 3
    }


def test_late_values_of_a_selection_stay_late(session: Session) -> None:
    base = session.compile("SELECT id, embedding FROM t WHERE id NOT IN (3, 8)")
    carried = session.compile(f"SELECT id, embedding AS e FROM {call(base)} WHERE id > 3")
    assert carried.columns[1].late is not None


@pytest.mark.parametrize(
    ("columns", "late"),
    [
        ("t.embedding AS e", [True]),
        ("t.embedding AS e, s.embedding AS f", [True, True]),
        ("t.embedding[1:2] AS e, s.embedding AS f", [False, False]),
        ("t.embedding AS e, s.embedding[1:2] AS f", [False, False]),
    ],
)
def test_wide_columns_of_a_selection_and_of_its_own_table(root: Path, columns: str, late: list[bool]) -> None:
    """The column is a source of the selection, and yet no medium: neither here nor in the session's next queries."""
    with cutlist.connect(root, views=root / "views") as session:
        base = session.compile("SELECT id, embedding FROM t WHERE id <> 8")
        query = f"SELECT t.id, {columns} FROM t JOIN {call(base)} AS s USING (id)"
        joined = session.compile(query)
        assert [each.type.partition("[")[0] for each in joined.columns] == ["BIGINT", *["FLOAT"] * len(late)]
        assert [each.late is not None for each in joined.columns[1:]] == late
        expected = {i: float(i) for i in (1, 2, 4, 5, 6, 7, 9, 10)}
        names = [each.name for each in joined.columns[1:]]
        assert {row["id"]: [row[name][0] for name in names] for row in read(session, joined)} == {
            i: [first] * len(names) for i, first in expected.items()
        }
        for again in (query, "SELECT id, embedding AS e FROM t", "SELECT id, embedding AS e, image FROM t"):
            found = session.sql(again)
            assert str(found.types[1]).startswith("FLOAT[")
            firsts = {row["id"]: row["e"] and row["e"][0] for row in found.to_arrow_table().to_pylist()}
            assert firsts == (expected if again == query else {**expected, 8: None})
        assert {each.kind for each in session.sources} == {"image"}


def test_nested_media_of_a_selection(session: Session) -> None:
    query = "SELECT id % 2 AS odd, list(raw(image) ORDER BY id) AS l, {'a': first(raw(image) ORDER BY id)} AS s FROM t"
    base = session.compile(f"{query} GROUP BY odd")
    expected = read(session, base)
    assert expected[0]["l"][0] == b"third 2"
    assert read(session, session.compile(f"FROM {call(base)}")) == expected
    beside = session.compile(f"SELECT s.*, n.m FROM {call(base)} AS s, (SELECT raw(image) AS m FROM old WHERE id=2) n")
    assert [{**row, "m": b"first 2"} for row in expected] == read(session, beside)
    unnested = session.compile(f"SELECT unnest(l) AS m FROM {call(base)}")
    assert sorted(row["m"] for row in read(session, unnested)) == sorted(m for row in expected for m in row["l"])


def test_nested_media_of_a_selection_beside_a_view_with_another(root: Path, tmp_path: Path) -> None:
    with cutlist.connect(root, views=tmp_path) as session:
        old = session.compile("SELECT id, raw(image) AS m FROM t AT (VERSION => 1)")
        (tmp_path / "first.sql").write_text(f"FROM {call(old)}")
        nested = session.compile("SELECT id, [raw(image)] AS l FROM t WHERE id < 3")
    with cutlist.connect(root, views=tmp_path) as session:
        found = session.compile(
            f"SELECT n.id, n.l, v.m FROM {call(nested)} AS n JOIN first AS v USING (id) WHERE id = 2"
        )
        assert read(session, found) == [{"id": 2, "l": [b"third 2"], "m": b"first 2"}]


def test_two_selections_with_nested_media(session: Session) -> None:
    old = session.compile("SELECT id, [raw(image)] AS l FROM t AT (VERSION => 1)")
    new = session.compile("SELECT id, [raw(image)] AS l FROM t WHERE id < 3")
    found = session.compile(f"SELECT n.id, n.l, o.l AS before FROM {call(new)} AS n JOIN {call(old)} AS o USING (id)")
    assert read(session, found) == [
        {"id": 1, "l": [b"first 1"], "before": [b"first 1"]},
        {"id": 2, "l": [b"third 2"], "before": [b"first 2"]},
    ]


def test_nested_media_of_a_selection_in_ad_hoc_sql(tmp_path: Path) -> None:
    """Two tables with media, the selection over the second; whatever else `sql` does, it may count the list."""
    store = Store(root=str(tmp_path))
    for name in ("a", "b"):
        rows = pa.table(
            [[1, 2], blob_array([b"x", b"y"])], schema=pa.schema([("id", pa.int64()), blob_field("v", "video")])
        )
        store.append(name, rows, message="test")
    with cutlist.connect(tmp_path) as session:
        base = session.compile("SELECT list(v ORDER BY id) AS l FROM b")
        assert session.sql(f"SELECT len(l) AS n FROM {call(base)}").fetchall() == [(2,)]


def test_two_selections_and_a_table_have_sources_of_their_own(session: Session) -> None:
    """One selection over two versions, another over one: what is source 0 in each is another column here."""
    old = session.compile("SELECT id, raw(image) AS m FROM t AT (VERSION => 1)")
    both = session.compile("SELECT n.id, raw(n.image) AS m FROM t AS n JOIN t AS o AT (VERSION => 2) USING (id)")
    found = session.compile(
        f"SELECT a.id, a.m AS a, b.m AS b, raw(t.image) AS c FROM {call(old)} AS a JOIN {call(both)} AS b USING (id) "
        f"JOIN t AS t AT (VERSION => 3) USING (id) WHERE id IN (2, 4)"
    )
    assert read(session, found) == [{"id": 4, "a": b"first 4", "b": b"first 4", "c": b"first 4"}]
    turned = session.compile(
        f"SELECT a.id, a.m AS a, b.m AS b FROM {call(both)} AS b JOIN {call(old)} AS a ON b.id = a.id + 2"
    )
    # version 2 lacks row 2
    assert [(row["a"], row["b"]) for row in read(session, turned)] == [
        (f"first {i - 2}".encode(), f"first {i}".encode()) for i in (4, 5, 6, 7)
    ]
    union = session.compile(f"SELECT m FROM {call(old)} WHERE id = 2 UNION ALL SELECT raw(image) FROM t WHERE id = 2")
    assert sorted(row["m"] for row in read(session, union)) == [b"first 2", b"third 2"]


def test_a_selection_twice_and_in_a_view_and_of_a_selection(root: Path, tmp_path: Path) -> None:
    with cutlist.connect(root, views=tmp_path) as session:
        base = session.compile("SELECT id, c, raw(image) AS m FROM t AT (VERSION => 1) WHERE c IS NOT NULL")
        (tmp_path / "kept.sql").write_text(f"SELECT id, m FROM {call(base)} WHERE id < 5")
    with cutlist.connect(root, views=tmp_path) as session:
        twice = session.compile(f"SELECT x.id, y.m FROM {call(base)} AS x JOIN {call(base)} AS y ON x.id = y.id + 2")
        assert [(row["id"], row["m"]) for row in read(session, twice)] == [
            (i, f"first {i - 2}".encode()) for i in (2, 4, 6)
        ]
        inner = session.compile("SELECT m AS renamed, id FROM kept")
        assert [row["id"] for row in read(session, inner)] == [0, 2, 3, 4]
        outer = session.compile(f"SELECT renamed, id FROM {call(inner)} WHERE id > 2")
        assert read(session, outer) == [{"renamed": b"first 3", "id": 3}, {"renamed": b"first 4", "id": 4}]
        assert [str(each) for each in outer.tables] == ["t@1"]
        mixed = session.compile(f"SELECT k.id, b.c FROM kept AS k JOIN {call(base)} AS b USING (id)")
        assert mixed.num_samples == 4


TYPES = {
    "BIGINT": "i",
    "HUGEINT": "170141183460469231731687303715884105727::HUGEINT - i",
    "UBIGINT": "18446744073709551615::UBIGINT - i::UBIGINT",
    "DECIMAL(9,2)": "(i / 4)::DECIMAL(9, 2)",
    "DECIMAL(38,10)": "(i / 4)::DECIMAL(38, 10)",
    "DOUBLE": "CASE i WHEN 1 THEN 'inf'::DOUBLE ELSE i / 3 END",
    "BOOLEAN": "i % 2 = 0",
    "VARCHAR": "'it''s ' || i",
    "BLOB": "'\\x00\\xff'::BLOB || encode(i::VARCHAR)",
    "DATE": "DATE '2024-02-28' + i::INTEGER",
    "TIME": "TIME '01:02:03.000004'",
    "TIMESTAMP": "TIMESTAMP '2024-02-28 01:02:03.000004'",
    "TIMESTAMP_NS": "TIMESTAMP_NS '2024-02-28 01:02:03.000004005'",
    "TIMESTAMP_S": "TIMESTAMP_S '2024-02-28 01:02:03'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2024-02-28 01:02:03+00' + to_days(i::INTEGER)",
    "INTERVAL": "to_days(i::INTEGER) + to_months(2) + to_microseconds(i)",
    "UUID": "('00000000-0000-0000-0000-00000000000' || i)::UUID",
    "BIGINT[]": "CASE i WHEN 1 THEN [] ELSE [i, NULL] END",
    "FLOAT[2]": "[i, 2]::FLOAT[2]",
    'STRUCT("a b" BIGINT, "q""q" VARCHAR[])': """{'a b': i, 'q"q': ['x']}""",
    "MAP(VARCHAR, BIGINT)": "MAP {'k': i, 'n': NULL}",
    "JSON": "'{\"a\": 1}'::JSON",
    "ENUM('z', 'a', 'it''s')": "(CASE i WHEN 0 THEN 'z' WHEN 1 THEN 'it''s' ELSE 'a' END)::ENUM('z', 'a', 'it''s')",
    "ENUM('z', 'a')[]": "['z', 'a']::ENUM('z', 'a')[]",
}


@pytest.mark.parametrize("kind", TYPES)
def test_types_and_values_of_a_selection(session: Session, truth: duckdb.DuckDBPyConnection, kind: str) -> None:
    """Column names that need quotes, a NULL in each column, and an order by the column itself."""
    query = (
        f"""SELECT i AS k, CASE WHEN i < 3 THEN {TYPES[kind]} END AS "odd ""name", 1 AS "Select" FROM range(4) r(i)"""
    )
    base = session.compile(query)
    assert base.columns[1].type == kind
    expected = truth.sql(f'FROM ({query}) ORDER BY "odd ""name" DESC, k')
    found = session.sql(f'FROM {call(base)} ORDER BY "odd ""name" DESC, k')
    assert str(found.types) == str(expected.types)
    assert found.columns == expected.columns
    plain = expected.to_arrow_table()
    assert found.to_arrow_table().cast(plain.schema).equals(plain)  # but for the name of the time zone
    again = session.compile(f'FROM {call(base)} WHERE "Select" = 1')
    assert [(each.name, each.type) for each in again.columns] == [(each.name, each.type) for each in base.columns]
    assert again.to_arrow().equals(base.to_arrow())


def test_odd_names_of_columns(session: Session) -> None:
    base = session.compile("""SELECT 1 AS "A b", 'x' AS "_rowid", NULL AS n""")
    assert session.sql(f'SELECT "A b", "_rowid", n FROM {call(base)}').fetchall() == [(1, "x", None)]


def test_columns_in_letters_that_differ_in_case(session: Session, truth: duckdb.DuckDBPyConnection) -> None:
    """They keep their values; their names are those that DuckDB has for the columns of such a subquery."""
    query = """SELECT id AS a, c AS "A", 'x' || id AS "_A" FROM t WHERE id < 5"""
    base = session.compile(query)
    assert [each.name for each in base.columns] == ["a", "A", "_A"]
    expected = truth.sql(f"FROM ({for_truth(query)})")
    found, again = session.sql(f"FROM {call(base)}"), session.compile(f"FROM {call(base)}")
    assert found.columns == [each.name for each in again.columns] == expected.columns
    assert bag(found.fetchall()) == bag(expected.fetchall())
    assert bag([tuple(row.values()) for row in read(session, again)]) == bag(expected.fetchall())
    assert session.compile(f'SELECT "A" FROM {call(base)}').columns[0].type == "BIGINT"  # the first, as in DuckDB


def test_media_and_late_columns_in_letters_that_differ_in_case(session: Session) -> None:
    base = session.compile("""SELECT id, raw(image) AS m, -id AS "M", embedding AS e, c AS "E" FROM t WHERE id < 3""")
    assert base.columns[3].late is not None
    again = session.compile(f"SELECT * FROM {call(base)} AS s(id, m, minus, e, c)")
    assert [(row["m"], row["minus"], row["e"][0], row["c"]) for row in read(session, again)] == [
        (b"first 1", -1, 1.0, None),
        (b"third 2", -2, 2.0, 3.0),
    ]


def test_no_such_selection(session: Session, base: Selection) -> None:
    for query, match in [
        ("FROM selection('abc')", r'query:1:6: "abc" is too short; give at least 4 digits of a fingerprint'),
        ("FROM selection('zzzzzz')", r'no saved selection has a fingerprint that starts with "zzzzzz"; `cutlist sel'),
        ("FROM selection()", r"query:1:6: selection\(…\) takes the start of a saved selection's fingerprint, as text"),
        (f"FROM {call(base)[:-1]}, 1)", r"query:1:6: selection\(…\) takes the start"),
        (f"SELECT id FROM {call(base)} AS s AT (VERSION => 1)", r"a saved selection has its versions in it; leave AT"),
    ]:
        for run in (session.compile, session.sql):
            with pytest.raises(QueryError, match=match):
                run(query)


def test_a_start_that_two_selections_have(tmp_path: Path) -> None:
    """Forty selections share no four digits by chance: one is copied with another fingerprint."""
    with cutlist.connect(tmp_path) as session:
        base = session.compile("SELECT 1 AS a")
        twin = Selection({**base._header, "fingerprint": base.fingerprint[:6] + "0" * 26}, None, base.packed())
        twin.save(session.saved.path("f" * 24))
        with pytest.raises(QueryError, match=r'query:1:6: 2 saved selections have a fingerprint that starts with "'):
            session.compile(f"FROM {call(base, 6)}")
        assert session.compile(f"FROM {call(base, 32)}").num_samples == 1


def test_an_unknown_column_of_a_selection(session: Session, base: Selection) -> None:
    with pytest.raises(
        QueryError, match=r'query:1:8: no column "idd".*; did you mean "id"\? .* has: c, embedding, id, m'
    ):
        session.compile(f"SELECT idd FROM {call(base)}")


def test_a_table_that_is_gone_or_was_made_anew(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    store.append("u", rows_of([1, 2], "one"), message="test")
    store.append("v", rows_of([1], "one"), message="test")
    with cutlist.connect(tmp_path) as session:
        base = session.compile("SELECT id, image FROM u")
        shutil.rmtree(store.uri("u"))
        session.refresh()
        for run in (session.compile, session.sql):
            with pytest.raises(CatalogError, match="table u, which a saved selection needs, is not in "):
                run(f"SELECT id FROM {call(base)}")
        store.append("u", rows_of([7, 8], "another"), message="test")
        session.refresh()
        for run in (session.compile, session.sql):
            with pytest.raises(CatalogError, match=r"table u was made anew since selection [0-9a-f]{12} was compiled"):
                run(f"SELECT id FROM {call(base)}")


def test_a_version_behind_a_selection_that_is_gone(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    store.append("u", rows_of([1], "one"), message="test")
    with cutlist.connect(tmp_path) as session:
        base = session.compile("SELECT id, image FROM u")
        store.append("u", rows_of([2], "two"), message="test")
        lance.dataset(store.uri("u")).tags.delete("cutlist-v1")
        lance.dataset(store.uri("u")).cleanup_old_versions(older_than=dt.timedelta(0))
    with (
        cutlist.connect(tmp_path) as session,
        pytest.raises(CatalogError, match="version 1 of table u no longer exists"),
    ):
        session.compile(f"SELECT id FROM {call(base)}")


@pytest.mark.xfail(
    reason="DuckDB 2.0.0: an ARRAY that is NULL behind a LEFT JOIN, also over its own tables", strict=True
)
def test_an_array_behind_a_left_join(session: Session) -> None:
    """The values are late where only the output uses them; here they are not."""
    found = session.compile(
        "SELECT x.id, t.embedding[1] AS first FROM (SELECT i % 10 AS id FROM range(1000) AS r(i)) AS x "
        "LEFT JOIN t AS t AT (VERSION => 1) USING (id)"
    )
    assert {row["id"]: row["first"] for row in found.to_arrow().to_pylist()} == {
        i: None if i in (3, 8, 9) else float(i) for i in range(10)
    }
