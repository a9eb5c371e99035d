"""`matches(text, words)`: all words are in a text, with a full-text index as without.

- What it says is what a few lines of Python say, for any Unicode text.
- An index finds every row that it is true for, for each character there is, and rows that were deleted or appended.
- An index that takes texts apart in another way is not asked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cutlist
from cutlist import Session
from cutlist.compiler.searches import indexed_words
from cutlist.engine import Databases
from cutlist.errors import QueryError
from cutlist.store import Store, make_index, rows_with_words

CIRCLED = "".join(
    map(chr, [*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A), *range(0x1F170, 0x1F18A)])
)


def words(text: str) -> list[str]:
    """Return the words of a text: what stands between separators, punctuation, symbols and control characters."""
    return "".join(" " if ends_a_word(each) else each.lower() for each in text).split(" ")


def ends_a_word(character: str) -> bool:
    """Return whether a character is in no word."""
    category = unicodedata.category(character)
    return character not in CIRCLED and (category[0] in "ZPS" or category in ("Cc", "Cf", "Co"))


def has_all(text: str, wanted: str) -> bool:
    """Return whether all words of one text are in another."""
    return set(words(wanted)) - {""} <= set(words(text))


FEW = st.text(st.sampled_from("abcABkK019 .,-_'“”\t\néÉßİÀÅ中文字のДдΣς🚗ⓐⒶ\u0131\u2019\u0301²½\u200b"), max_size=12)
ANY = st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn"]), max_size=12)


@pytest.fixture(scope="module")
def duckdb() -> Iterator[Databases]:
    databases = Databases()
    yield databases
    databases.close()


@settings(max_examples=60)
@given(st.lists(st.tuples(FEW | ANY, FEW), min_size=1, max_size=30))
def test_it_says_what_python_says(duckdb: Databases, pairs: list[tuple[str, str]]) -> None:
    pairs = [(text.replace("\0", ""), wanted) for text, wanted in pairs]
    query = "SELECT matches(p.a, p.b), matches(p.a, p.a) FROM (SELECT unnest(?::STRUCT(a VARCHAR, b VARCHAR)[]) AS p)"
    found = duckdb.adhoc.cursor().execute(query, [[{"a": a, "b": b} for a, b in pairs]]).fetchall()
    assert found == [(has_all(text, wanted), True) for text, wanted in pairs]


def test_examples(duckdb: Databases) -> None:
    def said(text: str | None, wanted: str | None) -> Any:
        return duckdb.adhoc.cursor().execute("SELECT matches(?, ?)", [text, wanted]).fetchall()[0][0]

    assert said("A car, painted RED.", "red car") is True
    assert said("two red cars", "red car") is False
    assert said("A bored carpenter", "red car") is False
    assert said("un café—“très” chaud", "CAFÉ très") is True
    assert said("un cafe", "café") is False
    assert said("anything", " … ") is True
    assert said("", "") is True
    assert said(None, "a") is None
    assert said("a", None) is None


def test_the_words_that_an_index_is_asked_for() -> None:
    assert indexed_words("Red, red_CAR; naïve don't") == ("red", "car", "don", "t")
    assert indexed_words("naïve " + "x" * 39 + " " + "y" * 40) == ("x" * 39,)
    assert indexed_words("中文 … ") == ()


def test_an_index_finds_every_row_for_each_character_there_is(tmp_path: Path) -> None:
    points = [*range(1, 0xD800), *range(0xE000, 0x33480), *range(0xE0001, 0xE01F0)]  # the others mean nothing
    columns = {"inside": [f"x{chr(each)}y" for each in points], "alone": [chr(each) for each in points]}
    table = Store.at(tmp_path).append("t", pa.table(columns), message="test")
    for column in columns:
        make_index(table, column, "INVERTED")
    asked = {"inside": {"x", "y"}, "alone": {*"abcdefghijklmnopqrstuvwxyz0123456789"}}
    with cutlist.connect(tmp_path) as session:
        for column, single in asked.items():
            query = f"SELECT unnest(text_words({column})) AS word, _rowid FROM t"
            said = dict(
                session.sql(f"SELECT word, list(_rowid) FROM ({query}) WHERE len(word) = 1 GROUP BY word").fetchall()
            )
            assert single <= set(said)
            for word in single:
                found = rows_with_words(session.tables["t"], column, [word], len(points))
                assert found is not None
                assert np.isin(said[word], found).all(), word


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Return a session over `t`, whose captions have an index, rows that were appended after it, and deleted ones."""
    root = tmp_path_factory.mktemp("matches")
    store = Store.at(root)
    colours, things = ("Red", "green", "BLUE", "naïve"), ("car", "cars", "house-boat", "red_dog", "")

    def rows(first: int) -> pa.Table:
        ids = range(first, first + 300)
        texts = [None if i % 23 == 0 else f"a {colours[i % 4]} {things[i % 5]}, {'x' * (i % 50)}" for i in ids]
        return pa.table({"id": ids, "caption": texts, "plain": texts, "stems": texts})

    store.append("t", rows(0), message="test")
    store.open("t").dataset.create_scalar_index("stems", "INVERTED", stem=True)
    with cutlist.connect(root) as first:
        assert first.index("t", "caption", kind="inverted") == "INVERTED"
    store.append("t", rows(300), message="test")
    store.open("t").dataset.delete("id % 7 = 5")
    with cutlist.connect(root) as session:
        yield session


