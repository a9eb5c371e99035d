"""The cache of blob ranges: right bytes or none, within its bound, whoever dies while writing.

- What is got is what was put at that place, or None; a range is there once every byte of it was put, in any ranges.
- What was used since the start stays; what was not makes room, the oldest first.
- Damaged values are found and dropped; a damaged file is begun anew.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cutlist
from cutlist.errors import SettingsError
from cutlist.store import Blobs, RangeCache, Store, blob_field
from cutlist.store.cache import CHUNK_BYTES, MIN_BYTES, NUM_FILES
from cutlist.store.pages import PAGE_BYTES, WAL_PAGES, PageFile

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGS_BYTES = 2 * NUM_FILES * WAL_PAGES * PAGE_BYTES
"""By how much a cache may be over its bound, while several processes write."""

PLACES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES - 5]


def blob(row: int, size: int) -> bytes:
    return random.Random(row).randbytes(size)


def on_disk(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir())


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[RangeCache]:
    made = RangeCache(tmp_path / "cache", size_bytes=MIN_BYTES)
    yield made
    made.close()


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(PLACES), st.integers(0, 2 * CHUNK_BYTES)), max_size=8))
@settings(max_examples=50)
def test_ranges_are_right_or_missing(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[bool, int, int]]
) -> None:
    """Against a model: which bytes were ever put."""
    data = blob(1, 6 * CHUNK_BYTES)
    there = np.zeros(len(data), dtype=bool)
    cache = RangeCache(tmp_path_factory.mktemp("cache"), size_bytes=MIN_BYTES)
    for put, start, size in actions:
        stop = start + size
        if put:
            cache.put(5, [(1, start, data[start:stop])])
            there[start:stop] = True
        (found,) = cache.get(5, [(1, start, stop)])
        assert found == (data[start:stop] if there[start:stop].all() else None)
    cache.close()


def test_whole_blobs_sizes_and_parts(cache: RangeCache) -> None:
    big = blob(2, 5 * CHUNK_BYTES + 17)
    cache.put_sizes(1, {2: len(big), 3: -1, 4: 0, 2**64 - 1: 7})
    cache.put(1, [(2, 0, big), (2**64 - 1, 0, b"largest")])
    assert cache.get_sizes(1, [2, 3, 4, 5]) == [len(big), -1, 0, None]
    assert dict(cache.get_whole(1, [2, 3, 4, 5, 2**64 - 1])) == {2: big, 3: None, 4: b"", 2**64 - 1: b"largest"}
    assert cache.get(1, [(2, CHUNK_BYTES - 3, 3 * CHUNK_BYTES + 3)]) == [big[CHUNK_BYTES - 3 : 3 * CHUNK_BYTES + 3]]
    assert cache.get(2, [(2, 0, 1)]) == [None]
    assert (cache.stats.num_hits, cache.stats.num_misses) == (5, 2)
    assert cache.stats.hit_rate == 5 / 7


def test_every_part_of_the_key_counts() -> None:
    keys = {RangeCache.key(*parts) for parts in (("a", "1"), ("a", "2"), ("a1", ""), ("", "a1"), ("b", "1"))}
    assert len(keys) == 5
    assert all(0 <= key < 2**63 for key in keys)


def test_it_stays_below_its_bound_and_keeps_what_is_used(tmp_path: Path) -> None:
    """Three times as much as fits: what came first stays, the rest is not kept. A later run drops it, oldest first."""
    size = 200_000
    count = 3 * MIN_BYTES // size
    first = RangeCache(tmp_path, size_bytes=MIN_BYTES, started=time.time())
    for row in range(count):
        first.put(1, [(row, 0, blob(row, size))])
    assert on_disk(tmp_path) < MIN_BYTES + LOGS_BYTES
    kept = [row for row in range(count) if first.get(1, [(row, 0, size)])[0] is not None]
    assert kept == list(range(len(kept)))
    assert len(kept) * size > 0.8 * MIN_BYTES
    assert first.stats.num_kept < first.stats.num_offered == count
    first.close()

    later = RangeCache(tmp_path, size_bytes=MIN_BYTES)
    used = kept[: len(kept) // 4]
    for row in used:
        assert later.get(1, [(row, 10, 20)])[0] == blob(row, size)[10:20]
    for row in range(count, 2 * count):
        later.put(1, [(row, 0, blob(row, size))])
    assert all(later.get(1, [(row, 0, size)])[0] == blob(row, size) for row in used)
    assert later.get(1, [(kept[-1], 0, size)]) == [None]
    assert sum(later.get(1, [(row, 0, 1)])[0] is not None for row in range(count, 2 * count)) > 0.5 * len(kept)
    assert on_disk(tmp_path) < MIN_BYTES + LOGS_BYTES
    later.close()


def test_a_smaller_bound_shrinks_it(tmp_path: Path) -> None:
    large = RangeCache(tmp_path, size_bytes=3 * MIN_BYTES)
    large.put(1, [(row, 0, bytes(2**20)) for row in range(150)])
    large.close()
    assert on_disk(tmp_path) > 2 * MIN_BYTES
    small = RangeCache(tmp_path, size_bytes=MIN_BYTES)
    small.get(1, [(row, 0, 1) for row in range(NUM_FILES)])
    small.close()
    assert on_disk(tmp_path) < MIN_BYTES + LOGS_BYTES


def test_a_copy_goes_on_as_the_same(cache: RangeCache) -> None:
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.folder, copy.size_bytes, copy.started) == (cache.folder, cache.size_bytes, cache.started)
    cache.put(1, [(1, 0, b"abc")])
    assert copy.get(1, [(1, 1, 3)]) == [b"bc"]
    copy.close()


@pytest.mark.parametrize("size_bytes", [1, MIN_BYTES - 1])
def test_a_bound_that_is_too_small_is_refused(tmp_path: Path, size_bytes: int) -> None:
    with pytest.raises(SettingsError, match=rf"cache_bytes: {size_bytes}; expected at least \d+ \(64 MiB\), or 0"):
        RangeCache(tmp_path, size_bytes=size_bytes)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cache_dir: .*file/blobs cannot be made: Not a directory"):
        RangeCache(tmp_path / "file" / "blobs", size_bytes=MIN_BYTES)


# -- damage ----------------------------------------------------------------------------------------------------------


def filled(folder: Path, count: int = 60, size: int = 90_000) -> None:
    cache = RangeCache(folder, size_bytes=MIN_BYTES)
    cache.put_sizes(1, dict.fromkeys(range(count), size))
    cache.put(1, [(row, 0, blob(row, size)) for row in range(count)])
    cache.close()


def read_back(folder: Path, count: int = 60, size: int = 90_000) -> int:
    """Return how many blobs are there; each must be right. Then put all, and see that all are there."""
    cache = RangeCache(folder, size_bytes=MIN_BYTES)
    found = cache.get_whole(1, range(count))
    assert all(data == blob(row, size) for row, data in found.items())
    cache.close()
    filled(folder, count, size)
    again = RangeCache(folder, size_bytes=MIN_BYTES)
    assert len(again.get_whole(1, range(count))) == count
    again.close()
    return len(found)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_files_that_were_cut(tmp_path: Path, part: float) -> None:
    filled(tmp_path)
    for file in tmp_path.glob("*.sqlite"):
        os.truncate(file, int(file.stat().st_size * part) // 512 * 512 + 100)
    assert read_back(tmp_path) < 60


def test_files_with_other_bytes_in_them(tmp_path: Path) -> None:
    """Overwritten in the middle, where the values are: the checksums tell."""
    filled(tmp_path)
    for file in tmp_path.glob("*.sqlite"):
        with file.open("r+b") as target:
            for at in range(PAGE_BYTES * 4, file.stat().st_size, PAGE_BYTES * 3):
                target.seek(at + 5000)
                target.write(b"damage")
    assert read_back(tmp_path) < 60


def test_files_that_are_something_else(tmp_path: Path) -> None:
    for i in range(NUM_FILES):
        (tmp_path / f"{i}.sqlite").write_bytes(b"not a database, by any means" * 1000)
    assert read_back(tmp_path) == 0


def test_a_value_under_another_key_is_not_taken(tmp_path: Path) -> None:
    file = PageFile(tmp_path / "x.sqlite", 2**26, 0.0)
    assert file.put({(1, 1, 0): b"one", (1, 2, 0): b"two"}) == 2
    file._open().execute("UPDATE chunks SET data = (SELECT data FROM chunks WHERE row = 2) WHERE row = 1")
    assert file.get(1, 1, 0, 0) == {}
    assert file.num_damaged == 1
    assert file.get(1, 2, 0, 0) == {0: b"two"}
    file.close()


def test_a_disk_on_which_nothing_can_be_written(cache: RangeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PageFile, "_open", fail)
    cache.put(1, [(1, 0, b"abc")])
    assert cache.get(1, [(1, 0, 1)]) == [None]
    assert cache.stats.num_kept == 0


WRITER = """
import random, sys, types
for name, path in (("cutlist", ""), ("cutlist.store", "/store")):  # without Lance and DuckDB, which take seconds
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [sys.argv[4] + path]
from cutlist.store.cache import RangeCache
cache = RangeCache(sys.argv[1], size_bytes=int(sys.argv[2]), started=0.0)
rng = random.Random(int(sys.argv[3]))
print("begun", flush=True)
while True:
    row = rng.randrange(400)
    size = 1000 + row * 1500
    data = random.Random(row).randbytes(size)
    start = rng.choice([0, rng.randrange(size)])
    cache.put_sizes(9, {row: size})
    cache.put(9, [(row, start, data[start:])])
    for each in (rng.randrange(400) for _ in range(3)):
        found = cache.get_whole(9, [each]).get(each)
        assert found is None or found == random.Random(each).randbytes(1000 + each * 1500)
