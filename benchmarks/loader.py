"""How fast `cutlist_torch.Loader` delivers images and clips, side by side with plain decode loops.

The limit is a thread pool that calls `cutlist.media.decode` on bytes in memory, with as many threads as the loader:
no table, no order, no batches. Beside it stands an independent loop, Pillow or PyAV over files on the local disk. The
contenders take turns, and a ratio is the median of the ratios of the rounds to the limit. The samples of an epoch are
delivered once. Contenders in this process are timed from the first request on; those with worker processes from their
first batch on, as starting processes takes seconds and happens once.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from torch.utils.data import DataLoader, Dataset

import cutlist
from cutlist.errors import MediaError
from cutlist.media import Op, decode
from cutlist_torch import Loader

DATA_VERSION = 2
"""Of what `make_data` makes; a higher one makes it anew."""

IMAGE_SIZE = (500, 375)
IMAGE_SIDE = 224
CLIP_SIZE = (1280, 720)
CLIP_SIDE = 256
CLIP_FRAMES = 16
VIDEO_SECONDS, VIDEO_FPS, VIDEO_GOP = 4, 30, 30
STARTS = (0.5, 1.25, 2.0, 2.75)
"""Where the clips start, by the row's number, in seconds."""
DISTINCT = {"images": 256, "clips": 24}
"""So many different media are rendered; the rest have their pixels, and a number in the file that tells them apart."""

QUERIES = {
    "images": "SELECT image.resize_short({side}).center_crop({side}, {side}) AS media FROM images",
    "clips": "SELECT video.clip(s, s + 1.0).frames({frames}).resize({side}, {side}) AS media FROM "
    "(SELECT video, {starts}[1 + regexp_extract(path, '\\d+')::INTEGER % {num}]::DOUBLE AS s FROM videos)",
}

app = typer.Typer(add_completion=False, rich_markup_mode="rich")
console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Media of one kind: files in a folder, and the same in a table of a root."""

    kind: str
    folder: Path
    num_samples: int

    @property
    def paths(self) -> list[Path]:
        """The files, sorted: the sample of a number is the file of that number."""
        return sorted((self.folder / "files").iterdir())

    @property
    def query(self) -> str:
        """The query that the loader gets."""
        if self.kind == "images":
            return QUERIES["images"].format(side=IMAGE_SIDE)
        return QUERIES["clips"].format(starts=list(STARTS), num=len(STARTS), frames=CLIP_FRAMES, side=CLIP_SIDE)

    def ops(self, number: int) -> tuple[Op, ...]:
        """Return the operations that the query applies to one sample."""
        if self.kind == "images":
            return Op("resize_short", (IMAGE_SIDE,)), Op("center_crop", (IMAGE_SIDE, IMAGE_SIDE))
        start = STARTS[number % len(STARTS)]
        return Op("clip", (start, start + 1.0)), Op("frames", (CLIP_FRAMES,)), Op("resize", (CLIP_SIDE, CLIP_SIDE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of a contender.

    `cpu_seconds_per_sample` is of this process, so not there for workers; on a busy machine it is the number to
    compare. `wait_share` and `decode_share` (of the threads' time) are there for the loader only.
    """

    samples_per_second: float
    first_seconds: float
    cpu_seconds_per_sample: float | None = None
    wait_share: float | None = None
    decode_share: float | None = None
    bytes_per_sample: float | None = None
    reads_per_sample: float | None = None


# -- the contenders -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every contender is given."""

    data: Data
    blobs: Sequence[bytes]
    batch_size: int
    num_threads: int
    num_workers: int

    @property
    def order(self) -> list[int]:
        """The numbers of the samples, shuffled."""
        return [int(number) for number in np.random.default_rng(0).permutation(self.data.num_samples)]

    def loader(self, *, shuffle: bool = True) -> Loader:
        """Return the loader of the query; it is compiled by then."""
        return Loader(
            self.data.query,
            batch_size=self.batch_size,
            root=self.data.folder / "root",
            views=None,
            shuffle="full" if shuffle else None,
            num_threads=None if self.num_workers else self.num_threads,
        )


