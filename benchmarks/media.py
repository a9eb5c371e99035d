"""Clips of a second or two from the middle of videos: how fast, and with how many bytes, side by side with peers.

The limit is a thread pool that decodes the packets of each clip from memory, with as many threads as the reader: no
container, no file, no table. The contenders take turns; a ratio is the median of the ratios of the rounds to the limit
of the same round. *Read* is what the process read by the operating system's count, whatever for, and *needed* the bytes
of the packets that have to be decoded. Then the same from an object store that answers each request 50 ms late
(rclone, in another process); images; and a hundredth of a remote table.

torchcodec is left out where it does not load. It needs the libraries of some FFmpeg; PyAV's own do: symbolic links to
`site-packages/av.libs` by the names that it looks for (`libavcodec.so.62`), in a folder of `LD_LIBRARY_PATH`.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import multiprocessing
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from unittest import mock

import av
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import cutlist
from cutlist.errors import MediaError
from cutlist.media import Op, PacketIndex, decode_planned, index_packets, plan_video, probe
from cutlist.reader import Part, Reader, fetching

if TYPE_CHECKING:
    from cutlist.media.planned import VideoPlan

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for what the other benchmarks and the tests have

try:
    from tests import s3

    S3 = s3.RCLONE is not None
except ImportError:  # a checkout without tests
    S3 = False

torchcodec: Any = None
if __name__ != "__mp_main__":  # torch takes seconds to import, and the processes started here need none of it
    from benchmarks import loader as images

    with contextlib.suppress(ImportError, OSError, RuntimeError):
        torchcodec = importlib.import_module("torchcodec")

DATA_VERSION = 1
"""Of what `make_data` makes; a higher one makes it anew."""

REAL = ROOT.parent / "shared" / "media" / "videos"
MIN_SECONDS, MIN_BIT_RATE = 4.9, 500_000
"""Of the real videos that are taken; the longer ones there are still pictures, of 1 to 3 KB for each second."""

SECONDS = (1.0, 2.0)
SIDE = 256
NUM_RENDERED, RENDERED_SECONDS, FPS, GOP_FRAMES = 4, 6, 30, 60

QUERY = (
    "SELECT path, start, clip(video, start, start + {seconds}).resize({side}, {side}) AS media FROM (SELECT *, "
    "round(duration_seconds / 2 - {seconds} / 2, 2) AS start FROM videos) "
    "WHERE least(width, height) = {height} ORDER BY path"
)

DELAY_SECONDS = 0.05
"""Added to each request to the object store."""

CLIP_HEADINGS = ("clips/s", "ratio", "CPU ms", "CPU ratio", "read ÷ needed", "calls/step")
REMOTE_TITLE = f"Planned clips from S3, {DELAY_SECONDS * 1e3:.0f} ms added to each request; the disk, too"
REMOTE_HEADINGS = ("disk, clips/s", "S3", "ratio", "with 1st step", "1st, s", "requests/step", "read ÷ needed")
SUBSET_HEADINGS = ("% of samples", "table MB", "% read to compile", "% read", "requests")

app = typer.Typer(add_completion=False, rich_markup_mode="rich")
console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What has to be decoded for one sample, and the bytes of it in memory."""

    path: Path
    start: float
    stop: float
    index: PacketIndex
    plan: VideoPlan
    pieces: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every contender is given: the clips of one query, in the order of its samples."""

    session: cutlist.Session
    batch_size: int
    num_threads: int
    query: str = ""
    selection: cutlist.Selection | None = None
    clips: Sequence[Clip] = ()

    @property
    def order(self) -> list[int]:
        """Return the numbers of the samples, shuffled."""
        return [int(number) for number in np.random.default_rng(0).permutation(len(self.clips))]

    @property
    def num_steps(self) -> int:
        """Return how many steps the samples are."""
        return max(len(self.clips) // self.batch_size, 1)

    @property
    def needed_bytes(self) -> int:
        """Return the bytes of the packets that all samples need."""
        return sum(each.plan.needed_bytes for each in self.clips)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of a contender. `steady_per_second` is without the first step; calls are those of the reader."""

    clips_per_second: float
    steady_per_second: float = 0.0
    first_seconds: float = 0.0
    cpu_seconds_per_clip: float
    read_per_needed: float
    calls_per_step: float | None = None


