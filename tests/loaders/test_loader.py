"""The loader: what a batch is (DESIGN §8), the same order however it is read, exact resume, errors, no thread left.

`made` has 24 videos and 12 images, so batches of 4 and 2 × 2 divide them.
"""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import cutlist
from cutlist.errors import MediaError, OrderError, QueryError, SelectionError, StateError
from cutlist.store import blob_array, blob_field
from cutlist_torch import Batch, Loader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import Made

CLIPS = "SELECT id, video.clip(0, 0.5).frames(3).resize(32, 24) AS frames, width FROM my_videos"


def loader(made: Made, query: str = CLIPS, **options: Any) -> Loader:
    return Loader(query, root=made.root, views=made.views, **{"batch_size": 4, **options})


def ids(batches: list[Batch]) -> list[list[str]]:
    return [batch["id"] for batch in batches]


def flat(lists: Iterable[Iterable[str]]) -> list[str]:
    return [each for values in lists for each in values]


def equal(one: Batch, other: Batch) -> bool:
    return (one.epoch, one.step, one["id"]) == (other.epoch, other.step, other["id"]) and torch.equal(
        one["frames"], other["frames"]
    )


def cutlist_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("cutlist")]


# -- what a batch is --------------------------------------------------------------------------------------------------


def test_media_are_a_tensor_where_the_query_fixes_their_shape(made: Made) -> None:
    batch = next(iter(loader(made)))
    assert batch["frames"].shape == (4, 3, 3, 24, 32)
    assert batch["frames"].dtype == torch.uint8
    picture = next(iter(loader(made, "pictures")))["picture"]
    assert picture.shape == (4, 3, 224, 224)


@pytest.mark.parametrize(
    "media",
    [
        "video.clip(0, 0.5)",
        "video.frames(2)",  # sizes differ
        "video.clip(0, 0.5).resize(32, 24)",  # numbers of frames differ
        "video.frames(2).resize(width // 10, 24)",  # widths differ
        "video.resize_short(24).frames(2)",
        "video.frames(8).resize(32, 24).at_fps(3)",
    ],
)
def test_media_are_a_list_of_tensors_elsewhere(made: Made, media: str) -> None:
    batch = next(iter(loader(made, f"SELECT {media} AS frames FROM my_videos")))
    assert isinstance(batch["frames"], list)
    assert all(frames.dtype == torch.uint8 and frames.ndim == 4 for frames in batch["frames"])


def test_null_media_are_none_in_a_list_in_every_batch(made: Made) -> None:
    query = "SELECT frames(CASE WHEN path LIKE '%1%' THEN video END, 2).resize(8, 8) AS f FROM my_videos"
    batches = list(loader(made, query, batch_size=2))
    assert all(isinstance(batch["f"], list) for batch in batches)
    values = [value for batch in batches for value in batch["f"]]
    assert any(value is None for value in values)
    assert any(isinstance(value, torch.Tensor) for value in values)


def test_raw_media_are_bytes(made: Made) -> None:
    batch = next(iter(loader(made, "SELECT raw(image) AS data, size_bytes FROM my_images")))
    assert [len(data) for data in batch["data"]] == batch["size_bytes"].tolist()


