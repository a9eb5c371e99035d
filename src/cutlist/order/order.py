"""The order of a run: what each step draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.errors import OrderError, StateError
from cutlist.order.batching import Batching, whole
from cutlist.order.plans import BucketPlan, plan_buckets, shape_of
from cutlist.order.states import STATE_VERSION, check_settings, read_state
from cutlist.sampler import ORDER_VERSION, Block, Sampler, Schedule, Stage
from cutlist.sampler.permutation import MAX_SEED, check_range, derive, tag
from cutlist.sampler.ranks import check_ranks
from cutlist.sidecar import FragmentsOf, Keys, Sidecar, sidecar_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.order.rules import Rules
    from cutlist.selection import Column, Selection, Source
    from cutlist.store import Store

_COMPONENT = tag("component")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draw:
    """What a step takes from one component: positions of its selection, int64, in order."""

    component: int
    epoch: int
    bucket: str | None
    positions: NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Draw):
            return NotImplemented
        names = ("component", "epoch", "bucket")
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and bool(np.array_equal(self.positions, other.positions))

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One training set of a run, ready to be drawn from."""

    name: str
    selection: Selection
    sidecar: Sidecar
    keys: Keys
    sampler: Sampler

    def __reduce__(self) -> tuple[Any, ...]:  # the sampler's arrays are the sidecar's
        sampler = self.sampler
        rest = {name: getattr(sampler, name) for name in ("global_batch_size", "seed", "shuffle", "drop_last")}
        return _member, (self.name, self.selection, self.sidecar, self.keys, rest)

    @property
    def global_batch_size(self) -> int | dict[str, int]:
        """Samples in a step over all ranks; with buckets, of each."""
        size = self.sampler.global_batch_size
        if isinstance(size, int):
            return size
        return dict(zip(self.sidecar.buckets.names, size, strict=True))

    def shape(self, column: Column, bucket: int) -> tuple[int, ...] | None:
        """Return the shape that all media of a column have in a bucket, or None."""
        return shape_of(self.selection, self.sidecar, column, bucket)

    def bucket(self, number: int) -> str | None:
        """Return the name of a bucket."""
        return self.sidecar.buckets.names[number] if self.keys.bucket_by is not None else None

    def settings(self) -> dict[str, Any]:
        """Return what a state must agree on, as JSON-able values."""
        return {
            "selection": self.selection.fingerprint,
            "bucket_by": self.keys.bucket_by,
            "weight_by": self.keys.weight_by,
            "global_batch_size": self.global_batch_size,
        }


def _member(name: str, selection: Selection, sidecar: Sidecar, keys: Keys, rest: Mapping[str, Any]) -> Member:
    sampler = Sampler(num_samples=selection.num_samples, buckets=sidecar.buckets, **rest)
    return Member(name=name, selection=selection, sidecar=sidecar, keys=keys, sampler=sampler)


