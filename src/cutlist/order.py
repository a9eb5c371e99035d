"""The order of a run: which samples of which training sets each step visits, for one training set or a mixture.

An order is made of selections, their sidecars and the numbers of `cutlist.sampler`; it reads no media, and is the same
in every process. A checkpoint is the order's settings and a place in it (`Order.state`), from which the order can be
made again.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cutlist.errors import OrderError, StateError, listing, suggest
from cutlist.media.shapes import fixed_shape
from cutlist.sampler import ORDER_VERSION, Block, Sampler, Schedule, Shuffle, Stage, derive, tag
from cutlist.sidecar import FragmentsOf, Keys, Sidecar, sidecar_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cutlist.selection import Column, Selection, Source
    from cutlist.store import Store

STATE_VERSION = 2
"""Version of a state; another is refused. A change is a CHECKPOINT BREAKING CHANGE in the changelog."""

ONLY = "samples"
"""What the component of a run is called where there is one training set."""

Query: TypeAlias = "str | os.PathLike[str] | Selection"
BatchSize: TypeAlias = int | Mapping[str, int] | Callable[[str], int]
Mix: TypeAlias = Literal["steps", "samples"]
Weights: TypeAlias = Mapping[str, float]
Mixture: TypeAlias = Weights | Sequence[tuple[int, Weights]]
"""Name of each component → its weight; or such weights from one step on, and others from another."""

_COMPONENT = tag("component")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How batches are made of the samples of a training set.

    Exactly one of `batch_size`, `global_batch_size` and `batch_budget` is given.

    Args:
        batch_size: Samples in a batch of one rank; with buckets, also bucket → size, or a function of the bucket.
        global_batch_size: Likewise over all ranks: the same batches for every number of ranks that divides them.
        batch_budget: A column with a cost, and how much of it a batch of one rank may have at most: its size is the
            budget divided by the largest cost in the bucket, rounded down.
        bucket_by: A column: each batch is of samples with one value in it.
        weight_by: A column: samples come in proportion to it.
    """

    batch_size: BatchSize | None = None
    global_batch_size: BatchSize | None = None
    batch_budget: tuple[str, float] | None = None
    bucket_by: str | None = None
    weight_by: str | None = None

    @property
    def has_size(self) -> bool:
        """Whether any size of batches is given."""
        return any(each is not None for each in (self.batch_size, self.global_batch_size, self.batch_budget))

    def sizes(self, sidecar: Sidecar, world_size: int) -> tuple[int, ...]:
        """Return the global batch size of each bucket.

        Raises:
            OrderError: if there is none for a bucket, or it is not a whole number of at least 1, or it cannot be shared
                equally by the ranks.
        """
        given = [self.batch_size, self.global_batch_size, self.batch_budget]
        if sum(each is not None for each in given) != 1:
            raise OrderError(
                "expected one of batch_size (of each rank), global_batch_size (of all ranks together) and "
                f"batch_budget, not {sum(each is not None for each in given)} of them; e.g. batch_size=32"
            )
        names = sidecar.buckets.names
        if self.batch_budget is not None:
            return tuple(each * world_size for each in self._from_budget(sidecar, *self.batch_budget))
        if self.batch_size is not None:
            return tuple(self._size("batch_size", self.batch_size, name) * world_size for name in names)
        assert self.global_batch_size is not None
        sizes = tuple(self._size("global_batch_size", self.global_batch_size, name) for name in names)
        odd = next((each for each in sizes if each % world_size), None)
        if odd is not None:
            raise OrderError(f"global_batch_size={odd} cannot be shared equally by {world_size} ranks")
        return sizes

    def _size(self, argument: str, given: BatchSize, bucket: str) -> int:
        if callable(given):
            return whole(f"{argument}({bucket!r})", given(bucket), at_least=1)
        if isinstance(given, Mapping):
            if self.bucket_by is None:
                raise OrderError(f"{argument} has a size for each bucket, and there are none; give bucket_by too")
            if bucket not in given:
                raise OrderError(
                    f'{argument} has no size for the bucket "{bucket}" of {self.bucket_by}{suggest(bucket, given)} '
                    f"It has: {listing(given)}; `cutlist plan` shows the buckets"
                )
            return whole(f'{argument}["{bucket}"]', given[bucket], at_least=1)
        return whole(argument, given, at_least=1)

    @staticmethod
    def _from_budget(sidecar: Sidecar, column: str, budget: float) -> list[int]:
        assert sidecar.costs is not None
        sizes = []
        for name, cost in zip(sidecar.buckets.names, sidecar.costs, strict=True):
            if cost <= 0 or cost > budget:
                what = f'a sample of the bucket "{name}"' if name else "a sample"
                why = f"{budget:g} is the budget of a batch" if cost > 0 else "expected a cost above 0"
                raise OrderError(f"batch_budget: {what} has {column} = {cost:g}; {why}")
            sizes.append(int(budget // cost))
        return sizes

    def keys(self, shuffle: Shuffle) -> Keys:
        """Return what the sidecar of such batches is made of."""
        return Keys(
            bucket_by=self.bucket_by,
            weight_by=self.weight_by,
            cost_by=self.batch_budget[0] if self.batch_budget is not None else None,
            fragments=isinstance(shuffle, Block) and shuffle.rows == "fragment",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Component(Batching):
    """A training set in a mixture, with batches of its own making.

    Args:
        query: A SELECT, a view's name, a Selection, or the path of a saved one.

    Examples:
        >>> Component("images", batch_size=64).bucket_by is None
        True
    """

    query: Query = field(kw_only=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a step takes from one component: positions of its selection, int64, in order."""

    component: int
    epoch: int
    bucket: str | None
    positions: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlan:
    """What an epoch has of one bucket: samples, steps, and samples left out in every epoch, others in each."""

    component: str
    bucket: str | None
    num_samples: int
    global_batch_size: int
    num_batches: int
    num_dropped: int
    shape: str


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
        there = self.sidecar.shapes.get(column.name, {})
        ops = replace(
            column, constants={**column.constants, **{name: each[bucket] for name, each in there.items()}}
        ).ops
        number = column.constants.get("source")
        sources = self.selection.sources
        kinds = (
            {sources[number].kind} if number is not None else {each.kind for each in sources if each.kind != "value"}
        )
        return fixed_shape(kinds.pop(), ops) if ops is not None and len(kinds) == 1 and not column.null_count else None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for the whole run.

    Args:
        seed: Of every shuffle and draw.
        shuffle: Within an epoch of each component.
        drop_last: Whether an epoch's last, smaller batch (of each bucket) is left out.
        mixture: Weights of the components, or a schedule of such; None: one component, in epochs of its own.
        mix: Whether the weights are proportions of `"steps"`, each of one component, or of the `"samples"` of a step.
        num_steps: With a mixture, steps in an epoch of the run; the components go through epochs of their own.

    Raises:
        OrderError: if `num_steps` and `mixture` do not go together, or a value is none of those allowed.
    """

    seed: int = 0
    shuffle: Shuffle = "full"
    drop_last: bool = True
    mixture: Mixture | None = None
    mix: Mix = "steps"
    num_steps: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", whole("seed", self.seed))
        if self.mix not in ("steps", "samples"):
            raise OrderError(f'mix={self.mix!r}; allowed: "steps" (each of one component) or "samples" (of each step)')
        if (self.num_steps is None) != (self.mixture is None):
            raise OrderError(
                "a mixture has no end of its own: say how many steps an epoch of the run has, e.g. num_steps=10_000"
                if self.num_steps is None
                else f"num_steps={self.num_steps} is for mixtures; one training set has as many steps as batches, "
                f"or write it as a mixture: {{query: 1.0}}"
            )
        if self.num_steps is not None:
            object.__setattr__(self, "num_steps", whole("num_steps", self.num_steps, at_least=1))
        if self.mixture is not None and self.drop_last is not True:
            raise OrderError("drop_last=False is for one training set; a mixture has batches of one size")

        for _, weights in self.stages:
            for name, weight in weights.items():
                if isinstance(weight, bool) or not isinstance(weight, Real):
                    raise OrderError(f"mixture: {name} has the weight {weight!r}; expected a number of at least 0")

    @property
    def stages(self) -> tuple[tuple[int, Weights], ...]:
        """The mixture as a schedule: (from step, weights)."""
        if self.mixture is None:
            return ()
        return ((0, self.mixture),) if isinstance(self.mixture, Mapping) else tuple(self.mixture)

    @property
    def names(self) -> tuple[str, ...]:
        """The components, in the order of their names, which is that of their numbers."""
        return tuple(sorted({name for _, weights in self.stages for name in weights})) or (ONLY,)


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
            Stage(from_step=whole("from_step", start), weights=tuple(weights.get(name, 0) for name in names))
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
        if not 0 <= step < len(self):
            raise IndexError(f"step={step}; an epoch has {len(self)} steps")
        if self._schedule is None:
            return (self._of(0, epoch, step, rank, world_size),)
        draws = self._schedule.draws(epoch * len(self) + step)
        if self.rules.mix == "steps":
            number, k, _ = draws[0]
            of_component = divmod(k, len(self.components[number].sampler))
            return (self._of(number, *of_component, rank, world_size),)
        parts, before = [], 0
        for number, first, stop in draws:
            sampler = self.components[number].sampler
            start = min(first + (rank - before) % world_size, stop)
            positions = sampler.stream(start, stop, every=world_size)
            parts.append(Draw(component=number, epoch=first // sampler.num_draws(0), bucket=None, positions=positions))
            before += stop - first
        return tuple(parts)

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
            for number in range(len(each.sidecar.buckets.names)):
                size, batches = each.sampler.batch_size(number), each.sampler.num_batches(number)
                num_samples = each.sampler.num_draws(number)
                plans.append(
                    BucketPlan(
                        component=each.name,
                        bucket=each.bucket(number),
                        num_samples=num_samples,
                        global_batch_size=size,
                        num_batches=batches,
                        num_dropped=max(num_samples - batches * size, 0),
                        shape=_shapes(each, number),
                    )
                )
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
            "mixture": [[start, _floats(weights)] for start, weights in rules.stages] or None,
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
        settings = self.settings()
        missing = next((name for name in (*settings, "epoch", "step") if name not in state), None)
        if missing is not None and state.get("version", STATE_VERSION) == STATE_VERSION:
            raise StateError(f'the state has no "{missing}"; expected what Loader.state_dict returned')
        for name, here in settings.items():
            if name != "components" and state[name] != here:
                raise _differs(name, state[name], here)
        there = state["components"]
        if there.keys() != settings["components"].keys():
            raise _differs("components", sorted(there), sorted(settings["components"]))
        for component, parts in settings["components"].items():
            for name, here in parts.items():
                if there[component].get(name) != here:
                    where = "" if component == ONLY else f" of {component}"
                    raise _differs(name, there[component].get(name), here, where)
        epoch, step = state["epoch"], state["step"]
        if type(epoch) is not int or type(step) is not int or epoch < 0 or not 0 <= step < len(self) + beyond:
            raise StateError(f"the state is at epoch {epoch!r}, step {step!r}; an epoch has {len(self)} steps")
        return epoch, step


def _floats(weights: Weights) -> dict[str, float]:
    return {name: float(each) for name, each in weights.items()}


def _shapes(member: Member, bucket: int) -> str:
    """Return the media columns of a bucket with the shapes that they have in all its samples, for a reader."""
    media = [each for each in member.selection.columns if each.media]
    shapes = {each.name: member.shape(each, bucket) for each in media}
    return ", ".join(f"{name} {'×'.join(map(str, shape)) if shape else 'varies'}" for name, shape in shapes.items())


_REMEDIES = {
    "version": ("state version", "use the version of cutlist that wrote it"),
    "order_version": ("order version", "use the version of cutlist that wrote it"),
    "seed": ("seed", "give the loader that seed"),
    "shuffle": ("shuffle", "give the loader that shuffle"),
    "drop_last": ("drop_last", "give the loader that drop_last"),
    "mixture": ("mixture", "give the loader those weights"),
    "mix": ("mix", "give the loader that mix"),
    "num_steps": ("num_steps", "give the loader that num_steps"),
    "components": ("set of components", "give the loader those components"),
    "selection": (
        "selection",
        "load the selection file of that run, Loader('….arrow'), as the query's rows have changed since",
    ),
    "bucket_by": ("bucket_by", "give the loader that bucket_by"),
    "weight_by": ("weight_by", "give the loader that weight_by"),
    "global_batch_size": ("global batch size", "give the loader global_batch_size=state[…], or sizes that equal it"),
}


def _differs(name: str, there: Any, here: Any, where: str = "") -> StateError:
    what, remedy = _REMEDIES[name]
    return StateError(f"the state is of another {what}{where}: {there!r} there, {here!r} here; {remedy}")


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
                "drop_last": rules.drop_last,
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
    for name, version in (("version", STATE_VERSION), ("order_version", ORDER_VERSION)):
        if state.get(name) != version:
            raise _differs(name, state.get(name), version)
    try:
        shuffle = Block(**state["shuffle"]) if isinstance(state["shuffle"], Mapping) else state["shuffle"]
        rules = Rules(
            seed=state["seed"],
            shuffle=shuffle,
            drop_last=state["drop_last"],
            mixture=None if state["mixture"] is None else [(start, weights) for start, weights in state["mixture"]],
            mix=state["mix"],
            num_steps=state["num_steps"],
        )
        parts = state["components"]
        batching = {
            name: Batching(
                global_batch_size=each["global_batch_size"], bucket_by=each["bucket_by"], weight_by=each["weight_by"]
            )
            for name, each in parts.items()
        }
        fingerprints = {name: each["selection"] for name, each in parts.items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StateError(f"the state has no {error}; expected what Loader.state_dict returned") from error
    selections = {name: find(fingerprint) for name, fingerprint in fingerprints.items()}
    return make_order(selections, batching, rules, store=store)


def whole(name: str, value: Any, *, at_least: int | None = None) -> int:
    """Return a whole number, of Python or numpy.

    Raises:
        OrderError: if it is not one, or too small.

    Examples:
        >>> whole("batch_size", 4)
        4
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (at_least is not None and number < at_least):
        bound = "" if at_least is None else f" of at least {at_least}"
        raise OrderError(f"{name}={value!r}: expected a whole number{bound}")
    return number
