"""What `explain` and `lint` say of a query, without a media byte and without a trace in the root.

- Scans have the columns that DuckDB reads and no others, each with the clauses that name it, and the filters.
- `epoch_bytes` is the sum of the sizes of the media that the samples stand for, as often as they do, at any depth;
  of late columns, their average size times the values that are not NULL.
- Nothing is saved and no version is tagged; the plan is JSON.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lance
import pyarrow as pa
import pytest
from tests.tables import fixed_lists

import cutlist
from cutlist import Session
from cutlist.errors import QueryError
from cutlist.store import Blobs, Store, blob_array, blob_field

if TYPE_CHECKING:
    from cutlist.answers.explain import Explanation, Output

pytestmark = pytest.mark.filterwarnings("ignore::cutlist.errors.QueryWarning")

NUM_ROWS = 12
SIZES: dict[str, list[int | None]] = {
    "a": [None if i == 2 else 10**i % 1_000_003 for i in range(NUM_ROWS)],
    "b": [7] * NUM_ROWS,
}
"""Bytes of each medium; None is NULL. Lance keeps some inside the table and some beside it."""


def rows_of(name: str) -> pa.Table:
    vectors = [None if i % 4 == 1 else [float(i)] * 300 for i in range(NUM_ROWS)]
    rows = pa.table(
        {
            "id": range(NUM_ROWS),
            "score": pa.array([None if i % 3 == 0 else i / 2 for i in range(NUM_ROWS)]),
            "word": [f"w{i % 3}" for i in range(NUM_ROWS)],
            "unused": [i * i for i in range(NUM_ROWS)],
            "embedding": fixed_lists(vectors, 300),
            "doc": [f"{i} " * 1500 for i in range(NUM_ROWS)],
        }
    )
    media = blob_array([None if size is None else bytes(size) for size in SIZES[name]])
    return rows.append_column(blob_field("image", "image"), media)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    store = Store(root=str(folder))
    store.append("a", rows_of("a"), message="test")
    store.append("b", rows_of("b").slice(0, 4), message="test")
    lance.dataset(store.uri("b")).delete("id = 0")
    (folder / "views").mkdir()
    (folder / "views" / "good.sql").write_text("SELECT id, image FROM a WHERE score > 1")
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with cutlist.connect(root, views=root / "views") as opened:
        yield opened


def column(explained: Explanation, name: str) -> Output:
    return next(each for each in explained.columns if each.name == name)


def scanned(explained: Explanation) -> dict[str, dict[str, str]]:
    return {each.table: dict(each.columns) for each in explained.scans}


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT id FROM a", {"a": {"id"}}),
        ("SELECT id, word FROM a ORDER BY score", {"a": {"id", "word", "score"}}),
        ("SELECT id FROM (SELECT * FROM a)", {"a": {"id"}}),
        ("SELECT id, image FROM a", {"a": {"id", "image", "_rowid"}}),
        ("SELECT id, embedding FROM a", {"a": {"id", "embedding", "_rowid"}}),
        ("SELECT doc[1] AS first FROM a", {"a": {"doc"}}),
        ("SELECT x.id, y.word FROM a AS x JOIN b AS y USING (id)", {"a": {"id"}, "b": {"id", "word"}}),
        ("SELECT max(score) AS m, word FROM a GROUP BY word", {"a": {"score", "word"}}),
        ("WITH x AS (FROM a) SELECT id, row_number() OVER (ORDER BY id) AS n FROM x", {"a": {"id"}}),
        ("SELECT 1 AS one", {}),
    ],
)
def test_scans_have_the_columns_that_are_read(session: Session, query: str, columns: dict[str, set[str]]) -> None:
    explained = session.explain(query)
    assert {table: set(found) for table, found in scanned(explained).items()} == columns
    assert all(each.version == session.tables[each.table].version for each in explained.scans)
    assert all(each.num_rows == (NUM_ROWS if each.table == "a" else 3) for each in explained.scans)


def test_a_scan_of_every_column_has_them_all(tmp_path: Path) -> None:
    Store(root=str(tmp_path)).append("t", pa.table({"id": [1, 2], "word": ["x", "y"]}), message="test")
    with cutlist.connect(tmp_path) as session:
        assert scanned(session.explain("SELECT _rowid, id, word FROM t")) == {
            "t": {"_rowid": "refers to rows", "id": "output", "word": "output"}
        }


def test_counting_rows_refers_to_none(session: Session) -> None:
    assert "refers to rows" not in scanned(session.explain("SELECT count(*) AS n FROM a"))["a"].values()


def test_each_column_has_the_clauses_that_name_it(session: Session) -> None:
    explained = session.explain(
        """SELECT x.id, upper(x.word) AS w, x.image FROM a AS x JOIN b AS y ON x.id = y.unused
           WHERE x.score > 1 GROUP BY ALL HAVING max(y.score) < 9 ORDER BY x.id"""
    )
    found = scanned(explained)
    assert found["a"]["id"] == "output, JOIN, ORDER BY"
    assert found["a"]["word"] == "expression"
    assert found["a"]["_rowid"] == "refers to rows"
    assert found["b"] == {"unused": "JOIN", "score": "WHERE, HAVING"}
    assert scanned(session.explain("SELECT * EXCLUDE (image) FROM a WHERE id = 1"))["a"]["word"] == "output (*)"


def test_filters_are_those_that_lance_answers(tmp_path: Path) -> None:
    """DuckDB's own, and the compiler's where there is an index."""
    store = Store(root=str(tmp_path))
    docs = ["x" + random.Random(i).randbytes(1500).hex() for i in range(300)]  # sizes are as stored, compressed
    rows = pa.table({"id": range(300), "word": [f"w{i % 50}" for i in range(300)], "doc": docs})
    store.append("t", rows, message="test")
    with cutlist.connect(tmp_path) as session:
        (scan,) = session.explain("SELECT id FROM t WHERE id >= 298").scans
        assert any("id" in each and "298" in each for each in scan.filters)
        assert session.explain("SELECT id FROM t").scans[0].filters == ()
        (scan,) = session.explain("SELECT id FROM t WHERE doc LIKE 'x%'").scans
        assert scan.filters == ("`doc` LIKE 'x%'",)
        session.index("t", "word")
        (scan,) = session.explain("SELECT id FROM t WHERE word = 'w7'").scans
        assert any("w7" in each for each in scan.filters)
        assert scan.version == 2


ALL_A = sum(size or 0 for size in SIZES["a"])


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("SELECT image AS m FROM a", ALL_A),
        ("SELECT clip(image, 0, 1) AS m FROM a", ALL_A),
        ("SELECT image AS m FROM a WHERE id IN (2, 3)", SIZES["a"][3]),
        ("SELECT image AS m FROM a WHERE id = 2", 0),
        ("SELECT a.image AS m FROM a, range(3)", 3 * ALL_A),
        ("SELECT a.image AS m, b.id FROM b JOIN a ON a.id = b.id % 2 + 4", sum(10 ** (i % 2 + 4) for i in (1, 2, 3))),
        ("SELECT b.image AS m FROM a LEFT JOIN b USING (id)", 21),
        ("SELECT CASE WHEN id % 2 = 0 THEN a.image ELSE b.image END AS m FROM a JOIN b USING (id)", 14),
        ("SELECT image AS m FROM b UNION ALL SELECT image FROM a WHERE id < 2", 21 + 11),
        ("SELECT list(image ORDER BY id) AS m FROM a GROUP BY id % 5", ALL_A),
        ("SELECT [image, NULL, image] AS m FROM a WHERE id < 4", 2 * (1 + 10 + 1000)),
        ("SELECT {'x': image, 'y': {'z': [image]}} AS m FROM b", 42),
        ("SELECT MAP {'k': image} AS m FROM b WHERE id > 1", 14),
        ("SELECT [image, image]::media[2] AS m FROM b", 42),
        ("SELECT [[image], NULL, []] AS m FROM b", 21),
        ("SELECT CASE WHEN id > 2 THEN {'x': image} END AS m FROM b", 7),
        ("SELECT NULL::media AS m", 0),
    ],
)
def test_epoch_bytes_are_the_sizes_of_the_media(session: Session, query: str, size: int) -> None:
    explained = session.explain(query)
    found = column(explained, "m")
    assert (found.epoch_bytes, found.read) == (size, "later")
    assert explained.epoch_bytes == size
    assert found.why.startswith("media of ")


def test_late_columns_count_their_values(session: Session) -> None:
    explained = session.explain("SELECT id, embedding AS e, doc FROM a")
    values = 9
    assert column(explained, "e").epoch_bytes == values * 1200
    assert column(explained, "e").read == "later"
    assert column(explained, "e").why == "a.embedding: 1,200 bytes a value, and only the output uses it"
    assert column(explained, "e").type == "FLOAT[300]"
    assert explained.epoch_bytes == sum(each.epoch_bytes for each in explained.columns)
    joined = session.explain(
        "SELECT b.id, a.embedding AS e FROM range(40) AS r(i) LEFT JOIN a ON a.id = i JOIN b ON true"
    )
    assert column(joined, "e").epoch_bytes == 3 * values * 1200
    used = session.explain("SELECT embedding AS e FROM a WHERE embedding[1] > 3")
    assert (column(used, "e").read, column(used, "e").epoch_bytes) == ("now", 0)
    assert used.selection_bytes >= 1200 * used.num_samples


def test_other_columns_are_stored(session: Session) -> None:
    found = column(session.explain("SELECT id, score FROM a"), "score")
    assert (found.read, found.epoch_bytes, found.type) == ("now", 0, "DOUBLE")
    assert found.why == "stored in the selection, 4 NULL"


def test_what_a_selection_reads_is_a_scan(tmp_path: Path) -> None:
    Store(root=str(tmp_path)).append("t", pa.table({"id": [1, 2], "doc": ["x" * 3000] * 2}), message="test")
    with cutlist.connect(tmp_path) as session:
        base = session.compile("SELECT id, doc FROM t")
        assert base.columns[1].late is not None
        explained = session.explain(f"SELECT length(doc) AS n FROM selection('{base.fingerprint}')")
        assert "doc" in scanned(explained).get("t", {})


def test_no_media_is_read_and_nothing_left(session: Session, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("media were read")

    for name in ("read", "read_ranges", "open"):
        monkeypatch.setattr(Blobs, name, refuse)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    explained = session.explain("SELECT a.id, a.image, list(b.image) AS l FROM a JOIN b USING (id) GROUP BY ALL")
    session.lint("SELECT image FROM a WHERE score > 1")
    session.lint()
    assert explained.num_samples == 3
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert lance.dataset(session.tables["a"].uri).tags.list() == {}


def test_it_is_json(session: Session) -> None:
    explained = session.explain("SELECT id, clip(image, 0, 'inf'::DOUBLE) AS c, embedding FROM a WHERE id IN (1, 2)")
    again = json.loads(json.dumps(explained.to_dict(), allow_nan=False))
    assert list(again) == [
        *("sql", "num_samples", "scans", "columns", "epoch_bytes", "bound", "selection_bytes", "warnings"),
    ]
    assert again["num_samples"] == 2
    assert [each["name"] for each in again["columns"]] == ["id", "c", "embedding"]
    assert again["scans"][0]["table"] == "a"


def test_warnings_are_in_it(session: Session) -> None:
    explained = session.explain("SELECT id FROM a WHERE score > 1")
    assert explained.warnings == (
        "query:1:24: 4 of 12 rows of a have no score and are dropped by `score > 1`; to say that this is meant, "
        "add `score IS NOT NULL`",
    )


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("SELECT captoin FROM a", r'query:1:8: no column "captoin" in a'),
        ("SELECT random() AS r FROM a", r"query:1:8: random\(\) differs in every run"),
        ("SELECT 1 AS a, 2 AS a", 'two columns are named "a"'),
        ("nothing", r'query: no table or view "nothing"'),
    ],
)
def test_what_cannot_be_compiled_cannot_be_explained(session: Session, query: str, match: str) -> None:
    with pytest.raises(QueryError, match=match):
        session.explain(query)


def test_an_empty_result_is_explained(session: Session) -> None:
    explained = session.explain("SELECT id, image, [image] AS l FROM a WHERE id > 100")
    assert (explained.num_samples, explained.epoch_bytes) == (0, 0)


# -- lint -------------------------------------------------------------------------------------------------------------


def test_lint_of_one_query(session: Session) -> None:
    (remark,) = session.lint("SELECT id FROM a WHERE score > 1")
    assert (remark.place, remark.error) == ("query:1:24", False)
    assert remark.text.startswith("4 of 12 rows of a have no score and are dropped by `score > 1`")
    (remark,) = session.lint("SELECT captoin FROM a")
    assert (remark.place, remark.error) == ("query:1:8", True)
    assert remark.text.startswith('no column "captoin" in a')
    both = session.lint("SELECT random() AS r FROM a WHERE score > 1")
    assert [each.error for each in both] == [True, False]
    assert session.lint("a") == []


def test_lint_of_a_query_that_cannot_be_bound_has_its_other_remarks(session: Session) -> None:
    found = session.lint("SELECT random() AS r, captoin FROM a LIMIT 3")
    assert sorted((each.place, each.text.split(" ")[0]) for each in found) == [
        ("query:1:23", "no"),
        ("query:1:38", "LIMIT"),
        ("query:1:8", "random()"),
    ]


def test_lint_of_every_view(root: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, text in {
        "good": "SELECT id FROM a",
        "holes": "SELECT id,\n  score FROM a\nWHERE score > 1",
        "user": "FROM holes",
        "deep/bad": "SELECT captoin FROM a",
        "unparsed": "SELECT FROM WHERE",
        "round": "FROM square",
        "square": "FROM round",
    }.items():
        (tmp_path / f"{name}.sql").write_text(text)
    with cutlist.connect(root, views=tmp_path) as session:
        remarks = session.lint()
    files = [Path(each.place.split(".sql")[0]).name for each in remarks]
    assert [(file, each.error) for file, each in zip(files, remarks, strict=True) if file in ("bad", "holes")] == [
        ("bad", True),
        ("holes", False),
    ]
    assert [each.place.removeprefix(f"{tmp_path}/") for each in remarks[:2]] == ["deep/bad.sql:1:8", "holes.sql:3:7"]
    assert any("syntax error" in each.text for each in remarks)
    assert any("in a circle" in str(each) for each in remarks)


def test_lint_of_views_in_a_circle(root: Path, tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_text("FROM two")
    (tmp_path / "two.sql").write_text("FROM one")
    with cutlist.connect(root, views=tmp_path) as session:
        remarks = session.lint("FROM one")
    assert [each.text for each in remarks] == ["views use each other in a circle: one → two → one"]


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("SELECT id, score AS id FROM a", 'two columns are named "id"'),
        ("SELECT id, '101'::BIT AS b FROM a", "column b has the type BIT"),
    ],
)
def test_lint_says_what_compile_refuses(session: Session, query: str, match: str) -> None:
    with pytest.raises(QueryError, match=match):
        session.compile(query)
    assert [each.error for each in session.lint(query)] == [True]
