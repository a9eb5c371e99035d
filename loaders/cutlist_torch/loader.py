"""The loader: a query → batches, in an order that depends on the data, the seed, the epoch and the step alone."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch.utils.data import IterableDataset, get_worker_info

from cutlist.errors import OrderError, SettingsError, StateError
from cutlist.log import Log
from cutlist.order import Batching, BatchSize, BucketPlan, Component, Draw, Mix, Mixture, Query, Rules, whole
from cutlist.reader import Part, Processor, Reader, ReaderStats, Row
from cutlist.sampler import Shuffle, worker_steps
from cutlist.settings import num_cores, read_settings
from cutlist_torch.batch import Batch, collate, plan_columns, with_spares
from cutlist_torch.logged import log_batch, run_name
from cutlist_torch.opening import Hint, Opened, Place, asked, components_of, open_run
from cutlist_torch.profile import Profile, measure
from cutlist_torch.ranks import Meeting, in_group, resolve_rank

if TYPE_CHECKING:
    from cutlist.selection import Selection

RECORD_SECONDS = 10
"""Failures are written to `_failures` at most this often while a loop goes on, and when it ends."""


class Loader(IterableDataset[Batch]):
    """Batches of a training set that is a SQL query, or of a mixture of such.

    The batches of an epoch are the same for every number of ranks (of one global batch size), workers and threads.
    Use it as it is, in a `for` loop, or under `torch.utils.data.DataLoader(loader, batch_size=None, num_workers=N,
    multiprocessing_context="spawn")`. The workers have copies of it, so tell it the epoch with `set_epoch` before each
    pass; with `persistent_workers=True`, each pass is the next epoch unless it is told another.

    Finishing an epoch moves to the next one. A loop that is left early goes on at the next batch when iterated again;
    an iterator of before then raises, as it does after `set_epoch` and `load_state_dict`.
    """

    def __init__(
        self,
        query: Query | Mixture,
        *,
        batch_size: BatchSize | None = None,
        global_batch_size: BatchSize | None = None,
        batch_budget: tuple[str, float] | None = None,
        bucket_by: str | None = None,
        weight_by: str | None = None,
        components: Mapping[str, Component] | None = None,
        mix: Mix = "steps",
        num_steps: int | None = None,
        root: str | os.PathLike[str] | None = None,
        views: str | os.PathLike[str] | None = None,
        storage_options: Mapping[str, str] | None = None,
        seed: int = 0,
        shuffle: Shuffle = "full",
        drop_last: bool = True,
        processors: Sequence[Processor] = (),
        rank: int | None = None,
        world_size: int | None = None,
        num_threads: int | None = None,
        pin_memory: bool = False,
        on_error: Literal["spare", "raise"] = "spare",
        max_failures: float = 0.05,
        exclude_failures: bool = False,
        cache_bytes: int | None = None,
    ):
        """Compile the queries, or find the selections that were compiled before.

        In a process group rank 0 compiles, and the first rank of each machine after it; the others map the files that
        were saved, and all compare what they were given. So every rank makes its loader, unless it is told `rank`.

        Args:
            query: A SELECT, a view's name, a Selection, or the path of a saved one (`….arrow`); or a mixture: such
                queries with their weights, `{"hd": 0.7, "anime": 0.3}`; or a schedule of mixtures,
                `[(0, {"images": 1.0}), (10_000, {"images": 0.2, "hd": 0.8})]`, each from a step of the run on.
            batch_size: Samples in a batch of this rank; the global batch is `batch_size * world_size`. With buckets
                also bucket → size, or a function of the bucket.
            global_batch_size: Instead: samples in a batch over all ranks.
            batch_budget: Instead: (column, budget); a batch of this rank has `budget // cost` samples, where the cost
                is the largest of its bucket in that column.
            bucket_by: A column of the query: each batch has samples with one value in it, on all ranks the same.
            weight_by: A column of the query: samples come in proportion to it.
            components: Names in a mixture → queries with batches of their own.
            mix: Of a mixture: the weights are proportions of `"steps"`, or of the `"samples"` of each step.
            num_steps: Of a mixture: steps in an epoch of the run; its components have epochs of their own.
            root: The tables' folder or URI; default `CUTLIST_ROOT`, or where a saved selection was found, else `.`.
            views: Folder with the views.
            storage_options: For an object store, as Lance takes them.
            seed: Of the order, and of what is random in decoding (`random_crop` and its like).
            shuffle: `"full"`, `"block"` or a `cutlist.sampler.Block`, or None to keep the selection's order.
            drop_last: Whether a last, smaller batch (of each bucket) is left out; False needs one rank.
            processors: Functions from one row (a dict) to one row, applied in order in the decoding threads.
            rank: This process; default that of torch.distributed, else of torchrun or srun, else 0.
            world_size: Number of ranks; default likewise.
            num_threads: Threads that decode; default one for each core (of a DataLoader worker: its share).
            pin_memory: Whether tensors are in page-locked memory.
            on_error: What to do where a sample cannot be decoded: `"spare"`: put another of the same bucket in its
                place, drawn from the seed, the epoch and its place, and record it in the table `_failures`; `"raise"`.
            max_failures: Share of the samples that may fail, beyond the first ten, before the run stops.
            exclude_failures: Whether samples with media that are in `_failures` already are left out of the queries,
                as by `Session.compile`.
            cache_bytes: How much of a root that is not local is kept on this machine, for all its processes; default
                `CUTLIST_CACHE_BYTES`, else nothing.

        Raises:
            QueryError: if a query cannot be compiled.
            SelectionError: if a selection is empty, or the file is not one.
            OrderError: for a batch size, column, weight, shuffle or rank that does not fit, or if ranks disagree.
            SettingsError: for an `on_error` or `max_failures` that is none.
        """
        super().__init__()
        settings = read_settings()
        if cache_bytes is not None:
            settings = settings.model_copy(update={"cache_bytes": whole("cache_bytes", cache_bytes, at_least=0)})
        place = Place(root=root, views=views, storage_options=storage_options, settings=settings)
        alone = rank is not None or not in_group()
        self.rank, self.world_size = resolve_rank(rank, world_size)

        def prepared() -> tuple[dict[str, Component], Rules, dict[str, Any]]:
            batching = Batching(
                batch_size=batch_size,
                global_batch_size=global_batch_size,
                batch_budget=batch_budget,
                bucket_by=bucket_by,
                weight_by=weight_by,
            )
            named, mixture = components_of(query, components, batching)
            rules = Rules(
                seed=seed, shuffle=shuffle, drop_last=drop_last, mixture=mixture, mix=mix, num_steps=num_steps
            )
            if not drop_last and self.world_size > 1:
                raise OrderError(
                    f"drop_last=False with {self.world_size} ranks: the last batch cannot be shared out evenly; "
                    f"use drop_last=True"
                )
            if on_error not in ("spare", "raise"):
                raise SettingsError(f'on_error={on_error!r}; allowed: "spare" or "raise"')
            if not 0 <= max_failures <= 1:
                raise SettingsError(f"max_failures={max_failures!r}: expected a share of the samples, from 0 to 1")
            same = {"on_error": on_error, "max_failures": max_failures, "exclude_failures": exclude_failures}
            return named, rules, {**asked(named), **same}

        def opened(hint: Hint | None = None) -> Opened:
            return open_run(
                named,
                rules,
                place,
                world_size=self.world_size,
                exclude_failures=exclude_failures,
                hint=hint,
            )

        if alone:
            named, rules, _ = prepared()
            run = opened()
        else:
            with Meeting() as meeting:
                named, rules, given = meeting.together(prepared)
                meeting.check(given)
                run = meeting.make(opened, Opened.hint)
                meeting.check({**run.order.settings(), "world_size": self.world_size})
        self.order, self._store = run.order, run.store
        self._processors = tuple(processors)
        self._on_error, self._max_failures = on_error, max_failures
        self._num_threads = num_threads or settings.num_threads
        self._prefetch_bytes = settings.prefetch_bytes
        self._pin_memory = pin_memory
        self._plans = plan_columns(self.order)
        self._collate_seconds = 0.0
        self._epoch, self._step = 0, 0
        # (moves, epoch, step) as set_epoch and load_state_dict said last: what persistent workers look at.
        self._told: torch.Tensor = torch.zeros(3, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._moves = 0
        self._passed: int | None = None  # of a worker: the epoch of the pass that it began last
        self._iterator: object = None
        self._pid, self._copied = os.getpid(), False
        self._log = Log(run.store)
        self.stats = ReaderStats()

    def __getstate__(self) -> dict[str, Any]:
        self._copied = True
        own = ("stats", "_copied", "_iterator", "_log")
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pid, self._copied, self._iterator, self.stats = os.getpid(), False, None, ReaderStats()
        self._log = Log(self._store)

    def __repr__(self) -> str:
        named = ", ".join(f"{each.name}: {each.selection!r}" for each in self.order.components)
        return (
            f"Loader({named}; rank {self.rank} of {self.world_size}, "
            f"{len(self):,} steps; at epoch {self._epoch}, step {self._step})"
        )

    @property
    def selection(self) -> Selection:
        """The selection, where there is one.

        Raises:
            OrderError: in a mixture: `loader.order.components` has them.
        """
        if len(self.order.components) > 1:
            raise OrderError("a mixture has several selections: [each.selection for each in loader.order.components]")
        return self.order.components[0].selection

    def profile(self, steps: int = 50) -> Profile:
        """Make some steps as fast as they can be made, and return where the time went; the loader stays where it is.

        Args:
            steps: How many, from the current one on; fewer where the epoch ends.

        Raises:
            OrderError: if `steps` is not a whole number of at least 1.
        """
        return measure(self, whole("steps", steps, at_least=1))

    def log(self, batch: Batch, *, run: str | None = None, **values: Any) -> None:
        """Add values of the samples of a batch to the table `_log` of the root: losses, to see later which are worst.

        A sample has a row for each stored row that it has media, or late columns, of: with the run, epoch and step, its
        place in the step over all ranks (`sample`), `selection` and `position`, and `table`, `version` and `row_id`. A
        spare is logged as itself. The table is only ever appended to. It is written every ten seconds, by `flush_log`,
        and at exit: a process that is killed loses the last ten seconds. Nothing waits for a CUDA device or for the
        storage; call it in the training loop, of each rank.

        Args:
            batch: As the loader, or a DataLoader over it, gave it.
            run: Name of the training run; default: one that is the same for the same queries, seed and batch sizes, in
                all ranks and when the run is resumed.
            values: By name, a number for each sample: a tensor (n,) on any device, an array, or a list in which None is
                NULL. Each becomes a column of DOUBLE, in lower case. What is not finite is NULL.

        Raises:
            SettingsError: if the batch is none of the loader's, a name is none for a column, or values are no numbers
                or not one for each sample; in a DataLoader worker.

        Warns:
            UserWarning: if what was logged before cannot be written; it is tried again.

        Examples:
            >>> import tempfile
            >>> from pathlib import Path
            >>> import cutlist
            >>> folder = Path(tempfile.mkdtemp())
            >>> for i in range(4):
            ...     _ = (folder / f"{i}.ppm").write_bytes(b"P6 1 1 255 " + bytes([60 * i] * 3))
            >>> with cutlist.connect(folder / "data", create=True) as session:
            ...     _ = session.ingest(folder, table="dots")
            >>> loader = Loader("SELECT image.resize(1, 1) AS dot FROM dots", root=folder / "data", batch_size=2)
            >>> for batch in loader:
            ...     loss = batch["dot"].float().mean(dim=(1, 2, 3))
            ...     loader.log(batch, run="baseline", loss=loss)
            >>> loader.flush_log()
            >>> worst = "SELECT path, loss FROM _log JOIN dots ON dots._rowid = row_id ORDER BY loss DESC LIMIT 2"
            >>> with cutlist.connect(folder / "data") as session:
            ...     session.sql(worst).fetchall()
            [('3.ppm', 180.0), ('2.ppm', 120.0)]
        """
        if get_worker_info() is not None:
            raise SettingsError("log: called in a DataLoader worker; call it in the training loop, on each batch")
        if getattr(batch, "run", None) != self._run:
            kind = type(batch).__name__
            raise SettingsError(f"log: a {kind} that is not of this loader; expected one of its batches, as it gave it")
        name = self._run if run is None else str(run)
        log_batch(self._log, batch, values, order=self.order, run=name, rank=self.rank, world_size=self.world_size)

    @cached_property
    def _run(self) -> str:
        """What a run is called that was given no name; also tells the batches of loaders apart."""
        return run_name(self.order.settings())

    def flush_log(self) -> None:
        """Write what was logged.

        Warns:
            UserWarning: if it cannot be written; it is tried again.
        """
        self._log.flush()

    def plan(self) -> list[BucketPlan]:
        """Return what an epoch has, bucket by bucket: samples, batches, and samples left out."""
        return self.order.plan()

    def __len__(self) -> int:
        """Return the number of steps in an epoch, the same on every rank."""
        return len(self.order)

    def __iter__(self) -> Generator[Batch, None, None]:
        """Return an iterator over the batches from the current step to the end of the epoch.

        Raises:
            MediaError: where a sample cannot be decoded and no spare may take its place, or too many cannot; names
                table, version, row id and column.
            StorageError: where the storage fails, again and again.
        """
        if os.getpid() != self._pid:
            raise SettingsError(
                "the loader was copied by fork, after which Lance's threads are gone; "
                'use DataLoader(…, multiprocessing_context="spawn") or "forkserver"'
            )
        self._iterator = mine = object()
        worker = get_worker_info()
        if worker is None:
            steps = range(self._step, len(self))
            return self._batches(mine, self._epoch, steps, num_threads=self._num_threads)
        moves, epoch, step = self._told.tolist()
        if moves != self._moves:
            self._moves, self._epoch, self._step = moves, epoch, step
        elif self._passed is not None:  # one pass is one epoch, however it ended
            self._epoch, self._step = self._passed + 1, 0
        self._passed = self._epoch
        steps = worker_steps(self._step, len(self), worker=worker.id, num_workers=worker.num_workers)
        threads = self._num_threads or max(num_cores() // worker.num_workers, 1)
        return self._batches(mine, self._epoch, steps, num_threads=threads, share=worker.num_workers)

    def _batches(
        self, mine: object, epoch: int, steps: range, *, num_threads: int | None, share: int = 1
    ) -> Generator[Batch, None, None]:
        """Yield the batches of some steps of an epoch, while `mine` is the loader's iterator.

        Args:
            mine: Stands for this iterator.
            epoch: Counted from 0.
            steps: In ascending order.
            num_threads: Threads that decode.
            share: Workers of this machine that share the memory for reading ahead.
        """

        spares: dict[int, dict[int, int]] = {}  # number of a step → sample in it → position of what is in its place

        def spare(number: int, sample: int, attempt: int) -> tuple[int, int]:
            place = self.order.spare(epoch, steps[number], self.rank + sample * self.world_size, attempt)
            spares.setdefault(number, {})[sample] = place[1]
            return place

        reader = Reader(
            [each.selection for each in self.order.components],
            self._store,
            processors=self._processors,
            num_threads=num_threads,
            prefetch_bytes=self._prefetch_bytes // share,
            spare=spare if self._on_error == "spare" else None,
            max_failures=self._max_failures,
            seed=self.order.rules.seed,
        )
        self.stats = reader.stats
        recorded = time.monotonic()
        self._collate_seconds = 0.0
        drawn: deque[tuple[Draw, ...]] = deque()
        rows_of_steps = reader.read(self._parts(epoch, steps, drawn))
        with contextlib.closing(rows_of_steps):
            try:
                for number, (step, rows) in enumerate(zip(steps, rows_of_steps, strict=True)):
                    if self._iterator is not mine:
                        raise StateError(
                            "this iterator is out of date: the loader was iterated anew, or moved by set_epoch or "
                            "load_state_dict; begin a new loop"
                        )
                    began = time.perf_counter()
                    batch = self._batch(epoch, step, rows, with_spares(drawn.popleft(), spares.pop(number, {})))
                    self._collate_seconds += time.perf_counter() - began
                    if self._passed is None:
                        self._epoch, self._step = self._after(epoch, step)
                        self._copied = False
                    else:  # a worker, which makes one step of so many
                        self._step += steps.step
                    if time.monotonic() - recorded > RECORD_SECONDS:
                        reader.record_failures()
                        recorded = time.monotonic()
                    yield batch
            finally:
                reader.record_failures()

    def _parts(self, epoch: int, steps: range, drawn: deque[tuple[Draw, ...]]) -> Iterator[list[Part]]:
        """Yield what the reader is to read for each step, and append to `drawn` what the order says of it."""
        for step in steps:
            draws = self.order.at(epoch, step, rank=self.rank, world_size=self.world_size)
            drawn.append(draws)
            yield [Part(each.component, each.positions, each.epoch) for each in draws]

    def _batch(self, epoch: int, step: int, rows: list[Row], draws: tuple[Draw, ...]) -> Batch:
        first = draws[0]
        plans = self._plans[first.component]
        by_steps = self.order.rules.mixture is not None and self.order.rules.mix == "steps"
        name = self.order.components[first.component].name if by_steps else None
        batch = collate(
            rows, plans, epoch=epoch, step=step, component=name, bucket=first.bucket, draws=draws, run=self._run
        )
        return batch.pin_memory() if self._pin_memory else batch

    def _after(self, epoch: int, step: int) -> tuple[int, int]:
        """Return the epoch and step that follow a step."""
        return (epoch, step + 1) if step + 1 < len(self) else (epoch + 1, 0)

    def _move(self, epoch: int, step: int) -> None:
        """Go to a step, and tell the workers' copies."""
        self._epoch, self._step, self._iterator = epoch, step, None
        self._moves += 1
        self._told.copy_(torch.tensor([self._moves, epoch, step]))

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch, counted from 0."""
        self._move(whole("epoch", epoch, at_least=0), 0)

    def state_dict(self, *, after: Batch | None = None) -> dict[str, Any]:
        """Return where the loader is, as JSON-able values: the state after the last batch that was handed out.

        Args:
            after: The last batch that was trained on. Needed under a DataLoader with workers, whose copies of the
                loader run ahead.

        Raises:
            StateError: if the batches came from workers and `after` is not given.
        """
        worker = get_worker_info()
        if worker is not None:  # torchdata's StatefulDataLoader asks each of its workers
            state = self.order.state(self._epoch, self._step)
            return {**state, "worker": [worker.id, worker.num_workers]}
        if after is not None:
            return self.order.state(*self._after(after.epoch, after.step))
        if self._copied:
            raise StateError(
                "this loader was copied to DataLoader workers, so it cannot know which batch was the last; "
                "call state_dict(after=batch)"
            )
        return self.order.state(self._epoch, self._step)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a loader was: the next batch is the one after its last.

        Raises:
            StateError: if the state is of another selection, seed, shuffle, batch size or order; names the part.
        """
        worker = get_worker_info()
        there = state.get("worker")
        here = None if worker is None else [worker.id, worker.num_workers]
        if there != here:
            raise StateError(
                f"the state is of {_worker(there)}, and this is {_worker(here)}; a StatefulDataLoader takes up its own "
                f"states, with as many workers; a loader those of Loader.state_dict"
            )
        if worker is not None:
            self._epoch, self._step = self.order.place(state, beyond=worker.num_workers)
            self._passed = None
            return
        self._move(*self.order.place(state))
        self._copied = False


def _worker(place: Any) -> str:
    return "a whole loader" if place is None else f"worker {place[0]} of {place[1]}"
