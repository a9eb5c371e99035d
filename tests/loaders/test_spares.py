"""Samples that cannot be decoded: replaced where they are, recorded once, and nothing else changes."""

from __future__ import annotations

import io
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from PIL import Image
from torch.utils.data import DataLoader

import cutlist
from cutlist.errors import MediaError, QueryWarning, SettingsError
from cutlist.store import Store, blob_array, blob_field
from cutlist_torch import Loader
from cutlist_torch import loader as loader_module

if TYPE_CHECKING:
    from pathlib import Path

NUM = 240
BROKEN = (3, 50, 51, 200)
"""Ids of pictures that end after their header."""

Seen = tuple[str | None, list[int], list[int]]

QUERY = "SELECT id, shape, image.resize(4, 4) AS image FROM pictures"


def write(root: Path, broken: tuple[int, ...]) -> None:
    """Write pictures, each of one colour that says its id; the shape of every third is `wide`."""
    pictures = []
    for i in range(NUM):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (i, 255 - i, 7)).save(file, "png")
        pictures.append(file.getvalue()[:40] if i in broken else file.getvalue())
    shapes = ["wide" if i % 3 == 0 else "tall" for i in range(NUM)]
    rows = pa.table({"id": range(NUM), "shape": shapes}).append_column(
        blob_field("image", "image"), blob_array(pictures)
    )
    Store(root=str(root)).append("pictures", rows, message="test")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    write(folder, BROKEN)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write(folder, ())
    return folder


def loader(root: Path, **options: Any) -> Loader:
    given = {"global_batch_size": 12, "seed": 3, "bucket_by": "shape", **options}
    return Loader(QUERY, root=root, views=root, **given)


def seen(batches: Any) -> list[Seen]:
    """Return the bucket, ids and reds of each batch."""
    return [(each.bucket, each["id"].tolist(), each["image"][:, 0, 0, 0].tolist()) for each in batches]


def together(
    ranks: list[list[tuple[str | None, list[int], list[int]]]],
) -> list[tuple[str | None, list[int], list[int]]]:
    def mixed(parts: list[list[int]]) -> list[int]:
        return [each for row in zip(*parts, strict=True) for each in row]

    return [
        (step[0][0], mixed([ids for _, ids, _ in step]), mixed([reds for _, _, reds in step]))
        for step in zip(*ranks, strict=True)
    ]


def test_only_the_slots_of_broken_samples_change(root: Path, whole: Path) -> None:
    for (bucket, ids, reds), (bucket_whole, ids_whole, _) in zip(seen(loader(root)), seen(loader(whole)), strict=True):
        assert bucket == bucket_whole
        assert ids == reds  # the row is that of the spare, not only its picture
        assert not set(ids) & set(BROKEN)
        for got, wanted in zip(ids, ids_whole, strict=True):
            assert got == wanted or wanted in BROKEN
            assert (got % 3 == 0) == (bucket == "wide")


def test_spares_do_not_depend_on_ranks_workers_threads_or_where_a_run_was_resumed(root: Path) -> None:
    alone = seen(loader(root))
    for world_size in (2, 3, 6):
        ranks = [seen(loader(root, rank=rank, world_size=world_size)) for rank in range(world_size)]
        assert together(ranks) == alone
    assert seen(loader(root, num_threads=1)) == alone
    under = DataLoader(loader(root), batch_size=None, num_workers=2, multiprocessing_context="forkserver")
    assert seen(under) == alone
    state = loader(root).order.state(0, 7)
    resumed = loader(root)
    resumed.load_state_dict(state)
    assert seen(resumed) == alone[7:]


def test_another_epoch_has_other_spares(root: Path) -> None:
    each = loader(root)
    drawn = {each.order.spare(epoch, step, 0, 0) for epoch in range(3) for step in range(len(each))}
    assert len(drawn) > 30


def test_failures_are_recorded_once(tmp_path: Path) -> None:
    write(tmp_path, BROKEN)
    for _ in range(2):
        each = loader(tmp_path)
        for _ in range(3):
            assert len(list(each)) == len(each)
        assert each.stats.num_failed == each.stats.num_spares > 0
    with cutlist.connect(tmp_path, views=tmp_path) as session:
        found = session.sql('SELECT row_id, "table", version, "column", stage, error_type FROM _failures ORDER BY 1')
        assert found.fetchall() == [(i, "pictures", 1, "image", "decode", "MediaError") for i in BROKEN]


