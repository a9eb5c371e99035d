"""The saved selections of a root.

- They are listed from the newest to the oldest; a file that is none, or is damaged, is left out with a warning.
- A selection is found by the start of its fingerprint, if that is four digits or more and says which one.
- Dropping one deletes its file, and the tags of those versions alone that no other one needs: clean-up deletes those,
  and no others.
- Equal rows make equal bytes, with any number of threads, in whatever order they came, and in any time zone.
- A query is found again by its text but for white space, comments and the case of keywords.
- A file that cannot be read is kept, as it may be good; a damaged one makes room for what is compiled again.
- A root that cannot be written warns; the selection is good.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import lance
import numpy as np
import pyarrow as pa
import pytest

import cutlist
from cutlist import Selection, Session
from cutlist.errors import CatalogError, CutlistError, SelectionError
from cutlist.store import Store, blob_array, blob_field


def append(session: Session, name: str, ids: list[int]) -> None:
    """Append rows to a table with a medium in each, and move on to that version."""
    schema = pa.schema([("id", pa.int64()), blob_field("image", "image")])
    rows = pa.table([ids, blob_array([f"{name} {i}".encode() for i in ids])], schema=schema)
    session.store.append(name, rows, message="test")
    session.refresh()


def saved_at(selection: Selection, second: int) -> None:
    """Set when a selection was saved."""
    assert selection.path is not None
    os.utime(selection.path, (second, second))


def tags(session: Session, name: str) -> dict[str, int]:
    return {tag: each["version"] for tag, each in lance.dataset(session.store.uri(name)).tags.list().items()}


def clean_up(session: Session, name: str) -> list[int]:
    """Return the versions that Lance's clean-up keeps."""
    dataset = lance.dataset(session.store.uri(name))
    dataset.cleanup_old_versions(older_than=dt.timedelta(0), error_if_tagged_old_versions=False)
    return [each["version"] for each in dataset.versions()]