def _in_pool(setting: Setting, one: Callable[[int], NDArray[np.uint8]]) -> Measured:
    """Run `one` over all samples in a pool, a few ahead of the consumer, results in order."""
    began, used = time.perf_counter(), time.process_time()
    first = 0.0
    pending: deque[Future[NDArray[np.uint8]]] = deque()
    with ThreadPoolExecutor(setting.num_threads) as pool:
        for number in setting.order:
            pending.append(pool.submit(one, number))
            if len(pending) > 4 * setting.num_threads:
                pending.popleft().result()
                first = first or time.perf_counter() - began
        for future in pending:
            future.result()
    seconds = time.perf_counter() - began
    return Measured(
        samples_per_second=setting.data.num_samples / seconds,
        first_seconds=first,
        cpu_seconds_per_sample=(time.process_time() - used) / setting.data.num_samples,
    )


def decode_in_memory(setting: Setting) -> Measured:
    """Decode bytes in memory: the limit."""

    def one(number: int) -> NDArray[np.uint8]:
        pixels = decode(setting.blobs[number], setting.data.ops(number))
        assert isinstance(pixels, np.ndarray)
        assert pixels.dtype == np.uint8
        return pixels.view(np.uint8)

    return _in_pool(setting, one)


def plain_files(setting: Setting) -> Measured:
    """Decode files with Pillow or PyAV alone."""
    paths = setting.data.paths
    return _in_pool(setting, lambda number: plain(setting.data.kind, paths[number], number))


def plain(kind: str, path: Path, number: int) -> NDArray[np.uint8]:
    """Return one sample decoded as a training script does it: uint8, shape (3, H, W) or (T, 3, H, W)."""
    return _plain_image(path) if kind == "images" else _plain_clip(path, STARTS[number % len(STARTS)])