def test_audio_is_a_list_of_float_tensors(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "tone.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 16384, np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with cutlist.connect(tmp_path / "data", create=True) as session:
        session.ingest(tmp_path / "tone.wav", table="sounds")
    batch = next(iter(Loader("SELECT clip(audio, 0, 0.5) AS tone FROM sounds", root=tmp_path / "data", batch_size=1)))
    (tone,) = batch["tone"]
    assert tone.shape == (1, 4000)
    assert tone.dtype == torch.float32
    assert tone.unique().tolist() == [0.5]


def test_plain_columns_have_the_containers_and_types_of_the_design(tmp_path: Path) -> None:
    """One column of each type; the container is that of the column, whatever a batch holds."""
    query = """
        SELECT i::INTEGER AS int32, i::BIGINT AS int64, i::UBIGINT AS uint64, i::HUGEINT AS huge,
               i::DECIMAL(9, 2) / 4 AS quotient, (i / 4)::DECIMAL(9, 2) AS "decimal", i::FLOAT AS float32,
               i % 2 = 0 AS flag, [i, i + 1]::FLOAT[2] AS pair, [i, NULL]::INTEGER[2] AS broken, [i] AS many,
               {'i': i} AS struct, 'text ' || i AS text, DATE '2020-01-01' + i::INTEGER AS day,
               NULLIF(i, 3) AS holed, (CASE i % 2 WHEN 0 THEN 'even' ELSE 'odd' END)::ENUM('even', 'odd') AS parity,
               count(*) OVER () AS rows
        FROM range(6) AS t(i) ORDER BY i"""
    (tmp_path / "data").mkdir()
    batches = list(Loader(query, root=tmp_path / "data", batch_size=3, shuffle=None))
    batch = batches[0]
    dtypes = {name: value.dtype if isinstance(value, torch.Tensor) else list for name, value in batch.items()}
    assert dtypes == {
        "int32": torch.int32,
        "int64": torch.int64,
        "uint64": torch.int64,
        "huge": torch.int64,
        "quotient": torch.float64,
        "decimal": torch.float64,
        "float32": torch.float32,
        "flag": torch.bool,
        "pair": torch.float32,
        "broken": list,
        "many": list,
        "struct": list,
        "text": list,
        "day": list,
        "holed": list,
        "parity": list,
        "rows": torch.int64,
    }
    assert batch["pair"].tolist() == [[0, 1], [1, 2], [2, 3]]
    assert batch["decimal"].tolist() == [0, 0.25, 0.5]
    assert batch["struct"] == [{"i": 0}, {"i": 1}, {"i": 2}]
    assert batch["parity"] == ["even", "odd", "even"]
    assert [type(each["holed"]) for each in batches] == [list, list]
    assert batches[1]["holed"] == [None, 4, 5]


@pytest.mark.parametrize("value", ["18446744073709551615::UBIGINT", "9223372036854775808::HUGEINT"])
def test_an_integer_over_64_bits_is_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(SelectionError, match=r"column big: \d+ does not fit in a signed 64-bit integer; cast it"):
        list(Loader(f"SELECT {value} AS big", root=tmp_path, batch_size=1))


def test_media_inside_lists_are_decoded(made: Made) -> None:
    query = "SELECT list(image.resize(8, 8) ORDER BY path) AS pictures FROM my_images GROUP BY width > 500"
    for batch in loader(made, query, batch_size=1):
        assert all(picture.shape == (3, 8, 8) for picture in batch["pictures"][0])


def test_every_batch_says_where_it_belongs(made: Made) -> None:
    batches = list(loader(made))
    assert [(batch.epoch, batch.step) for batch in batches] == [(0, step) for step in range(6)]
    again = pickle.loads(pickle.dumps(batches[2]))
    assert (again.epoch, again.step, again["id"]) == (0, 2, batches[2]["id"])


# -- order ------------------------------------------------------------------------------------------------------------


def test_an_epoch_has_every_sample_once_and_the_next_has_another_order(made: Made) -> None:
    each = loader(made)
    first, second = list(each), list(each)
    assert sorted(flat(ids(first))) == sorted(flat(ids(second)))
    assert len(set(flat(ids(first)))) == 24
    assert ids(first) != ids(second)
    assert second[0].epoch == 1
    each.set_epoch(0)
    assert ids(list(each)) == ids(first)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_share_one_global_batch(made: Made, world_size: int) -> None:
    """Explicit ranks need no process group; the global batch of 4 does not depend on their number."""
    size = 4 // world_size
    ranks = [list(loader(made, batch_size=size, rank=r, world_size=world_size)) for r in range(world_size)]
    together = [flat(zip(*(rank[step]["id"] for rank in ranks), strict=True)) for step in range(6)]
    assert together == ids(list(loader(made)))


def test_torchrun_environment_gives_the_rank(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    each = loader(made, batch_size=2)
    assert (each.rank, each.world_size) == (1, 2)


def test_shuffle_none_keeps_the_order_of_the_query(made: Made) -> None:
    batches = list(loader(made, "SELECT id FROM my_videos ORDER BY id DESC", shuffle=None))
    got = flat(ids(batches))
    assert got == sorted(got, reverse=True)


@pytest.mark.parametrize("num_threads", [1, 3])
def test_threads_do_not_change_the_batches(made: Made, num_threads: int) -> None:
    for one, other in zip(loader(made), loader(made, num_threads=num_threads), strict=True):
        assert equal(one, other)


@pytest.mark.parametrize(("workers", "method"), [(1, "spawn"), (2, "spawn"), (2, "forkserver")])
def test_workers_do_not_change_the_batches(made: Made, workers: int, method: str) -> None:
    under = DataLoader(loader(made), batch_size=None, num_workers=workers, multiprocessing_context=method)
    assert len(under) == 6
    for one, other in zip(loader(made), under, strict=True):
        assert equal(one, other)


def test_a_forked_worker_is_told_what_to_set(made: Made) -> None:
    code = f"""
import os, sys
from cutlist_torch import Loader
loader = Loader("SELECT id FROM my_videos", root={str(made.root)!r}, batch_size=4)
pid = os.fork()
if pid == 0:
    try:
        next(iter(loader))
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert "SettingsError the loader was copied by fork" in done.stdout
    assert 'multiprocessing_context="spawn"' in done.stdout


def test_drop_last_false_has_a_smaller_last_batch(made: Made) -> None:
    assert [len(each["id"]) for each in loader(made, batch_size=10)] == [10, 10]
    assert [len(each["id"]) for each in loader(made, batch_size=10, drop_last=False)] == [10, 10, 4]
    with pytest.raises(OrderError, match=r"drop_last=False with 2 ranks"):
        loader(made, drop_last=False, rank=0, world_size=2)


# -- state ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop_after", [1, 3, 6, 8])
def test_resume_in_a_new_process_is_exact_after_any_batch(made: Made, tmp_path: Path, stop_after: int) -> None:
    each = loader(made, seed=5)
    batches: list[Batch] = []
    while len(batches) < stop_after:
        for batch in each:
            batches.append(batch)
            if len(batches) == stop_after:
                break
    (tmp_path / "state.json").write_text(json.dumps(each.state_dict()))
    rest = [*each, *each][:7]
    code = f"""
import json, torch
from cutlist_torch import Loader
loader = Loader({CLIPS!r}, root={str(made.root)!r}, batch_size=4, seed=5)
loader.load_state_dict(json.load(open("state.json")))
torch.save([(b.epoch, b.step, b["id"], b["frames"]) for b in [*loader, *loader][:7]], "rest.pt")
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    resumed = torch.load(tmp_path / "rest.pt")
    assert [(b.epoch, b.step, b["id"]) for b in rest] == [got[:3] for got in resumed]
    assert all(torch.equal(b["frames"], got[3]) for b, got in zip(rest, resumed, strict=True))


def test_resume_with_another_number_of_ranks(made: Made) -> None:
    each = loader(made)
    steps = iter(each)
    next(steps), next(steps)
    steps.close()
    ranks = [loader(made, batch_size=2, rank=rank, world_size=2) for rank in range(2)]
    for rank in ranks:
        rank.load_state_dict(each.state_dict())
    together = [flat(zip(one["id"], other["id"], strict=True)) for one, other in zip(*ranks, strict=True)]
    assert together == ids(list(each))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"query": "SELECT id FROM my_videos"}, "selection"),
        ({"seed": 1}, "seed"),
        ({"batch_size": 2}, "global batch size"),
        ({"shuffle": None}, "shuffle"),
        ({"drop_last": False}, "drop_last"),
    ],
)
def test_a_state_of_something_else_is_refused_and_the_part_named(
    made: Made, options: dict[str, Any], part: str
) -> None:
    state = loader(made).state_dict()
    with pytest.raises(StateError, match=f"the state is of another {part}: .* there, .* here"):
        loader(made, **options).load_state_dict(state)