def test_all_has_the_newest_first(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        assert session.saved.all() == []
        made = [session.compile(f"SELECT {i} AS i") for i in range(4)]
        for selection, second in zip(made, (20, 40, 10, 30), strict=True):
            saved_at(selection, second)
        assert [each.fingerprint for each in session.saved.all()] == [made[i].fingerprint for i in (1, 3, 0, 2)]
        assert all(each.path is not None and each.path.is_file() for each in session.saved.all())


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", r"bad\.arrow: not a saved selection, or a damaged one; .*; left out"),
        (b"ARROW1\0\0 and then nothing", r"bad\.arrow: not a saved selection, or a damaged one; .*; left out"),
        (None, r"bad\.arrow: not a saved selection, or a damaged one; .*; left out"),
    ],
)
def test_a_damaged_file_warns_and_is_left_out(tmp_path: Path, data: bytes | None, match: str) -> None:
    """None is the first half of a good one."""
    with cutlist.connect(tmp_path) as session:
        good = session.compile("SELECT 1 AS i")
        assert good.path is not None
        half = good.path.read_bytes()[: good.path.stat().st_size // 2]
        (good.path.parent / "bad.arrow").write_bytes(half if data is None else data)
        (good.path.parent / "notes.txt").write_text("not a selection, and not looked at")
        (good.path.parent / "left.tmp").write_text("of a killed process")
        with pytest.warns(UserWarning, match=match):
            assert [each.fingerprint for each in session.saved.all()] == [good.fingerprint]
        with pytest.warns(UserWarning, match=match):
            assert session.saved.find(good.fingerprint).path == good.path


@pytest.mark.parametrize(
    "header",
    [b"[]", b"null", b'"text"', b"7"],
)
def test_a_file_of_another_program_warns(tmp_path: Path, header: bytes) -> None:
    with cutlist.connect(tmp_path) as session:
        good = session.compile("SELECT 1 AS i")
        assert good.path is not None
        schema = pa.schema([("x", pa.int64())], metadata={b"cutlist": header})
        with pa.OSFile(str(good.path.parent / "bad.arrow"), "wb") as file, pa.ipc.new_file(file, schema):
            pass
        with pytest.warns(UserWarning, match=r"bad\.arrow: not a saved selection"):
            assert len(session.saved.all()) == 1


def test_a_file_without_a_header_or_of_an_old_format_warns(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        good = session.compile("SELECT 1 AS i")
        assert good.path is not None
        for header, match in [
            ({}, r"bad\.arrow: not a saved selection, or a damaged one"),
            (
                {b"cutlist": b'{"format": 1, "sql": "SELECT 1"}'},
                r"selection format 1; this version of cutlist reads \d",
            ),
        ]:
            schema = pa.schema([("x", pa.int64())], metadata=header)
            with pa.OSFile(str(good.path.parent / "bad.arrow"), "wb") as file, pa.ipc.new_file(file, schema):
                pass
            with pytest.warns(UserWarning, match=match):
                assert len(session.saved.all()) == 1


def test_a_file_that_cannot_be_read_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    with cutlist.connect(tmp_path) as session:
        made = session.compile("SELECT 1 AS i")
        assert made.path is not None
        with monkeypatch.context() as patched:
            patched.setattr("cutlist.selection.pa.memory_map", refused)
            for load, given in ((session.saved.load, made.path.stem), (session.compile, "SELECT 1 AS i")):
                with pytest.raises(SelectionError, match=r"\.arrow: cannot be read: .*Permission denied"):
                    load(given)
        found = session.saved.load(made.path.stem)
        assert found is not None
        assert found.fingerprint == made.fingerprint


@pytest.mark.parametrize(
    "zeroed",
    [
        None,
        slice(8, -10),
    ],
)
def test_a_damaged_file_makes_room_for_another(tmp_path: Path, zeroed: slice | None) -> None:
    """None is the first half of the file; the other has zeros between the marks at its two ends, as a crash leaves."""
    with cutlist.connect(tmp_path) as session:
        made = session.compile("SELECT 1 AS i")
        assert made.path is not None
        data = made.path.read_bytes()
        made.path.unlink()  # which is mapped
        if zeroed is None:
            made.path.write_bytes(data[: len(data) // 2])
        else:
            made.path.write_bytes(data[: zeroed.start] + bytes(len(data[zeroed])) + data[zeroed.stop :])
        assert session.saved.load(made.path.stem) is None
        assert not made.path.exists()
        assert session.compile("SELECT 1 AS i").path == made.path
        assert made.path.read_bytes() == data


def test_find_by_the_start_of_a_fingerprint(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        made = session.compile("SELECT 1 AS i")
        for start in (made.fingerprint, made.fingerprint[:4], f" {made.fingerprint[:12].upper()}… "):
            assert session.saved.find(start).path == made.path
        for start in ("", "abc", "…", "   a   "):
            with pytest.raises(CatalogError, match="is too short; give at least 4 digits of a fingerprint"):
                session.saved.find(start)
        with pytest.raises(
            CatalogError, match=r'^no saved selection has a fingerprint that starts with "\*\*\*\*"; `cutl'
        ):
            session.saved.find("****")
        twin = Selection({**made._header, "fingerprint": made.fingerprint[:8] + "0" * 24}, None, made.packed())
        twin.save(session.saved.path("f" * 24))
        both = sorted([made.fingerprint[:12], twin.fingerprint[:12]])
        match = rf'^2 saved selections have a fingerprint that starts with "\w+": {both[0]}, {both[1]}; `cutlist sel'
        with pytest.raises(CatalogError, match=match):
            session.saved.find(made.fingerprint[:8])
        assert session.saved.find(made.fingerprint).path == made.path


def test_dropping_keeps_the_tags_that_others_need(tmp_path: Path) -> None:
    """`a` is at versions 1 to 3, `b` at 1; clean-up comes before, between and after."""
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1, 2])
        append(session, "b", [1, 2])
        first = session.compile("SELECT id FROM a")
        append(session, "a", [3])
        second = session.compile("SELECT a.id, b.image FROM a JOIN b USING (id)")
        other = session.compile("SELECT count(*) AS n FROM a")
        append(session, "a", [4])
        assert (tags(session, "a"), tags(session, "b")) == ({"cutlist-v1": 1, "cutlist-v2": 2}, {"cutlist-v1": 1})
        assert clean_up(session, "a") == [1, 2, 3]

        dropped, free = session.drop_selection(second.fingerprint[:10])
        assert (dropped.fingerprint, [str(each) for each in free]) == (second.fingerprint, ["b@1"])
        assert second.path is not None
        assert not second.path.exists()
        assert (tags(session, "a"), tags(session, "b")) == ({"cutlist-v1": 1, "cutlist-v2": 2}, {})
        assert clean_up(session, "a") == [1, 2, 3]

        assert [str(each) for each in session.drop_selection(other.fingerprint)[1]] == ["a@2"]
        assert clean_up(session, "a") == [1, 3]
        assert [str(each) for each in session.drop_selection(first.fingerprint)[1]] == ["a@1"]
        assert tags(session, "a") == {}
        assert clean_up(session, "a") == [3]
        with pytest.raises(CatalogError, match="no saved selection has a fingerprint"):
            session.drop_selection(first.fingerprint)
        assert session.compile("SELECT id FROM a").num_samples == 4


def test_a_selection_of_a_selection_needs_its_versions(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1, 2])
        base = session.compile("SELECT id, image FROM a")
        outer = session.compile(f"SELECT image FROM selection('{base.fingerprint}') WHERE id = 1")
        assert session.drop_selection(base.fingerprint)[1] == []
        assert tags(session, "a") == {"cutlist-v1": 1}
        assert [str(each) for each in session.drop_selection(outer.fingerprint)[1]] == ["a@1"]


def test_the_tags_of_others_are_not_touched(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1])
        lance.dataset(session.store.uri("a")).tags.create("mine", 1)
        made = session.compile("SELECT id FROM a")
        session.drop_selection(made.fingerprint)
        assert tags(session, "a") == {"mine": 1}


def test_dropping_where_the_tag_is_gone_already(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1])
        made = session.compile("SELECT id FROM a")
        lance.dataset(session.store.uri("a")).tags.delete("cutlist-v1")
        assert [str(each) for each in session.drop_selection(made.fingerprint)[1]] == ["a@1"]


