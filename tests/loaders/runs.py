"""What runs in real processes share: tables, the orders of training over them, what is kept of a batch, and ranks.

Ranks are processes of their own, made by a fork server that has imported torch and done nothing else: 0.1 s for each
instead of 3. Those that spawn workers pay for them in full.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import time
import traceback
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
import pyarrow as pa
import torch
from PIL import Image

import cutlist
from cutlist.store import Store, blob_array, blob_field
from cutlist_torch import Batch, Block, Component, Loader

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

multiprocessing.set_forkserver_preload(["tests.loaders.runs", "cutlist_torch"])
SERVER = multiprocessing.get_context("forkserver")

ENVIRONMENT = {"GLOO_SOCKET_IFNAME": "lo"}

GLOBAL_BATCH = 12  # shared equally by each of WORLDS
WORLDS = (1, 2, 3, 4, 6, 12)

# -- tables -----------------------------------------------------------------------------------------------------------

NUM_PICTURES = 131  # ten global batches, and a tail of 11
FRAGMENTS = (0, 40, 47, 90, 110, NUM_PICTURES)
DAMAGED = (17, 90)  # a hundredth of the pictures, in `damaged`, end after their header
NUM_CLIPS = 5 * 9  # of five videos; a batch of 24 leaves a tail


def shape(i: int) -> str:
    """Return the bucket of a picture: `few` has fewer samples than a batch."""
    return "few" if i % 27 == 5 else ("wide", "tall", "wide", "square")[i % 4]


def weight(i: int) -> float:
    """Return the weight of a picture; a fifth of them are never drawn."""
    return (i % 5) / 2


def write_root(folder: Path, *, first: int = 0) -> Path:
    """Write `stills` and `damaged`, in five fragments, from an id on, and `reels`; return the root."""
    root = folder / "data"
    root.mkdir(parents=True)
    for start, stop in pairwise(FRAGMENTS):
        add_pictures(root, range(first + start, first + stop))
        add_pictures(root, range(first + start, first + stop), table="damaged", damaged=DAMAGED)
    media = folder / "media"
    media.mkdir()
    for number in range(5):
        _write_video(media / f"{number}.mp4", number)
    with cutlist.connect(root, views=media) as session:
        session.ingest(media, table="reels", progress=False)
    return root


def add_pictures(root: str | Path, ids: Iterable[int], *, table: str = "stills", damaged: Collection[int] = ()) -> None:
    """Append a picture of noise for each id, of 12 KB: a step is more than what is read ahead at least."""
    ids, pictures = list(ids), []
    for i in ids:
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (64, 64, 3), np.uint8)).save(file, "png")
        pictures.append(file.getvalue()[:40] if i in damaged else file.getvalue())
    rows = pa.table({"id": ids, "shape": [shape(i) for i in ids], "weight": [weight(i) for i in ids]})
    rows = rows.append_column(blob_field("image", "image"), blob_array(pictures))
    Store.at(root).append(table, rows, message="test")


def _write_video(path: Path, number: int) -> None:
    """Write a second of 64×48, each frame of another grey."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in range(12):
            grey = np.full((48, 64, 3), 20 * frame + number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        file.mux(stream.encode(None))


# -- orders -----------------------------------------------------------------------------------------------------------

PICTURES = "SELECT id, shape, weight, image.resize(8, 8) AS media FROM stills"
CLIPS = """SELECT path || '@' || i AS id, video.clip(i / 10, i / 10 + 0.3).frames(2).resize(8, 8) AS media
FROM reels, range(9) AS t(i)"""
EVEN = "SELECT id, image.resize(8, 8) AS media FROM stills WHERE id % 2 = 0"
ODD = "SELECT id + 1000 AS id, image.resize(8, 8) AS media FROM stills WHERE id % 2 = 1"

SIZES = {"wide": 12, "tall": 24, "square": 12, "few": 12}
COMPONENTS = {
    "pictures": Component(PICTURES, bucket_by="shape", global_batch_size=SIZES),
    "clips": Component(CLIPS, global_batch_size=24),
}
PARTS = {"even": Component(EVEN), "odd": Component(ODD)}

ORDERS: dict[str, dict[str, Any]] = {
    "plain": {"query": PICTURES},
    "in order": {"query": f"{PICTURES} ORDER BY id DESC", "shuffle": None},
    "buckets": {"query": PICTURES, "bucket_by": "shape", "global_batch_size": SIZES},
    "failures": {"query": f"{PICTURES[:-6]}damaged", "bucket_by": "shape", "global_batch_size": SIZES},
    "weights": {"query": PICTURES, "weight_by": "weight"},
    "buckets and weights": {"query": PICTURES, "bucket_by": "shape", "weight_by": "weight"},
    "lanes": {"query": PICTURES, "shuffle": Block(rows=7, window=3, lanes=12)},
    "lanes of fragments": {"query": PICTURES, "shuffle": Block(rows="fragment", window=2, lanes=12)},
    "mixture of steps": {"query": {"pictures": 0.6, "clips": 0.4}, "components": COMPONENTS, "num_steps": 11},
    "mixture of samples": {"query": {"even": 2, "odd": 1}, "components": PARTS, "mix": "samples", "num_steps": 11},
    "curriculum": {
        "query": [(0, {"pictures": 1}), (5, {"pictures": 0.5, "clips": 0.5}), (19, {"clips": 1})],
        "components": COMPONENTS,
        "num_steps": 11,
    },
    "curriculum of samples": {
        "query": [(0, {"even": 1}), (4, {"even": 1, "odd": 2}), (17, {"odd": 1})],
        "components": PARTS,
        "mix": "samples",
        "num_steps": 11,
    },
}


def make_loader(root: str | Path, order: str, **options: Any) -> Loader:
    """Return a loader of one of the orders."""
    given = {"global_batch_size": GLOBAL_BATCH, "seed": 5, **ORDERS[order], **options}
    if any(name in options for name in ("batch_size", "batch_budget")):
        given.pop("global_batch_size")
    return Loader(given.pop("query"), root=root, **given)


# -- what is kept of a batch ------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """A batch in short: where it belongs, which samples it has, sums of their pixels, and its containers."""

    epoch: int
    step: int
    component: str | None
    bucket: str | None
    ids: tuple[int | str, ...]
    sums: tuple[int, ...]
    containers: tuple[str, ...]


def seen(batch: Batch) -> Seen:
    """Return what is kept of a batch."""
    ids = batch["id"].tolist() if isinstance(batch["id"], torch.Tensor) else batch["id"]
    sums = [zlib.crc32(each.numpy().tobytes()) for each in batch["media"]]
    containers = [
        f"{name} {each.dtype} {tuple(each.shape[1:])}" if isinstance(each, torch.Tensor) else f"{name} list"
        for name, each in batch.items()
    ]
    place = (batch.epoch, batch.step, batch.component, batch.bucket)
    return Seen(*place, ids=tuple(ids), sums=tuple(sums), containers=tuple(containers))


def together(ranks: Sequence[Sequence[Seen]]) -> list[Seen]:
    """Return the global batches of ranks: a sample of each in turn.

    Raises:
        AssertionError: if ranks differ in the number of steps, their places, sizes or containers.
    """
    batches = []
    for number, parts in enumerate(zip(*ranks, strict=True)):
        first = parts[0]
        for rank, part in enumerate(parts):
            assert part[:4] == first[:4], f"batch {number}: {part[:4]} in rank {rank}, {first[:4]} in rank 0"
            assert part.containers == first.containers, f"batch {number}: {part.containers}, {first.containers}"
            assert len(part.ids) == len(first.ids), f"batch {number}: {len(part.ids)} samples in rank {rank}"
        ids = tuple(each for row in zip(*(part.ids for part in parts), strict=True) for each in row)
        sums = tuple(each for row in zip(*(part.sums for part in parts), strict=True) for each in row)
        batches.append(first._replace(ids=ids, sums=sums))
    return batches


def differences(got: Sequence[Seen], expected: Sequence[Seen]) -> str | None:
    """Return what the first batch is in which two runs differ, and how; None where they are the same."""
    for number, (one, other) in enumerate(zip(got, expected, strict=False)):
        if one != other:
            return f"batch {number} is {one}, expected {other}"
    if len(got) != len(expected):
        return f"{len(got)} batches, expected {len(expected)}; the last is {got[-1][:4] if got else None}"
    return None


# -- ranks ------------------------------------------------------------------------------------------------------------


class Failure(NamedTuple):
    """An error of a rank."""

    kind: str
    text: str
    trace: str


@dataclass(frozen=True, kw_only=True)
class Running:
    """A process that runs a function and leaves what it returns, or a Failure, in a file."""

    process: BaseProcess
    file: Path
    began: float

    def result(self) -> Any:
        """Return what the function returned; a Failure if it raised, or ended otherwise."""
        if self.file.exists():
            return pickle.loads(self.file.read_bytes())
        stuck = self.file.with_suffix(".stacks")
        return Failure("exit", f"exit code {self.process.exitcode}", stuck.read_text() if stuck.exists() else "")


def start(folder: Path, function: Callable[..., Any], *arguments: Any, **environment: str) -> Running:
    """Start a process that calls a function of a module; `environment` is added to its own."""
    file = folder / f"{time.monotonic_ns()}.pickle"
    forkserver.ensure_running()
    server: Any = forkserver._forkserver
    process = SERVER.Process(
        target=_main, args=(file, function, arguments, {**ENVIRONMENT, **environment}, server._forkserver_address)
    )
    process.start()
    return Running(process=process, file=file, began=time.monotonic())


def _main(
    file: Path,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    environment: Mapping[str, str],
    address: str,
) -> None:
    """Run a function in a process of the fork server, which makes the workers of this process, too."""
    server: Any = forkserver._forkserver
    server._forkserver_address = address
    server.ensure_running = lambda: None
    for name in list(os.environ):
        if name.startswith(("CUTLIST_", "SLURM_")) or name in ("RANK", "WORLD_SIZE"):
            del os.environ[name]
    os.environ.update(environment)
    torch.set_num_threads(1)
    stacks = file.with_suffix(".stacks").open("w")
    faulthandler.register(signal.SIGUSR1, file=stacks)
    try:
        result = function(*arguments)
    except BaseException as error:
        result = Failure(type(error).__name__, str(error), traceback.format_exc())
    temporary = file.with_suffix(".tmp")
    temporary.write_bytes(pickle.dumps(result))
    temporary.rename(file)


def finish(running: Iterable[Running], *, seconds: float) -> list[Any]:
    """Wait for processes and return their results; those that take longer are killed, and are Failures that say where
    they were."""
    results = []
    deadline = time.monotonic() + seconds
    for each in running:
        each.process.join(max(deadline - time.monotonic(), 0))
        if each.process.is_alive():
            kill(each.process.pid, signal.SIGUSR1)
            each.process.join(1)
            kill(each.process.pid)
            each.process.join()
        results.append(each.result())
    return results


def run_all(
    folder: Path, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, at_once: int, seconds: float
) -> Iterator[Any]:
    """Yield the results of calls in their order; each has a process of its own, so many at once."""
    waiting = list(enumerate(calls))
    running: dict[int, Running] = {}
    results: dict[int, Any] = {}
    following = 0
    while waiting or running:
        while waiting and len(running) < at_once:
            number, arguments = waiting.pop(0)
            running[number] = start(folder, function, *arguments)
        multiprocessing.connection.wait([each.process.sentinel for each in running.values()], timeout=1)
        for number, each in list(running.items()):
            late = time.monotonic() - each.began > seconds
            if late or not each.process.is_alive():
                (results[number],) = finish([each], seconds=0 if late else 10)
                del running[number]
        while following in results:
            yield results.pop(following)
            following += 1


def kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> None:
    """Kill a process, if it is there, as `kill -9` does; or send it another signal."""
    assert pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def take(batches: Iterable[Batch], count: int | None = None) -> list[Seen]:
    """Return what is kept of batches: of the first so many, or of all."""
    return [seen(each) for each in islice(batches, count)]
