"""Selections: the file says everything, is whole or not there, and any position of it is found by division."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cutlist
from cutlist import Selection
from cutlist import selection as selection_module
from cutlist.errors import SelectionError
from cutlist.media.reference import FIELD_NAMES
from cutlist.packing import MEDIA_TYPE, Packer, unpack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Made

QUERY = "SELECT id, video.clip(0, duration_seconds / 2).resize(32, 24) AS v, width FROM my_videos"


@pytest.fixture
def selection(made: Made) -> Selection:
    with cutlist.connect(made.root, views=made.views) as session:
        return session.compile(QUERY)


def test_a_saved_selection_is_the_same_when_loaded(selection: Selection, tmp_path: Path) -> None:
    saved = selection.save(tmp_path / "new folder" / "mine.arrow")
    loaded = Selection.load(str(tmp_path / "new folder" / "mine.arrow"))
    for each in (saved, loaded, pickle.loads(pickle.dumps(loaded))):
        assert each.fingerprint == selection.fingerprint
        assert each.sql == QUERY
        assert (each.tables, each.sources, each.columns) == (selection.tables, selection.sources, selection.columns)
        assert each.to_arrow().equals(selection.to_arrow())
        assert len(each) == each.num_samples == 24
    assert loaded.to_polars()["id"].to_list() == selection.to_arrow()["id"].to_pylist()
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["mine.arrow"]


def test_it_stores_what_varies_and_notes_what_does_not(selection: Selection) -> None:
    assert selection.path is not None
    with pa.memory_map(str(selection.path)) as file:
        stored = pa.ipc.open_file(file).schema.field("v").type
    assert [field.name for field in stored] == ["row", "stop_seconds"]
    column = selection.columns[1]
    assert column.media
    assert column.constants["width"] == 32
    assert [op.name for op in column.ops or ()] == ["clip", "resize"]
    whole = selection.schema.field("v").type
    assert whole == MEDIA_TYPE
    assert selection.to_arrow()["v"][0].as_py()["height"] == 24


def test_the_file_has_no_place_or_secret(made: Made, tmp_path: Path) -> None:
    """A selection can be moved with its root; nothing of where it was made is in it."""
    with cutlist.connect(made.root, storage_options={"aws_secret_access_key": "hunter2"}) as session:
        path = session.compile("SELECT id FROM my_images").save(tmp_path / "s.arrow").path
    assert path is not None
    data = path.read_bytes()
    assert b"hunter2" not in data
    assert str(made.root).encode() not in data


@given(positions=st.lists(st.integers(0, 9_999), max_size=50))
def test_any_positions_are_taken_in_order(positions: list[int]) -> None:
    """Batches of 1,000 rows in place of 65,536, so that positions fall into ten of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection_module, "BATCH_ROWS", 1_000)
        made = Selection.build(
            pa.table({"i": np.arange(10_000)}), pa.schema([("i", pa.int64())]), {}, (), types=["BIGINT"], ordered=False
        )
        assert made.take(np.array(positions, dtype=np.int64))["i"].to_pylist() == positions


@given(
    rows=st.lists(
        st.none()
        | st.fixed_dictionaries(
            {
                "source": st.integers(0, 1),
                "row": st.integers(0, 3),
                "ops": st.just(0x13),
                "start_seconds": st.none() | st.sampled_from([0.0, 1.5]),
                "width": st.just(8),
            }
        ),
        min_size=1,
        max_size=12,
    ),
    cut=st.integers(0, 12),
)
def test_packing_loses_nothing(rows: list[dict[str, float] | None], cut: int) -> None:
    """Whatever is constant, NULL or absent in one batch or the other, what is unpacked is what was packed."""
    whole = [None if row is None else {**dict.fromkeys(FIELD_NAMES), **row} for row in rows]
    schema = pa.schema([("m", MEDIA_TYPE), ("i", pa.int64())])
    packer = Packer(schema)
    for part in (whole[:cut], whole[cut:]):
        packer.add(pa.record_batch([pa.array(part, MEDIA_TYPE), pa.array(range(len(part)), pa.int64())], schema=schema))
    table, constants = packer.finish()
    packed = table["m"].combine_chunks()
    again = unpack(packed, {key: constants["m"].get(key) for key in FIELD_NAMES})
    assert again.to_pylist() == whole
    assert table["i"].null_count == 0