@pytest.mark.parametrize("gone", ["table", "version"])
def test_dropping_what_needs_a_table_that_is_gone(tmp_path: Path, gone: str) -> None:
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1])
        made = session.compile("SELECT id FROM a")
        append(session, "a", [2])
    if gone == "table":
        shutil.rmtree(tmp_path / "a.lance")
    else:
        lance.dataset(session.store.uri("a")).tags.delete("cutlist-v1")
        lance.dataset(session.store.uri("a")).cleanup_old_versions(older_than=dt.timedelta(0))
    with cutlist.connect(tmp_path) as session:
        assert session.drop_selection(made.fingerprint)[0].fingerprint == made.fingerprint
        assert session.saved.all() == []


def test_dropping_what_needed_a_table_that_was_made_anew(tmp_path: Path) -> None:
    """Another table has the name and the version, and a selection that needs it."""
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1])
        old = session.compile("SELECT id FROM a")
    shutil.rmtree(tmp_path / "a.lance")
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [7])
        new = session.compile("SELECT id FROM a")
        append(session, "a", [8])
        session.drop_selection(old.fingerprint)
        assert clean_up(session, "a") == [1, 2]
        assert session.store.pinned("a", 1, new.tables[0].identity).dataset.count_rows() == 1


def test_dropping_with_damaged_files_beside_it(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        made = session.compile("SELECT 1 AS i")
        assert made.path is not None
        (made.path.parent / "bad.arrow").write_text("hello")
        with pytest.warns(UserWarning, match=r"bad\.arrow: not a saved selection"):
            session.drop_selection(made.fingerprint)
        assert not made.path.exists()
        assert (made.path.parent / "bad.arrow").exists()


def test_two_queries_with_the_same_rows_have_files_of_their_own(tmp_path: Path) -> None:
    """Both have one fingerprint, which stands for the rows, and are dropped by it together."""
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1, 2])
        one, two = session.compile("SELECT id FROM a"), session.compile("SELECT id FROM a WHERE id > 0")
        assert one.fingerprint == two.fingerprint
        assert one.path != two.path
        assert session.saved.find(one.fingerprint).fingerprint == one.fingerprint
        assert len(session.saved.all()) == 2
        assert tags(session, "a") == {"cutlist-v1": 1}
        assert [str(each) for each in session.drop_selection(one.fingerprint)[1]] == ["a@1"]
        assert session.saved.all() == []


