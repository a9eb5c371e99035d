"""Runs that are killed and resumed equal a run that is not: `python -m tests.loaders.kills --num 50`.

A run is a process group of ranks over gloo; after each batch they meet, as in training, and keep what they saw; now and
then rank 0 writes the state. At a random batch one rank is killed with SIGKILL, and the others, which must end by
themselves, fail in their next meeting. The last state is taken up by another number of ranks, with other workers and
threads, and what was seen before that state and after it must be the batches of a run that was left in peace.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pickle
import random
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from tests.loaders.runs import (
    ORDERS,
    Failure,
    Running,
    Seen,
    differences,
    finish,
    kill,
    make_loader,
    run_all,
    seen,
    start,
    together,
    write_root,
)
from torch.utils.data import DataLoader

LAST = (2, 4)
"""Epoch and step that training ends after."""

PATIENCE = timedelta(seconds=40)
"""How long ranks wait for each other: gloo does not always see that a peer is gone, and waits 30 minutes by itself."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a run is made: its ranks, their workers and threads, and how often it saves its state."""

    order: str
    world_size: int
    num_workers: int = 0
    method: str = ""
    num_threads: int = 2
    save_every: int = 1
    pause_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A run, the batch after which a rank of it is killed, the rank, and the run that takes it up."""

    first: Run
    second: Run
    after: int
    victim: int


def random_trials(num: int, seed: int) -> list[Trial]:
    """Return random trials, every order in turn."""
    chance = random.Random(seed)

    def run(order: str, world_size: int, *, ranks_started: int) -> Run:
        workers = chance.choice((0, 0, 1, 2) if ranks_started < 3 else (0, 0, 0, 1))
        return Run(
            order=order,
            world_size=world_size,
            num_workers=workers,
            method=chance.choice(("forkserver", "forkserver", "spawn")) if workers else "",
            num_threads=chance.choice((1, 2)),
            save_every=chance.choice((1, 2, 3)),
            pause_seconds=chance.choice((0.0, 0.01, 0.03)),
        )

    made = []
    for number in range(num):
        one, other = chance.sample((1, 2, 3, 4, 6), 2)
        order = list(ORDERS)[number % len(ORDERS)]
        first, second = (run(order, each, ranks_started=each) for each in (one, other))
        made.append(Trial(first=first, second=second, after=chance.randrange(1, 20), victim=chance.randrange(one)))
    return made


# -- in a rank --------------------------------------------------------------------------------------------------------


def train(root: Path, folder: Path, run: Run, rank: int, state: dict[str, Any] | None) -> int:
    """Train: see batches up to LAST, keep each in `rank….seen`, the state in `state.json`; return how many."""
    dist.init_process_group(
        "gloo",
        init_method=(folder / "meeting").as_uri(),
        rank=rank,
        world_size=run.world_size,
        timeout=PATIENCE,
    )
    loader = make_loader(root, run.order, num_threads=run.num_threads)
    assert (loader.rank, loader.world_size) == (rank, run.world_size)
    if state is not None:
        loader.load_state_dict(state)
    under: Any = loader
    if run.num_workers:
        under = DataLoader(
            loader,
            batch_size=None,
            num_workers=run.num_workers,
            multiprocessing_context=run.method,
            persistent_workers=True,
        )
    done = 0
    with (folder / f"rank{rank}.seen").open("ab") as log:
        while True:
            for batch in under:
                if done == 0:
                    pids = [each.pid for each in active_children()]
                    _write(folder / f"rank{rank}.pids", json.dumps([os.getpid(), *pids]))
                pickle.dump(seen(batch), log)
                log.flush()
                total = torch.tensor(len(batch["id"]))
                dist.all_reduce(total)  # so a state is of batches that every rank has kept
                assert total == len(batch["id"]) * run.world_size
                done += 1
                if rank == 0 and done % run.save_every == 0:
                    told = loader.state_dict(after=batch) if run.num_workers else loader.state_dict()
                    _write(folder / "state.json", json.dumps(told))
                if (batch.epoch, batch.step) == LAST:
                    dist.destroy_process_group()
                    return done
                time.sleep(run.pause_seconds)


def _write(path: Path, text: str) -> None:
    """Write a file such that it is there in full or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


# -- a trial ----------------------------------------------------------------------------------------------------------


def begin(root: Path, folder: Path, run: Run, state: dict[str, Any] | None) -> list[Running]:
    """Start the ranks of a run."""
    folder.mkdir()
    return [start(folder, train, root, folder, run, rank, state) for rank in range(run.world_size)]


def logged(folder: Path, run: Run) -> list[list[Seen]]:
    """Return what each rank of a run saw; the last record of one that was killed may be cut."""
    ranks = []
    for rank in range(run.world_size):
        found: list[Seen] = []
        path = folder / f"rank{rank}.seen"
        if path.exists():
            with path.open("rb") as log, contextlib.suppress(EOFError, pickle.UnpicklingError):
                while True:
                    found.append(pickle.load(log))
        ranks.append(found)
    return ranks


