"""What the order of an epoch costs, side by side with torch's samplers; and how far from random what is cheaper is.

Four tables. *Steps*: parts of one rank and whole global batches at random steps of an epoch, with buckets and weights
in files that are mapped into memory, as a saved selection has them. *First batch*: how long a rank of a fresh process
waits for its first positions, and the memory that it takes, beside `torch.randperm` and torch's `DistributedSampler`.
*Shuffles*: how far block shuffles are from a random order. *Mixtures*: how far the counts of components are from their
proportions, beside draws by chance. Every contender of the first two runs in a fresh process, so that its memory is its
own; they take turns, and a ratio is the median of the ratios of the rounds.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cutlist.sampler import PERIOD, Block, Buckets, Sampler, Schedule, Shuffle, Stage

DATA_VERSION = 1
"""Of what `make_data` makes; a higher one makes it anew."""

CHUNK = 2**22
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
NUM_WHOLE = 20
"""Whole global batches that are timed in each process."""

NUM_COLD = 20
"""Parts that are timed before the files are read into memory."""

SIZES = (10**6, 10**7, 10**8, 10**9)
"""Samples for which the first batch is timed, up to `--samples`."""

SHUFFLED = 2**19
"""Samples of the orders whose distance from a random one is told; batches of `SHUFFLED_BATCH`."""

SHUFFLED_BATCH = 1024
SHUFFLED_ROWS = 1024

app = typer.Typer(add_completion=False, rich_markup_mode="rich")
console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every contender is given; `folder` has `positions.npy` and `weights.npy`."""

    folder: Path
    num_samples: int
    num_buckets: int
    num_ranks: int
    batch_size: int
    num_parts: int

    @property
    def global_batch_size(self) -> int:
        """Samples in a step over all ranks."""
        return self.num_ranks * self.batch_size

    @property
    def starts(self) -> NDArray[np.int64]:
        """First place of each bucket, and the number of samples."""
        return bucket_starts(self.num_samples, self.num_buckets)

    def mapped(self, name: str) -> Any:
        """Return an array that is mapped from its file."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")

    def buckets(self, *, weighted: bool = False) -> Buckets:
        """Return the buckets as a saved selection has them."""
        return Buckets(
            names=tuple(f"{number:02}" for number in range(self.num_buckets)),
            starts=self.starts,
            positions=self.mapped("positions"),
            weights_until=self.mapped("weights") if weighted else None,
        )

    def sampler(self, buckets: Buckets | None = None, shuffle: Shuffle = "full") -> Sampler:
        """Return the order of an epoch."""
        return Sampler(
            num_samples=self.num_samples,
            global_batch_size=self.global_batch_size,
            seed=0,
            shuffle=shuffle,
            buckets=buckets,
        )


# -- steps ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """One run of an order; `anonymous_bytes` is the memory that came with it and is no page of a file, `traced_bytes`
    the most that Python and numpy had at a time. Parts are cold where the files had to be read from disk. On a busy
    machine the CPU's seconds are those to compare."""

    make_seconds: float
    cold_part_seconds: float
    part_seconds: float
    part_p99_seconds: float
    part_p99_cpu_seconds: float
    positions_per_second: float
    anonymous_bytes: int
    traced_bytes: int


ORDERS: dict[str, tuple[str, Callable[[Setting], Sampler]]] = {
    "plain": ("full, one bucket, no files", lambda setting: setting.sampler()),
    "buckets": ("full, buckets, mapped positions", lambda setting: setting.sampler(setting.buckets())),
    "weights": (
        "full, buckets, mapped positions and weights",
        lambda setting: setting.sampler(setting.buckets(weighted=True)),
    ),
    "block": ("Block(), buckets, mapped positions", lambda setting: setting.sampler(setting.buckets(), Block())),
    "lanes": (
        "Block(lanes=ranks), buckets, mapped positions",
        lambda setting: setting.sampler(setting.buckets(), Block(lanes=setting.num_ranks)),
    ),
}
"""Key → what the table calls it, and the order."""

BASELINE = "plain"