class Order:
    """What each step of a run draws. `at(epoch, step)` depends on the settings, the epoch and the step alone."""

    def __init__(self, components: Sequence[Member], rules: Rules):
        """Prepare an order; `make_order` has what is checked before.

        Raises:
            OrderError: if samples of components that differ in columns are to be mixed in one step.
        """
        self.components = tuple(components)
        self.rules = rules
        self._schedule: Schedule | None = None
        self._samplers: dict[int, Sampler] = {}
        if rules.mixture is None:
            return
        draws = 1
        if rules.mix == "samples":
            self._check_alike()
            draws = int(self.components[0].sampler.global_batch_size)  # type: ignore[arg-type]
        names = [each.name for each in components]
        stages = [
            Stage(from_step=start, weights=tuple(weights.get(name, 0.0) for name in names))
            for start, weights in rules.stages
        ]
        self._schedule = Schedule(stages=tuple(stages), draws_per_step=draws)

    def __reduce__(self) -> tuple[Any, ...]:
        return Order, (self.components, self.rules)

    def _check_alike(self) -> None:
        first = self.components[0]
        for each in self.components:
            if not isinstance(each.sampler.global_batch_size, int):
                raise OrderError(f'mix="samples": {each.name} has buckets, of which a step has one; use mix="steps"')
            if each.sampler.global_batch_size != first.sampler.global_batch_size:
                raise OrderError(
                    f'mix="samples": {first.name} has batches of {first.sampler.global_batch_size} and {each.name} of '
                    f"{each.sampler.global_batch_size}; a step with samples of both has one size"
                )
            one, other = ({column.name: column.type for column in of.selection.columns} for of in (first, each))
            if one != other:
                odd = next(name for name in [*one, *other] if one.get(name) != other.get(name))
                raise OrderError(
                    f'mix="samples": the column {odd} is {one.get(odd, "not there")} in {first.name} and '
                    f'{other.get(odd, "not there")} in {each.name}; select and cast it alike, or use mix="steps"'
                )

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        return len(self.components[0].sampler) if self.rules.num_steps is None else self.rules.num_steps

    def at(self, epoch: int, step: int, *, rank: int = 0, world_size: int = 1) -> tuple[Draw, ...]:
        """Return what one rank draws in a step, component after component; costs O(its part).

        Taking one sample of each rank in turn gives the step of one rank.

        Args:
            epoch: Counted from 0.
            step: In [0, len(self)).
            rank: In [0, world_size).
            world_size: Divides the global batch size.

        Raises:
            OrderError: if a number is out of its range.
            IndexError: if `step` is `len(self)` or more.
        """
        epoch, step = whole("epoch", epoch), whole("step", step)
        rank, world_size = whole("rank", rank), whole("world_size", world_size)
        if not 0 <= step < len(self):
            raise IndexError(f"step={step}; an epoch has {len(self)} steps")
        check_range("epoch", epoch, 0, MAX_SEED)
        if self._schedule is None:
            return (self._of(0, epoch, step, rank, world_size),)
        draws = self._schedule.draws(epoch * len(self) + step)
        if self.rules.mix == "steps":
            number, k, _ = draws[0]
            of_component = divmod(k, len(self.components[number].sampler))
            return (self._of(number, *of_component, rank, world_size),)
        check_ranks(sum(stop - first for _, first, stop in draws), rank, world_size)
        parts, before = [], 0
        for number, first, stop in draws:
            sampler = self.components[number].sampler
            start = min(first + (rank - before) % world_size, stop)
            positions = sampler.stream(start, stop, every=world_size)
            parts.append(Draw(component=number, epoch=first // sampler.num_draws(0), bucket=None, positions=positions))
            before += stop - first
        return tuple(parts)

    def spare(self, epoch: int, step: int, slot: int, attempt: int) -> tuple[int, int]:
        """Return what takes the place of a sample that cannot be decoded: a component, and a position of its selection.

        A spare is of the component and bucket of the sample, and depends on these numbers alone, so that a sample that
        fails changes no other; it may be a sample that the epoch has anyway.

        Args:
            epoch: Of the run.
            step: In [0, len(self)).
            slot: Of the sample among those of the step, over all ranks.
            attempt: From 0; the next one where a spare cannot be decoded either.
        """
        place = (whole("epoch", epoch), whole("step", step), whole("slot", slot), whole("attempt", attempt))
        draws, before = self.at(*place[:2]), 0
        for each in draws:
            before += len(each.positions)
            if place[2] < before:
                break
        else:
            raise OrderError(f"slot={slot}: the step has {before} samples")
        component = self.components[each.component]
        bucket = 0 if each.bucket is None else component.sidecar.buckets.names.index(each.bucket)
        return each.component, component.sampler.spare(bucket, derive(component.sampler.seed, *place))

    def _of(self, number: int, epoch: int, step: int, rank: int, world_size: int) -> Draw:
        """Return a step of a component."""
        component = self.components[number]
        sampler = self._samplers.get(number, component.sampler).at_epoch(epoch)
        self._samplers[number] = sampler
        bucket = component.bucket(sampler.locate(step)[0])
        positions = sampler.part(step, rank=rank, world_size=world_size)
        return Draw(component=number, epoch=epoch, bucket=bucket, positions=positions)

    def plan(self) -> list[BucketPlan]:
        """Return what an epoch of each component has, bucket by bucket."""
        plans = []
        for each in self.components:
            sizes = [each.sampler.batch_size(bucket) for bucket in range(len(each.sidecar.buckets.names))]
            plans += plan_buckets(each.selection, each.sidecar, each.keys, sizes, name=each.name, rules=self.rules)
        return plans

    # -- state --------------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Return what a state must agree on with the order that takes it up, as JSON-able values."""
        rules = self.rules
        return {
            "version": STATE_VERSION,
            "order_version": ORDER_VERSION,
            "seed": rules.seed,
            "shuffle": asdict(rules.shuffle) if isinstance(rules.shuffle, Block) else rules.shuffle,
            "drop_last": rules.drop_last,
            "mixture": [[start, dict(weights)] for start, weights in rules.stages] or None,
            "mix": rules.mix,
            "num_steps": rules.num_steps,
            "components": {each.name: each.settings() for each in self.components},
        }

    def state(self, epoch: int, step: int) -> dict[str, Any]:
        """Return a checkpoint: the settings, and the place of the next step."""
        return {**self.settings(), "epoch": epoch, "step": step}

    def place(self, state: Mapping[str, Any], *, beyond: int = 0) -> tuple[int, int]:
        """Return the epoch and step that a state is at.

        Args:
            state: What `state` returned.
            beyond: How many steps beyond the end of the epoch it may be.

        Raises:
            StateError: if the state is not one of this order; names the part that differs.
        """
        check_settings(state, self.settings())
        epoch, step = state["epoch"], state["step"]
        if type(epoch) is not int or type(step) is not int or epoch < 0 or not 0 <= step < len(self) + beyond:
            raise StateError(f"the state is at epoch {epoch!r}, step {step!r}; an epoch has {len(self)} steps")
        return epoch, step


def make_order(
    selections: Mapping[str, Selection],
    batching: Mapping[str, Batching],
    rules: Rules,
    *,
    world_size: int = 1,
    store: Store | None = None,
) -> Order:
    """Return the order of a run.

    Args:
        selections: Name → training set, for each of `rules.names`.
        batching: Name → how its batches are made.
        rules: What holds for the whole run.
        world_size: Number of ranks, for sizes that are given by rank.
        store: The root of the tables; needed where blocks are fragments.

    Raises:
        OrderError: if a column, a size or a weight does not fit; names the component.
    """
    components = []
    world_size = whole("world_size", world_size, at_least=1)
    for number, name in enumerate(rules.names):
        selection, each = selections[name], batching[name]
        try:
            keys = each.keys(rules.shuffle)
            if keys.fragments and keys.weight_by is not None:
                raise OrderError('weight_by does not go with Block(rows="fragment"): a sample comes several times')
            sidecar = sidecar_of(selection, keys, fragments_of=_fragments_in(store, selection))
            sizes = each.sizes(sidecar, world_size)
            rest = {
                "global_batch_size": sizes if keys.bucket_by is not None else sizes[0],
                "seed": rules.seed if rules.mixture is None else derive(_COMPONENT, rules.seed, number),
                "shuffle": rules.shuffle,
                "drop_last": rules.drop_last and rules.mix == "steps",
            }
            components.append(_member(name, selection, sidecar, keys, rest))
        except OrderError as error:
            raise OrderError(f"{name}: {error}" if rules.mixture is not None else str(error)) from error
    return Order(components, rules)


def _fragments_in(store: Store | None, selection: Selection) -> FragmentsOf:
    """Return what tells the fragments of rows of a selection's tables."""
    identities = {(each.name, each.version): each.identity for each in selection.tables}

    def fragments_of(source: Source, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        if store is None:
            raise OrderError('Block(rows="fragment"): the tables are needed, to see which fragments they have')
        return store.pinned(source.table, source.version, identities[source.table, source.version]).fragments(row_ids)

    return fragments_of


def order_of(state: Mapping[str, Any], find: Callable[[str], Selection], *, store: Store | None = None) -> Order:
    """Return the order that a state is of.

    Args:
        state: What `Order.state` returned.
        find: Fingerprint → the selection.
        store: The root of the tables; needed where blocks are fragments and the sidecar is to be made again.

    Raises:
        StateError: if it is no state of this version.
    """
    rules, batching, fingerprints = read_state(state)
    selections = {name: find(fingerprint) for name, fingerprint in fingerprints.items()}
    return make_order(selections, batching, rules, store=store)
