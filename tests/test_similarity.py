"""`similarity`: embeddings compared with vectors, and with texts and images that the model of the column encodes.

- Everywhere in a query, and through views, it is the cosine that numpy computes; NULL where a vector has no direction.
- A text becomes a vector once, when the query is compiled; a query without one loads no model, nor does one that was
  compiled before. The vector is in the selection.
- What cannot be compared is refused, with the place and with what to write instead.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from tests.embeddings import PALETTE, Colours, Letters, png, unit, write_walls

import cutlist
from cutlist import Session
from cutlist.errors import CutlistError, QueryError, QueryWarning
from cutlist.store import Store

if TYPE_CHECKING:
    from cutlist.backfill import Featurizer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root with `walls`, 24 pictures with embeddings of colours and of letters, and views."""
    folder = tmp_path_factory.mktemp("similarity")
    write_walls(folder / "data")
    with cutlist.connect(folder / "data") as session:
        session.backfill("walls", Colours(2.0))
        session.backfill("walls", Letters())
    half = pa.array([[0.5, 1.0, 0.0]], pa.list_(pa.float16(), 3))
    odd = {"id": [0], "v": pa.array([[0.0, 0.0]], pa.list_(pa.float32(), 2)), "half": half}
    Store.at(folder / "data").append("odd", pa.table(odd), message="test")
    views = folder / "sql"
    views.mkdir()
    (views / "early.sql").write_text("SELECT *, colour AS c FROM walls WHERE id < 20")
    (views / "reddish.sql").write_text("SELECT id, similarity(c, 'red') FROM early WHERE similarity(c, 'red') > 0.98")
    return folder


@pytest.fixture
def session(root: Path) -> Any:
    with cutlist.connect(root / "data", views=root / "sql") as session:
        yield session


def test_it_is_the_cosine_everywhere_in_a_query(session: Session) -> None:
    rows = session.sql("SELECT id, colour FROM walls ORDER BY id").fetchall()
    red = Colours(2.0).encode_text(["red"])[0]
    expected = {i: None if vector is None else float(np.dot(unit(vector), red)) for i, vector in rows}
    known = {i: cosine for i, cosine in expected.items() if cosine is not None}
    assert len(known) < len(expected)
    for query in (
        "SELECT id, similarity(colour, 'red') AS s FROM walls",
        "SELECT id, colour.similarity('red') AS s FROM walls",
        "SELECT p.id, p.colour.similarity('a dark red') AS s FROM walls AS p",
        "WITH a AS (SELECT id AS i, colour AS k FROM walls) SELECT i AS id, similarity(k, 'red') AS s FROM a",
        "SELECT id, (SELECT similarity(colour, 'red')) AS s FROM walls",
        "SELECT id, similarity(b.k, 'red') AS s FROM walls JOIN (SELECT id, colour AS k FROM walls) b USING (id)",
        "SELECT id, similarity(colour, (SELECT colour FROM walls WHERE caption = 'a red wall' AND id = 0)) AS s "
        "FROM walls",
    ):
        found = dict(session.sql(query).fetchall())
        assert {i: None if s is None else round(s, 5) for i, s in found.items()} == {
            i: None if s is None else round(s, 5) for i, s in expected.items()
        }, query
    over = session.sql("SELECT id FROM walls WHERE similarity(colour, 'red') > 0.6").fetchall()
    assert {i for (i,) in over} == {i for i, cosine in known.items() if cosine > 0.6}
    best = sorted(known, key=lambda i: (-round(known[i], 6), i))[:5]
    query = "SELECT id FROM walls ORDER BY round(similarity(colour, 'red'), 6) DESC, id LIMIT 5"
    assert [i for (i,) in session.sql(query).fetchall()] == best
    assert session.compile(query).to_polars()["id"].to_list() == best


def test_columns_keep_the_names_that_duckdb_gives_them(session: Session) -> None:
    query = "SELECT similarity(colour, 'red'), 1 - similarity(colour, 'red'), id, letters.similarity('b') FROM walls"
    names = [
        "\"similarity\"(colour, 'red')",
        "(1 - \"similarity\"(colour, 'red'))",
        "id",
        "letters.\"similarity\"('b')",
    ]
    assert session.sql(query).columns == names
    assert list(session.compile(query).schema.names) == names
    assert session.sql("SELECT * FROM reddish").columns == ["id", "\"similarity\"(c, 'red')"]


