"""The loader: a query → batches, in an order that depends on the data, the seed, the epoch and the step alone."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch.utils.data import IterableDataset, get_worker_info

import cutlist
from cutlist.errors import OrderError, SettingsError, StateError
from cutlist.reader import Processor, Reader, ReaderStats
from cutlist.sampler import ORDER_VERSION, Sampler, rank_slice, worker_steps
from cutlist.selection import Selection
from cutlist.store import Store
from cutlist_torch.batch import Batch, collate, plan_columns
from cutlist_torch.ranks import resolve_rank

STATE_VERSION = 1
"""Version of `state_dict`; another is refused. A change is a CHECKPOINT BREAKING CHANGE in the changelog."""


class Loader(IterableDataset[Batch]):
    """Batches of a training set that is a SQL query.

    The batches of an epoch are the same for every number of ranks (of one global batch size), workers and threads.
    Use it as it is, in a `for` loop, or under `torch.utils.data.DataLoader(loader, batch_size=None, num_workers=N,
    multiprocessing_context="spawn")`; then tell it the epoch with `set_epoch`, as the workers have copies of it.

    Finishing an epoch moves to the next one. A loop that is left early goes on at the next batch when iterated again.
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
        if type(batch_size) is not int or batch_size < 1:
            raise OrderError(f"batch_size={batch_size!r}: expected a whole number of at least 1")
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
            seed=seed,
            shuffle=shuffle,
            drop_last=drop_last,
        )
        self._processors = tuple(processors)
        self._num_threads = num_threads
        self._prefetch_bytes = cutlist.Settings().prefetch_bytes
        self._pin_memory = pin_memory
        self._epoch, self._step = 0, 0
        self._pid, self._copied = os.getpid(), False
        self.stats = ReaderStats()

    def __getstate__(self) -> dict[str, Any]:
        self._copied = True
        return {name: value for name, value in self.__dict__.items() if name not in ("stats", "_copied")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pid, self._copied, self.stats = os.getpid(), False, ReaderStats()

    def __repr__(self) -> str:
        return (
            f"Loader({self.selection!r}, batch_size={self.batch_size}, rank {self.rank} of {self.world_size}, "
            f"{len(self):,} steps; at epoch {self._epoch}, step {self._step})"
        )

    def __len__(self) -> int:
        """Return the number of steps in an epoch, the same on every rank."""
        return len(self._sampler)

    def __iter__(self) -> Generator[Batch, None, None]:
        """Yield the batches from the current step to the end of the epoch.

        Raises:
            MediaError: where a sample cannot be read or decoded; names table, version, row id and column.
        """
        if os.getpid() != self._pid:
            raise SettingsError(
                "the loader was copied by fork, after which Lance's threads are gone; "
                'use DataLoader(…, multiprocessing_context="spawn") or "forkserver"'
            )
        worker = get_worker_info()
        which, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        threads = self._num_threads or max((os.cpu_count() or 1) // of, 1)
        epoch, steps = self._epoch, range(self._step, len(self))
        if worker is not None:
            steps = worker_steps(steps.start, steps.stop, worker=which, num_workers=of)
        sampler = self._sampler.at_epoch(epoch)
        reader = Reader(
            self.selection,
            self._store,
            processors=self._processors,
            num_threads=threads,
            prefetch_bytes=self._prefetch_bytes // of,
        )
        self.stats = reader.stats
        plans = plan_columns(self.selection)
        rows_of_steps = reader.read(self._positions(sampler, steps))
        try:
            for step, rows in zip(steps, rows_of_steps, strict=True):
                batch = collate(rows, plans, epoch=epoch, step=step)
                if self._pin_memory:
                    batch = batch.pin_memory()
                self._epoch, self._step = (epoch, step + 1) if step + 1 < len(self) else (epoch + 1, 0)
                self._copied = False
                yield batch
        finally:
            rows_of_steps.close()

    def _positions(self, sampler: Sampler, steps: Sequence[int]) -> Iterator[Any]:
        for step in steps:
            yield rank_slice(sampler[step], rank=self.rank, world_size=self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch, counted from 0."""
        if epoch < 0:
            raise OrderError(f"epoch {epoch}: expected 0 or more")
        self._epoch, self._step = epoch, 0

    def state_dict(self, *, after: Batch | None = None) -> dict[str, Any]:
        """Return where the loader is, as JSON-able values: the state after the last batch that was handed out.

        Args:
            after: The last batch that was trained on. Needed under a DataLoader with workers, whose copies of the
                loader run ahead.

        Raises:
            StateError: if the batches came from workers and `after` is not given.
        """
        if after is not None:
            epoch, step = (after.epoch, after.step + 1) if after.step + 1 < len(self) else (after.epoch + 1, 0)
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
        for name, here in self._identity().items():
            if name not in state:
                raise StateError(f'the state has no "{name}"; expected what Loader.state_dict returned')
            if state[name] != here:
                raise StateError(
                    f"the state is of another {_PARTS[name]}: {state[name]!r} there, {here!r} here; {_REMEDIES[name]}"
                )
        epoch, step = int(state["epoch"]), int(state["step"])
        if epoch < 0 or not 0 <= step < len(self):
            raise StateError(f"the state is at epoch {epoch}, step {step}; an epoch has {len(self)} steps")
        self._epoch, self._step = epoch, step
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
        store = Store(
            root=os.fspath(root) if root is not None else cutlist.Settings().root, storage_options=storage_options
        )
        store.check()
        if query.num_samples == 0:
            raise OrderError("the selection is empty")
        return query, store
    with cutlist.connect(root, views=views, storage_options=storage_options) as session:
        return session.compile(query), session.store