@pytest.mark.parametrize(
    ("query", "again"),
    [
        ("SELECT 1 AS over", "select  1 as over -- again"),
        ("SELECT 1 AS i ORDER BY i LIMIT 1", "select 1 AS i\norder  by i limit 1;"),
    ],
)
def test_one_text_but_for_keywords_is_found_again(tmp_path: Path, query: str, again: str) -> None:
    with cutlist.connect(tmp_path) as session:
        assert session.compile(query).path == session.compile(again).path


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("SELECT 1 AS {}", "over"),
        ("SELECT 1 AS {}", "left"),
        ("SELECT {} FROM (SELECT 1) AS t({})", "over"),
        ("SELECT 1 {}", "partition"),
        ("SELECT {}.{} FROM (SELECT 1) AS {}({})", "partition"),
        ("SELECT struct_pack({} := 1) AS s", "left"),
        ("SELECT struct_pack({} => 1) AS s", "like"),
        ("FROM (SELECT 1) AS t({})", "between"),
    ],
)
def test_names_that_are_keywords_keep_their_case(tmp_path: Path, query: str, word: str) -> None:
    with cutlist.connect(tmp_path) as session:
        for name in (word, word.upper()):
            (found,) = session.compile(query.replace("{}", name)).to_arrow().to_pylist()
            assert found in ({name: 1}, {"s": {name: 1}})


def test_a_dropped_selection_is_compiled_again_and_tagged_again(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1, 2])
        made = session.compile("SELECT id FROM a")
        session.drop_selection(made.fingerprint)
        again = session.compile("SELECT id FROM a")
        assert (again.fingerprint, again.path) == (made.fingerprint, made.path)
        assert tags(session, "a") == {"cutlist-v1": 1}