def test_views_have_it_and_are_training_sets(session: Session) -> None:
    expected = session.sql("SELECT id FROM walls WHERE id < 20 AND similarity(colour, 'red') > 0.98").fetchall()
    assert {i for (i,) in expected} == {0, 16}
    assert set(session.compile("reddish").to_polars()["id"]) == {0, 16}
    nested = "SELECT v.id FROM reddish r JOIN early v USING (id) WHERE similarity(v.colour, 'orange') > 0.5"
    assert {i for (i,) in session.sql(nested).fetchall()} == {0, 16}


def test_an_image_is_a_query_too(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sky.png").write_bytes(png(PALETTE["cyan"]))
    query = "SELECT caption FROM walls ORDER BY similarity(colour, image_file('sky.png')) DESC, id LIMIT 1"
    assert session.sql(query).fetchall() == [("a cyan wall",)]
    first = session.compile(query)
    assert (first.vectors[0].given, first.vectors[0].column) == ("sky.png", "walls.colour")
    Path("sky.png").write_bytes(png(PALETTE["yellow"]))
    again = session.compile(query)
    assert again.to_polars()["caption"].to_list() == ["a yellow wall"]
    assert again.fingerprint != first.fingerprint
    Path("sky.png").write_bytes(b"no picture")
    with pytest.raises(QueryError, match=r"query:1:36: image_file\('sky.png'\): not an image"):
        session.sql(query)


def test_one_text_for_two_models(session: Session) -> None:
    query = "SELECT id, similarity(colour, 'red') AS a, similarity(letters, 'red') AS b FROM walls"
    selection = session.compile(query)
    assert [(each.given, each.column, len(each.vector)) for each in selection.vectors] == [
        ("red", "walls.colour", 3),
        ("red", "walls.letters", 10),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = cutlist.selection.Selection.load(selection.path or "")
    assert loaded.vectors == selection.vectors
    np.testing.assert_allclose(loaded.vectors[0].vector, Colours(2.0).encode_text(["red"])[0], rtol=1e-6)
    assert loaded.vectors[0].featurizer == "colour@1"
    assert loaded.vectors[0].parameters == {"power": "2.0"}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("'it''s 100 % $1, ?; \"{}\" \\n -- no /* comment'", 'it\'s 100 % $1, ?; "{}" \\n -- no /* comment'),
        ("'中文 🚗\tπόλη\n'", "中文 🚗\tπόλη\n"),
        ("''", ""),
        (f"'{'abc ' * 2500}'", "abc " * 2500),
        ("E'a\\n\\'b\\''", "a\n'b'"),
        ("$$it's$$", "it's"),
        ("( 'red' /* it's */ ) -- ')", "red"),
    ],
)
def test_any_text_is_encoded_as_it_is_written(session: Session, written: str, text: str) -> None:
    query = f"SELECT id, similarity(letters, {written}\n) AS s, letters.similarity({written}\n) AS t FROM walls"
    selection = session.compile(query)
    assert [each.given for each in selection.vectors] == [text]
    (of_text,) = Letters().encode_text([text])
    for _, s, t, letters in session.sql(query.replace(" FROM", ", letters FROM")).fetchall():
        assert s == t == pytest.approx(float(unit(letters) @ of_text), abs=1e-5)