def measure_steps(key: str, setting: Setting) -> Steps:
    """Return what steps of one order cost, in this process."""
    for name in ("positions", "weights"):
        _drop_from_memory(setting.folder / f"{name}.npy")
    before = status_bytes("RssAnon")
    began = time.perf_counter()
    sampler = ORDERS[key][1](setting)
    make_seconds = time.perf_counter() - began
    rng = np.random.default_rng(0)

    def part() -> tuple[float, float]:
        step, rank = int(rng.integers(len(sampler))), int(rng.integers(setting.num_ranks))
        began, used = time.perf_counter(), time.process_time()
        sampler.part(step, rank=rank, world_size=setting.num_ranks)
        return time.perf_counter() - began, time.process_time() - used

    cold = [part()[0] for _ in range(NUM_COLD)]
    if key != BASELINE:
        for name in ("positions", "weights"):
            _read_into_memory(setting.folder / f"{name}.npy")
    parts, cpu = zip(*(part() for _ in range(setting.num_parts)), strict=True)
    began, num_positions = time.perf_counter(), 0
    for step in rng.integers(len(sampler), size=NUM_WHOLE).tolist():
        num_positions += len(sampler[step])
    seconds = time.perf_counter() - began
    anonymous = status_bytes("RssAnon") - before
    tracemalloc.start()
    sampler = ORDERS[key][1](setting)
    part()
    _, traced = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Steps(
        make_seconds=make_seconds,
        cold_part_seconds=statistics.median(cold),
        part_seconds=statistics.median(parts),
        part_p99_seconds=float(np.quantile(parts, 0.99)),
        part_p99_cpu_seconds=float(np.quantile(cpu, 0.99)),
        positions_per_second=num_positions / seconds,
        anonymous_bytes=anonymous,
        traced_bytes=traced,
    )


def _drop_from_memory(path: Path) -> None:
    """Ask the system to forget a file's pages."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_into_memory(path: Path) -> None:
    """Read a file, so that its pages are in the system's memory."""
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(CHUNK)
        while file.readinto(buffer):
            pass


def status_bytes(name: str) -> int:
    """Return a number of `/proc/self/status`; 0 where the system does not say.

    `RssAnon` is the resident memory that is no page of a file, `VmHWM` the most that was resident.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


# -- the first batch --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """What the first batch of one rank took in a fresh process: seconds, and the most memory beyond what the imports
    take."""

    seconds: float
    peak_bytes: int


def _first_cutlist(setting: Setting) -> Sequence[int]:
    """Return the first positions of rank 0: all there is to do."""
    part: list[int] = setting.sampler().part(0, rank=0, world_size=setting.num_ranks).tolist()
    return part


def _first_randperm(setting: Setting) -> Sequence[int]:
    """Return the same number of positions from a permutation of all."""
    torch = importlib.import_module("torch")
    generator = torch.Generator()
    generator.manual_seed(0)
    order = torch.randperm(setting.num_samples, generator=generator)
    part: list[int] = order[:: setting.num_ranks][: setting.batch_size].tolist()
    return part


def _first_distributed(setting: Setting) -> Sequence[int]:
    """Return the same number of positions from torch's sampler."""
    data = importlib.import_module("torch.utils.data.distributed")
    sampler = data.DistributedSampler(
        range(setting.num_samples), num_replicas=setting.num_ranks, rank=0, shuffle=True, seed=0, drop_last=True
    )
    positions = iter(sampler)
    return [next(positions) for _ in range(setting.batch_size)]


FIRST: dict[str, tuple[str, Callable[[Setting], Sequence[int]], int]] = {
    "cutlist": ("cutlist: Sampler(…).part(0)", _first_cutlist, 0),
    "randperm": ("torch.randperm", _first_randperm, 8),
    "distributed": ("torch DistributedSampler", _first_distributed, 48),
}
"""Key → what the table calls it, the contender, and the bytes that it takes for each sample: an int64; and, in a list,
a pointer and an int."""


def measure_first(key: str, setting: Setting) -> First:
    """Return what the first batch took, in this process."""
    if key != "cutlist":
        importlib.import_module("torch.utils.data.distributed")
    before = status_bytes("VmRSS")
    began = time.perf_counter()
    positions = FIRST[key][1](setting)
    seconds = time.perf_counter() - began
    assert len(set(positions)) == setting.batch_size
    return First(seconds=seconds, peak_bytes=max(status_bytes("VmHWM") - before, 0))


# -- how random it is -------------------------------------------------------------------------------------------------

SHUFFLES: dict[str, Shuffle] = {
    "None": None,
    "Block(rows=1024, window=1)": Block(rows=SHUFFLED_ROWS, window=1),
    "Block(rows=1024, window=16)": Block(rows=SHUFFLED_ROWS, window=16),
    "Block(rows=1024, window=64)": Block(rows=SHUFFLED_ROWS, window=64),
    "Block(rows=1024, window=16, lanes=64)": Block(rows=SHUFFLED_ROWS, window=16, lanes=64),
    "full": "full",
}