def body(selection: Selection) -> bytes:
    """Return the samples of a selection's file: all after the header, which says how it was asked for."""
    assert selection.path is not None
    return b"".join(batch.serialize().to_pybytes() for batch in selection.batches)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, image, word, list, day FROM t",
        "SELECT id % 7 AS k, list(image ORDER BY id) AS l, max(word) AS w FROM t GROUP BY k",
        "SELECT a.word, b.image FROM t AS a JOIN t AS b ON a.id = b.id + 1 WHERE a.id % 3 > 0",
        "SELECT word, id FROM t ORDER BY word",
        "SELECT DISTINCT word, day FROM t",
    ],
)
def test_equal_rows_have_equal_bytes_with_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """The second table has the rows in another order, in more fragments, and is read by four threads."""
    count = 3_000
    rows = pa.table(
        {
            "id": np.arange(count),
            "word": pa.array([None if i % 7 == 0 else f"w{i % 101}" for i in range(count)]),
            "list": pa.array([None if i % 5 == 0 else [i, None][: i % 3] for i in range(count)], pa.list_(pa.int64())),
            "day": pa.array([None if i % 11 == 0 else dt.date(2024, 1, 1 + i % 28) for i in range(count)]),
        }
    )
    found = []
    connect_duckdb = duckdb.connect
    for threads, parts in ((1, 1), (4, 5)):

        def with_threads(config: dict[str, str], threads: int = threads) -> duckdb.DuckDBPyConnection:
            return connect_duckdb(config={**config, "threads": str(threads)})

        monkeypatch.setattr("cutlist.engine.databases.duckdb.connect", with_threads)
        store = Store(root=str(tmp_path / str(threads)))
        schema = pa.schema([*rows.schema, blob_field("image", "image")])
        image = blob_array([None if i % 9 == 0 else b"x" for i in range(count)])
        whole = pa.table([*rows.columns, image], schema=schema)
        for part in range(parts):
            store.append("t", whole.slice(part * count // parts, count // parts), message="test")
        with cutlist.connect(store.root) as session:
            selection = session.compile(query)
            version = selection.tables[0].version
            found.append(selection.packed().to_pylist())
            again = Store(root=str(tmp_path / f"copy {threads}"))
            shutil.copytree(store.uri("t"), again.uri("t"))
        with cutlist.connect(again.root) as session:
            copied = session.compile(query)
            assert body(copied) == body(selection)
            assert copied.path is not None
            assert selection.path is not None
            assert copied.path.read_bytes() == selection.path.read_bytes()
        assert version == parts
    assert found[0] == found[1]


def test_rows_are_the_same_in_any_time_zone(tmp_path: Path) -> None:
    """In processes with roots of their own, compiled and ad hoc: text without a zone, and what is of one."""
    at = "TIMESTAMPTZ '2024-06-30 20:00:00+00'"
    query = f"""SELECT '2024-01-01 00:00:00'::TIMESTAMPTZ AS t, {at}::VARCHAR AS s, hour({at}) AS h,
                       date_trunc('day', {at})::DATE AS d, epoch(TIMESTAMP '2024-01-01'::TIMESTAMPTZ) AS e"""
    code = """
import sys, cutlist
with cutlist.connect(sys.argv[1], create=True) as session:
    print(session.compile(sys.argv[2]).fingerprint, session.sql(sys.argv[2]).to_arrow_table())
"""
    said = set()
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / zone), query],
            capture_output=True,
            text=True,
            env={**os.environ, "TZ": zone},
        )
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1, said


@pytest.mark.parametrize("compiling", [True, False])
def test_settings_of_every_cursor(tmp_path: Path, compiling: bool) -> None:
    with cutlist.connect(tmp_path) as session:
        cursor = session._engine.databases.cursor(compiling=compiling)
        names = ("TimeZone", "enable_progress_bar", "enable_progress_bar_print", "progress_bar_time")
        settings = ", ".join(f"current_setting('{name}')" for name in names)
        assert cursor.execute(f"SELECT {settings}").fetchall() == [("UTC", True, False, 0)]
        if compiling:
            for change in (
                "TimeZone = 'Asia/Tokyo'",
                "allowed_configs = ['TimeZone']",
                "enable_external_access = true",
            ):
                with pytest.raises(duckdb.InvalidInputException, match="Cannot change configuration option"):
                    cursor.execute(f"SET {change}")


def test_a_root_that_cannot_be_written_warns(tmp_path: Path) -> None:
    """`_selections` is a file, which no permission of root gets around."""
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1, 2])
        (tmp_path / "_selections").write_text("in the way")
        with pytest.warns(UserWarning, match="the selection is not saved: .*_selections"):
            made = session.compile("SELECT id FROM a")
        assert made.path is None
        assert made.to_arrow()["id"].to_pylist() == [1, 2]
        assert session.saved.all() == []
        with pytest.raises(CutlistError, match="no saved selection has a fingerprint"):
            session.drop_selection(made.fingerprint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_root_without_permission_warns(tmp_path: Path) -> None:
    with cutlist.connect(tmp_path) as session:
        append(session, "a", [1, 2])
    folders = [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        with cutlist.connect(tmp_path) as session, pytest.warns(UserWarning, match="the selection is not saved: "):
            assert session.compile("SELECT id FROM a").num_samples == 2
    finally:
        for folder in folders:
            folder.chmod(0o755)