def test_a_state_of_another_version_or_shape_is_refused(made: Made) -> None:
    each = loader(made)
    for change, message in (
        ({"version": 0}, "another state version: 0 there"),
        ({"order_version": 0}, "another order version: 0 there"),
        ({"step": 99}, "step 99; an epoch has 6 steps"),
    ):
        with pytest.raises(StateError, match=message):
            each.load_state_dict({**each.state_dict(), **change})
    with pytest.raises(StateError, match='the state has no "version"'):
        each.load_state_dict({})


def test_the_state_under_workers_is_that_after_a_batch(made: Made) -> None:
    each = loader(made)
    under = DataLoader(each, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    batches = list(under)
    with pytest.raises(StateError, match=r"call state_dict\(after=batch\)"):
        each.state_dict()
    resumed = loader(made)
    resumed.load_state_dict(each.state_dict(after=batches[3]))
    assert ids(list(resumed)) == ids(batches[4:])
    assert each.state_dict(after=batches[-1])["epoch"] == 1


# -- processors, errors, threads --------------------------------------------------------------------------------------


def halved(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "half": row["frames"][:, :, ::2, ::2].astype(np.float32) / 255, "area": 4}


def nothing(row: dict[str, Any]) -> None:
    return None


def several(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [row, row]


def broken(row: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError("no idea")


def ragged(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "frames": row["frames"][: 1 + row["width"] % 3]}


def test_processors_take_and_give_one_row(made: Made) -> None:
    batch = next(iter(loader(made, processors=[halved])))
    assert batch["half"].shape == (4, 3, 3, 12, 16)
    assert batch["half"].dtype == torch.float32
    assert batch["area"].tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        (nothing, r"processor nothing returned None for the sample at position \d+; expected one row"),
        (several, r"processor several returned a list for the sample at position \d+; expected one row"),
        (ragged, r"column frames: cannot stack 4 samples of shapes .*; give them one shape"),
    ],
)
def test_what_is_not_one_row_is_refused(made: Made, processor: Any, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        list(loader(made, CLIPS.replace("width FROM", "ascii(id) AS width FROM"), processors=[processor]))


def scaled(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "width": row["width"] * 0.5}


def texted(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "width": "wide"}


def emptied(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "width": None}


def later_odd(row: dict[str, Any]) -> dict[str, Any]:
    later_odd_seen.append(1)
    return {**row, "extra": 1 if len(later_odd_seen) <= 6 else None}


later_odd_seen: list[int] = []


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        (
            scaled,
            r"column width: a processor gave \d+\.\d, a float, where this column is int64; put it under",
        ),
        (texted, r"column width: a processor gave 'wide', a str, where this column is int64"),
        (emptied, r"column width: a processor gave None, a NoneType, where this column is int64"),
        (later_odd, r"column extra: a processor gave None, a NoneType, where this column is int64"),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_bent(made: Made, processor: Any, message: str) -> None:
    later_odd_seen.clear()
    with pytest.raises(SelectionError, match=message):
        list(loader(made, "SELECT id, width FROM my_videos ORDER BY id", processors=[processor], num_threads=1))


def test_tensors_inside_structs_and_maps_move_with_the_batch(made: Made) -> None:
    query = "SELECT {'p': image.resize(8, 8), 'n': 1} AS s, map {'k': image.resize(4, 4)} AS m FROM my_images"
    batch = next(iter(loader(made, query))).to("meta")
    assert batch["s"][0]["p"].device.type == "meta"
    assert batch["m"][0][0][1].device.type == "meta"
    assert batch["s"][0]["n"] == 1


def test_doubles_keep_their_digits(tmp_path: Path) -> None:
    batch = next(
        iter(Loader("SELECT 0.1::DOUBLE AS d, [0.1, 0.2]::DECIMAL(4, 2)[2] AS a", root=tmp_path, batch_size=1))
    )
    assert batch["d"].tolist() == [0.1]
    assert batch["a"].tolist() == [[0.1, 0.2]]


def test_an_error_in_a_processor_reaches_the_loop(made: Made) -> None:
    with pytest.raises(RuntimeError, match="no idea") as caught:
        list(loader(made, processors=[broken]))
    assert "in processor broken, for the sample at position" in caught.value.__notes__[0]
    assert cutlist_threads() == []


def test_a_corrupt_file_is_named_by_table_row_and_column(tmp_path: Path) -> None:
    import pyarrow as pa

    rows = pa.table(
        [pa.array([1, 2]), blob_array([b"\x89PNG\r\n\x1a\n nothing behind", b"?"])],
        schema=pa.schema([("id", pa.int64()), blob_field("image", "image")]),
    )
    with cutlist.connect(tmp_path, create=True) as session:
        session.store.append("pictures", rows, message="two that are broken")
    query = "SELECT image FROM pictures WHERE id = 1"
    each = Loader(query, root=tmp_path, views=tmp_path, batch_size=1, on_error="raise")
    with pytest.raises(MediaError, match=r"pictures@1, row id 0, column image \(as image\): "):
        next(iter(each))
    assert cutlist_threads() == []
    under = DataLoader(each, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(MediaError, match=r"pictures@1, row id 0, column image"):
        list(under)


def test_closing_early_leaves_no_thread(made: Made) -> None:
    steps = iter(loader(made))
    next(steps)
    assert cutlist_threads() != []
    steps.close()
    assert cutlist_threads() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"batch_size=0: expected a whole number of at least 1"),
        ({"batch_size": 25}, r"larger than the selection"),
        ({"shuffle": True}, r'"full"'),
        ({"rank": 1}, r"rank=1 and world_size=None: give both"),
        ({"rank": 2, "world_size": 2}, r"rank 2 of world size 2: expected"),
    ],
)
def test_options_that_do_not_fit_are_refused(made: Made, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError, match=message):
        loader(made, **options)