def test_what_is_not_a_selection_is_refused(selection: Selection, tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=r"none\.arrow: no such file; `session\.compile\(query\)\.save"):
        Selection.load(tmp_path / "none.arrow")
    (tmp_path / "text.arrow").write_text("hello")
    with pytest.raises(SelectionError, match=r"text\.arrow: not a saved selection, or a damaged one; compile"):
        Selection.load(tmp_path / "text.arrow")
    assert selection.path is not None
    data = selection.path.read_bytes()
    (tmp_path / "half.arrow").write_bytes(data[: len(data) // 2])
    with pytest.raises(SelectionError, match=r"half\.arrow: not a saved selection, or a damaged one"):
        Selection.load(tmp_path / "half.arrow")
    header = {**selection._header, "format": 0}
    with pa.OSFile(str(tmp_path / "old.arrow"), "wb") as file:
        schema = pa.schema([("x", pa.int64())], metadata={b"cutlist": json.dumps(header).encode()})
        with pa.ipc.new_file(file, schema):
            pass
    with pytest.raises(SelectionError, match=r"old\.arrow: selection format 0; this version of cutlist reads 2, so co"):
        Selection.load(tmp_path / "old.arrow")


def test_a_damaged_file_under_the_root_is_compiled_again(made: Made, tmp_path: Path) -> None:
    with cutlist.connect(made.root) as session:
        first = session.compile("SELECT id, width FROM my_images WHERE width > 1")
        assert first.path is not None
        first.path.write_bytes(b"ARROW1\0\0 and then nothing")
        second = session.compile("SELECT id, width FROM my_images WHERE width > 1")
    assert second.fingerprint == first.fingerprint
    assert Selection.load(first.path).num_samples == 12


def test_two_processes_that_compile_one_query_end_with_one_file(made: Made) -> None:
    """Thirty queries whose rows differ each time they run, compiled by both at once: the first file is everybody's."""
    query = "SELECT id, image, random() AS r, {} AS n FROM my_images"
    code = f"""
import cutlist
import cutlist.compiler.rules
cutlist.compiler.rules.check = lambda *_: ()  # which refuses random()
with cutlist.connect({str(made.root)!r}) as session:
    for i in range(30):
        selection = session.compile({query!r}.format(i))
        assert selection.to_arrow()["n"].to_pylist() == [i] * 12
        print(i, selection.fingerprint, sum(selection.to_arrow()["r"].to_pylist()))
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=120) for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    left = [path for path in (made.root / "_selections").iterdir() if path.suffix != ".arrow"]
    assert left == []


def test_clean_up_keeps_what_a_saved_selection_needs(tmp_path: Path) -> None:
    """Four versions: the second is compiled over, the fourth is the latest; ad-hoc SQL pins nothing."""
    with cutlist.connect(tmp_path) as session:
        for number in range(4):
            session.store.append("t", pa.table({"i": [number]}), message="a row")
            session.refresh()
            if number == 1:
                session.compile("SELECT i FROM t")
                session.compile("SELECT i + 1 AS j FROM t")
            session.sql("SELECT i FROM t").fetchall()
        dataset = session.tables["t"].dataset
        assert {name: tag["version"] for name, tag in dataset.tags.list().items()} == {"cutlist-v2": 2}
        dataset.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)
        assert session.store.open("t", 2).dataset.to_table()["i"].to_pylist() == [0, 1]
        with pytest.raises(cutlist.CutlistError, match="version 3 of table t no longer exists"):
            session.store.open("t", 3)


def test_a_root_that_cannot_be_written_warns_and_goes_on(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root users may write anywhere, so the refusal is made here."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(Selection, "save", refuse)
    with cutlist.connect(made.root) as session, pytest.warns(UserWarning, match="the selection is not saved: .*Read-o"):
        selection = session.compile("SELECT id FROM my_images WHERE height > 2")
    assert selection.path is None
    assert selection.num_samples == 12