def _plain_image(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        scale = IMAGE_SIDE / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image.draft("RGB", size)
        small = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - IMAGE_SIDE) // 2, (size[1] - IMAGE_SIDE) // 2
    pixels = np.asarray(small.crop((left, top, left + IMAGE_SIDE, top + IMAGE_SIDE)))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _plain_clip(path: Path, start: float) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        assert stream.time_base is not None
        container.seek(int(start / stream.time_base), stream=stream)
        frames = []
        for frame in container.decode(stream):
            assert frame.time is not None
            if frame.time >= start + 1.0 - 1e-6:
                break
            if frame.time >= start - 1e-6:
                frames.append(frame)
        picks = [(2 * i + 1) * len(frames) // (2 * CLIP_FRAMES) for i in range(CLIP_FRAMES)]
        small = [frames[i].reformat(CLIP_SIDE, CLIP_SIDE, "rgb24", interpolation="BICUBIC") for i in picks]
        return np.ascontiguousarray(np.stack([each.to_ndarray() for each in small]).transpose(0, 3, 1, 2))


def _consumed(batches: Iterable[Any], *, step_seconds: float = 0.0) -> tuple[float, float, int, int]:
    """Return the seconds to the first batch and of all, and the samples of the first batch and of all."""
    began = time.perf_counter()
    first, num_first, num_samples = 0.0, 0, 0
    for batch in batches:
        size = len(batch["media"] if isinstance(batch, dict) else batch)
        if not num_samples:
            first, num_first = time.perf_counter() - began, size
        num_samples += size
        if step_seconds:
            time.sleep(step_seconds)
    return first, time.perf_counter() - began, num_first, num_samples


def cutlist_loader(setting: Setting, *, step_seconds: float = 0.0) -> Measured:
    """Iterate over the loader."""
    loader = setting.loader()
    used = time.process_time()
    first, seconds, _, num_samples = _consumed(loader, step_seconds=step_seconds)
    stats = loader.stats
    return Measured(
        samples_per_second=num_samples / seconds,
        first_seconds=first,
        cpu_seconds_per_sample=(time.process_time() - used) / num_samples,
        wait_share=(stats.wait_seconds - first if step_seconds else stats.wait_seconds) / seconds,
        decode_share=stats.decode_seconds / seconds / setting.num_threads,
        bytes_per_sample=stats.num_bytes / num_samples,
        reads_per_sample=stats.num_reads / num_samples,
    )


def cutlist_workers(setting: Setting) -> Measured:
    """Iterate over the loader in processes of a torch DataLoader."""
    batches = DataLoader(
        setting.loader(), batch_size=None, num_workers=setting.num_workers, multiprocessing_context="spawn"
    )
    return _after_first(batches)


class Files(Dataset[torch.Tensor]):
    """The files as a map-style dataset, as a training script has it."""

    def __init__(self, kind: str, paths: Sequence[Path]):
        self._kind, self._paths = kind, paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        return torch.from_numpy(plain(self._kind, self._paths[number], number))


def plain_workers(setting: Setting) -> Measured:
    """Iterate over a torch DataLoader of files, as a training script does."""
    batches = DataLoader(
        Files(setting.data.kind, setting.data.paths),
        batch_size=setting.batch_size,
        sampler=setting.order,
        drop_last=True,
        num_workers=setting.num_workers,
        multiprocessing_context="spawn",
    )
    return _after_first(batches)


def _after_first(batches: Iterable[Any]) -> Measured:
    first, seconds, num_first, num_samples = _consumed(batches)
    return Measured(samples_per_second=(num_samples - num_first) / (seconds - first), first_seconds=first)


CONTENDERS: dict[str, tuple[str, Callable[[Setting], Measured]]] = {
    "limit": ("cutlist.media.decode, bytes in memory, threads", decode_in_memory),
    "plain": ("Pillow / PyAV, files on disk, threads", plain_files),
    "loader": ("cutlist_torch.Loader, threads", cutlist_loader),
    "plain-workers": ("DataLoader of files, spawned workers", plain_workers),
    "loader-workers": ("DataLoader of the Loader, spawned workers", cutlist_workers),
}
"""Key → what the table of results calls it, and the contender."""

BASELINE = "limit"
DEMAND = 0.8
"""Of the limit: what the training step that only sleeps asks for."""


# -- the data -----------------------------------------------------------------------------------------------------


def make_data(folder: Path, kind: str, num_samples: int) -> Data:
    """Return the media, rendered and ingested in `folder` unless they are there; the same always."""
    made = folder / f"{kind}-v{DATA_VERSION}-{num_samples}"
    data = Data(kind=kind, folder=made, num_samples=num_samples)
    if made.is_dir():
        return data
    unfinished = folder / f"{made.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    files = unfinished / "files"
    files.mkdir(parents=True)
    num_distinct = min(num_samples, DISTINCT[kind])
    console.print(f"making {num_samples:,} {kind} once in {made}: {num_distinct} different pictures, in turn")
    suffix, render = (".jpg", _render_image) if kind == "images" else (".mp4", _render_video)
    with (
        Progress(TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True)) as bar,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        rendered = bar.track(pool.map(render, range(num_distinct)), total=num_distinct, description=f"render {kind}")
        for number, content in enumerate(rendered):
            for copy in range(number, num_samples, num_distinct):
                (files / f"{copy:06}{suffix}").write_bytes(numbered(content, copy))
    table = "images" if kind == "images" else "videos"
    size = sum(path.stat().st_size for path in files.iterdir())
    console.print(f"{size / 1e6:.0f} MB in files, and as much again in a table; ingesting")
    with cutlist.connect(unfinished / "root", create=True) as session:
        session.ingest(files, table=table, progress=False)
    unfinished.rename(made)
    return data


def numbered(content: bytes, number: int) -> bytes:
    """Return a JPEG or MP4 with a number in it, as ingest takes a file of the same content only once."""
    mark = number.to_bytes(4, "big")
    if content.startswith(b"\xff\xd8"):
        return content[:2] + b"\xff\xfe\x00\x06" + mark + content[2:]  # a comment
    return content + b"\x00\x00\x00\x0cfree" + mark


def texture(rng: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture with the statistics of photographs: amplitudes fall off with 1 / frequency, colours correlate.

    Returns:
        uint8 RGB, shape (height, width, 3).
    """
    x, y = np.fft.rfftfreq(width), np.fft.fftfreq(height)[:, np.newaxis]
    falloff = 1 / np.maximum(np.hypot(x, y), 1 / max(width, height)) ** 1.1
    planes = []
    for _ in range(3):
        phases = np.exp(2j * np.pi * rng.random(falloff.shape))
        plane = np.fft.irfft2(falloff * phases, s=(height, width))
        planes.append(plane / plane.std())
    grey, *tints = planes
    colours = [grey, grey + 0.3 * tints[0], grey + 0.3 * tints[1]]
    return np.stack([np.clip(128 + 48 * colour, 0, 255).astype(np.uint8) for colour in colours], axis=-1)


def _render_image(number: int) -> bytes:
    """Return a JPEG as large as those of ImageNet, in pixels and in bytes (about 110 KB)."""
    width, height = IMAGE_SIZE if number % 4 else IMAGE_SIZE[::-1]
    file = io.BytesIO()
    Image.fromarray(texture(np.random.default_rng([0, number]), width, height)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _render_video(number: int) -> bytes:
    """Return an MP4 of H.264, 720p, whose camera pans over a picture."""
    width, height = CLIP_SIZE
    scene = texture(np.random.default_rng([1, number]), width + 480, height + 240)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        options = {"preset": "veryfast", "crf": "26", "g": str(VIDEO_GOP)}
        stream = container.add_stream("libx264", rate=VIDEO_FPS, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for at in range(VIDEO_SECONDS * VIDEO_FPS):
            left, top = 4 * at, round(120 + 100 * np.sin(at / 20 + number))
            frame = av.VideoFrame.from_ndarray(scene[top : top + height, left : left + width], format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, VIDEO_FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def check(setting: Setting) -> None:
    """Raise MediaError unless the loader gives what `decode` gives for the same files, sample for sample."""
    loader = setting.loader(shuffle=False)
    if len(loader.selection) != setting.data.num_samples:
        raise MediaError(f"the query gives {len(loader.selection)} samples; expected {setting.data.num_samples}")
    batch = next(iter(loader))["media"]
    numbers = range(min(len(batch), 4))
    for number in numbers:
        expected = decode(setting.blobs[number], setting.data.ops(number))
        other = plain(setting.data.kind, setting.data.paths[number], number)
        if not np.array_equal(batch[number].numpy(), expected):
            raise MediaError(f"sample {number}: the loader's differs from decode's")
        if batch[number].shape != other.shape or np.abs(batch[number].numpy().astype(int) - other).mean() > 4:
            raise MediaError(f"sample {number}: the loader's differs from the plain loop's")


# -- the program --------------------------------------------------------------------------------------------------


@app.command()
def main(
    images: Annotated[int, typer.Option(min=0, help="Images in the table; 0 leaves them out.")] = 4000,
    clips: Annotated[int, typer.Option(min=0, help="Videos in the table; 0 leaves them out.")] = 96,
    data: Annotated[
        Path | None, typer.Option(help="Folder to keep the media in; default `cutlist-benchmarks` in the temp folder.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each contender, taking turns.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = os.cpu_count() or 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes of a DataLoader; 0 leaves it out.")] = (
        os.cpu_count() or 1
    ),
    only: Annotated[list[str] | None, typer.Option(help=f"Contenders to measure: {', '.join(CONTENDERS)}.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to a file, too.")] = None,
) -> None:
    """Measure the loader's images and clips a second, next to plain decode loops.

    Makes 4000 images (0.8 GB) and 96 videos (0.25 GB), half of it in files and half in tables.

    [bold]Examples[/bold]

    python benchmarks/loader.py

    python benchmarks/loader.py --clips 0 --rounds 5 --json loader.json

    python benchmarks/loader.py --images 0 --only limit --only loader --threads 8
    """
    keys = only or [key for key in CONTENDERS if workers or not key.endswith("-workers")]
    unknown = [key for key in keys if key not in CONTENDERS]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; there are {', '.join(CONTENDERS)}", param_hint="--only")
    folder = data or Path(tempfile.gettempdir()) / "cutlist-benchmarks"
    results: dict[str, Any] = {}
    for kind, count, batch_size in (("images", images, 64), ("clips", clips, 8)):
        if count:
            made = make_data(folder, kind, count)
            setting = Setting(
                data=made,
                blobs=[path.read_bytes() for path in made.paths],
                batch_size=min(batch_size, max(count // 4, 1)),
                num_threads=threads,
                num_workers=workers,
            )
            check(setting)
            results[kind] = _measured(setting, keys, rounds)
            _show(kind, setting, results[kind])
    if json_file:
        about = {"benchmark": "loader", "rounds": rounds, "threads": threads, "workers": workers}
        machine = {"cpu_count": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
        versions = {name: version(name) for name in ("cutlist", "torch", "pylance", "av", "pillow", "numpy")}
        everything = {**about, "machine": {**machine, "versions": versions}, "results": results}
        json_file.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")


def _measured(setting: Setting, keys: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """Return the medians of each contender; and of the loader whose consumer asks for `DEMAND` of the limit."""
    measured: dict[str, list[Measured]] = {key: [] for key in keys}
    for number in range(rounds):
        for key in keys if number % 2 == 0 else reversed(keys):
            measured[key].append(CONTENDERS[key][1](setting))
    limit = measured.get(BASELINE)
    results = [_result(CONTENDERS[key][0], key, measured[key], limit) for key in keys]
    if limit and "loader" in keys:
        demand = DEMAND * statistics.median(each.samples_per_second for each in limit)
        paced = [cutlist_loader(setting, step_seconds=setting.batch_size / demand) for _ in range(rounds)]
        results.append(_result(f"Loader, with steps that use {DEMAND:.0%} of the limit", "paced", paced, None))
    return results


def _result(title: str, key: str, measured: list[Measured], limit: list[Measured] | None) -> dict[str, Any]:
    def median(name: str) -> float | None:
        values = [getattr(each, name) for each in measured]
        return None if values[0] is None else statistics.median(values)

    names = (
        *("samples_per_second", "first_seconds", "cpu_seconds_per_sample"),
        *("wait_share", "decode_share", "bytes_per_sample", "reads_per_sample"),
    )
    ratio = None
    if limit:
        pairs: Iterator[tuple[Measured, Measured]] = zip(measured, limit, strict=True)
        ratio = statistics.median(mine.samples_per_second / other.samples_per_second for mine, other in pairs)
    return {
        "contender": key,
        "title": title,
        **{name: median(name) for name in names},
        "ratio_to_limit": ratio,
        "all_samples_per_second": [each.samples_per_second for each in measured],
    }


def _show(kind: str, setting: Setting, results: list[dict[str, Any]]) -> None:
    mean = sum(map(len, setting.blobs)) / len(setting.blobs)
    title = f"{setting.data.num_samples:,} {kind}, {mean / 1e3:.0f} KB each, batches of {setting.batch_size}, "
    title += f"{setting.num_threads} threads, {setting.num_workers} workers; CPU, KB and reads for each sample"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("samples/s", "ratio", "CPU ms", "first, s", "waiting", "decoding", "KB", "reads"):
        table.add_column(heading, justify="right")
    shown = {
        "samples_per_second": "{:.1f}",
        "ratio_to_limit": "{:.2f}",
        "cpu_seconds_per_sample": "{:.2f}",
        "first_seconds": "{:.2f}",
        "wait_share": "{:.0%}",
        "decode_share": "{:.0%}",
        "bytes_per_sample": "{:.0f}",
        "reads_per_sample": "{:.3f}",
    }
    for each in results:
        size, used = each["bytes_per_sample"], each["cpu_seconds_per_sample"]
        scaled = {**each, "bytes_per_sample": size and size / 1e3, "cpu_seconds_per_sample": used and used * 1e3}
        cells = ["" if scaled[name] is None else form.format(scaled[name]) for name, form in shown.items()]
        table.add_row(each["title"], *cells)
    console.print(table)


if __name__ == "__main__":
    app()
