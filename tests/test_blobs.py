"""The bytes of media columns on a local disk: whole, in ranges, as files; and what is wrong with a row.

- However rows, ranges and duplicates are mixed, the bytes are those that were written.
- A row that is bad gets an error in its own place, which names it; the others are read.
"""

from __future__ import annotations

import io
import pickle
import random
import threading
from typing import TYPE_CHECKING

import lance
import numpy as np
import pyarrow as pa
import pytest

from cutlist.errors import MediaError, StorageError
from cutlist.store import Blobs, Retry, Store, blob_field
from cutlist.store.blobs import READ_AHEAD_BYTES
from cutlist.store.retries import first_line, is_of_storage

if TYPE_CHECKING:
    from pathlib import Path


SIZES = (10, 70_000, 0, None, 200_000, 5_000_000, 1)
DATA = [None if size is None else random.Random(size).randbytes(size) for size in SIZES]


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    """Return a column with every layout: inline, packed, of its own file, empty and NULL."""
    rows = pa.table([lance.blob_array(DATA)], schema=pa.schema([blob_field("video", "video")]))
    return Blobs(Store.at(tmp_path_factory.mktemp("blobs")).append("t", rows, message="test"), "video")


def test_whole(blobs: Blobs) -> None:
    order = [4, 0, 3, 5, 0, 2, 6, 1, 3]
    assert blobs.read(order) == [DATA[row] for row in order]
    assert blobs.read([]) == []
    sizes = blobs.sizes(np.array(order, dtype=np.uint64))
    assert sizes.dtype == np.int64
    assert sizes.tolist() == [SIZES[row] or 0 for row in order]
    assert blobs.sizes(np.array([], dtype=np.uint64)).shape == (0,)


def test_ranges(blobs: Blobs) -> None:
    rng = random.Random(3)
    spans = []
    for _ in range(300):
        row = rng.choice([0, 1, 4, 5, 6])
        start, stop = sorted(rng.choices(range(len(DATA[row] or b"") + 1), k=2))
        spans.append((row, start, stop))
    spans += spans[:20]
    assert blobs.read_ranges(spans) == [(DATA[row] or b"")[start:stop] for row, start, stop in spans]
    assert blobs.read_ranges([]) == []


def test_a_bad_row_does_not_fail_the_others(blobs: Blobs) -> None:
    got = blobs.read([5, 99, 0, 1000, 1])
    assert [got[0], got[2], got[4]] == [DATA[5], DATA[0], DATA[1]]
    assert [str(each).split(":")[0] for each in (got[1], got[3])] == [
        f"t@1, row id {row}, column video" for row in (99, 1000)
    ]
    ranges = blobs.read_ranges([(4, 5, 9), (0, 5, 11), (3, 0, 1), (1, 0, 70_000), (77, 0, 1)])
    assert [isinstance(each, MediaError) for each in ranges] == [False, True, True, False, True]
    assert ranges[0] == (DATA[4] or b"")[5:9]
    assert ranges[3] == DATA[1]
    assert "row id 0, column video: " in str(ranges[1])
    assert "end 11 exceeds blob size 10" in str(ranges[1])
    assert str(ranges[2]) == "t@1, row id 3, column video: the stored medium is NULL"
    with pytest.raises(MediaError, match=r"t@1: rows 98, 99 are gone"):
        blobs.sizes(np.array([99, 0, 98], dtype=np.uint64))


def test_a_file_reads_as_its_bytes_do(blobs: Blobs) -> None:
    rng = random.Random(4)
    for row in (0, 2, 5):
        expected, file = io.BytesIO(DATA[row] or b""), blobs.open(row)
        for _ in range(200):
            offset, size = rng.randrange(0, SIZES[row] or 1), rng.choice([0, 1, 100, READ_AHEAD_BYTES, 600_000])
            whence = rng.choice([io.SEEK_SET, io.SEEK_END])
            offset = offset if whence == io.SEEK_SET else -offset
            assert file.seek(offset, whence) == expected.seek(offset, whence)
            assert file.read(size) == expected.read(size)
            assert file.tell() == expected.tell()
        file.seek(0)
        assert file.read() == DATA[row]
        assert file.read(5) == b""
        assert file.size == SIZES[row]
        assert file.failure is None
    buffered = io.BufferedReader(blobs.open(5))
    buffered.seek(4_999_000)
    assert buffered.read() == (DATA[5] or b"")[4_999_000:]


