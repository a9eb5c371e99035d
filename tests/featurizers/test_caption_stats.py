"""Caption statistics: each by its formula, and as columns of a table.

- Words are found in scripts with and without spaces; measures are those that are counted by hand.
- Over a table: named after the column that was asked for, again by REFRESH COLUMN; a value that is no text fails alone.
- On the command line: arguments of featurizers, and what is said of those that do not fit.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from typer.testing import CliRunner

import cutlist
from cutlist import cli
from cutlist.backfill import declared_again, with_arguments
from cutlist.errors import FeaturizerError, SettingsError
from cutlist.store import Store
from cutlist_featurizers import CaptionStats
from cutlist_featurizers.caption_stats import repeated_share, script_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cutlist import Session

CAPTIONS = ["A red car, a red car, a red car.", "雨の日", "...", None]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    rows = pa.table({"id": range(4), "caption": CAPTIONS, "Prompt": ["one", None, "two words", ""]})
    Store.at(tmp_path / "data").append("t", rows, message="test")
    with cutlist.connect(tmp_path / "data", views=tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  !?  ", []),
        ("don\u2019t stop-motion 3D", ["don\u2019t", "stop-motion", "3d"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),
        ("วันนี้", list("วันนี้")),
        ("猫が2匹", ["猫", "が", "2", "匹"]),
        ("straße STRASSE", ["strasse", "strasse"]),
        ("- a - b -", ["a", "b"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_repetition_is_counted_by_place() -> None:
    assert repeated_share(list("aaaa")) == 1
    assert repeated_share(list("abcd")) == 0
    assert repeated_share(list("abcabcx")) == 2 / 5
    assert repeated_share(list("abab"), 2) == 2 / 3
    assert repeated_share([]) == repeated_share(["a"]) == 0


def test_scripts() -> None:
    assert script_of("日本語") == "cjk"
    assert script_of("ひらがな a") == "hiragana"
    assert script_of("ab абв") == "cyrillic"
    assert script_of("ab бв") == "cyrillic"  # as many: the first in the alphabet
    assert script_of("नमस्ते") == "devanagari"


def test_columns_of_a_table(session: Session) -> None:
    report = session.backfill("t", CaptionStats())
    assert (report.num_computed, report.num_failed, report.num_skipped) == (3, 0, 1)
    columns = "caption_num_words, caption_num_chars, caption_distinct_share, caption_repeated_share, caption_script"
    assert session.sql(f"SELECT {columns} FROM t ORDER BY id").fetchall() == [
        (9, 32, pytest.approx(1 / 3), 1.0, "latin"),  # 7 sequences: 3, 2 and 2 times
        (3, 3, 1.0, 0.0, "cjk"),
        (0, 3, None, 0.0, None),
        (None, None, None, None, None),
    ]


def test_of_another_column_and_again(session: Session) -> None:
    session.backfill("t", CaptionStats("Prompt"))
    assert session.tables["t"].features["prompt_stats"].parameters == {"column": "Prompt"}
    session.sql("REFRESH COLUMN prompt_num_words ON t")
    assert session.sql("SELECT prompt_num_words FROM t ORDER BY id").fetchall() == [(1,), (None,), (2,), (0,)]
    (status,) = session.status("t")
    assert (status.featurizer, status.num_filled, status.num_stale, status.num_never) == ("prompt_stats@1", 3, 0, 1)
    assert declared_again("caption_stats", {"column": "Prompt"}).name == "prompt_stats"


def test_what_is_no_text_fails_alone() -> None:
    values = CaptionStats()({"text": ["a b", 5]})["caption_num_words"]
    assert values[0] == 2
    assert "caption_stats: caption has a int; expected text" in str(values[1])


def test_arguments_on_the_command_line(session: Session, tmp_path: Path) -> None:
    places = ["--root", str(tmp_path / "data"), "--views", str(tmp_path)]
    asked = ["backfill", "t", "caption_stats", "--with", "column=Prompt", "--json", *places]
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["columns"][0] == "prompt_num_words"
    for given, said in (
        ("column", "--with column: expected ARGUMENT=VALUE, e.g. model=ViT-L-14"),
        ("colunm=x", 'featurizer caption_stats: no argument "colunm"; did you mean "column"?'),
    ):
        done = CliRunner().invoke(cli.app, ["backfill", "t", "caption_stats", "--with", given, *places])
        assert isinstance(done.exception, SettingsError | FeaturizerError)
        assert said in str(done.exception)
    done = CliRunner().invoke(cli.app, [*asked, "--with", "column=x"])
    assert "--with column=x: column was given before, as Prompt" in str(done.exception)


def test_arguments_that_do_not_fit() -> None:
    assert with_arguments("embedding_duplicates", {"min_similarity": "0.5"}).parameters == {"min_similarity": "0.5"}
    with pytest.raises(FeaturizerError, match="duplicates: max_distance=four: Input should be a valid integer"):
        with_arguments("duplicates", {"max_distance": "four"})
    with pytest.raises(FeaturizerError, match="featurizer sharpness: takes no arguments, and was given size"):
        with_arguments("sharpness", {"size": "4"})