def wait_for_batches(folder: Path, run: Run, count: int, ranks: list[Running]) -> None:
    """Wait until every rank has seen so many batches, or one has ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and all(each.process.is_alive() for each in ranks):
        if all(len(each) >= count for each in logged(folder, run)):
            return
        time.sleep(0.005)


def try_once(root: Path, folder: Path, trial: Trial, alone: list[Seen]) -> tuple[list[str], str]:
    """Return what is wrong after one trial, and what happened in it."""
    folder.mkdir()
    problems = []
    first = folder / "first"
    ranks = begin(root, first, trial.first, None)
    wait_for_batches(first, trial.first, trial.after, ranks)
    pids = [json.loads(file.read_text()) for file in first.glob("rank*.pids")]
    victim = ranks[trial.victim].process
    kill(victim.pid)
    results = finish(ranks, seconds=2 * PATIENCE.total_seconds())
    for rank, each in enumerate(results):
        if isinstance(each, Failure) and each.kind == "exit" and rank != trial.victim:
            problems.append(f"rank {rank} did not end by itself: {each.text}; it was here:\n{each.trace}")
        elif (
            isinstance(each, Failure) and rank != trial.victim and each.kind not in ("RuntimeError", "DistBackendError")
        ):
            problems.append(f"rank {rank}: {each.trace}")
    for each in (pid for of_rank in pids for pid in of_rank[1:]):
        kill(each)  # workers of a fork server do not see that their rank is gone
    before = logged(first, trial.first)
    path = first / "state.json"
    state = json.loads(path.read_text()) if path.exists() else None
    place = (state["epoch"], state["step"]) if state else (0, 0)
    second = folder / "second"
    results = finish(begin(root, second, trial.second, state), seconds=120)
    problems += [
        f"resumed, rank {rank}: {each.trace or each.text}"
        for rank, each in enumerate(results)
        if isinstance(each, Failure)
    ]
    what = f"killed rank {trial.victim} after {max(map(len, before))} batches, resumed at {place}"
    if problems:
        return problems, what
    try:
        whole = together([[each for each in batches if each[:2] < place] for batches in before])
        whole += together(logged(second, trial.second))
    except (AssertionError, ValueError) as error:
        return [f"the ranks differ: {error}"], what
    found = differences(whole, alone)
    shortest = min(map(len, before))
    beyond = differences(together([batches[:shortest] for batches in before]), alone[:shortest])
    return [each for each in (found, beyond) if each], what


def run_in_peace(root: Path, orders: Collection[str]) -> dict[str, list[Seen]]:
    """Return by order the batches of one rank up to LAST."""
    made: dict[str, list[Seen]] = {}
    for order in orders:
        loader, made[order] = make_loader(root, order), []
        while not made[order] or made[order][-1][:2] < LAST:
            for batch in loader:
                made[order].append(seen(batch))
                if (batch.epoch, batch.step) == LAST:
                    break
    return made


def run_trials(folder: Path, trials: Sequence[Trial], say: Any) -> dict[str, Any]:
    """Return a report of trials."""
    began = time.monotonic()
    root = write_root(folder)
    orders = {each.first.order for each in trials}
    (alone,) = run_all(folder, run_in_peace, [(root, orders)], at_once=1, seconds=300)
    if isinstance(alone, Failure):
        return {"trials": [], "problems": [alone.trace]}
    made, problems = [], []
    for number, trial in enumerate(trials):
        found, what = try_once(root, folder / f"trial{number}", trial, alone[trial.first.order])
        one, other = trial.first, trial.second
        line = (
            f"{trial.first.order}: {one.world_size}×{one.num_workers} {one.method} → "
            f"{other.world_size}×{other.num_workers} {other.method}: {what}"
        )
        made.append({"trial": line, "problems": found})
        problems += [f"{line}: {each}" for each in found]
        say(f"{number + 1:3} {time.monotonic() - began:4.0f} s  {line}{'  FAILED' if found else ''}")
    return {"trials": made, "problems": problems, "seconds": round(time.monotonic() - began, 1)}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run the trials from the command line; return 1 if one fails."""
    parser = argparse.ArgumentParser(description="Kill runs, resume them with other ranks, and compare.")
    parser.add_argument("--num", type=int, default=50, help="how many trials")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other trials")
    parser.add_argument("--report", type=Path, help="where to write the report, as JSON")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = run_trials(Path(folder), random_trials(given.num, given.seed), say)
    if given.report:
        given.report.write_text(json.dumps(report))
    for each in report["problems"]:
        say(each)
    num, wrong = len(report["trials"]), len(report["problems"])
    say(f"{num} runs killed and resumed, {wrong} problems, {report.get('seconds')} s")
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