def test_an_empty_selection_says_empty(made: Made) -> None:
    with pytest.raises(SelectionError, match="the selection is empty"):
        loader(made, "SELECT id FROM my_videos WHERE width > 99999")


def test_a_query_that_does_not_bind_is_refused(made: Made) -> None:
    with pytest.raises(QueryError, match=r'query:1:8: no column "captoin" in hd; did you mean "caption"\?'):
        loader(made, "SELECT captoin FROM hd")


# -- what may stand in place of a query -------------------------------------------------------------------------------


def test_a_selection_or_its_path_stands_for_the_query(made: Made, tmp_path: Path) -> None:
    first = loader(made)
    path = first.selection.path
    assert path is not None
    saved = first.selection.save(tmp_path / "mine.arrow")
    for each in (
        Loader(path, batch_size=4),
        Loader(str(path), batch_size=4),
        Loader(first.selection, batch_size=4),
        Loader(saved, root=made.root, batch_size=4),
    ):
        assert ids(list(each)) == ids(list(loader(made)))


def test_a_pinned_run_does_not_see_later_rows(made: Made, tmp_path: Path) -> None:
    root = tmp_path / "data"
    with cutlist.connect(root, create=True) as session:
        session.ingest(made.media / "images", table="my_images")
        selection = session.compile("SELECT id FROM my_images")
        before = ids(list(Loader(selection, batch_size=4)))
        session.ingest(made.media / "videos", table="my_images")
        assert session.sql("SELECT count(*) FROM my_images").fetchall() == [(36,)]
    assert ids(list(Loader(selection.path or "", batch_size=4))) == before


