"""Backfills that are killed at random points, and others next to them: `python -m tests.backfill.kills --num 30`.

Each trial is a process that computes a column and is killed with SIGKILL after a random time, again and again until one
run ends by itself, while rows are appended, deleted and updated. The column must be that of a run in peace, no row may
be computed more often than the kills explain, and no medium may be written.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
from tests.backfill.tables import append, media_files, reds, validate, write_root

import cutlist
from cutlist.backfill import Batch, Featurizer

SPAWN = multiprocessing.get_context("spawn")
BATCH = 8
SECONDS_OF_ROW = 0.004


class Slow(Featurizer):
    """Twice the id; writes down each id that it is asked for."""

    name = "twice"
    inputs = "id"
    outputs = (pa.field("twice", pa.int64()),)
    batch_size = BATCH

    def __init__(self, log: Path, seconds: float = SECONDS_OF_ROW, name: str = "twice"):
        self.log, self.seconds, self.name = log, seconds, name
        self.outputs = (pa.field(name, pa.int64()),)

    def __call__(self, batch: Batch) -> list[int]:
        time.sleep(self.seconds * len(batch["id"]))
        with self.log.open("a") as file:
            file.write("".join(f"{i}\n" for i in batch["id"]))
        return [2 * i for i in batch["id"]]


def run(root: Path, log: Path, name: str = "twice", commit_seconds: float = 0.3) -> None:
    """Compute the column, committing often; in a process of its own."""
    module: Any = importlib.import_module("cutlist.backfill.backfill")
    with mock.patch.object(module, "COMMIT_SECONDS", commit_seconds), cutlist.connect(root, views=root) as session:
        session.backfill("t", Slow(log, name=name), progress=False)


def start(*arguments: Any) -> Any:
    """Start a process that computes the column."""
    process = SPAWN.Process(target=run, args=arguments)
    process.start()
    return process


def asked(log: Path) -> Counter[int]:
    """Return id → how often it was asked for."""
    return Counter(int(line) for line in log.read_text().split()) if log.exists() else Counter()


def try_kills(folder: Path, *, num: int, seed: int) -> dict[str, Any]:
    """Kill a backfill so many times, and let it end; return what was seen."""
    chance = random.Random(seed)
    root, log = write_root(folder / "data", fragments=2 * num, rows=50), folder / "asked"
    media = media_files(root)
    killed = 0
    while killed < num:
        process = start(root, log)
        before = sum(asked(log).values())
        while process.is_alive() and sum(asked(log).values()) == before:  # until it computes: imports take longer
            time.sleep(0.005)
        process.join(chance.random() * 0.4)
        if not process.is_alive():
            break
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        killed += 1
    run(root, log)
    with cutlist.connect(root, views=root) as session:
        column = reds(session, "twice")
        report = session.backfill("t", Slow(log), progress=False)
    validate(root)
    return {
        "killed": killed,
        "column": column == {i: 2 * i for i in range(100 * num)},
        "twice": sum(asked(log).values()) - len(asked(log)),
        "again": report.num_computed,
        "media": media_files(root) == media,
        "left": [each.name for each in (root / "_backfills").rglob("*.arrows")],
    }


def ingest(root: Path, media: Path) -> None:
    """Ingest in small commits; packet indexes of nearly all videos are backfilled. In a process of its own."""
    module: Any = importlib.import_module("cutlist.ingest")
    small = mock.patch.multiple(module, COMMIT_ROWS=5, IN_MEMORY_BYTES=4000)
    with small, cutlist.connect(root, views=media, create=True) as session:
        session.ingest(media, table="t", progress=False)


def everything(root: Path) -> list[Any]:
    """Return what an ingest made, but for the order of the rows."""
    with cutlist.connect(root, views=root) as session:
        rows = session.tables["t"].dataset.to_table(
            columns=["sha256", "kind", "width", "num_frames", "video_packet_index", "packet_index_made_by"]
        )
        media = session.compile("SELECT sha256, raw(video) AS video, raw(image) AS image FROM t").num_samples
    validate(root)
    return [media, sorted(rows.to_pylist(), key=str)]


def try_ingest_kills(folder: Path, media: Path, *, num: int, seed: int) -> dict[str, Any]:
    """Kill an ingest so many times, at the latest when it ends; return what was seen."""
    chance = random.Random(seed)
    ingest(folder / "clean", media)
    root = folder / "data"
    log, killed = root / "t.lance" / "_versions", 0
    seen: set[Path] = set()
    for _ in range(num):
        process = SPAWN.Process(target=ingest, args=(root, media))
        process.start()
        wanted = len(seen) + chance.randrange(1, 4)
        while process.is_alive() and (not log.is_dir() or len(list(log.iterdir())) < wanted):
            time.sleep(0.002)
        time.sleep(chance.random() * 0.02)
        killed += process.is_alive()
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        seen = set(log.iterdir()) if log.is_dir() else set()
        if seen:
            with cutlist.connect(root, views=media) as session:
                assert session.sql("SELECT count(width) FROM t").fetchall()
    ingest(root, media)
    return {"killed": killed, "same": everything(root) == everything(folder / "clean")}


def is_right(seen: dict[str, Any]) -> bool:
    """Return whether a run that was killed left what it had to."""
    lost = 2 * BATCH * seen["killed"]  # the batch under way, and one that was not written yet
    return bool(seen["column"] and seen["media"] and seen["again"] == 0 and not seen["left"] and seen["twice"] <= lost)


def try_together(folder: Path) -> dict[str, Any]:
    """Compute two columns at once while rows come and go; return what was seen."""
    root = write_root(folder / "data", fragments=4, rows=40)
    logs = [folder / "one", folder / "two"]
    processes = [start(root, log, log.name, 0.1) for log in logs]
    while not all(map(asked, logs)):
        time.sleep(0.01)
    next_id = 160
    with cutlist.connect(root, views=root) as session:
        for number in range(6):
            append(root, range(next_id, next_id + 5))
            next_id += 5
            session.refresh().tables["t"].dataset.delete(f"id = {number * 7}")
            time.sleep(0.05)
    for process in processes:
        process.join()
    codes = [process.exitcode for process in processes]
    for log in logs:
        run(root, log, log.name)
    with cutlist.connect(root, views=root) as session:
        wanted = {i: 2 * i for i in range(next_id) if i % 7 or i >= 42}
        columns = [reds(session, log.name) == wanted for log in logs]
    validate(root)
    return {"codes": codes, "columns": columns, "asked": [max(asked(log).values()) for log in logs]}


def main(arguments: Sequence[str]) -> int:
    """Run trials from the command line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="Kill backfills at random points.")
    parser.add_argument("--num", type=int, default=30, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        seen = try_kills(Path(folder), num=given.num, seed=given.seed)
    sys.stdout.write(f"{seen}\n")
    return 0 if is_right(seen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
