"""The loader: a query → batches, in an order that depends on the data, the seed, the epoch and the step alone."""

from __future__ import annotations

import contextlib
import operator
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.data import IterableDataset, get_worker_info

import cutlist
from cutlist.errors import CatalogError, OrderError, SettingsError, StateError
from cutlist.reader import Processor, Reader, ReaderStats
from cutlist.sampler import ORDER_VERSION, Sampler, rank_slice, worker_steps
from cutlist.selection import Selection
from cutlist.settings import num_cores, read_settings
from cutlist.store import Store
from cutlist_torch.batch import Batch, collate, plan_columns
from cutlist_torch.ranks import resolve_rank

STATE_VERSION = 1
"""Version of `state_dict`; another is refused. A change is a CHECKPOINT BREAKING CHANGE in the changelog."""


class Loader(IterableDataset[Batch]):
    """Batches of a training set that is a SQL query.

    The batches of an epoch are the same for every number of ranks (of one global batch size), workers and threads.
    Use it as it is, in a `for` loop, or under `torch.utils.data.DataLoader(loader, batch_size=None, num_workers=N,
    multiprocessing_context="spawn")`. The workers have copies of it, so tell it the epoch with `set_epoch` before each
    pass; with `persistent_workers=True`, each pass is the next epoch unless it is told another.

    Finishing an epoch moves to the next one. A loop that is left early goes on at the next batch when iterated again;
    an iterator of before then raises, as it does after `set_epoch` and `load_state_dict`.
    """

    def __init__(
        self,
        query: str | os.PathLike[str] | Selection,
        *,
        batch_size: int,
        root: str | os.PathLike[str] | None = None,
        views: str | os.PathLike[str] | None = None,
        storage_options: Mapping[str, str] | None = None,
        seed: int = 0,
        shuffle: Literal["full"] | None = "full",
        drop_last: bool = True,
        processors: Sequence[Processor] = (),
        rank: int | None = None,
        world_size: int | None = None,
        num_threads: int | None = None,
        pin_memory: bool = False,
    ):
        """Compile the query, or find the selection that was compiled before.

        Args:
            query: A SELECT, a view's name, a Selection, or the path of a saved one (`….arrow`).
            batch_size: Samples in a batch of this rank; the global batch is `batch_size * world_size`.
            root: The tables' folder or URI; default `CUTLIST_ROOT`, or where a saved selection was found, else `.`.
            views: Folder with the views.
            storage_options: For an object store, as Lance takes them.
            seed: Of the shuffle.
            shuffle: `"full"`, or None to keep the selection's order.
            drop_last: Whether a last, smaller batch is left out; False needs one rank.
            processors: Functions from one row (a dict) to one row, applied in order in the decoding threads.
            rank: This process; default that of torch.distributed, else of torchrun, else 0.
            world_size: Number of ranks; default likewise.
            num_threads: Threads that decode; default one for each core (of a DataLoader worker: its share).
            pin_memory: Whether tensors are in page-locked memory.

        Raises:
            QueryError: if the query cannot be compiled.
            SelectionError: if the selection is empty, or the file is not one.
            OrderError: for a batch size, shuffle or rank that does not fit.
        """
        super().__init__()
        batch_size = _whole("batch_size", batch_size, at_least=1)
        self.selection, self._store = _open(query, root, views, storage_options)
        self.rank, self.world_size = resolve_rank(rank, world_size)
        if not drop_last and self.world_size > 1:
            raise OrderError(
                f"drop_last=False with {self.world_size} ranks: the last batch cannot be shared out evenly; "
                f"use drop_last=True"
            )
        self.batch_size = batch_size
        self._sampler = Sampler(
            num_samples=self.selection.num_samples,
            global_batch_size=batch_size * self.world_size,
            seed=_whole("seed", seed),
            shuffle=shuffle,
            drop_last=drop_last,
        )
        self._processors = tuple(processors)
        settings = read_settings()
        self._num_threads = num_threads or settings.num_threads
        self._prefetch_bytes = settings.prefetch_bytes
        self._pin_memory = pin_memory
        self._epoch, self._step = 0, 0
        # (moves, epoch, step) as set_epoch and load_state_dict said last: what persistent workers look at.
        self._told: torch.Tensor = torch.zeros(3, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._moves = self._passes = 0
        self._iterator: object = None
        self._pid, self._copied = os.getpid(), False
        self.stats = ReaderStats()

    def __getstate__(self) -> dict[str, Any]:
        self._copied = True
        return {name: value for name, value in self.__dict__.items() if name not in ("stats", "_copied", "_iterator")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pid, self._copied, self._iterator, self.stats = os.getpid(), False, None, ReaderStats()

    def __repr__(self) -> str:
        return (
            f"Loader({self.selection!r}, batch_size={self.batch_size}, rank {self.rank} of {self.world_size}, "
            f"{len(self):,} steps; at epoch {self._epoch}, step {self._step})"
        )

    def __len__(self) -> int:
        """Return the number of steps in an epoch, the same on every rank."""
        return len(self._sampler)

    def __iter__(self) -> Generator[Batch, None, None]:
        """Return an iterator over the batches from the current step to the end of the epoch.

        Raises:
            MediaError: where a sample cannot be read or decoded; names table, version, row id and column.
        """
        if os.getpid() != self._pid:
            raise SettingsError(
                "the loader was copied by fork, after which Lance's threads are gone; "
                'use DataLoader(…, multiprocessing_context="spawn") or "forkserver"'
            )
        self._iterator = mine = object()
        worker = get_worker_info()
        if worker is None:
            return self._batches(mine, self._epoch, range(self._step, len(self)), num_threads=self._num_threads)
        moves, epoch, step = self._told.tolist()
        if moves != self._moves:
            self._moves, self._epoch, self._step, self._passes = moves, epoch, step, 0
        epoch, step = self._epoch + self._passes, self._step if self._passes == 0 else 0
        self._passes += 1
        steps = worker_steps(step, len(self), worker=worker.id, num_workers=worker.num_workers)
        threads = self._num_threads or max(num_cores() // worker.num_workers, 1)
        return self._batches(mine, epoch, steps, num_threads=threads, share=worker.num_workers, moving=False)

    def _batches(
        self, mine: object, epoch: int, steps: range, *, num_threads: int | None, share: int = 1, moving: bool = True
    ) -> Generator[Batch, None, None]:
        """Yield the batches of some steps of an epoch, while `mine` is the loader's iterator.

        Args:
            mine: Stands for this iterator.
            epoch: Counted from 0.
            steps: In ascending order.
            num_threads: Threads that decode.
            share: Workers of this machine that share the memory for reading ahead.
            moving: Whether the loader's position keeps up.
        """
        reader = Reader(
            self.selection,
            self._store,
            processors=self._processors,
            num_threads=num_threads,
            prefetch_bytes=self._prefetch_bytes // share,
        )
        self.stats = reader.stats
        sampler = self._sampler.at_epoch(epoch)
        plans = plan_columns(self.selection)
        rows_of_steps = reader.read(self._positions(sampler, steps))
        with contextlib.closing(rows_of_steps):
            for step, rows in zip(steps, rows_of_steps, strict=True):
                if self._iterator is not mine:
                    raise StateError(
                        "this iterator is out of date: the loader was iterated anew, or moved by set_epoch or "
                        "load_state_dict; begin a new loop"
                    )
                batch = collate(rows, plans, epoch=epoch, step=step)
                if self._pin_memory:
                    batch = batch.pin_memory()
                if moving:
                    self._epoch, self._step = self._after(epoch, step)
                    self._copied = False
                yield batch

    def _after(self, epoch: int, step: int) -> tuple[int, int]:
        """Return the epoch and step that follow a step."""
        return (epoch, step + 1) if step + 1 < len(self) else (epoch + 1, 0)

    def _move(self, epoch: int, step: int) -> None:
        """Go to a step, and tell the workers' copies."""
        self._epoch, self._step, self._iterator = epoch, step, None
        self._moves += 1
        self._told.copy_(torch.tensor([self._moves, epoch, step]))

    def _positions(self, sampler: Sampler, steps: Sequence[int]) -> Iterator[Any]:
        for step in steps:
            yield rank_slice(sampler[step], rank=self.rank, world_size=self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch, counted from 0."""
        self._move(_whole("epoch", epoch, at_least=0), 0)

    def state_dict(self, *, after: Batch | None = None) -> dict[str, Any]:
        """Return where the loader is, as JSON-able values: the state after the last batch that was handed out.

        Args:
            after: The last batch that was trained on. Needed under a DataLoader with workers, whose copies of the
                loader run ahead.

        Raises:
            StateError: if the batches came from workers and `after` is not given.
        """
        if after is not None:
            epoch, step = self._after(after.epoch, after.step)
        elif self._copied:
            raise StateError(
                "this loader was copied to DataLoader workers, so it cannot know which batch was the last; "
                "call state_dict(after=batch)"
            )
        else:
            epoch, step = self._epoch, self._step
        return {**self._identity(), "epoch": epoch, "step": step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a loader was: the next batch is the one after its last.

        Raises:
            StateError: if the state is of another selection, seed, shuffle, batch size or order; names the part.
        """
        missing = next((name for name in (*self._identity(), "epoch", "step") if name not in state), None)
        if missing is not None:
            raise StateError(f'the state has no "{missing}"; expected what Loader.state_dict returned')
        for name, here in self._identity().items():
            if state[name] != here:
                raise StateError(
                    f"the state is of another {_PARTS[name]}: {state[name]!r} there, {here!r} here; {_REMEDIES[name]}"
                )
        epoch, step = state["epoch"], state["step"]
        if type(epoch) is not int or type(step) is not int or epoch < 0 or not 0 <= step < len(self):
            raise StateError(f"the state is at epoch {epoch!r}, step {step!r}; an epoch has {len(self)} steps")
        self._move(epoch, step)
        self._copied = False

    def _identity(self) -> dict[str, Any]:
        """Return what a state must agree on with the loader that takes it up."""
        return {
            "version": STATE_VERSION,
            "order_version": ORDER_VERSION,
            "selection": self.selection.fingerprint,
            "seed": self._sampler.seed,
            "shuffle": self._sampler.shuffle,
            "drop_last": self._sampler.drop_last,
            "global_batch_size": self._sampler.global_batch_size,
        }


_PARTS = {
    "version": "state version",
    "order_version": "order version",
    "selection": "selection",
    "seed": "seed",
    "shuffle": "shuffle",
    "drop_last": "drop_last",
    "global_batch_size": "global batch size",
}
_REMEDIES = {
    "version": "use the version of cutlist that wrote it",
    "order_version": "use the version of cutlist that wrote it",
    "selection": "load the selection file of that run, Loader('….arrow'), as the query's rows have changed since",
    "seed": "give the loader that seed",
    "shuffle": "give the loader that shuffle",
    "drop_last": "give the loader that drop_last",
    "global_batch_size": "choose batch_size * world_size to equal it",
}


def _whole(name: str, value: Any, *, at_least: int | None = None) -> int:
    """Return a whole number, of Python or numpy.

    Raises:
        OrderError: if it is not one, or too small.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (at_least is not None and number < at_least):
        bound = "" if at_least is None else f" of at least {at_least}"
        raise OrderError(f"{name}={value!r}: expected a whole number{bound}")
    return number


def _open(
    query: str | os.PathLike[str] | Selection,
    root: str | os.PathLike[str] | None,
    views: str | os.PathLike[str] | None,
    storage_options: Mapping[str, str] | None,
) -> tuple[Selection, Store]:
    """Return the selection that a query, a path or a selection stands for, and the root of its tables."""
    if isinstance(query, os.PathLike) or (isinstance(query, str) and query.strip().endswith(".arrow")):
        query = Selection.load(Path(query))
    if isinstance(query, Selection):
        if root is None and query.path is not None and query.path.parent.name == "_selections":
            root = query.path.parent.parent
        store = Store.at(read_settings().root if root is None else root, storage_options=storage_options)
        store.check()
        gone = next((each.name for each in query.tables if store.find(each.name) is None), None)
        if gone is not None:
            raise CatalogError(
                f"no table {gone} in {store.root}, which the selection was compiled over; "
                f'give the loader the root that it is in: Loader(…, root="…")'
            )
        return query, store
    with cutlist.connect(root, views=views, storage_options=storage_options) as session:
        return session.compile(query), session.store