def test_a_table_made_anew_under_its_name_is_not_taken_for_the_old_one(made: Made, tmp_path: Path) -> None:
    """Both are at version 1, with other rows under the same row ids."""
    root = tmp_path / "data"
    query = "SELECT id, image FROM my_images"
    with cutlist.connect(root, create=True) as session:
        session.ingest(made.media / "images", table="my_images")
        old = session.compile(query)
        shutil.rmtree(root / "my_images.lance")
        session.ingest(made.media / "videos" / "00000.mp4", table="my_images", kinds=("video",))
        assert session.tables["my_images"].version == old.tables[0].version
        new = session.compile("SELECT id, video FROM my_images")
        assert new.num_samples == 1
        assert session.compile("SELECT id FROM my_images").num_samples == 1
    with pytest.raises(cutlist.CutlistError, match=r"table my_images in .* was made anew since the selection was comp"):
        next(iter(Loader(old, batch_size=4)))


def test_a_row_whose_bytes_cannot_be_read_is_named_when_its_turn_comes(made: Made, tmp_path: Path) -> None:
    """The bytes of the largest pictures are cut short in the store; the steps before them are good."""
    with cutlist.connect(tmp_path / "data", create=True) as session:
        for seed in range(3):
            pixels = np.random.default_rng(seed).integers(0, 255, (400, 400, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{seed}.png")
            session.ingest(tmp_path / f"{seed}.png", table="noise")
    blobs = sorted((tmp_path / "data").rglob("*.blob"), key=lambda path: path.stat().st_mtime)
    assert len(blobs) == 3
    blobs[2].write_bytes(blobs[2].read_bytes()[:1000])
    query = "SELECT path, image FROM noise ORDER BY path"
    each = Loader(query, root=tmp_path / "data", batch_size=1, shuffle=None, on_error="raise")
    batches = iter(each)
    assert [next(batches)["path"], next(batches)["path"]] == [["0.png"], ["1.png"]]
    with pytest.raises(MediaError, match=r"noise@3, row id 2, column image \(as image\): "):
        next(batches)


def test_a_selection_without_its_root_says_what_to_give(made: Made, tmp_path: Path) -> None:
    selection = loader(made).selection.save(tmp_path / "mine.arrow")
    with pytest.raises(cutlist.CutlistError, match=r'no table my_videos in .*; give the loader the root .*root="…"'):
        Loader(selection, root=tmp_path, batch_size=4)


def test_a_version_that_is_gone_is_named(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.root, tmp_path / "data")
    each = Loader("SELECT image FROM my_images", root=tmp_path / "data", batch_size=4)
    for manifest in (tmp_path / "data" / "my_images.lance" / "_versions").iterdir():
        manifest.rename(manifest.with_name("18446744073709551607.manifest"))  # version 8
    with pytest.raises(cutlist.CutlistError, match=r"version 1 of table my_images no longer exists .*compile"):
        next(iter(each))