"""


def test_writers_that_are_killed(tmp_path: Path) -> None:
    """Three processes write, more than fits, and are killed at any moment, five times over."""
    folder, rng = tmp_path / "cache", random.Random(0)
    found = 0
    for turn in range(5):
        package = str(Path(cutlist.__file__).parent)
        arguments = [[str(folder), str(MIN_BYTES), str(10 * turn + i), package] for i in range(3)]
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, *each], stdout=subprocess.PIPE) for each in arguments
        ]
        for each in writers:
            assert each.stdout is not None
            assert each.stdout.readline() == b"begun\n"
        time.sleep(0.3 + rng.random() / 2)
        for each in writers:
            assert each.poll() is None, "a writer saw wrong bytes"
            each.send_signal(signal.SIGKILL)
        for each in writers:
            each.wait()
            assert each.stdout is not None
            each.stdout.close()
        assert on_disk(folder) < MIN_BYTES + LOGS_BYTES
        cache = RangeCache(folder, size_bytes=MIN_BYTES, started=0.0)
        whole = cache.get_whole(9, range(400))
        assert all(data == blob(row, 1000 + row * 1500) for row, data in whole.items())
        assert cache.stats.num_damaged == 0
        found = len(whole)
        cache.put(10, [(1, 0, b"alive")])
        assert cache.get(10, [(1, 0, 5)]) in ([b"alive"], [None])  # None where it is full
        cache.close()
    assert found > 10


# -- under a table ---------------------------------------------------------------------------------------------------


def test_a_table_reads_through_it(tmp_path: Path, cache: RangeCache) -> None:
    """Every way to read, twice: the second time the files of the table are gone."""
    data = [blob(i, size) for i, size in enumerate((10, 70_000, 0, 300_000, 5_000_000))]
    rows = pa.table([lance.blob_array([*data, None])], schema=pa.schema([blob_field("video", "video")]))
    store = Store.at(tmp_path / "data")
    blobs = Blobs(store.append("t", rows, message="test"), "video", cache=cache)
    ids = np.arange(6, dtype=np.uint64)
    spans = [(3, 5, 299_000), (1, 0, 10), (3, 5, 299_000)]

    def everything() -> list[object]:
        file = blobs.open(4)
        file.seek(4_000_000)
        whole = blobs.read([5, 4, 0, 2, 4])
        return [blobs.sizes(ids).tolist(), blobs.read_ranges(spans), file.read(300_000), whole]

    ranges = [data[row][start:stop] for row, start, stop in spans]
    sizes = [10, 70_000, 0, 300_000, 5_000_000, 0]
    expected: list[object] = [sizes, ranges, data[4][4_000_000:4_300_000], [None, data[4], data[0], b"", data[4]]]
    assert everything() == expected
    misses = cache.stats.num_misses
    for file in (*(tmp_path / "data").rglob("*.blob"), *(tmp_path / "data").rglob("data/*.lance")):
        file.unlink()
    assert everything() == expected
    assert cache.stats.num_misses == misses
    assert blobs.read_ranges([(4, 100, 2_000_000)]) == [data[4][100:2_000_000]]

    other = Blobs(store.append("u", rows, message="test"), "video", cache=cache)
    assert other.read([3]) == [data[3]]
    assert cache.stats.num_misses == misses + 1


def test_only_remote_roots_have_one(tmp_path: Path) -> None:
    chosen = cutlist.Settings(cache_dir=tmp_path, cache_bytes=MIN_BYTES, read_attempts=2, read_seconds=7)
    remote = Store.at("s3://bucket/data/", settings=chosen)
    assert remote.cache is not None
    assert remote.cache.folder == tmp_path / "blobs"
    assert (remote.retry.attempts, remote.retry.seconds) == (2, 7)
    assert Store.at(tmp_path, settings=chosen).cache is None
    assert Store.at("s3://bucket/data/", settings=cutlist.Settings(cache_dir=tmp_path)).cache is None
    assert "AKIA" not in repr(Store.at("s3://b", storage_options={"aws_access_key_id": "AKIA"}, settings=chosen))