@pytest.mark.parametrize(("row", "says"), [(3, "the stored medium is NULL"), (9, "row ID 9 was deleted or not found")])
def test_a_file_of_a_bad_row(blobs: Blobs, row: int, says: str) -> None:
    file = blobs.open(row)
    with pytest.raises(MediaError, match=rf"t@1, row id {row}, column video: .*{says}"):
        file.read(1)
    assert isinstance(file.failure, MediaError)


def test_pointers(tmp_path: Path) -> None:
    """External files: whole, in part; gone, cut, and emptied since. Each is a failure of its row alone."""
    names = ("whole", "part", "gone", "cut", "emptied")
    for name in names:
        (tmp_path / name).write_bytes(random.Random(name).randbytes(100_000))
    uris = [(tmp_path / name).as_uri() for name in names]
    values = [uris[0], lance.Blob.from_uri(uris[1], position=100, size=50), uris[2]]
    values += [lance.Blob.from_uri(uris[3], position=50_000, size=50_000), uris[4], b"inside"]
    rows = pa.table([lance.blob_array(values)], schema=pa.schema([blob_field("video", "video")]))
    lance.write_dataset(
        rows, str(tmp_path / "t.lance"), enable_stable_row_ids=True, allow_external_blob_outside_bases=True
    )
    (tmp_path / "gone").unlink()
    (tmp_path / "cut").write_bytes(bytes(60_000))
    (tmp_path / "emptied").write_bytes(b"")
    blobs = Blobs(Store.at(tmp_path).open("t"), "video")
    whole, part = (tmp_path / "whole").read_bytes(), (tmp_path / "part").read_bytes()[100:150]
    assert blobs.sizes(np.arange(6, dtype=np.uint64)).tolist() == [100_000, 50, 0, 50_000, 0, 6]
    got = blobs.read(range(6))
    assert [got[0], got[1], got[4], got[5]] == [whole, part, b"", b"inside"]
    for row, says in ((2, r"row id 2, column video: Not found: .*gone"), (3, "row id 3, column video: ")):
        with pytest.raises(MediaError, match=says):
            raise got[row]  # type: ignore[misc]
    ranges = blobs.read_ranges([(0, 3, 9), (3, 0, 10), (3, 20_000, 30_000), (2, 0, 1), (1, 40, 50)])
    assert [ranges[0], ranges[1], ranges[4]] == [whole[3:9], bytes(10), part[40:]]
    assert [isinstance(each, MediaError) for each in ranges] == [False, False, True, True, False]
    file = blobs.open(2)
    with pytest.raises(MediaError, match=r"row id 2, column video: Not found"):
        file.read(1)


def test_a_table_whose_bytes_are_gone(tmp_path: Path) -> None:
    rows = pa.table([lance.blob_array(DATA)], schema=pa.schema([blob_field("video", "video")]))
    blobs = Blobs(Store.at(tmp_path).append("t", rows, message="test"), "video")
    for file in tmp_path.rglob("*.blob"):
        file.unlink()
    got = blobs.read([0, 1, 5])
    assert got[0] == DATA[0]
    assert [isinstance(each, MediaError) for each in got] == [False, True, True]


# -- which errors are of the storage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OSError("LanceError(IO): Generic S3 error: Error performing GET … 503 Service Unavailable: "),
        OSError("LanceError(IO): Generic S3 error: HTTP error: request or response body error"),
        OSError("LanceError(IO): The operation lacked the necessary privileges to complete for path … 403 Forbidden"),
        ValueError("LanceError(IO): Generic S3 error: Error performing list request: Error performing GET"),
        OSError(
            "Failed to read blob source t/1.blob: LanceError(IO): Generic S3 error: HTTP error: error sending request"
        ),
        RuntimeError("Task was aborted"),
    ],
)
def test_errors_of_the_storage(error: Exception) -> None:
    assert is_of_storage(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Not found: media/7.mp4"),
        OSError("LanceError(IO): Failed to read blob source t/1.blob: Not found: t/1.blob"),
        OSError("LanceError(IO): I/O request for file 7.mp4 and range 5..9 returned 1 bytes, expected 4 bytes"),
        OSError("LanceError(IO): Generic LocalFileSystem error: failed to fill whole buffer"),
        ValueError("Invalid user input: Blob range end 40 exceeds blob size 0"),
        ValueError("Invalid user input: Could not resolve all requested row IDs: requested 1, resolved 0"),
        ValueError("the stored medium is NULL"),
        KeyError("LanceError(IO)"),
    ],
)
def test_errors_of_a_row(error: Exception) -> None:
    assert not is_of_storage(error)