def read_so_far() -> int:
    """Return the bytes that this process has read, by the operating system's count; 0 where it does not count."""
    counts = Path("/proc/self/io")
    return int(re.findall(r"rchar: (\d+)", counts.read_text())[0]) if counts.exists() else 0


# -- the contenders -----------------------------------------------------------------------------------------------


def _pooled(one: Callable[[Clip], object], setting: Setting) -> Measured:
    """Run `one` over all clips in a pool, a few ahead of the consumer, results in order."""
    began, used, read = time.perf_counter(), time.process_time(), read_so_far()
    pending: deque[Future[object]] = deque()
    with ThreadPoolExecutor(setting.num_threads) as pool:
        for number in setting.order:
            pending.append(pool.submit(one, setting.clips[number]))
            if len(pending) > 4 * setting.num_threads:
                pending.popleft().result()
        for future in pending:
            future.result()
    seconds, num_clips = time.perf_counter() - began, len(setting.order)
    return Measured(
        clips_per_second=num_clips / seconds,
        cpu_seconds_per_clip=(time.process_time() - used) / num_clips,
        read_per_needed=(read_so_far() - read) / setting.needed_bytes,
    )


def packets_in_memory(clip: Clip) -> NDArray[np.uint8]:
    """Decode packets that were read before: the limit."""
    return decode_planned(clip.index, clip.plan, clip.pieces)


