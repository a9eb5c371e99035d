"""Backfills on Ray: this process says which rows, workers of a cluster compute them, a chunk of rows at a time.

A chunk is sent with its own part of the compiled inputs, so that workers need the tables and nothing else of this
machine. Each has two at a time: it computes one while it reads the next. Results are yielded as they come.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import ray
from ray import cloudpickle
from ray.exceptions import RayError, RayTaskError

from cutlist.backfill.featurizer import Featurizer
from cutlist.backfill.ray_cluster import connected, is_installed
from cutlist.errors import CutlistError, FeaturizerError, SettingsError
from cutlist.store import place_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cutlist.backfill.computing import Computed, Computing
    from cutlist.backfill.how import Ray
    from cutlist.backfill.inputs import Input

CHUNK_BATCHES = 4
"""Batches in a chunk, at most: what a worker that dies has computed in vain."""

CHUNKS_PER_WORKER = 4
"""Chunks are smaller where there are few rows, so that each worker gets some."""

IN_FLIGHT = 2
"""Chunks that a worker has at a time: the one that it computes, and the next."""

MOST_DEATHS = 3
"""So many workers may die over a chunk, and one after the other before they are set up."""


# -- on a worker ------------------------------------------------------------------------------------------------------


class _Worker:
    """What runs in a process of the cluster."""

    def setup(self, pickled: bytes) -> None:
        """Become able to compute.

        Raises:
            FeaturizerError: if the featurizer cannot be imported or set up here.
        """
        try:
            self._computing: Computing = cloudpickle.loads(pickled)
        except Exception as error:
            raise FeaturizerError(
                f"a worker of Ray cannot make the featurizer: {type(error).__name__}: {error}; what it imports must be "
                f"installed there"
            ) from error
        self._turn = threading.Lock()
        self._computing.setup()

    def compute(self, given: Input, positions: NDArray[np.int64]) -> list[Computed]:
        """Return what is made of samples; two threads are here, and one of them computes while the other reads."""
        with contextlib.closing(self._computing.read(given, positions)) as read:
            begun = itertools.chain([next(read)], read)  # the first batch: others are read ahead from then on
            with self._turn:
                return list(self._computing.made(begun))


# -- here -------------------------------------------------------------------------------------------------------------


@contextmanager
def workers(computing: Computing, options: Ray) -> Iterator[Workers]:
    """Return a context with workers that compute a featurizer over a table.

    Raises:
        FeaturizerError: if the featurizer cannot be sent to them.
        SettingsError: if there is no such cluster, or no room in it.
    """
    gpus = options.gpus(computing.how.device)
    with connected(options) as started:
        num = options.workers or _room(options.cpus_per_worker, gpus)
        how = replace(computing.how, ray=None, num_threads=max(int(options.cpus_per_worker), 1))
        pickled = _pickled(replace(computing, how=how), by_value=not started)
        remote = ray.remote(_Worker).options(
            num_cpus=options.cpus_per_worker, num_gpus=gpus, max_concurrency=IN_FLIGHT, scheduling_strategy="SPREAD"
        )
        found = Workers(computing, num, lambda: _Hand(remote.remote()), ray.put(pickled))
        try:
            yield found
        finally:
            found.end()


def _room(cpus: float, gpus: float) -> int:
    """Return how many workers the cluster has CPUs and GPUs for."""
    has = ray.cluster_resources()
    room = min(int(has.get(name, 0) / each) for name, each in (("CPU", cpus), ("GPU", gpus)) if each)
    if not room:
        raise SettingsError(
            f"engine ray: a worker takes {cpus:g} CPUs and {gpus:g} GPUs, and the cluster has {has.get('CPU', 0):g} "
            f"and {has.get('GPU', 0):g}; take less, or say how many workers, if it grows when they wait"
        )
    return room


def _pickled(computing: Computing, *, by_value: bool) -> bytes:
    """Return a featurizer over a table for other processes.

    Args:
        by_value: Whether they may lack the module that it is in, unless that is installed; it is sent along then.
    """
    featurizer = computing.declared.featurizer
    function = vars(featurizer).get("_function")
    home = sys.modules.get((type(featurizer) if function is None else function).__module__)
    sent = by_value and home is not None and not _is_everywhere(home)
    file = io.BytesIO()
    if sent:
        cloudpickle.register_pickle_by_value(home)
    try:
        _Pickler(file, functions=sent or computing.declared.reference is None).dump(computing)
    except Exception as error:
        raise FeaturizerError(
            f"featurizer {computing.declared.title} cannot be sent to workers: {type(error).__name__}: {error}; make "
            f"in setup(device) what cannot be copied"
        ) from error
    finally:
        if sent:
            cloudpickle.unregister_pickle_by_value(home)
    return file.getvalue()


def _is_everywhere(module: ModuleType) -> bool:
    """Return whether a module is of cutlist, or installed."""
    file = getattr(module, "__file__", None)
    own = module.__name__.partition(".")[0] in ("cutlist", "cutlist_featurizers")
    return own or (file is not None and is_installed(Path(file)))


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # ray is not typed
    """Pickles featurizers that are made of functions with these, where they cannot be imported by their names."""

    def __init__(self, file: io.BytesIO, *, functions: bool):
        super().__init__(file)
        self._functions = functions

    def reducer_override(self, given: Any) -> Any:
        """Return how an object is made again."""
        if self._functions and isinstance(given, Featurizer) and "_function" in vars(given):
            return object.__new__, (type(given),), dict(vars(given))
        return super().reducer_override(given)


@dataclass(slots=True, eq=False)
class _Chunk:
    """Positions, and how many workers died while they had them."""

    positions: NDArray[np.int64]
    deaths: int = 0


@dataclass(slots=True, eq=False)
class _Hand:
    """A worker as it is seen from here: whether it is set up, and its chunks."""

    actor: Any
    ready: bool = False
    chunks: list[_Chunk] = field(default_factory=list)

    @property
    def is_tested(self) -> bool:
        """Whether a chunk is computed alone there, as a worker died that had it."""
        return any(each.deaths for each in self.chunks)


class Workers:
    """A featurizer over a table, computed by workers of a cluster."""

    def __init__(self, computing: Computing, num: int, hire: Callable[[], _Hand], pickled: Any):
        """Hire workers; they are set up meanwhile.

        Args:
            num: How many there are to be at any time.
            hire: Makes one.
            pickled: What it is set up with.
        """
        self._computing, self._num, self._hire, self._pickled = computing, num, hire, pickled
        self._hands: list[_Hand] = []
        self._under_way: dict[Any, tuple[_Hand, _Chunk | None]] = {}  # by reference of Ray; no chunk: it is set up
        self._num_died = self._num_stillborn = 0
        self._fill()

    @property
    def remarks(self) -> Sequence[str]:
        """How many workers there are, and how many died."""
        alive = f"{sum(each.ready for each in self._hands)} of {self._num} workers"
        return [alive, f"{self._num_died} died"] if self._num_died else [alive]

    def end(self) -> None:
        """Let the workers go, whatever they are at."""
        for each in self._hands:
            ray.kill(each.actor)

    def batches(self, given: Input, positions: NDArray[np.int64]) -> Iterator[Computed]:
        """Yield what is made of samples, chunk by chunk as they are done (`Engine.batches`)."""
        todo = deque(self._chunks(positions))
        while todo or any(chunk is not None for _, chunk in self._under_way.values()):
            self._fill()
            self._give(given, todo)
            done, _ = ray.wait(list(self._under_way))
            for reference in done:
                hand, chunk = self._under_way.pop(reference)
                try:
                    result = ray.get(reference)
                except RayTaskError as error:
                    raise error.cause from None if isinstance(error.cause, CutlistError) else error
                except RayError as error:
                    self._bury(hand, error)
                    if chunk is not None:
                        self._again(given, chunk, error)
                        todo.append(chunk)  # after all others: these are computed, whatever comes of it
                    continue
                if chunk is None:
                    hand.ready, self._num_stillborn = True, 0
                    continue
                hand.chunks.remove(chunk)
                yield from result

    def _chunks(self, positions: NDArray[np.int64]) -> Iterator[_Chunk]:
        size = self._computing.declared.featurizer.batch_size
        fair = -(-len(positions) // (size * self._num * CHUNKS_PER_WORKER))
        step = size * min(max(fair, 1), CHUNK_BATCHES)
        return (_Chunk(positions[start : start + step]) for start in range(0, len(positions), step))

    def _fill(self) -> None:
        """Hire as many workers as are lacking."""
        while len(self._hands) < self._num:
            hand = self._hire()
            self._hands.append(hand)
            self._under_way[hand.actor.setup.remote(self._pickled)] = hand, None

    def _give(self, given: Input, todo: deque[_Chunk]) -> None:
        """Give chunks to the workers that have the fewest; one over which a worker died is given alone."""
        ready = [each for each in self._hands if each.ready and not each.is_tested]
        while todo and ready:
            hand = min(ready, key=lambda each: len(each.chunks))
            if len(hand.chunks) >= (1 if todo[0].deaths else IN_FLIGHT):
                return
            chunk = todo.popleft()
            hand.chunks.append(chunk)
            positions = chunk.positions
            self._under_way[hand.actor.compute.remote(given.excerpt(positions), positions)] = hand, chunk
            if hand.is_tested:
                ready.remove(hand)

    def _bury(self, hand: _Hand, error: RayError) -> None:
        """Do without a worker that died."""
        if hand not in self._hands:
            return
        self._hands.remove(hand)
        self._num_died += 1
        ray.kill(hand.actor)  # which may live on, where its result alone was lost
        if not hand.ready:
            self._num_stillborn += 1
        if self._num_stillborn >= MOST_DEATHS:
            raise FeaturizerError(
                f"featurizer {self._computing.declared.title}: {self._num_stillborn} workers in a row died before they "
                f"were set up; the last: {_reason(error)}"
            )

    def _again(self, given: Input, chunk: _Chunk, error: RayError) -> None:
        """Count a death over a chunk.

        Raises:
            FeaturizerError: if it is one too many.
        """
        chunk.deaths += 1
        if chunk.deaths < MOST_DEATHS:
            return
        declared, table = self._computing.declared, self._computing.table
        place = place_of(table.name, table.version, given.ids_at(chunk.positions), declared.outputs[0].name)
        raise FeaturizerError(
            f"featurizer {declared.title}: {chunk.deaths} workers died over the same rows, {place}; the last: "
            f"{_reason(error)}; leave them out by `where`, or give workers more memory"
        )


def _reason(error: RayError) -> str:
    """Return what Ray says of a death, in a sentence or two."""
    text = str(error)
    _, _, detail = text.rpartition("Worker exit detail: ")
    return " ".join(detail.split()) if detail != text else text.strip().partition("\n")[0]
