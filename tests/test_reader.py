"""The reader: rows in order, few reads, bounded work ahead, and nothing left behind.

- The rows of a step that draws from several selections are those that readers of one selection give, part after part.
- What two selections share is read once; an error is raised in the turn of its step, whichever part it is in.
"""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

import cutlist
from cutlist.errors import CatalogError, MediaError, SelectionError
from cutlist.reader import Reader, Row, fetching
from cutlist.store import Store, blob_array, blob_field

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Made

    from cutlist import Selection, Session
    from cutlist.reader.fetching import AnyPart

QUERY = "SELECT id, image.resize(16, 16) AS picture FROM my_images ORDER BY id"


@pytest.fixture
def session(made: Made) -> Iterator[Session]:
    with cutlist.connect(made.root, views=made.views) as opened:
        yield opened


def steps(*sizes: int) -> list[list[AnyPart]]:
    return [[(0, positions)] for positions in np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])]


def equal(one: Any, other: Any) -> bool:
    """Return whether two values of rows are the same, arrays in them too."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else bool(one == other)


def names() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("cutlist")]


def test_rows_come_in_the_order_of_the_steps_with_repeats(session: Session) -> None:
    selection = session.compile(QUERY)
    asked = [np.array([3, 3, 0]), np.array([], dtype=np.int64), np.array([11, 1])]
    parts = [[(0, positions)] for positions in asked]
    got = [[row["id"] for row in rows] for rows in Reader([selection], session.store).read(parts)]
    ids = selection.to_arrow()["id"].to_pylist()
    assert got == [[ids[position] for position in positions] for positions in asked]
    assert names() == []


def test_several_steps_are_read_in_one_call(session: Session) -> None:
    """Twelve steps of one row: windows of 1, 2, 4 and 5 rows."""
    reader = Reader([session.compile(QUERY)], session.store)
    assert len(list(reader.read(steps(*[1] * 12)))) == 12
    assert reader.stats.num_reads == 4
    assert reader.stats.num_samples == 12
    sizes = session.sql("SELECT sum(size_bytes) FROM my_images").fetchall()[0][0]
    assert reader.stats.num_bytes == sizes


def test_encoded_bytes_held_are_bounded(session: Session) -> None:
    """With a bound below the size of two pictures, every window is one step."""
    reader = Reader([session.compile(QUERY)], session.store, prefetch_bytes=3)
    assert len(list(reader.read(steps(*[1] * 12)))) == 12
    assert reader.stats.num_reads == 12


def test_the_same_medium_is_read_once_in_a_window(session: Session) -> None:
    query = "SELECT resize(image, 8, 8) AS a, center_crop(image, 9, 9) AS b FROM my_images a, range(3)"
    reader = Reader([session.compile(query)], session.store)
    ((*rows,),) = reader.read(steps(36))
    assert {row["a"].shape for row in rows} == {(3, 8, 8)}
    sizes = session.sql("SELECT sum(size_bytes) FROM my_images").fetchall()[0][0]
    assert reader.stats.num_bytes == sizes


def test_decoding_stays_a_few_steps_ahead(session: Session) -> None:
    """A slow consumer: no more than the steps ahead are decoded, however many there are."""
    decoded: list[str] = []

    def count(row: dict[str, Any]) -> dict[str, Any]:
        decoded.append(row["id"])
        return row

    reader = Reader([session.compile(QUERY)], session.store, processors=[count], num_threads=1)
    rows = reader.read(steps(*[2] * 6))
    next(rows)
    time.sleep(0.3)
    assert len(decoded) <= 2 * 3
    rows.close()
    assert names() == []


def test_a_clip_of_a_long_video_is_read_in_part(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "WHOLE_BYTES", 0)
    query = "SELECT clip(video, 0.2, 0.5).resize(32, 24) AS v FROM my_videos WHERE size_bytes > 1000 ORDER BY id"
    in_part = Reader([session.compile(query)], session.store)
    parts = [row["v"] for rows in in_part.read(steps(12, 12)) for row in rows]
    monkeypatch.setattr(fetching, "WHOLE_BYTES", 2**40)
    whole = [row["v"] for rows in Reader([session.compile(query)], session.store).read(steps(12, 12)) for row in rows]
    assert all(np.array_equal(one, other) for one, other in zip(parts, whole, strict=True))
    assert in_part.stats.num_bytes > 0


def test_an_error_in_the_steps_reaches_the_consumer(session: Session) -> None:
    def broken() -> Iterator[list[AnyPart]]:
        yield [(0, np.arange(2))]
        raise ZeroDivisionError("no more steps")

    rows = Reader([session.compile(QUERY)], session.store).read(broken())
    with pytest.raises(ZeroDivisionError, match="no more steps"):
        list(rows)
    assert names() == []


def test_positions_outside_are_refused(session: Session) -> None:
    with pytest.raises(SelectionError, match=r"positions 5…12 of selection 0, of 12 samples"):
        list(Reader([session.compile(QUERY)], session.store).read([[(0, np.array([5, 12]))]]))


# -- several selections ------------------------------------------------------------------------------------------------

VIDEOS = "SELECT id, clip(video, 0.2, 0.5).resize(32, 24) AS v FROM my_videos ORDER BY id"
BOTH = """
    SELECT [raw(image)] AS bytes, video.clip(0, 0.1).resize(8, 8) AS v, i.id
    FROM my_images i LEFT JOIN my_videos v ON v._rowid = i._rowid + 20 ORDER BY i.id DESC