def test_models_are_loaded_once_and_only_for_texts_that_are_new(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened() -> Session:
        return cutlist.connect(root / "data", views=root / "sql")

    monkeypatch.setattr(Colours, "loaded", 0)
    with opened() as session:
        session.compile("SELECT id, colour FROM walls WHERE id < 5")
        session.sql("SELECT similarity(colour, (SELECT colour FROM walls WHERE id = 3)) FROM walls").fetchall()
        session.lineage("SELECT similarity(colour, 'lemon yellow') FROM walls")
        assert Colours.loaded == 0
        session.compile("SELECT id FROM walls WHERE similarity(colour, 'lemon yellow') > 0.9")
        session.sql("SELECT similarity(colour, 'deep blue') FROM walls")
        assert Colours.loaded == 1
    with opened() as session:
        found = session.compile("SELECT id FROM walls where similarity(colour, 'lemon yellow') > 0.9 -- again")
        assert (Colours.loaded, found.vectors[0].given) == (1, "lemon yellow")
        with pytest.warns(QueryWarning, match=r"query:1:12: the last digits"):
            first = session.compile("SELECT id, avg(similarity(colour, 'light cyan')) AS a FROM walls GROUP BY id")
        assert Colours.loaded == 2
    with opened() as session:  # remarks are made anew for another text, and need the vector
        with pytest.warns(QueryWarning, match=r"query:2:1: the last digits"):
            found = session.compile(f"select id,\n{first.sql[11:]}")
        assert (Colours.loaded, found.fingerprint) == (2, first.fingerprint)


def test_what_has_no_direction_is_like_nothing(session: Session) -> None:
    vectors = (
        "[('a', [1, 0]), ('zero', [0, 0]), ('nan', ['nan'::FLOAT, 1]), ('null', NULL), ('far', ['inf'::FLOAT, 1])]"
    )
    query = f"SELECT e[1], similarity(e[2]::FLOAT[2], [1, 1]::FLOAT[2]) IS NULL FROM (SELECT unnest({vectors}) AS e)"
    rows = dict(session.sql(query).fetchall())
    assert rows == {"a": False, "zero": True, "nan": True, "null": True, "far": True}


def test_a_vector_with_a_null_in_it_is_left_out_as_the_message_says(tmp_path: Path) -> None:
    vectors = pa.array([[1, None], [1, 2], None], pa.list_(pa.float32(), 2))
    Store.at(tmp_path).append("t", pa.table({"id": [0, 1, 2], "v": vectors}), message="test")
    query = "SELECT id, similarity(v, [1, 2]::FLOAT[2]) AS s FROM t"
    with cutlist.connect(tmp_path) as session:
        with pytest.raises(QueryError, match="one of them has a NULL among its numbers") as refused:
            session.compile(query)
        where = str(refused.value).rpartition("leave it out: ")[2].replace("embedding", "v")
        assert session.sql(f"{query} {where}").fetchall() == [(1, 1.0)]


def test_its_sum_depends_on_the_order_of_rows(session: Session) -> None:
    with pytest.warns(QueryWarning, match=r"last digits of avg\(similarity\(colour, 'red'\)\) can differ between runs"):
        session.compile("SELECT avg(similarity(colour, 'red')) AS a FROM walls")


def test_the_other_commands_know_it(session: Session) -> None:
    query = "SELECT image FROM walls WHERE similarity(colour, 'red') > 0.5 AND id < 20"
    assert session.explain(query).columns
    found = session.lineage(query)
    assert ("walls", "colour") in found.base
    steps = session.waterfall(query)
    assert "similarity(colour, 'red') > 0.5" in str(steps)
    assert [each for each in session.lint(query) if each.error] == []


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            "similarity(plain, 'red')",
            r"query:1:8: walls.plain was not made by a featurizer, .*SELECT plain FROM wal",
        ),
        (
            "similarity(colour)",
            r"query:1:8: similarity takes two arguments, 1 are given; write similarity\(embedding, 'a",
        ),
        (
            "similarity(image, 'red')",
            r"query:1:8: walls.image is a media column, .*embeddings of FLOAT: `cutlist back",
        ),
        (
            "similarity(colour, letters)",
            r"query:1:8: colour has 3 numbers and letters has 10; only vectors of one model",
        ),
        ("similarity(colour, [1, 2]::FLOAT[2])", r"query:1:8: colour has 3 numbers and \[1, 2\]::FLOAT\[2\] has 2"),
        (
            "similarity(colour, caption)",
            r"query:1:8: the texts of column caption are not known .*write the text itself",
        ),
        (
            "similarity(colour, 'a ' || 'red')",
            r"query:1:8: 'a ' \|\| 'red' is a text that DuckDB makes when the query runs; write it out, as one text",
        ),
        ("similarity('red', colour)", r"query:1:8: the embedding goes first, similarity\(colour, 'red'\)$"),
        (
            "similarity(caption, 'red')",
            r"query:1:8: walls.caption is VARCHAR, and similarity takes embeddings, FLOAT\[n\]: .*text_embedding`",
        ),
        (
            "similarity(id + 1, 'red')",
            r"query:1:8: walls.id is BIGINT, and similarity .*backfill walls clip_embedding`",
        ),
        ("similarity(colour, 'red'::VARCHAR)", r"query:1:8: 'red'::VARCHAR is a text that DuckDB makes"),
        (
            "similarity(colour, lower('red'))",
            r"query: similarity takes an embedding, FLOAT\[n\], and .*written out in a",
        ),
        ("similarity(colour, [1, 2, 3])", r"query: similarity takes an embedding, FLOAT\[n\], and another one"),
        (
            "similarity(letters, image_file('no.jpg'))",
            r"query:1:8: image_file\('no.jpg'\) cannot be read: No such file",
        ),
        ("similarity(colour, image_file(caption))", r"query:1:8: image_file takes the path of one image, as text"),
        (
            "similarity(colour, image_file('a\0.jpg'))",
            r"query:1:8: image_file\('a.*'\) cannot be read: embedded null byte",
        ),
        ("image_file('a.jpg')", r"query:1:8: image_file\(…\) stands only as the second argument of similarity"),
        ("similarity([1, 2], 'red')", r"query:1:8: it cannot be told which column \[1, 2\] is, .*model 'red' is for"),
        (
            "similarity(coalesce(colour, plain), 'red')",
            r"is made of walls.colour, walls.plain, of different models",
        ),
        ("similarity(colour, 'pink')", r"query:1:8: the model of walls.colour cannot be used: KeyError: 'pink'"),
        ("similarity(colours, 'red')", r'query:1:19: no column "colours" in walls; did you mean "colour"\?'),
    ],
)
def test_what_cannot_be_compared_is_refused(session: Session, query: str, text: str) -> None:
    for run in (session.sql, session.compile):
        with pytest.raises(QueryError, match=text):
            run(f"SELECT {query} FROM walls")


