"""The same global batches, however many ranks, workers and batches ahead: `python -m tests.loaders.matrix`.

A configuration is a number of ranks, of DataLoader workers of each, how these are started, how far is read ahead, and
an order of training. Its ranks are processes of their own; each goes through several configurations, one after another.
For each it makes epoch 0, epoch 1 (of the same, persistent workers), the rest of an epoch from states that a run of one
rank without workers left, and epoch 0 again; put together, the ranks must have made what that run made.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.loaders.runs import (
    DAMAGED,
    NUM_PICTURES,
    ORDERS,
    WORLDS,
    Failure,
    Seen,
    differences,
    make_loader,
    run_all,
    seen,
    shape,
    take,
    together,
    weight,
    write_root,
)
from torch.utils.data import DataLoader, IterableDataset

if TYPE_CHECKING:
    from cutlist_torch import Batch, Loader

WORKERS = (0, 1, 2, 4)
METHODS = ("spawn", "forkserver")
DEPTHS = {"shallow": (1, 2**20, 1), "deep": (4, 512 * 2**20, 3)}
"""Batches ahead of each worker, bytes ahead of decoding, and threads that decode."""

NUM_EPOCHS = 3
"""Of the run that the others are compared with."""


@dataclass(frozen=True, order=True)
class Setup:
    """A number of ranks, of workers of each, how these are started ("" for none), and how far is read ahead."""

    world_size: int
    num_workers: int
    method: str
    depth: str


@dataclass(frozen=True)
class Case:
    """A setup, the orders that it goes through, and the steps of epoch 0 that it resumes after."""

    setup: Setup
    orders: tuple[str, ...]
    resume: tuple[int, ...]


def every_case() -> list[Case]:
    """Return every configuration."""
    methods = [(0, ""), *itertools.product(WORKERS[1:], METHODS)]
    setups = [
        Setup(world, workers, method, depth)
        for world, (workers, method), depth in itertools.product(WORLDS, methods, DEPTHS)
    ]
    return [Case(each, tuple(ORDERS), (number % 10, (number * 7 + 3) % 10)) for number, each in enumerate(setups)]


def covering_cases() -> list[Case]:
    """Return few in which any two choices meet: of ranks, workers, start, depth and order.

    Workers that are spawned cost 4 s each, so more than two ranks have only those of a fork server.
    """
    spawned = {(1, 4), (1, 2), (2, 1)}
    setups = []
    for (i, world), (j, workers) in itertools.product(enumerate(WORLDS), enumerate(WORKERS)):
        method = "" if workers == 0 else METHODS[(world, workers) not in spawned]
        setups.append(Setup(world, workers, method, list(DEPTHS)[(i + j) % 2]))
    orders: dict[Setup, list[str]] = {each: [] for each in setups}
    for order in ORDERS:
        missing = {choice for each in setups for choice in vars(each).items()}
        while missing:  # the setup with most of what this order has not met, and with few orders so far
            best = max(setups, key=lambda each: (len(missing & set(vars(each).items())), -len(orders[each])))
            orders[best].append(order)
            missing -= set(vars(best).items())
    return [Case(each, tuple(orders[each]), (number % 10,)) for number, each in enumerate(setups) if orders[each]]


def pairs(cases: Sequence[Case]) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    """Return the pairs of choices that meet in a configuration."""
    met = set()
    for case in cases:
        for order in case.orders:
            choices = {**vars(case.setup), "order": order}
            met |= set(itertools.combinations(choices.items(), 2))
    return met


# -- in a rank --------------------------------------------------------------------------------------------------------


class Several(IterableDataset[Any]):
    """Several loaders, one after another, so that workers are started once for all. Each worker makes as many items, so
    that the next loader begins with the first worker again, too."""

    def __init__(self, loaders: dict[str, Loader]):
        self.loaders = loaders

    def __iter__(self) -> Iterator[tuple[str, Batch | None]]:
        for name, loader in self.loaders.items():
            missing = len(loader)
            for batch in loader:
                yield name, batch
                missing -= 1
            yield from [(name, None)] * missing


def run_rank(root: Path, rank: int, cases: Sequence[Case], states: dict[str, list[dict[str, Any]]]) -> list[Any]:
    """Return what a rank makes: case by case, order → the passes over it."""
    made = []
    for case in cases:
        began = time.monotonic()
        setup = case.setup
        ahead, num_bytes, threads = DEPTHS[setup.depth]
        os.environ["CUTLIST_PREFETCH_BYTES"] = str(num_bytes)
        options = {"rank": rank, "world_size": setup.world_size, "num_threads": threads}
        loaders = {name: make_loader(root, name, **options) for name in case.orders}
        passes: dict[str, list[list[Seen]]] = {name: [] for name in case.orders}
        under = None
        if setup.num_workers:
            under = DataLoader(
                Several(loaders),
                batch_size=None,
                num_workers=setup.num_workers,
                multiprocessing_context=setup.method,
                prefetch_factor=ahead,
                persistent_workers=True,
            )
        _one_pass(loaders, under, passes)
        _one_pass(loaders, under, passes)
        for step in case.resume:
            for name, loader in loaders.items():
                loader.load_state_dict(states[name][step % len(states[name])])
            _one_pass(loaders, under, passes)
        for loader in loaders.values():
            loader.set_epoch(0)
        _one_pass(loaders, under, passes)
        made.append((passes, time.monotonic() - began))
    return made


def _one_pass(loaders: dict[str, Loader], under: Any, passes: dict[str, list[list[Seen]]]) -> None:
    """Append what one pass over each loader makes."""
    if under is None:
        for name, loader in loaders.items():
            passes[name].append(take(loader))
        return
    for each in passes.values():
        each.append([])
    for name, batch in under:
        if batch is not None:
            passes[name][-1].append(seen(batch))


def run_alone(root: Path) -> dict[str, tuple[list[Seen], list[dict[str, Any]], list[Any]]]:
    """Return by order what one rank without workers makes: epochs, its states after each step of the first, plans."""
    made = {}
    for name in ORDERS:
        loader = make_loader(root, name)
        batches, states = [], []
        for _ in range(NUM_EPOCHS):
            for batch in loader:
                batches.append(seen(batch))
                if batch.epoch == 0:
                    states.append(json.loads(json.dumps(loader.state_dict())))
        made[name] = (batches, states, loader.plan())
    return made


# -- what must hold ---------------------------------------------------------------------------------------------------


def expected_passes(case: Case, alone: Sequence[Seen]) -> list[list[Seen]]:
    """Return what the passes of a case must be."""
    epochs: list[list[Seen]] = [[each for each in alone if each.epoch == epoch] for epoch in range(NUM_EPOCHS)]
    passes = epochs[:2]
    for step in case.resume:
        after = step % len(epochs[0]) + 1
        passes.append(epochs[0][after:] or epochs[1])
    return [*passes, epochs[0]]


def problems_alone(order: str, batches: Sequence[Seen], plans: Sequence[Any]) -> Iterator[str]:
    """Yield what is wrong with the run that the others are compared with: samples that come too often or too rarely."""
    by_epoch = [[each for each in batches if each.epoch == epoch] for epoch in range(NUM_EPOCHS)]
    if [each.step for each in batches] != [*range(len(by_epoch[0]))] * NUM_EPOCHS:
        yield "steps do not follow one another"
    if order in ("plain", "buckets", "lanes", "lanes of fragments", "in order"):
        dropped = []
        for epoch in by_epoch:
            ids = [i for batch in epoch for i in batch.ids]
            if len(ids) != len(set(ids)):
                yield "a sample comes twice"
            dropped.append(frozenset(range(NUM_PICTURES)) - set(ids))
            if len(dropped[-1]) != sum(each.num_dropped for each in plans):
                yield f"{len(dropped[-1])} samples are left out, and not as many as the plan says"
        if len(set(dropped)) != (1 if order == "in order" else NUM_EPOCHS):
            yield "the tail is the same in two epochs"
    if order == "weights":
        total = sum(map(weight, range(NUM_PICTURES)))
        for epoch in by_epoch:
            counts = Counter(i for batch in epoch for i in batch.ids)
            for i in range(NUM_PICTURES):
                share = NUM_PICTURES * weight(i) / total
                # The draws of an epoch are 131, of which 11 are its tail.
                if not int(share) - 11 <= counts[i] <= int(share) + 1 or (share == 0 and counts[i]):
                    yield f"sample {i} of weight {weight(i)} comes {counts[i]} times"
    streams: dict[str | None, list[int | str]] = {}
    for batch in batches:
        for sample in batch.ids:
            part = batch.component
            if "samples" in order:
                part = "even" if int(sample) < 1000 else "odd"
            streams.setdefault(part, []).append(sample)
    if "of samples" in order:
        for part, size in (("even", 66), ("odd", 65)):  # each runs through epochs of its own, without a tail
            for first in range(0, len(streams[part]), size):
                epoch_ids = streams[part][first : first + size]
                if len(set(epoch_ids)) != len(epoch_ids):
                    yield f"a sample of {part} comes twice in an epoch of it"
    if "clips" in streams:
        for first in range(0, len(streams["clips"]), 24):  # an epoch of 45 is one batch, and a tail
            if len(set(streams["clips"][first : first + 24])) != len(streams["clips"][first : first + 24]):
                yield "a clip comes twice in an epoch"


def problems_of_failures(whole: Sequence[Seen], batches: Sequence[Seen]) -> Iterator[str]:
    """Yield where a run with samples that fail has others than one without, but for the slots of those that fail."""
    replaced = 0
    for one, other in zip(whole, batches, strict=True):
        place = f"epoch {one.epoch}, step {one.step}"
        if one.bucket != other.bucket:
            yield f"{place}: bucket {other.bucket}, expected {one.bucket}"
        for slot, (wanted, got) in enumerate(zip(one.ids, other.ids, strict=True)):
            replaced += wanted in DAMAGED
            if (wanted in DAMAGED) == (wanted == got):
                yield f"{place}, slot {slot}: sample {got} in the place of {wanted}"
            if shape(int(got)) != one.bucket:
                yield f"{place}, slot {slot}: a spare of another bucket, {got}"
    if not replaced:
        yield "no sample failed"


def problems_of(case: Case, order: str, made: Sequence[Any], alone: Sequence[Seen]) -> Iterator[str]:
    """Yield where the ranks of a case differ from the run of one."""
    expected = expected_passes(case, alone)
    for number, wanted in enumerate(expected):
        what = ("epoch 0", "epoch 1", *(f"the rest after step {step}" for step in case.resume), "epoch 0 again")[number]
        try:
            found = differences(together([each[0][order][number] for each in made]), wanted)
        except (AssertionError, ValueError) as error:
            found = f"the ranks differ: {error}"
        if found:
            yield f"{what}: {found}"


def run(folder: Path, cases: Sequence[Case], *, at_once: int, say: Any) -> dict[str, Any]:
    """Return a report over cases: configurations, their problems, and seconds."""
    began = time.monotonic()
    root = write_root(folder)
    (alone,) = run_all(folder, run_alone, [(root,)], at_once=1, seconds=300)
    if isinstance(alone, Failure):
        return {"problems": [f"one rank alone: {alone.trace}"], "configurations": []}
    found = [
        f"alone, {name}: {each}" for name in ORDERS for each in problems_alone(name, alone[name][0], alone[name][2])
    ]
    found += [f"failures: {each}" for each in problems_of_failures(alone["buckets"][0], alone["failures"][0])]
    states = {name: each[1] for name, each in alone.items()}
    configurations: list[dict[str, Any]] = []
    worlds = sorted({each.setup.world_size for each in cases})
    by_world = {world: [each for each in cases if each.setup.world_size == world] for world in worlds}
    calls = [(root, rank, of_world, states) for world, of_world in by_world.items() for rank in range(world)]
    results = run_all(folder, run_rank, calls, at_once=at_once, seconds=1200)
    for world, of_world in by_world.items():
        ranks = list(itertools.islice(results, world))
        failed = [
            f"rank {rank} of {world}: {each.trace or each.text}"
            for rank, each in enumerate(ranks)
            if isinstance(each, Failure)
        ]
        for number, case in enumerate(of_world):
            for order in case.orders:
                problems = (
                    list(failed)
                    if failed
                    else list(problems_of(case, order, [each[number] for each in ranks], alone[order][0]))
                )
                configurations.append({**vars(case.setup), "order": order, "problems": problems})
                found += [f"{case.setup}, {order}: {each}" for each in problems]
        say(f"{world:2} ranks: {len(of_world)} setups, {time.monotonic() - began:.0f} s, {len(found)} problems")
    return {"configurations": configurations, "problems": found, "seconds": round(time.monotonic() - began, 1)}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run the matrix from the command line; return 1 if a configuration differs."""
    parser = argparse.ArgumentParser(description="Compare the global batches of every number of ranks and workers.")
    parser.add_argument("--covering", action="store_true", help="few configurations, in which any two choices meet")
    parser.add_argument("--worlds", type=int, nargs="+", choices=WORLDS, default=WORLDS, help="numbers of ranks")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="ranks that run at once")
    parser.add_argument("--report", type=Path, help="where to write the report, as JSON")
    given = parser.parse_args(arguments)
    cases = covering_cases() if given.covering else every_case()
    cases = [each for each in cases if each.setup.world_size in given.worlds]
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), cases, at_once=given.at_once, say=say)
    if given.report:
        given.report.write_text(json.dumps(report))
    for each in report["problems"][:50]:
        say(each)
    say(
        f"{len(report['configurations'])} configurations, {len(pairs(cases))} pairs of choices, "
        f"{len(report['problems'])} problems, {report.get('seconds')} s"
    )
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
