"""Backfills on Ray that are killed at random points: `python -m tests.backfill.ray_kills --num 20`.

Each trial is a process that starts a cluster and computes a column on two workers. It is killed with SIGKILL, while the
cluster starts or while rows are computed, sometimes after one of its workers, or interrupted as by Ctrl-C; then nothing
of the cluster may be left, neither processes nor files. In the end the column must be that of a run in peace, and no
row computed more often than the kills explain.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from tests.backfill.kills import BATCH, Slow, asked
from tests.backfill.tables import media_files, reds, validate, write_root

import cutlist
from cutlist.backfill import Batch, Ray
from cutlist.backfill.ray_engine import CHUNK_BATCHES, IN_FLIGHT

MARK = "CUTLIST_TEST_TRIAL"
"""A variable of the environment by which all processes of a trial are found."""

NUM_WORKERS = 2


class Slower(Slow):
    """Twice the id; writes down the ids, and its process."""

    def __init__(self, log: Path):
        super().__init__(log, seconds=0.008)

    def __call__(self, batch: Batch) -> list[int]:
        with self.log.with_suffix(".pids").open("a") as file:
            file.write(f"{os.getpid()}\n")
        return super().__call__(batch)


def run(root: Path, log: Path, engine: str | Ray) -> None:
    """Compute the column, committing often."""
    module: Any = importlib.import_module("cutlist.backfill.backfill")
    with mock.patch.object(module, "COMMIT_SECONDS", 0.3), cutlist.connect(root, views=root) as session:
        session.backfill("t", Slower(log), engine=engine, progress=False)


def processes(mark: str) -> list[int]:
    """Return the processes of a trial."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            environment = (each / "environ").read_bytes()
        except OSError:  # ended, or of somebody else
            continue
        if f"{MARK}={mark}".encode() in environment.split(b"\0"):
            found.append(int(each.name))
    return found


def pids(log: Path) -> list[int]:
    """Return the processes that computed, in their order."""
    file = log.with_suffix(".pids")
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def computed(log: Path, process: subprocess.Popen[bytes], *, more: int = 1) -> None:
    """Wait until so many more batches are begun, or the process has ended."""
    before = len(pids(log))
    while process.poll() is None and len(pids(log)) < before + more:
        time.sleep(0.005)


def try_kills(folder: Path, *, num: int, seed: int, last: str | Ray = "local") -> dict[str, Any]:
    """Kill a backfill so many times, and let `last` end it; return what was seen."""
    chance = random.Random(seed)
    root, log = write_root(folder / "data", fragments=4 * num, rows=50), folder / "asked"
    media = media_files(root)
    seen: dict[str, Any] = {"killed": 0, "workers_killed": 0, "interrupted": 0, "while_starting": 0, "left": []}
    with tempfile.TemporaryDirectory(prefix="rk-") as temp:  # short: Ray has sockets in it
        for number in range(num):
            mark = uuid.uuid4().hex
            environment = {**os.environ, MARK: mark, "TMPDIR": temp, "PYTHONPATH": os.pathsep.join(sys.path)}
            command = [sys.executable, "-m", "tests.backfill.ray_kills", "--run", str(root), "--log", str(log)]
            with (folder / "errors").open("ab") as errors:
                process = subprocess.Popen(command, env=environment, stderr=errors)
            if number % 4 == 3:
                time.sleep(chance.random() * 12)
                seen["while_starting"] += 1
            else:
                computed(log, process)
                time.sleep(chance.random() * 0.4)
                if number % 2 == 0 and process.poll() is None:
                    os.kill(pids(log)[-1], signal.SIGKILL)
                    seen["workers_killed"] += 1
                    computed(log, process, more=4)
            seen["killed"] += process.poll() is None
            if number % 4 == 1:
                seen["interrupted"] += 1
                process.send_signal(signal.SIGINT)  # to it alone, as where a terminal's Ctrl-C does not reach others
            else:
                process.kill()
            process.wait()
            while processes(mark):  # for ever, if any is left for ever
                time.sleep(0.05)
            seen["left"] += [each.name for each in Path(temp).rglob("session_*")]  # of Ray
        with mock.patch.dict(os.environ, TMPDIR=temp), mock.patch.object(tempfile, "tempdir", temp):
            run(root, log, last)
        seen["left"] += [each.name for each in Path(temp).iterdir()]
    with cutlist.connect(root, views=root) as session:
        seen["column"] = reds(session, "twice") == {i: 2 * i for i in range(200 * num)}
        seen["again"] = session.backfill("t", Slower(log), progress=False).num_computed
    validate(root)
    seen["twice"] = sum(asked(log).values()) - len(asked(log))
    seen["media"] = media_files(root) == media
    seen["left"] += [each.name for each in (root / "_backfills").rglob("*.arrows")]
    return seen


def is_right(seen: dict[str, Any]) -> bool:
    """Return whether runs that were killed left what they had to."""
    under_way = BATCH * CHUNK_BATCHES * IN_FLIGHT * NUM_WORKERS
    deaths = seen["killed"] + seen["workers_killed"]
    kept = seen["twice"] <= under_way * deaths + BATCH * CHUNK_BATCHES * seen["killed"]  # and what was not written yet
    return bool(seen["column"] and seen["media"] and seen["again"] == 0 and not seen["left"] and kept)


def main(arguments: Sequence[str]) -> int:
    """Run trials from the command line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="Kill backfills on Ray at random points.")
    parser.add_argument("--num", type=int, default=20, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, help="compute the column of this root, and do nothing else")
    parser.add_argument("--log", type=Path)
    given = parser.parse_args(arguments)
    engine = Ray(workers=NUM_WORKERS)
    if given.run is not None:
        run(given.run, given.log, engine)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        seen = try_kills(Path(folder), num=given.num, seed=given.seed, last=engine)
    sys.stdout.write(f"{seen}\n")
    return 0 if is_right(seen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
