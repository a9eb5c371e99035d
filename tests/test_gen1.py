"""Gen-1's table, `sql/gen1.sql`: from raw clips to batches, with tiny models; another embedding by one line."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.featurizers import tiny

import cutlist
from cutlist.media.synthetic import render_media
from cutlist_featurizers import ClipEmbedding, Depth
from cutlist_torch import Loader

if TYPE_CHECKING:
    from cutlist import Session

VIEW = (Path(__file__).parents[1] / "sql" / "gen1.sql").read_text()
QUERY = "SELECT frames(video, 8).resize(64, 64) AS frames, * EXCLUDE (video) FROM gen1"
NUM_VIDEOS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root `data` with videos and every feature, and the view; the last video has no caption."""
    folder = tmp_path_factory.mktemp("gen1")
    captions = render_media(folder / "media", num_videos=NUM_VIDEOS, num_images=0, seed=3)
    with captions.open() as file:
        rows = list(csv.DictReader(file))
    with captions.open("w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows[:-1])
    (folder / "sql").mkdir()
    (folder / "sql" / "gen1.sql").write_text(VIEW)
    of = str(tiny.save_clip(folder / "clip"))
    other = str(tiny.save_clip(folder / "other_clip", seed=1))
    depth = str(tiny.save_depth(folder / "dpt", "dpt"))
    with cutlist.connect(folder / "data", views=folder / "sql", create=True) as session:
        session.ingest(folder / "media", table="my_videos", metadata=captions)
        for featurizer in (
            ClipEmbedding(of, num_frames=2),
            ClipEmbedding(other, num_frames=2, name="clip_l14"),
            Depth(depth, num_frames=8),
        ):
            assert session.backfill("my_videos", featurizer).num_computed == NUM_VIDEOS
    return folder


def batches(folder: Path) -> list[Any]:
    return list(Loader(QUERY, root=folder / "data", views=folder / "sql", batch_size=3, shuffle=None))


def stored(session: Session, column: str) -> list[list[float]]:
    query = f"SELECT {column} FROM my_videos WHERE caption IS NOT NULL ORDER BY id"
    return [list(row[0]) for row in session.sql(query).fetchall()]


def test_from_clips_to_batches_and_another_embedding_by_one_line(folder: Path) -> None:
    (batch,) = batches(folder)
    assert set(batch) >= {"frames", "prompt", "embedding", "depth_maps", "width", "height", "fps", "duration_seconds"}
    assert (batch["frames"].shape, batch["frames"].dtype) == ((3, 8, 3, 64, 64), torch.uint8)
    assert (batch["embedding"].shape, batch["embedding"].dtype) == ((3, tiny.LENGTH), torch.float32)
    assert [(each.shape, each.dtype) for each in batch["depth_maps"]] == [((8, 64, 64), torch.float16)] * 3
    assert all(batch["prompt"])
    depth = Depth(str(folder / "dpt"), num_frames=8)
    depth.setup("cpu")
    (frames,) = Loader(
        "SELECT frames(video, 8) AS frames FROM gen1",
        root=folder / "data",
        views=folder / "sql",
        batch_size=3,
        shuffle=None,
    )
    for clip, maps in zip(frames["frames"], batch["depth_maps"], strict=True):
        expected = np.stack(depth.estimate(list(clip.numpy()))).astype(np.float16)
        np.testing.assert_allclose(maps.numpy(), expected, rtol=1e-2, atol=1e-2 * float(expected.max()))
    with cutlist.connect(folder / "data", views=folder / "sql") as session:
        columns = ("width", "height", "fps", "prompt")
        found = session.sql("SELECT id, width, height, fps, caption FROM my_videos").fetchall()
        of_row = {row[0]: row[1:] for row in found}
        for index, each in enumerate(batch["id"]):
            assert tuple(batch[name][index] for name in columns) == of_row[each]
        assert sorted(batch["embedding"].tolist()) == sorted(stored(session, "clip_embedding"))
        line = "    clip_embedding AS embedding,"
        assert VIEW.count(line) == 1
        (folder / "sql" / "gen1.sql").write_text(VIEW.replace(line, "    clip_l14 AS embedding,"))
        (swapped,) = batches(folder)
        assert sorted(swapped["embedding"].tolist()) == sorted(stored(session, "clip_l14"))
    assert (swapped["embedding"] - batch["embedding"]).abs().max() > 0.01
    for name in ("id", "prompt", "fps"):
        assert list(swapped[name]) == list(batch[name])
    np.testing.assert_array_equal(swapped["frames"].numpy(), batch["frames"].numpy())
