"""The reader: rows in order, few reads, bounded work ahead, and nothing left behind."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cutlist
from cutlist import reader as reader_module
from cutlist.errors import SelectionError
from cutlist.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from tests.conftest import Made

    from cutlist import Session

QUERY = "SELECT id, image.resize(16, 16) AS picture FROM my_images ORDER BY id"


@pytest.fixture
def session(made: Made) -> Iterator[Session]:
    with cutlist.connect(made.root, views=made.views) as opened:
        yield opened


def steps(*sizes: int) -> list[NDArray[np.int64]]:
    return list(np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]))


def names() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("cutlist")]


def test_rows_come_in_the_order_of_the_steps_with_repeats(session: Session) -> None:
    selection = session.compile(QUERY)
    asked = [np.array([3, 3, 0]), np.array([], dtype=np.int64), np.array([11, 1])]
    got = [[row["id"] for row in rows] for rows in Reader(selection, session.store).read(asked)]
    ids = selection.to_arrow()["id"].to_pylist()
    assert got == [[ids[position] for position in positions] for positions in asked]
    assert names() == []


def test_several_steps_are_read_in_one_call(session: Session) -> None:
    """Twelve steps of one row: windows of 1, 2, 4 and 5 rows."""
    reader = Reader(session.compile(QUERY), session.store)
    assert len(list(reader.read(steps(*[1] * 12)))) == 12
    assert reader.stats.num_reads == 4
    assert reader.stats.num_samples == 12
    sizes = session.sql("SELECT sum(size_bytes) FROM my_images").fetchall()[0][0]
    assert reader.stats.num_bytes == sizes


def test_encoded_bytes_held_are_bounded(session: Session) -> None:
    """With a bound below the size of two pictures, every window is one step."""
    reader = Reader(session.compile(QUERY), session.store, prefetch_bytes=3)
    assert len(list(reader.read(steps(*[1] * 12)))) == 12
    assert reader.stats.num_reads == 12


def test_the_same_medium_is_read_once_in_a_window(session: Session) -> None:
    query = "SELECT resize(image, 8, 8) AS a, center_crop(image, 9, 9) AS b FROM my_images a, range(3)"
    reader = Reader(session.compile(query), session.store)
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

    reader = Reader(session.compile(QUERY), session.store, processors=[count], num_threads=1)
    rows = reader.read(steps(*[2] * 6))
    next(rows)
    time.sleep(0.3)
    assert len(decoded) <= 2 * 3
    rows.close()
    assert names() == []


def test_a_clip_of_a_long_video_is_read_in_part(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "WHOLE_BYTES", 0)
    query = "SELECT clip(video, 0.2, 0.5).resize(32, 24) AS v FROM my_videos WHERE size_bytes > 1000 ORDER BY id"
    in_part = Reader(session.compile(query), session.store)
    parts = [row["v"] for rows in in_part.read(steps(12, 12)) for row in rows]
    monkeypatch.setattr(reader_module, "WHOLE_BYTES", 2**40)
    whole = [row["v"] for rows in Reader(session.compile(query), session.store).read(steps(12, 12)) for row in rows]
    assert all(np.array_equal(one, other) for one, other in zip(parts, whole, strict=True))
    assert in_part.stats.num_bytes > 0


def test_an_error_in_the_steps_reaches_the_consumer(session: Session) -> None:
    def broken() -> Iterator[NDArray[np.int64]]:
        yield np.arange(2)
        raise ZeroDivisionError("no more steps")

    rows = Reader(session.compile(QUERY), session.store).read(broken())
    with pytest.raises(ZeroDivisionError, match="no more steps"):
        list(rows)
    assert names() == []


def test_positions_outside_are_refused(session: Session) -> None:
    with pytest.raises(SelectionError, match=r"positions 5…12 of a selection of 12 samples"):
        list(Reader(session.compile(QUERY), session.store).read([np.array([5, 12])]))