@pytest.mark.parametrize(
    "wanted", ["red", "a RED car", "boat house", "dog", "naïve car", "x" * 39, "x" * 45 + " car", "zebra"]
)
@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM t WHERE matches(c, '…') ORDER BY id",
        "SELECT x.id FROM t AS x WHERE x.id > 20 AND x.c.matches('…') AND x.id % 2 = 0 ORDER BY x.id",
        "SELECT count(*) FROM t a JOIN t b ON a.id = b.id + 1 AND matches(b.c, '…') WHERE matches(a.c, 'a')",
        "SELECT count(*) FROM t WHERE NOT matches(c, '…')",
        "SELECT id FROM t WHERE matches(c, '…') OR id = 3 ORDER BY id",
        "SELECT matches(c, '…') AS m, count(*) FROM t GROUP BY ALL ORDER BY ALL",
    ],
)
def test_an_index_makes_no_difference(session: Session, query: str, wanted: str) -> None:
    query = query.replace("…", wanted)
    indexed, plain, stems = (
        session.sql(query.replace("(c,", f"({name},").replace(".c", f".{name}")).fetchall()
        for name in ("caption", "plain", "stems")
    )
    assert indexed == plain == stems


@pytest.mark.parametrize("call", ["matches(id, 'x')", "matches(caption, 5)", "matches(caption)"])
def test_what_is_no_text_is_refused(session: Session, call: str) -> None:
    with pytest.raises(
        QueryError, match=r"query: Macro matches\(\) does not .*: matches\(text VARCHAR, words VARCHAR\)"
    ):
        session.sql(f"SELECT {call} FROM t")


def test_what_an_index_found_is_told(session: Session) -> None:
    def filters(query: str) -> list[str]:
        return [each for scan in session.explain(query).scans for each in scan.filters]

    assert filters("SELECT id FROM t WHERE matches(caption, 'car red') AND caption IS NOT NULL") == [
        "25 rows by the full-text index of caption",
        "is_valid(caption)",
    ]
    for query in (
        "SELECT id FROM t WHERE matches(plain, 'dog') AND plain IS NOT NULL",
        "SELECT id FROM t WHERE matches(stems, 'dog') AND stems IS NOT NULL",
        "SELECT id FROM t WHERE (matches(caption, 'dog') OR id = 3) AND caption IS NOT NULL",
        "SELECT id FROM t WHERE matches(caption, '中文') IS NULL",
    ):
        assert not any("index" in each for each in filters(query))
    assert session.tables["t"].indexes == {"caption": {"INVERTED"}, "stems": {"INVERTED (other)"}}


def test_both_searches_at_once(tmp_path: Path) -> None:
    vectors = pa.array([[float(i), 1.0, i % 7] for i in range(600)], pa.list_(pa.float32(), 3))
    texts = [f"{('red', 'blue')[i % 2]} {('car', 'dog', 'cat')[i % 3]}" for i in range(600)]
    Store.at(tmp_path).append("t", pa.table({"id": range(600), "v": vectors, "caption": texts}), message="test")
    vector = "[9, 1, 3]::FLOAT[3]"
    query = f"SELECT id FROM t WHERE matches(caption, 'red cat') ORDER BY similarity(v, {vector}) DESC, id LIMIT 5"
    with cutlist.connect(tmp_path) as session:
        expected = session.sql(query).fetchall()
        session.index("t", "v", recall=1)
        assert session.sql(query).fetchall() == expected
        session.index("t", "caption", kind="INVERTED")
        assert session.sql(query).fetchall() == expected
        assert [each for scan in session.explain(query).scans for each in scan.filters] == [
            "100 rows by the full-text index of caption"
        ]