"""


def alone(session: Session, selection: Selection) -> list[Row]:
    ((*rows,),) = Reader([selection], session.store).read([[(0, np.arange(len(selection)))]])
    return rows


def test_rows_of_mixed_steps_are_those_of_readers_of_one_selection(session: Session) -> None:
    """The numbers of a selection's sources are not those of another's: pictures are source 0 of one, 1 of the next."""
    selections = [session.compile(each) for each in (QUERY, VIDEOS, BOTH)]
    asked: list[list[tuple[int, list[int]]]] = [
        [(0, [3]), (1, [3, 0]), (2, [1])],
        [(2, [5, 5, 0]), (1, []), (0, [11])],
        [(1, [23, 7])],
        [],
        [(1, []), (0, [])],
        [(0, [3]), (2, [11]), (0, [4, 3])],
    ]
    parts = [[(number, np.array(positions, dtype=np.int64)) for number, positions in step] for step in asked]
    rows = [alone(session, selection) for selection in selections]
    expected = [[rows[number][position] for number, positions in step for position in positions] for step in asked]
    for num_steps in (1, len(asked)):  # one step to a read, and several
        reader = Reader(selections, session.store, prefetch_bytes=1 if num_steps == 1 else 2**29)
        assert equal(list(reader.read(parts)), expected)
    assert reader.selections == tuple(selections)
    assert names() == []


def test_blobs_that_selections_share_are_read_once(session: Session) -> None:
    """Three selections over one column: in each, of a step of 12 rows, are the same 12 pictures."""
    queries = [
        QUERY,
        "SELECT raw(image) AS bytes FROM my_images",
        "SELECT raw(video) AS video, image FROM my_videos v JOIN my_images i ON i._rowid = v._rowid",
    ]
    reader = Reader([session.compile(each) for each in queries], session.store)
    ((*rows,),) = reader.read([[(number, np.arange(12)) for number in range(3)]])
    assert len(rows) == reader.stats.num_samples == 36
    pictures = session.sql("SELECT sum(size_bytes) FROM my_images").fetchall()[0][0]
    videos = session.sql("SELECT sum(size_bytes) FROM my_videos v SEMI JOIN my_images i ON i._rowid = v._rowid")
    assert reader.stats.num_bytes == pictures + videos.fetchall()[0][0]
    assert reader.stats.num_reads == 2


def test_steps_of_several_selections_are_read_in_one_call(session: Session) -> None:
    """Twelve steps of one row, of one selection and the other in turn: windows of 1, 2, 4 and 5 rows."""
    bytes_of = "SELECT raw(image) AS bytes, id FROM my_images ORDER BY id"
    selections = [session.compile(each) for each in (QUERY, bytes_of)]
    reader = Reader(selections, session.store)
    rows = [row for rows in reader.read([[(i % 2, np.array([i]))] for i in range(12)]) for row in rows]
    assert [row["id"] for row in rows] == selections[0].to_arrow()["id"].to_pylist()
    assert reader.stats.num_reads == 4


def test_a_position_outside_is_refused_in_any_part(session: Session) -> None:
    selections = [session.compile(VIDEOS), session.compile(QUERY)]
    rows = Reader(selections, session.store).read([steps(2)[0], [(0, np.array([12])), (1, np.array([12]))]])
    assert len(next(rows)) == 2
    with pytest.raises(SelectionError, match=r"positions 12…12 of selection 1, of 12 samples"):
        next(rows)


@pytest.mark.parametrize("number", [2, -1])
def test_a_selection_that_is_not_there_is_refused(session: Session, number: int) -> None:
    reader = Reader([session.compile(VIDEOS), session.compile(QUERY)], session.store)
    with pytest.raises(SelectionError, match=rf"selection {number} of 2; they count from 0"):
        list(reader.read([[(number, np.array([0]))]]))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with a table `t`: pictures that are none, and a wide text."""
    rows = pa.table({"id": range(8), "doc": [f"{i} " * 2000 for i in range(8)]})
    images = blob_array([f"image {i}".encode() for i in range(8)])
    Store(root=str(tmp_path)).append("t", rows.append_column(blob_field("image", "image"), images), message="test")
    return tmp_path