def shuffle_distances(name: str) -> dict[str, Any]:
    """Return how far an order is from a random one; with that, each number is 1, but for the share and the blocks.

    `displacement` is the mean distance of a sample from its own place and `neighbours` that of samples one after
    another, in n / 3; `batch_means` the spread of the batches' mean positions, in what it is by chance;
    `largest_share` the share of a batch that is from one block, and `num_blocks` the blocks that a batch is from.
    """
    if name == "random":
        order = np.random.default_rng(0).permutation(SHUFFLED)
    else:
        sampler = Sampler(num_samples=SHUFFLED, global_batch_size=SHUFFLED_BATCH, seed=0, shuffle=SHUFFLES[name])
        order = np.concatenate(list(sampler))
    batches = order.reshape(-1, SHUFFLED_BATCH)
    counts = [np.bincount(batch // SHUFFLED_ROWS) for batch in batches]
    by_chance = SHUFFLED / (12 * SHUFFLED_BATCH) ** 0.5
    return {
        "shuffle": name,
        "displacement": float(np.abs(order - np.arange(SHUFFLED)).mean()) / (SHUFFLED / 3),
        "neighbours": float(np.abs(np.diff(order)).mean()) / (SHUFFLED / 3),
        "batch_means": float(batches.mean(axis=1).std()) / by_chance,
        "largest_share": float(np.mean([each.max() / SHUFFLED_BATCH for each in counts])),
        "num_blocks": float(np.mean([np.count_nonzero(each) for each in counts])),
    }


MIXTURES: dict[str, tuple[float, ...]] = {
    "0.7, 0.3": (0.7, 0.3),
    "0.5, 0.3, 0.15, 0.05": (0.5, 0.3, 0.15, 0.05),
    "10 components, 1 / rank": tuple(1 / rank for rank in range(1, 11)),
    "64 equal components": (1.0,) * 64,
    "0.999, 0.001": (0.999, 0.001),
}


def mixture_deviations(name: str) -> dict[str, Any]:
    """Return how far the counts of components are from their proportions at most: from the start to any step of a
    period, and over any stretch of steps; and the same of draws by chance."""
    weights = MIXTURES[name]
    schedule = Schedule(stages=(Stage(from_step=0, weights=weights),))
    drawn = np.array([schedule.draws(step)[0][0] for step in range(PERIOD)])
    shares = np.bincount(drawn, minlength=len(weights)) / PERIOD
    by_chance = np.random.default_rng(0).choice(len(weights), size=PERIOD, p=shares)
    found: dict[str, Any] = {"mixture": name, "num_components": len(weights)}
    for kind, components in (("schedule", drawn), ("chance", by_chance)):
        until = np.cumsum(np.eye(len(weights))[components], axis=0)
        deviations = np.concatenate([np.zeros((1, len(weights))), until - np.arange(1, PERIOD + 1)[:, None] * shares])
        found[f"{kind}_from_start"] = float(np.abs(deviations).max())
        found[f"{kind}_any_stretch"] = float((deviations.max(axis=0) - deviations.min(axis=0)).max())
    return found


# -- the data -----------------------------------------------------------------------------------------------------


def bucket_starts(num_samples: int, num_buckets: int) -> NDArray[np.int64]:
    """Return the first place of each bucket, and the number of samples: bucket b has every position p for which
    p % num_buckets == b."""
    numbers = np.arange(num_buckets + 1)
    return np.asarray(numbers * (num_samples // num_buckets) + np.minimum(numbers, num_samples % num_buckets))


def data_folder(folder: Path, num_samples: int, num_buckets: int) -> Path:
    """Return where the files of a selection are."""
    return folder / f"order-v{DATA_VERSION}-{num_samples}-{num_buckets}"


def make_data(folder: Path, num_samples: int, num_buckets: int) -> None:
    """Write the positions of samples by bucket and the sums of their weights, unless they are there."""
    made = data_folder(folder, num_samples, num_buckets)
    if made.is_dir():
        return
    unfinished = folder / f"{made.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    kind = np.uint32 if num_samples <= 2**32 else np.int64
    size = num_samples * (np.dtype(kind).itemsize + 8)
    console.print(f"making positions and weights of {num_samples:,} samples once in {made}: {size / 1e9:.1f} GB")
    starts = bucket_starts(num_samples, num_buckets)
    with (
        (unfinished / "positions.npy").open("wb") as positions,
        (unfinished / "weights.npy").open("wb") as weights,
        Progress(*_COLUMNS, console=Console(stderr=True), transient=True) as bar,
    ):
        for file, dtype in ((positions, kind), (weights, np.float64)):
            header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (num_samples,)}
            np.lib.format.write_array_header_1_0(file, header)
        for start in bar.track(range(0, num_samples, CHUNK), description="order"):
            places = np.arange(start, min(start + CHUNK, num_samples))
            bucket = np.searchsorted(starts, places, side="right") - 1
            positions.write(((places - starts[bucket]) * num_buckets + bucket).astype(kind).data)
            weights.write(_weights_until(places).astype(np.float64).data)
        for file in (positions, weights):
            file.flush()
            os.fsync(file.fileno())
    unfinished.rename(made)


def _weights_until(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums of the weights 1, 2, …, 7, 1, 2, … up to and with each place."""
    rounds, rest = np.divmod(places + 1, 7)
    return np.asarray(28 * rounds + rest * (rest + 1) // 2)


# -- the program --------------------------------------------------------------------------------------------------


@app.command()
def main(
    samples: Annotated[int, typer.Option(min=1000, help="Samples of the selection.")] = 10**8,
    ranks: Annotated[int, typer.Option(min=1, help="Ranks that share a step.")] = 1024,
    buckets: Annotated[int, typer.Option(min=1, help="Buckets.")] = 40,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a step of one rank.")] = 32,
    data: Annotated[
        Path | None, typer.Option(help="Folder to keep the files in; default `cutlist-benchmarks` in the temp folder.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Fresh processes for each contender, taking turns.")] = 3,
    parts: Annotated[int, typer.Option(min=1, help="Parts that are timed in each process.")] = 1000,
    memory_gb: Annotated[float, typer.Option(min=0.0, help="Leave out contenders that would take more.")] = 4.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to a file, too.")] = None,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure the order of an epoch, next to torch's samplers.

    Makes files of 12 bytes for each sample (1.2 GB) that stand for a selection with buckets and weights.

    [bold]Examples[/bold]

    python benchmarks/order.py

    python benchmarks/order.py --samples 1000000000 --rounds 1 --json order.json

    python benchmarks/order.py --samples 10000000 --ranks 8 --batch 256
    """
    folder = data or Path(tempfile.gettempdir()) / "cutlist-benchmarks"
    setting = Setting(
        folder=data_folder(folder, samples, buckets),
        num_samples=samples,
        num_buckets=buckets,
        num_ranks=ranks,
        batch_size=batch,
        num_parts=parts,
    )
    if child:
        kind, key = child.split(":")
        measured = measure_steps(key, setting) if kind == "steps" else measure_first(key, setting)
        print(json.dumps(asdict(measured)))
        return
    if samples < buckets * setting.global_batch_size:
        least = f"{buckets * setting.global_batch_size:,}, a global batch of each bucket"
        raise typer.BadParameter(f"{samples:,}; expected at least {least}", param_hint="--samples")
    make_data(folder, samples, buckets)
    results: dict[str, Any] = {"steps": _steps(setting, rounds), "first": _first(setting, rounds, memory_gb)}
    _show_steps(setting, results["steps"])
    _show_first(setting, results["first"])
    results["shuffles"] = [shuffle_distances(name) for name in (*SHUFFLES, "random")]
    _show_shuffles(results["shuffles"])
    results["mixtures"] = [mixture_deviations(name) for name in MIXTURES]
    _show_mixtures(results["mixtures"])
    if json_file:
        about = {"benchmark": "order", "num_samples": samples, "ranks": ranks, "buckets": buckets, "batch": batch}
        machine = {"cpu_count": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
        versions = {name: version(name) for name in ("cutlist", "numpy")}
        everything = {**about, "machine": {**machine, "versions": versions}, "results": results}
        json_file.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")


def _run(setting: Setting, num_samples: int, child: str) -> dict[str, Any]:
    """Return what a fresh process measured."""
    numbers = {
        "--samples": num_samples,
        "--ranks": setting.num_ranks,
        "--buckets": setting.num_buckets,
        "--batch": setting.batch_size,
        "--parts": setting.num_parts,
    }
    options = [str(each) for pair in numbers.items() for each in pair]
    command = [sys.executable, __file__, *options, "--data", str(setting.folder.parent), "--child", child]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _steps(setting: Setting, rounds: int) -> list[dict[str, Any]]:
    """Return the medians of each order."""
    measured: dict[str, list[dict[str, Any]]] = {key: [] for key in ORDERS}
    for number in range(rounds):
        for key in ORDERS if number % 2 == 0 else reversed(ORDERS):
            measured[key].append(_run(setting, setting.num_samples, f"steps:{key}"))
    results = []
    for key, of_key in measured.items():
        medians = {name: statistics.median(each[name] for each in of_key) for name in of_key[0]}
        pairs = zip(of_key, measured[BASELINE], strict=True)
        ratio = statistics.median(mine["part_seconds"] / other["part_seconds"] for mine, other in pairs)
        results.append({"contender": key, "title": ORDERS[key][0], **medians, "ratio_to_baseline": ratio})
    return results


def _first(setting: Setting, rounds: int, memory_gb: float) -> list[dict[str, Any]]:
    """Return the medians of each contender and size; those that were left out have None."""
    keys = [key for key in FIRST if key == "cutlist" or importlib.util.find_spec("torch") is not None]
    results = []
    for size in [each for each in SIZES if each < setting.num_samples] + [setting.num_samples]:
        if size < setting.global_batch_size:
            continue
        fit = [key for key in keys if FIRST[key][2] * size <= memory_gb * 1e9]
        measured: dict[str, list[dict[str, Any]]] = {key: [] for key in fit}
        for number in range(rounds):
            for key in fit if number % 2 == 0 else reversed(fit):
                measured[key].append(_run(setting, size, f"first:{key}"))
        for key in keys:
            of_key = measured.get(key)
            found: dict[str, Any] = {"seconds": None, "peak_bytes": None, "ratio_to_cutlist": None}
            if of_key:
                found = {name: statistics.median(each[name] for each in of_key) for name in of_key[0]}
                pairs = zip(of_key, measured["cutlist"], strict=True)
                found["ratio_to_cutlist"] = statistics.median(
                    mine["seconds"] / other["seconds"] for mine, other in pairs
                )
            results.append({"contender": key, "title": FIRST[key][0], "num_samples": size, **found})
    return results


def _show_steps(setting: Setting, results: list[dict[str, Any]]) -> None:
    title = f"{setting.num_samples:,} samples, {setting.num_buckets} buckets, {setting.num_ranks} ranks, "
    title += f"{setting.batch_size} samples for each;\nparts of one rank in ms, positions/s of all ranks"
    headings = ("make, ms", "part, ms", "ratio", "p99", "p99 CPU", "cold, ms", "M/s", "MB", "traced")
    table = _table(title, headings)
    for each in results:
        numbers = [
            each["make_seconds"] * 1e3,
            each["part_seconds"] * 1e3,
            each["ratio_to_baseline"],
            each["part_p99_seconds"] * 1e3,
            each["part_p99_cpu_seconds"] * 1e3,
            each["cold_part_seconds"] * 1e3,
            each["positions_per_second"] / 1e6,
            each["anonymous_bytes"] / 1e6,
            each["traced_bytes"] / 1e6,
        ]
        table.add_row(each["title"], *(f"{number:.2f}" for number in numbers))
    console.print(table)


def _show_first(setting: Setting, results: list[dict[str, Any]]) -> None:
    table = _table(f"The first {setting.batch_size} positions of a rank", ("samples", "seconds", "ratio", "peak MB"))
    for each in results:
        cells = ["left out", "", ""]
        if each["seconds"] is not None:
            cells = [f"{each['seconds']:.4f}", f"{each['ratio_to_cutlist']:.0f}", f"{each['peak_bytes'] / 1e6:.1f}"]
        table.add_row(each["title"], f"{each['num_samples']:,}", *cells)
    console.print(table)


def _show_shuffles(results: list[dict[str, Any]]) -> None:
    title = f"{SHUFFLED:,} samples in batches of {SHUFFLED_BATCH}; 1 is what a random order has"
    table = _table(title, ("displacement", "neighbours", "batch means", "of one block", "blocks"))
    for each in results:
        cells = [f"{each[name]:.3f}" for name in ("displacement", "neighbours", "batch_means")]
        table.add_row(each["shuffle"], *cells, f"{each['largest_share']:.1%}", f"{each['num_blocks']:.0f}")
    console.print(table)


def _show_mixtures(results: list[dict[str, Any]]) -> None:
    names = ("schedule_from_start", "schedule_any_stretch", "chance_from_start", "chance_any_stretch")
    title = f"Largest difference between steps of a component and its share of them, in {PERIOD:,} steps"
    table = _table(title, ("from the start", "any stretch", "by chance: from the start", "any stretch"))
    for each in results:
        table.add_row(each["mixture"], *(f"{each[name]:.2f}" for name in names))
    console.print(table)


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


if __name__ == "__main__":
    app()