def test_numbers_of_16_bits_are_refused(session: Session) -> None:
    with pytest.raises(QueryError, match=r"query:1:8: odd.half is a media column, or has numbers of 16 bits"):
        session.sql("SELECT similarity(half, v) FROM odd")


def test_a_text_in_what_is_no_query(session: Session) -> None:
    with pytest.raises(QueryError, match="text or image that is written out in a SELECT or a view"):
        session.sql("CREATE TABLE mine AS SELECT similarity(colour, 'red') AS s FROM walls")
    session.sql("CREATE TABLE mine AS FROM reddish")
    assert len(session.sql("FROM mine").fetchall()) == 2


def test_encoders_that_are_not_there(
    root: Path, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Featurizer, device: str) -> None:
        raise OSError("no file clip.pt;\nget it by: curl …")

    monkeypatch.setattr(Letters, "setup", broken)
    with pytest.raises(
        QueryError, match=r"the model of walls.letters cannot be used: OSError: no file clip.pt; get it"
    ):
        session.sql("SELECT similarity(letters, 'b') FROM walls")
    monkeypatch.undo()
    monkeypatch.setattr(Letters, "version", 2)
    with pytest.raises(
        QueryError, match=r"letters was made by letters@1, and letters@2 is here, whose vectors are others"
    ):
        session.sql("SELECT similarity(letters, 'b') FROM walls")
    monkeypatch.undo()
    (tmp_path / "a.png").write_bytes(png(PALETTE["red"]))
    with pytest.raises(QueryError, match=r"query:1:8: .*featurizer letters: has no encoder of images"):
        session.sql(f"SELECT similarity(letters, image_file('{tmp_path}/a.png')) FROM walls")
    monkeypatch.setattr(Letters, "encode_text", lambda self, texts: np.zeros((1, 4)))
    with pytest.raises(QueryError, match=r"encoder returned an array of shape \(1, 4\) .* expected .* shape \(1, 10\)"):
        session.sql("SELECT similarity(letters, 'bc') FROM walls")


def test_a_column_of_two_tables_of_one_model(tmp_path: Path) -> None:
    for table in ("a", "b"):
        write_walls(tmp_path, copies=1, table=table)
    with cutlist.connect(tmp_path) as session:
        session.backfill("a", Colours())
        session.backfill("b", Colours())
        both = "(SELECT id, colour FROM a UNION ALL SELECT id + 100, colour FROM b)"
        found = session.sql(f"SELECT id FROM {both} WHERE similarity(colour, 'blue') > 0.99 ORDER BY id").fetchall()
        assert found == [(5,), (105,)]
        session.backfill("b", Colours(3.0), again=True)
        with pytest.raises(CutlistError, match="of different models, so that 'blue' is no one vector"):
            session.sql(f"SELECT id FROM {both} WHERE similarity(colour, 'blue') > 0.99")


def test_vectors_of_another_model_in_one_column_are_told(tmp_path: Path) -> None:
    write_walls(tmp_path, copies=1)
    query = "SELECT id FROM walls WHERE similarity(colour, 'blue') > 0.5"
    with cutlist.connect(tmp_path) as session:
        session.backfill("walls", Colours())
        session.compile(query)
        session.backfill("walls", Colours(3.0), where="id < 5")
        warned = (
            r"query:1:28: 3 rows of walls have a colour that was not made as colour is now, and are compared with "
            r"'blue' all the same; `REFRESH COLUMN colour ON walls` makes them anew"
        )
        with pytest.warns(QueryWarning, match=warned):
            session.compile(query)
        assert any("was not made as colour is now" in each.text for each in session.lint(query))
        session.sql("REFRESH COLUMN colour ON walls")
        session.compile(query)