def test_late_columns_of_two_selections(root: Path) -> None:
    with cutlist.connect(root) as session:
        queries = ("SELECT id, doc FROM t ORDER BY id", "SELECT raw(image) AS m, doc AS d FROM t ORDER BY id DESC")
        selections = [session.compile(each) for each in queries]
        assert [[each.late is not None for each in one.columns] for one in selections] == [[False, True]] * 2
        ((*rows,),) = Reader(selections, session.store).read([[(1, np.array([0, 2])), (0, np.array([7, 1]))]])
    assert rows == [
        {"m": b"image 7", "d": "7 " * 2000},
        {"m": b"image 5", "d": "5 " * 2000},
        {"id": 7, "doc": "7 " * 2000},
        {"id": 1, "doc": "1 " * 2000},
    ]


def test_an_error_in_one_part_is_raised_in_its_turn(root: Path) -> None:
    """Nothing in `t` is a picture, so all that can be had of it is bytes."""
    with cutlist.connect(root) as session:
        selections = [session.compile(f"SELECT {each} AS m FROM t ORDER BY id") for each in ("raw(image)", "image")]
        raw, decoded = (0, np.arange(4)), (1, np.array([5]))
        rows = Reader(selections, session.store).read([[raw], [raw, raw], [raw, decoded, raw], [raw]])
        assert [len(next(rows)), len(next(rows))] == [4, 8]
        with pytest.raises(MediaError, match=r"t@1, row id 5, column image \(as m\): "):
            next(rows)
    assert names() == []


def test_each_selection_is_read_from_the_table_it_was_compiled_over(root: Path) -> None:
    """The second was compiled over another table `t`, made anew since, whose rows of version 1 are others."""
    query = "SELECT raw(image) AS m FROM t"
    with cutlist.connect(root) as session:
        before = session.compile(query)
        table = session.sql("SELECT id, doc FROM t").to_arrow_table()
        shutil.rmtree(root / "t.lance")
        images = blob_array([f"another {i}".encode() for i in range(8)])
        session.store.append("t", table.append_column(blob_field("image", "image"), images), message="test")
    with cutlist.connect(root) as session:
        now = session.compile(query)
        assert now.sources == before.sources
        ((row,),) = Reader([now], session.store).read([[(0, np.array([0]))]])
        assert row == {"m": b"another 0"}
        with pytest.raises(CatalogError, match=r"table t in .* was made anew since the selection was compiled"):
            next(Reader([now, before], session.store).read([[(0, np.array([0]))]]))