def with_pyav(clip: Clip) -> NDArray[np.uint8]:
    """Decode a file as a training script does it: uint8, shape (T, 3, H, W)."""
    with av.open(str(clip.path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        assert stream.time_base is not None
        container.seek(int(clip.start / stream.time_base), stream=stream)
        frames = []
        for frame in container.decode(stream):
            assert frame.time is not None
            if frame.time >= clip.stop - 1e-6:
                break
            if frame.time >= clip.start - 1e-6:
                small = frame.reformat(SIDE, SIDE, "rgb24", interpolation="BICUBIC")
                frames.append(small.to_ndarray().transpose(2, 0, 1))
        return np.stack(frames).astype(np.uint8, copy=False)


def with_torchcodec(clip: Clip) -> NDArray[np.uint8]:
    """Decode a file with torchcodec at its best: seeking by the container's index, scaling in FFmpeg (bilinear)."""
    resize = torchcodec.transforms.Resize((SIDE, SIDE))
    decoder = torchcodec.decoders.VideoDecoder(clip.path, seek_mode="approximate", transforms=[resize])
    frames: NDArray[np.uint8] = decoder.get_frames_played_in_range(clip.start, clip.stop).data.numpy()
    return frames


def planned(setting: Setting) -> Measured:
    """Iterate over a reader, which reads by the packet indexes."""
    parts = np.array_split(setting.order, setting.num_steps)
    assert setting.selection is not None
    reader = Reader([setting.selection], setting.session.store, num_threads=setting.num_threads)
    began, used, read = time.perf_counter(), time.process_time(), read_so_far()
    first, num_first, num_clips = 0.0, 0, 0
    for rows in reader.read([Part(0, each)] for each in parts):
        if not num_clips:
            first, num_first = time.perf_counter() - began, len(rows)
        num_clips += len(rows)
    seconds = time.perf_counter() - began
    return Measured(
        clips_per_second=num_clips / seconds,
        steady_per_second=(num_clips - num_first) / max(seconds - first, 1e-9),
        first_seconds=first,
        cpu_seconds_per_clip=(time.process_time() - used) / num_clips,
        read_per_needed=(read_so_far() - read) / setting.needed_bytes,
        calls_per_step=reader.stats.num_reads / len(parts),
    )


def _unplanned(whole_bytes: int) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which readers see no packet index, and read whole what is not longer."""
    return mock.patch.multiple(fetching, _index=lambda stored: None, WHOLE_BYTES=whole_bytes)


def unplanned(whole_bytes: int, setting: Setting) -> Measured:
    """Iterate over a reader that reads through containers."""
    with _unplanned(whole_bytes):
        return planned(setting)


CONTENDERS: dict[str, tuple[str, Callable[[Setting], Measured]]] = {
    "limit": ("packets in memory, threads", partial(_pooled, packets_in_memory)),
    "planned": ("Reader, by packet index", planned),
    "file": ("Reader, blob as a file", partial(unplanned, 0)),
    "whole": ("Reader, whole blob", partial(unplanned, 2**40)),
    "pyav": ("PyAV, files on disk, threads", partial(_pooled, with_pyav)),
    "torchcodec": ("torchcodec, files on disk, threads", partial(_pooled, with_torchcodec)),
}
"""Key → what the table of results calls it, and the contender."""

BASELINE = "limit"


# -- the data -----------------------------------------------------------------------------------------------------


def make_data(folder: Path, heights: Sequence[int], num_clips: int) -> Path:
    """Return a folder with `num_clips` videos of each height in `files`, and in the table `videos` of `root`."""
    made = folder / "-".join(map(str, [f"media-v{DATA_VERSION}", *heights, num_clips]))
    if made.is_dir():
        return made
    unfinished = folder / f"{made.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "files").mkdir(parents=True)
    for height in heights:
        contents = [path.read_bytes() for path in _real_videos(height)]
        console.print(f"{height}p: {len(contents)} real videos" if contents else f"{height}p: rendering videos")
        contents = contents or [_render_video(number, height) for number in range(min(NUM_RENDERED, num_clips))]
        for number in range(num_clips):
            content = images.numbered(contents[number % len(contents)], number)
            (unfinished / "files" / f"{height}-{number:04}.mp4").write_bytes(content)
    with cutlist.connect(unfinished / "root", create=True) as session:
        session.ingest(unfinished / "files", table="videos", progress=False)
    unfinished.rename(made)
    return made


def _real_videos(height: int) -> list[Path]:
    """Return the MP4 files of this height that are long enough, and not of one still picture."""
    found = []
    for path in sorted(REAL.rglob("*.mp4")):
        with contextlib.suppress(MediaError):
            about = probe(path)
            if min(about.width or 0, about.height or 0) == height and (about.duration_seconds or 0) >= MIN_SECONDS:
                bit_rate = 8 * path.stat().st_size / (about.duration_seconds or 1)
                found += [path] if bit_rate >= MIN_BIT_RATE else []
    return found


def _render_video(number: int, height: int) -> bytes:
    """Return an MP4 of H.264 with B-frames whose camera pans over a picture: 4 to 8 Mb/s at 1080p."""
    width = height * 16 // 9
    scene = images.texture(np.random.default_rng([2, number]), width + 4 * RENDERED_SECONDS * FPS, height + 80)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        options = {"preset": "veryfast", "crf": "26", "g": str(GOP_FRAMES)}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for at in range(RENDERED_SECONDS * FPS):
            left, top = 4 * at, round(40 + 40 * np.sin(at / 20 + number))
            pixels = np.ascontiguousarray(scene[top : top + height, left : left + width])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def settings_of(made: Path, heights: Sequence[int], about: Setting) -> dict[str, Setting]:
    """Return a setting for each height and length of clips, otherwise as one without clips."""
    settings = {}
    for height in heights:
        indexes: dict[str, PacketIndex] = {}
        for seconds in SECONDS:
            query = QUERY.format(seconds=seconds, side=SIDE, height=height)
            clips = []
            for path, start in about.session.sql(f"SELECT path, start FROM ({query}) ORDER BY path").fetchall():
                file = made / "files" / path
                data = file.read_bytes()
                index = indexes.setdefault(path, _indexed(data))
                plan = plan_video(index, [Op("clip", (start, start + seconds)), Op("resize", (SIDE, SIDE))])
                pieces = [data[at : at + size] for at, size in plan.ranges]
                clips.append(Clip(path=file, start=start, stop=start + seconds, index=index, plan=plan, pieces=pieces))
            settings[f"{height}p, {seconds:g} s"] = replace(
                about, query=query, selection=about.session.compile(query), clips=clips
            )
    return settings


def _indexed(data: bytes) -> PacketIndex:
    index = index_packets(data)
    if not isinstance(index, PacketIndex):
        raise MediaError(f"a video of the benchmark has no packet index: {index.reason}")
    return index


def check(setting: Setting) -> None:
    """Raise MediaError unless all ways of the reader give the frames of the limit, and the peers as many."""
    assert setting.selection is not None
    clips = setting.clips[:2]
    expected = [packets_in_memory(clip) for clip in clips]
    for context, num_planned in ((contextlib.nullcontext(), len(clips)), (_unplanned(0), 0), (_unplanned(2**40), 0)):
        with context:
            reader = Reader([setting.selection], setting.session.store)
            (rows,) = reader.read([[Part(0, np.arange(len(clips)))]])
        if reader.stats.num_planned != num_planned:
            raise MediaError("the reader reads the videos in another way than it was told to")
        if not all(np.array_equal(row["media"], frames) for row, frames in zip(rows, expected, strict=True)):
            raise MediaError("the reader gives other frames than the limit")
    for peer in [with_pyav] + [with_torchcodec] * (torchcodec is not None):
        for clip, frames in zip(clips, expected, strict=True):
            others = peer(clip)  # torchcodec gives also the frame that is shown when the clip begins
            if others.shape[1:] != frames.shape[1:] or not 0 <= len(others) - len(frames) <= 1:
                raise MediaError(f"{peer.__name__} gives {others.shape}; expected {frames.shape}")


# -- the object store -------------------------------------------------------------------------------------------------


def _serve(folder: Path, pipe: Connection) -> None:
    """Serve a folder as a bucket, late, and tell how much was asked for since the last time; for another process."""
    with s3.serve_s3(folder) as store, store.failing(lambda _: s3.Fault(delay_seconds=DELAY_SECONDS)) as asked:
        pipe.send(store.storage_options)
        with contextlib.suppress(EOFError):
            while pipe.recv():
                gets = [each for each in asked if each.method == "GET"]
                asked.clear()
                num_bytes = sum((each.stop or 0) - (each.start or 0) for each in gets)
                for each in gets:
                    file = store.folder.parent / each.path.partition("?")[0].lstrip("/")
                    num_bytes += file.stat().st_size if each.start is None and file.is_file() else 0
                pipe.send((len(gets), num_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """An object store with copies of local roots."""

    options: dict[str, str]
    pipe: Connection

    def session(self, name: str) -> cutlist.Session:
        """Return a session on the copy of a local root."""
        return cutlist.connect(f"s3://{s3.BUCKET}/{name}", storage_options=self.options)

    def asked(self) -> tuple[int, int]:
        """Return the requests to read and the bytes they asked for since the last time."""
        self.pipe.send(True)
        requests, num_bytes = self.pipe.recv()
        return requests, num_bytes


@contextlib.contextmanager
def object_store(folder: Path, roots: Mapping[str, Path]) -> Iterator[Remote]:
    """Return a context with an object store in a process of its own, with copies of local roots by name."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    with tempfile.TemporaryDirectory(dir=folder) as bucket:
        process = context.Process(target=_serve, args=(Path(bucket), its), daemon=True)
        process.start()
        its.close()
        try:
            options = mine.recv()
            for name, root in roots.items():  # all before the first request, as rclone remembers what is there
                shutil.copytree(root, Path(bucket) / s3.BUCKET / name, copy_function=os.link)
            yield Remote(options=options, pipe=mine)
        finally:
            with contextlib.suppress(OSError):
                mine.send(False)
            process.join(20)


def measure_remote(remote: Remote, settings: dict[str, Setting], rounds: int) -> list[dict[str, Any]]:
    """Return for each setting the speed of planned reads from the store, next to that from the disk.

    Both without their first step: it opens the table, and fetches before there is anything to decode.
    """
    results = []
    with remote.session("videos") as session:
        for name, local in settings.items():
            there = replace(local, session=session, selection=session.compile(local.query))
            remote.asked()
            pairs = []
            for number in range(rounds):
                order = (local, there) if number % 2 == 0 else (there, local)
                done = [planned(each) for each in order]
                pairs.append((done[number % 2], done[1 - number % 2]))
            requests, num_bytes = remote.asked()
            results.append(
                {
                    "setting": name,
                    "local_per_second": _median(one.steady_per_second for one, _ in pairs),
                    "remote_per_second": _median(two.steady_per_second for _, two in pairs),
                    "ratio_to_local": _median(two.steady_per_second / one.steady_per_second for one, two in pairs),
                    "ratio_with_first_step": _median(two.clips_per_second / one.clips_per_second for one, two in pairs),
                    "first_seconds": _median(two.first_seconds for _, two in pairs),
                    "requests_per_step": requests / rounds / local.num_steps,
                    "read_per_needed": num_bytes / rounds / local.needed_bytes,
                }
            )
    return results


def measure_subset(remote: Remote, data: images.Data) -> dict[str, Any]:
    """Return how much of a table's bytes a hundredth of its rows needs: to compile the query, and to read it."""
    share = min(100, data.num_samples)
    with remote.session("images") as session:
        remote.asked()
        selection = session.compile(f"{data.query} WHERE regexp_extract(path, '\\d+')::INTEGER % {share} = {share - 1}")
        _, to_compile = remote.asked()
        reader = Reader([selection], session.store)
        parts = np.array_split(np.arange(len(selection)), max(len(selection) // 8, 1))
        num_samples = sum(map(len, reader.read([Part(0, each)] for each in parts)))
        requests, to_read = remote.asked()
    table = sum(each.stat().st_size for each in (data.folder / "root").rglob("*") if each.is_file())
    return {
        "samples": f"{num_samples} images",
        "percent_of_samples": 100 * num_samples / data.num_samples,
        "table_mb": table / 1e6,
        "percent_to_compile": 100 * to_compile / table,
        "percent_to_read": 100 * to_read / table,
        "requests": requests,
    }


# -- the program --------------------------------------------------------------------------------------------------


@app.command()
def main(
    clips: Annotated[int, typer.Option(min=2, help="Videos of each height, a clip of each.")] = 24,
    height: Annotated[list[int], typer.Option(min=64, help="Heights of the videos.")] = [720, 1080],  # noqa: B006
    batch: Annotated[int, typer.Option(min=1, help="Clips in a step.")] = 8,
    pictures: Annotated[int, typer.Option("--images", min=0, help="Images in a table; 0 leaves them out.")] = 4000,
    data: Annotated[
        Path | None, typer.Option(help="Folder to keep the media in; default `cutlist-benchmarks` in the temp folder.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each contender, taking turns.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = os.cpu_count() or 1,
    remote: Annotated[bool, typer.Option(help="Read from an object store, too.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to a file, too.")] = None,
) -> None:
    """Measure clips of long videos, from the disk and from an object store, next to peers.

    Makes 48 videos (0.1 GB) and 4000 images (0.4 GB), and as much again in tables; takes ten minutes on two cores.

    [bold]Examples[/bold]

    python benchmarks/media.py

    python benchmarks/media.py --images 0 --rounds 5 --json media.json

    python benchmarks/media.py --clips 96 --threads 8 --no-remote
    """
    folder = data or Path(tempfile.gettempdir()) / "cutlist-benchmarks"
    made = make_data(folder, height, clips)
    data_of_images = images.make_data(folder, "images", pictures) if pictures else None
    keys = [key for key in CONTENDERS if key != "torchcodec" or torchcodec is not None]
    results: dict[str, Any] = {"clips": {}}
    with cutlist.connect(made / "root") as session:
        settings = settings_of(made, height, Setting(session=session, batch_size=batch, num_threads=threads))
        for name, setting in settings.items():
            check(setting)
            results["clips"][name] = _measured(setting, keys, rounds)
            title = f"Clips of {name}, to {SIDE}x{SIDE}: {clips} in steps of {batch}, {threads} threads; "
            title += f"each needs {setting.needed_bytes / clips / 1e3:.0f} KB"
            _show(title, CLIP_HEADINGS, results["clips"][name])
        if torchcodec is None:
            console.print("torchcodec is left out: it does not load")
        if data_of_images is not None:
            results["images"] = _images(data_of_images, threads, rounds)
        if remote and S3:
            roots = {"videos": made / "root"} | ({"images": data_of_images.folder / "root"} if data_of_images else {})
            with object_store(folder, roots) as served:
                results["remote"] = measure_remote(served, settings, rounds)
                _show(REMOTE_TITLE, REMOTE_HEADINGS, results["remote"])
                if data_of_images is not None:
                    results["subset"] = measure_subset(served, data_of_images)
                    _show("Some images of a table in S3", SUBSET_HEADINGS, [results["subset"]])
        else:
            console.print("the object store is left out" + ": no rclone, or no tests" * remote)
    if json_file:
        about = {"benchmark": "media", "rounds": rounds, "threads": threads, "batch": batch, "clips": clips}
        machine = {"cpu_count": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
        names = ("cutlist", "pylance", "av", "numpy", *(["torchcodec"] if torchcodec is not None else []))
        everything = {**about, "machine": {**machine, "versions": {name: version(name) for name in names}}}
        json_file.write_text(json.dumps({**everything, "results": results}, indent=2) + "\n", encoding="utf-8")


def _measured(setting: Setting, keys: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """Return the medians of each contender."""
    measured: dict[str, list[Measured]] = {key: [] for key in keys}
    for number in range(rounds):
        for key in keys if number % 2 == 0 else reversed(keys):
            measured[key].append(CONTENDERS[key][1](setting))
    results = []
    for key in keys:
        pairs = list(zip(measured[key], measured[BASELINE], strict=True))
        results.append(
            {
                "contender": key,
                "title": CONTENDERS[key][0],
                "clips_per_second": _median(one.clips_per_second for one, _ in pairs),
                "ratio_to_limit": _median(one.clips_per_second / two.clips_per_second for one, two in pairs),
                "cpu_ms_per_clip": _median(one.cpu_seconds_per_clip for one, _ in pairs) * 1e3,
                "cpu_ratio_to_limit": _median(
                    two.cpu_seconds_per_clip / one.cpu_seconds_per_clip for one, two in pairs
                ),
                "read_per_needed": _median(one.read_per_needed for one, _ in pairs),
                "calls_per_step": measured[key][0].calls_per_step,
            }
        )
    return results


def _images(data: images.Data, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Return what `benchmarks/loader.py` measures of images: the loader, and the limit."""
    blobs = [path.read_bytes() for path in data.paths]
    batch_size = min(64, max(data.num_samples // 4, 1))
    setting = images.Setting(data=data, blobs=blobs, batch_size=batch_size, num_threads=threads, num_workers=0)
    runs: dict[str, list[images.Measured]] = {"limit": [], "loader": []}
    for number in range(rounds):
        for key in runs if number % 2 == 0 else reversed(runs):
            runs[key].append(images.CONTENDERS[key][1](setting))
    results = [images._result(images.CONTENDERS[key][0], key, each, runs["limit"]) for key, each in runs.items()]
    images._show(data.kind, setting, results)
    return results


def _show(title: str, headings: Sequence[str], results: Sequence[dict[str, Any]]) -> None:
    """Print results: of each its last text, then its numbers."""
    table = Table(title=title, title_justify="left")
    for heading in ("", *headings):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    for each in results:
        texts = [value for value in each.values() if isinstance(value, str)]
        numbers = [value for value in each.values() if not isinstance(value, str)]
        table.add_row(texts[-1], *("" if number is None else f"{number:.3f}" for number in numbers))
    console.print(table)


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    app()