def test_a_spare_that_is_broken_has_a_spare(tmp_path: Path) -> None:
    write(tmp_path, tuple(range(1, NUM)))
    each = loader(tmp_path, bucket_by=None, max_failures=1.0, global_batch_size=4)
    with pytest.raises(MediaError, match=r"^20 spares in turn cannot be decoded, either; the last: pictures@1, row id"):
        list(each)
    write_half = tuple(i for i in range(NUM) if i % 2)
    folder = tmp_path / "half"
    folder.mkdir()
    write(folder, write_half)
    batches = list(loader(folder, max_failures=1.0))
    assert all(i % 2 == 0 for batch in batches for i in batch["id"].tolist())


def test_too_many_failures_stop_the_run(tmp_path: Path) -> None:
    write(tmp_path, tuple(range(0, NUM, 4)))
    match = (
        r"^\d+ of \d+ samples \(\d\d\.\d%\) cannot be decoded; max_failures is 10\.0%\. Most are: .*\(\d+\)\. "
        r"The first: pictures@1, row id \d+, column image: .*\. `SELECT \* FROM _failures` has them all$"
    )
    with pytest.raises(MediaError, match=match):
        list(loader(tmp_path, max_failures=0.1))
    with cutlist.connect(tmp_path, views=tmp_path) as session:
        assert session.sql("SELECT count(*) FROM _failures").fetchall()[0][0] > 10
    assert len(list(loader(tmp_path, max_failures=0.5))) > 0


def test_errors_are_raised_where_they_are_asked_for(root: Path) -> None:
    with pytest.raises(MediaError, match=r"pictures@1, row id \d+, column image \(as image\)"):
        list(loader(root, on_error="raise"))
    with pytest.raises(SettingsError, match=r'^on_error=\'skip\'; allowed: "spare" or "raise"$'):
        loader(root, on_error="skip")
    with pytest.raises(SettingsError, match=r"^max_failures=5: expected a share of the samples, from 0 to 1$"):
        loader(root, max_failures=5)


def test_processors_that_fail_are_errors(root: Path) -> None:
    def broken(row: dict[str, Any]) -> dict[str, Any]:
        raise MediaError("my own")

    with pytest.raises(MediaError, match="my own"):
        list(loader(root, processors=[broken]))


def test_a_root_that_cannot_be_written_warns(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> int:
        raise cutlist.CutlistError("read-only")

    monkeypatch.setattr(Store, "record_failures", refused)
    with pytest.warns(UserWarning, match=r"failures are not in _failures, which cannot be written: read-only"):
        assert len(list(loader(root))) == 19


def test_failures_are_recorded_while_a_loop_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, BROKEN)
    monkeypatch.setattr(loader_module, "RECORD_SECONDS", 0)
    with cutlist.connect(tmp_path, views=tmp_path) as session:
        counts = []
        for _ in loader(tmp_path):
            there = session.store.find("_failures")
            counts.append(0 if there is None else there.dataset.count_rows())
    assert counts == sorted(counts)
    assert 0 < counts[-2] <= len(BROKEN)


def test_an_error_of_a_sample_survives_the_trip_from_a_worker(root: Path) -> None:
    with pytest.raises(MediaError) as caught:
        list(loader(root, on_error="raise"))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.failure.row_id in BROKEN


def test_what_failed_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, BROKEN)
    before = loader(tmp_path, exclude_failures=True)
    assert before.selection.num_samples == NUM
    assert len(list(before)) == 19
    with pytest.warns(QueryWarning, match=r"^query: 4 samples are left out, as their media are in _failures$"):
        after = loader(tmp_path, exclude_failures=True)
    assert after.selection.num_samples == NUM - len(BROKEN)
    assert not set(after.selection.to_arrow()["id"].to_pylist()) & set(BROKEN)
    assert len(list(after)) == 19
    assert after.stats.num_failed == 0
    assert loader(tmp_path).selection.fingerprint == before.selection.fingerprint != after.selection.fingerprint


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("SELECT id, [image, NULL] AS m FROM pictures", NUM - 4),
        ("SELECT id, {'a': 1, 'm': resize(image, 2, 2)} AS m FROM pictures", NUM - 4),
        ("SELECT id, CASE WHEN id <> 50 THEN image END AS m FROM pictures", NUM - 3),
        ("SELECT id FROM pictures", NUM),
        ("SELECT a.id, a.image AS m, b.image AS n FROM pictures a JOIN pictures b ON b.id = a.id + 1", NUM - 1 - 7),
    ],
)
def test_samples_are_left_out_for_any_medium_in_them(root: Path, query: str, left: int) -> None:
    list(loader(root))
    with cutlist.connect(root, views=root) as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert session.store.failed_media()["pictures", "image"].tolist() == list(BROKEN)
        assert session.compile(query, exclude_failures=True).num_samples == left