def test_what_an_error_says_has_no_secrets() -> None:
    said = first_line(OSError("GET s3://k:s@host/a.mp4?X-Amz-Credential=AKIA&sig=1 in 2 ms, /rustc/a/b.rs:1:2\nmore"))
    assert said == "GET s3://host/a.mp4 in 2 ms"


# -- retries ---------------------------------------------------------------------------------------------------------

QUICK = Retry(attempts=4, seconds=60, wait_seconds=0.001)


def test_the_storage_is_tried_again_a_row_is_not() -> None:
    calls: list[int] = []

    def call(error: Exception, good_after: int) -> int:
        calls.append(1)
        if len(calls) <= good_after:
            raise error
        return len(calls)

    assert QUICK(lambda: call(OSError("503"), 3), lambda: "reading") == 4
    calls.clear()
    with pytest.raises(StorageError, match=r"^t, rows: 503 \(4 attempts in \d\.\d s\)$"):
        QUICK(lambda: call(OSError("503"), 4), lambda: "t, rows")
    calls.clear()
    with pytest.raises(ValueError, match="Not found"):
        QUICK(lambda: call(ValueError("Not found: x"), 1), lambda: "")
    assert len(calls) == 1
    calls.clear()
    with pytest.raises(StorageError, match=r"\(1 attempt in"):
        Retry(attempts=9, seconds=0.0001)(lambda: call(OSError("503"), 4), lambda: "")


def test_nobody_waits_for_what_is_stopped() -> None:
    """Also where the wait has begun: it would take 20 seconds at most, and a minute of pytest's patience is longer."""
    stop, calls = threading.Event(), []

    def call() -> None:
        calls.append(1)
        if len(calls) == 2:
            threading.Timer(0.05, stop.set).start()
        raise OSError("503")

    with pytest.raises(StorageError, match=r"503 \(\d+ attempts in"):
        Retry(attempts=10**6, seconds=10**6, wait_seconds=0.01)(call, lambda: "", stop)
    assert stop.is_set()
    calls.clear()
    with pytest.raises(StorageError, match=r"503 \(1 attempt in"):
        Retry(attempts=5, wait_seconds=0.001)(call, lambda: "", stop)


def test_tables_and_stores_take_their_patience_along(tmp_path: Path, blobs: Blobs) -> None:
    assert pickle.loads(pickle.dumps(blobs.table)).retry == Retry()
    table = Store(root=str(tmp_path), retry=QUICK).append("t", pa.table({"a": [1]}), message="test")
    assert pickle.loads(pickle.dumps(table)).retry == QUICK


def test_a_storage_that_fails_now_and_then_is_read_on(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls of four fail: what was read stays read, and nothing is given up while there is progress."""
    table = Store(root=blobs.table.uri.rpartition("/")[0], retry=QUICK).open("t")
    shaky = Blobs(table, "video")
    rng, calls = random.Random(0), 0

    class Shaky:
        def read_blobs(self, *arguments: object, ids: list[int]) -> list[tuple[int, bytes]]:
            nonlocal calls
            calls += 1
            if rng.random() < 0.5:
                raise OSError("503")
            return table.dataset.read_blobs(*arguments, ids=ids)  # type: ignore[no-any-return]

    monkeypatch.setattr(type(table), "reading", Shaky())
    order = [4, 0, 3, 5, 2, 6, 1, 99, 3]
    got = shaky.read(order)
    assert [each for each in got if not isinstance(each, MediaError)] == [DATA[row] for row in order if row != 99]
    assert isinstance(got[7], MediaError)
    assert calls > 2
    rng.random = lambda: 0.0  # type: ignore[method-assign]
    with pytest.raises(StorageError, match=r"^t@1, row id 4, column video: 503 \(4 attempts"):
        shaky.read([4, 0, 3, 5, 2, 6])
