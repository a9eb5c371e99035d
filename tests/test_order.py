"""The order of a run.

- Elastic: taking one sample of each rank in turn gives the step of one rank, for every number of ranks that divides it;
  ranks have the same components, epochs and buckets, in the same order, and as many samples.
- Pure: what `at` returns depends on the settings, the epoch and the step alone: not on what was asked before, on the
  process, or on the types of the numbers.
- An epoch has each sample once but for less than a batch of each bucket; with weights, in proportion.
- The components of a mixture go through epochs of their own, whatever the epochs of the run are; those of the run
  follow one another as one sequence of steps.
- A state is JSON, and the order that is made of it draws the same; another state is refused by the part that differs.
- Golden: states and draws do not change.

A global batch has 12 samples, or a multiple of it, so that 1, 2, 3, 4, 6 and 12 ranks share it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.selections import media, reference, selection_of

from cutlist.errors import CutlistError, OrderError, StateError
from cutlist.order import (
    ONLY,
    STATE_VERSION,
    Batching,
    Draw,
    Mixture,
    Order,
    Rules,
    make_order,
    order_of,
    whole,
)
from cutlist.sampler import ORDER_VERSION, Block, Buckets, Shuffle, schedule
from cutlist.sampler.permutation import MAX_SEED
from cutlist.selection import Source, TableVersion

if TYPE_CHECKING:
    from cutlist import Selection
    from cutlist.store import Store

BATCH = 12
WORLD_SIZES = (1, 2, 3, 4, 6, 12)
NAMES = ("low", "mid", "top")
SIZES = {"low": 24, "mid": 12, "top": 36}


def bucket_of(position: int) -> str:
    """Return the bucket of a sample: 6 of 10 are `low`, 3 `mid`, 1 `top`."""
    return NAMES[(position % 10 >= 6) + (position % 10 >= 9)]


def weight_of(position: int) -> float:
    """Return the weight of a sample; those of neighbours have no period, which systematic sampling would follow."""
    return (0.0, 1.0, 2.5, 1.0, 0.25)[position * 7919 % 101 % 5]


def numbered(count: int = 600, *, sign: int = 1) -> Selection:
    """Return samples 0, 1, … with a bucket, a weight, a cost and a medium each, in fragments of 50."""
    numbers = range(count)
    columns = {
        "image": media([reference(i) for i in numbers]),
        "number": pa.array([sign * i for i in numbers]),
        "bucket": pa.array([bucket_of(i) for i in numbers]),
        "weight": pa.array([weight_of(i) for i in numbers]),
        "cost": pa.array([1 + NAMES.index(bucket_of(i)) for i in numbers]),
    }
    sources = [Source(table="t", version=1, column="image", kind="image")]
    tables = [TableVersion(name="t", version=1, identity="t")]
    return selection_of(columns, sources=sources, tables=tables, fingerprint=f"{count * sign % 16**8:032x}")


class Tables:
    """Stands for a store: rows lie 50 to a fragment."""

    def pinned(self, name: str, version: int, identity: str) -> Tables:
        assert (name, version, identity) == ("t", 1, "t")
        return self

    def fragments(self, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        return (row_ids // 50).astype(np.int64)


STORE = cast("Store", Tables())
SELECTIONS = {"a": numbered(600), "b": numbered(245), "c": numbered(97, sign=-1)}
BY_FINGERPRINT = {each.fingerprint: each for each in SELECTIONS.values()}
WHOLE = Batching(global_batch_size=BATCH)
BUCKETED = Batching(global_batch_size=SIZES, bucket_by="bucket")
WEIGHTED = Batching(global_batch_size=BATCH, weight_by="weight")
BOTH = Batching(global_batch_size=SIZES, bucket_by="bucket", weight_by="weight")

MIX = {"a": 0.6, "b": 0.3, "c": 0.1}
STAGES = [(0, {"a": 1.0}), (25, {"a": 0.5, "b": 0.5}), (70, {"c": 1.0, "b": 0.25})]


def single(batching: Batching, *, selection: str = "a", world_size: int = 1, **rules: Any) -> Order:
    return make_order(
        {ONLY: SELECTIONS[selection]}, {ONLY: batching}, Rules(**rules), world_size=world_size, store=STORE
    )


def mixed(mixture: Mixture, batching: Mapping[str, Batching] | None = None, **rules: Any) -> Order:
    """Return a mixture with epochs of 40 steps."""
    each = {"a": WHOLE, "b": WHOLE, "c": WHOLE, **(batching or {})}
    return make_order(SELECTIONS, each, Rules(**{"mixture": mixture, "num_steps": 40, **rules}), store=STORE)


ORDERS: dict[str, Callable[[], Order]] = {
    "plain": lambda: single(WHOLE, seed=7),
    "in order": lambda: single(WHOLE, shuffle=None),
    "blocks": lambda: single(WHOLE, shuffle=Block(rows=40, window=3)),
    "lanes": lambda: single(WHOLE, seed=3, shuffle=Block(rows=7, window=2, lanes=12)),
    "fragments": lambda: single(BUCKETED, seed=3, shuffle=Block(rows="fragment", window=2, lanes=4)),
    "bucketed": lambda: single(BUCKETED, seed=1),
    "bucketed, in order": lambda: single(BUCKETED, shuffle=None),
    "weighted": lambda: single(WEIGHTED, seed=2),
    "bucketed and weighted": lambda: single(BOTH, seed=MAX_SEED),
    "steps": lambda: mixed(MIX, {"a": BUCKETED, "b": WEIGHTED}, seed=5),
    "steps, in order": lambda: mixed(MIX, {"a": BUCKETED}, shuffle=None),
    "samples": lambda: mixed(MIX, {"c": WEIGHTED}, mix="samples", seed=6),
    "samples, in blocks": lambda: mixed(MIX, mix="samples", shuffle="block"),
    "schedule of steps": lambda: mixed(STAGES, {"b": BOTH}, seed=8),
    "schedule of samples": lambda: mixed(STAGES, mix="samples", seed=9),
}


def facts(draws: tuple[Draw, ...]) -> list[tuple[int, int, str | None]]:
    return [(int(each.component), int(each.epoch), each.bucket) for each in draws]


def samples(draws: tuple[Draw, ...]) -> list[tuple[int, int]]:
    """Return the samples of a step as (component, position), in order."""
    return [(each.component, position) for each in draws for position in each.positions.tolist()]


def whole_run(order: Order, num_steps: int) -> list[tuple[Draw, ...]]:
    return [order.at(*divmod(step, len(order))) for step in range(num_steps)]


# Elastic


@pytest.mark.parametrize("world_size", WORLD_SIZES)
@pytest.mark.parametrize("name", ORDERS)
def test_ranks_share_the_step_of_one_rank(name: str, world_size: int) -> None:
    order = ORDERS[name]()
    for epoch, step in [(0, 0), (0, 1), (0, len(order) - 1), (1, 3), (2, 17), (5, 0)]:
        alone = order.at(epoch, step)
        ranks = [ORDERS[name]().at(epoch, step, rank=rank, world_size=world_size) for rank in range(world_size)]
        parts = [samples(each) for each in ranks]
        assert {len(part) for part in parts} == {len(samples(alone)) / world_size}
        assert [each for turn in zip(*parts, strict=True) for each in turn] == samples(alone)
        assert all(facts(each) == facts(alone) for each in ranks)
        assert all(each.positions.dtype == np.int64 for draws in ranks for each in draws)


@pytest.mark.parametrize("name", ["plain", "bucketed", "steps", "samples"])
@pytest.mark.parametrize(
    ("rank", "world_size", "match"),
    [
        (0, 5, r"batch of \d+ cannot be shared equally by world_size=5 ranks"),
        (3, 3, "rank=3; expected at least 0 and at most 2"),
        (-1, 2, "rank=-1; expected at least 0"),
        (0, 0, "world_size=0; expected at least 1"),
        (0, -2, "world_size=-2; expected at least 1"),
    ],
)
def test_refuses_ranks_that_are_none(
    name: str, rank: int, world_size: int, match: str, request: pytest.FixtureRequest
) -> None:
    order = ORDERS[name]()
    with pytest.raises(OrderError, match=match):
        order.at(0, 0, rank=rank, world_size=world_size)


# Pure


@pytest.mark.parametrize("name", ORDERS)
def test_steps_do_not_depend_on_what_was_asked_before(name: str) -> None:
    order = ORDERS[name]()
    asked = [(int(epoch), int(step) % len(order)) for epoch, step in np.random.default_rng(0).integers(0, 50, (40, 2))]
    wanted = [(facts(draws), samples(draws)) for draws in (ORDERS[name]().at(*each) for each in asked)]
    for used in (order, pickle.loads(pickle.dumps(order)), order):
        found = [used.at(*each) for each in asked]
        assert [(facts(draws), samples(draws)) for draws in found] == wanted
        used.at(0, 0)[0].positions[:] = -1
    if order.rules.shuffle is not None:
        assert len({tuple(each) for _, each in wanted}) == len(set(asked))


@pytest.mark.parametrize("name", ORDERS)
def test_seeds_give_other_orders(name: str) -> None:
    order = ORDERS[name]()
    state = order.state(0, 0)
    other = order_of({**state, "seed": state["seed"] ^ 1}, BY_FINGERPRINT.__getitem__, store=STORE)
    same = [samples(order.at(0, step)) == samples(other.at(0, step)) for step in range(len(order))]
    assert all(same) == (state["shuffle"] is None)
    assert all(same) or not any(same)


def test_another_process_draws_the_same() -> None:
    """With hashes of text of its own."""
    code = """if True:
        from tests.test_order import ORDERS, facts, samples
        for name in ("steps", "schedule of samples", "fragments"):
            print([(facts(each), samples(each)) for each in (ORDERS[name]().at(2, step) for step in range(9))])
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    wanted = [
        str([(facts(each), samples(each)) for each in (ORDERS[name]().at(2, step) for step in range(9))])
        for name in ("steps", "schedule of samples", "fragments")
    ]
    assert done.stdout.splitlines() == wanted


NUMPY = "an epoch of numpy is an OverflowError in derive(), and is kept: the same epoch of Python then fails, too"


@pytest.mark.parametrize("name", ["plain", "bucketed", "samples", "steps"])
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.uint64])
def test_numbers_of_numpy(name: str, kind: type[np.integer[Any]], request: pytest.FixtureRequest) -> None:
    order, wanted = ORDERS[name](), ORDERS[name]()
    for epoch, step in ((1, 3), (2, 0)):
        found = order.at(kind(epoch), kind(step), rank=kind(1), world_size=kind(2))  # type: ignore[arg-type]
        assert samples(found) == samples(wanted.at(epoch, step, rank=1, world_size=2))
        assert samples(order.at(epoch, step)) == samples(wanted.at(epoch, step))


def test_what_failed_does_not_change_what_follows() -> None:
    order = single(WHOLE)
    wanted = samples(order.at(1, 0))
    order.at(0, 0)
    with contextlib.suppress(OverflowError):
        order.at(np.int64(1), 0)  # type: ignore[arg-type]
    assert samples(order.at(1, 0)) == wanted


@pytest.mark.parametrize("name", ["plain", "steps", "samples"])
def test_refuses_steps_outside_the_epoch(name: str) -> None:
    order = ORDERS[name]()
    for step in (len(order), -1, 10**9):
        with pytest.raises(IndexError, match=f"step={step}; an epoch has {len(order)} steps"):
            order.at(0, step)
    with pytest.raises(OrderError, match=r"epoch=-\d+; expected at least 0"):
        order.at(-1, 0)


# An epoch of one training set


@pytest.mark.parametrize(
    "name", ["plain", "in order", "blocks", "lanes", "fragments", "bucketed", "bucketed, in order"]
)
def test_an_epoch_has_each_sample_once_but_for_less_than_a_batch(name: str) -> None:
    order = ORDERS[name]()
    sizes = order.components[0].global_batch_size
    for epoch in (0, 4):
        drawn: Counter[str | None] = Counter()
        seen = []
        for step in range(len(order)):
            (draw,) = order.at(epoch, step)
            seen += draw.positions.tolist()
            drawn[draw.bucket] += len(draw.positions)
            if isinstance(sizes, dict):
                assert draw.bucket is not None
                assert {bucket_of(each) for each in draw.positions.tolist()} == {draw.bucket}
                assert len(draw.positions) == sizes[draw.bucket]
            else:
                assert (draw.bucket, len(draw.positions)) == (None, BATCH)
            assert (draw.component, draw.epoch) == (0, epoch)
        assert len(seen) == len(set(seen))
        assert set(seen) <= set(range(600))
        there = {"low": 360, "mid": 180, "top": 60} if isinstance(sizes, dict) else {None: 600}
        for bucket, count in there.items():
            size = sizes[str(bucket)] if isinstance(sizes, dict) else sizes
            assert drawn[bucket] == count // size * size


@pytest.mark.parametrize("name", ["weighted", "bucketed and weighted"])
def test_an_epoch_has_samples_in_proportion_to_their_weight(name: str) -> None:
    """Each as often as its share of the draws, rounded up or down, less what the last batch has."""
    order = ORDERS[name]()
    counts: Counter[int] = Counter()
    for step in range(len(order)):
        (draw,) = order.at(3, step)
        counts.update(draw.positions.tolist())
    total = sum(map(weight_of, range(600)))
    assert counts.total() == sum(each.num_samples - each.num_dropped for each in order.plan())
    assert counts.total() > 540
    for position in range(600):
        share = 600 * weight_of(position) / total
        assert counts[position] <= math.ceil(share) + (name != "weighted")
        if weight_of(position) == 0:
            assert counts[position] == 0
    by_weight = {weight: sum(n for i, n in counts.items() if weight_of(i) == weight) for weight in (0.25, 1.0, 2.5)}
    for weight, count in by_weight.items():
        share = 600 * sum(weight_of(i) for i in range(600) if weight_of(i) == weight) / total
        assert abs(count - share) < 45


def test_without_shuffle_is_the_selections_order() -> None:
    order = single(Batching(batch_size=5), shuffle=None)
    assert [samples(order.at(9, step)) for step in (0, 2)] == [[(0, i) for i in range(s, s + 5)] for s in (0, 10)]


def test_the_last_batch_may_be_smaller() -> None:
    order = single(Batching(batch_size=70), drop_last=False)
    assert [len(samples(order.at(0, step))) for step in range(len(order))] == [70] * 8 + [40]
    bucketed = single(Batching(batch_size=70, bucket_by="bucket"), drop_last=False)
    sizes = Counter((draw.bucket, len(draw.positions)) for draws in whole_run(bucketed, 10) for draw in draws)
    assert len(bucketed) == 10
    assert sizes == {
        ("low", 70): 5,
        ("low", 10): 1,
        ("mid", 70): 2,
        ("mid", 40): 1,
        ("top", 60): 1,
    }


# Mixtures


@pytest.mark.parametrize("mix", ["steps", "samples"])
@pytest.mark.parametrize("num_steps", [1, 7, 40, 1000])
def test_epochs_of_the_run_follow_one_another(mix: Any, num_steps: int) -> None:
    long, short = (mixed(STAGES, mix=mix, num_steps=each) for each in (1000, num_steps))
    assert len(short) == num_steps
    for step in (0, 1, 24, 25, 26, 69, 70, 71, 500):
        one, other = long.at(0, step), short.at(*divmod(step, num_steps))
        assert (facts(one), samples(one)) == (facts(other), samples(other))


@pytest.mark.parametrize("name", ["steps", "steps, in order", "schedule of steps"])
def test_components_of_steps_have_epochs_of_their_own(name: str) -> None:
    order = ORDERS[name]()
    steps = whole_run(order, 300)
    assert all(len(draws) == 1 for draws in steps)
    epochs_seen = set()
    for number, member in enumerate(order.components):
        own = [draws[0] for draws in steps if draws[0].component == number]
        length = len(member.sampler)
        assert [each.epoch for each in own] == [i // length for i in range(len(own))]
        for i, each in enumerate(own):
            sampler = member.sampler.at_epoch(i // length)
            assert each.positions.tolist() == sampler[i % length].tolist()
            assert each.bucket == member.bucket(sampler.locate(i % length)[0])
        epochs_seen |= {each.epoch for each in own}
        if len(own) > length and order.rules.shuffle is not None:
            assert own[0].positions.tolist() != own[length].positions.tolist()
    assert len(epochs_seen) > 3


@pytest.mark.parametrize("name", ["samples", "samples, in blocks", "schedule of samples"])
def test_components_of_samples_have_epochs_of_their_own(name: str) -> None:
    """No sample is left out: a batch may end an epoch of a component and begin the next."""
    order = ORDERS[name]()
    steps = whole_run(order, 300)
    for number, member in enumerate(order.components):
        own = [(each.epoch, each.positions.tolist()) for draws in steps for each in draws if each.component == number]
        stream = [position for _, positions in own for position in positions]
        before, count = 0, member.selection.num_samples
        for epoch, positions in own:
            assert epoch == before // count
            before += len(positions)
        assert before > 2 * count or name.startswith("schedule")
        passes = [stream[start : start + count] for start in range(0, len(stream) - count, count)]
        if member.keys.weight_by is None:
            assert all(sorted(each) == list(range(count)) for each in passes)
        assert all(one != other for i, one in enumerate(passes) for other in passes[:i])


@pytest.mark.parametrize("mix", ["steps", "samples"])
def test_proportions_hold_from_the_start(mix: Any) -> None:
    order = mixed({"a": 6, "b": 3, "c": 1}, mix=mix)
    counts: Counter[int] = Counter()
    for done, draws in enumerate(whole_run(order, 500), start=1):
        for each in draws:
            counts[each.component] += len(each.positions)
        for number, share in enumerate((0.6, 0.3, 0.1)):
            per_draw = BATCH if mix == "steps" else 1
            assert abs(counts[number] - done * BATCH * share) < per_draw * 1.2
    assert all(len(samples(draws)) == BATCH for draws in whole_run(order, 50))


@pytest.mark.parametrize("mix", ["steps", "samples"])
def test_a_schedule_counts_the_steps_of_the_run(mix: Any) -> None:
    """Not those of an epoch, of which the second begins at step 40."""
    order = mixed(STAGES, mix=mix)
    seen = [{each.component for each in draws} for draws in whole_run(order, 120)]
    assert all(each == {0} for each in seen[:25])
    assert set.union(*seen[25:70]) == {0, 1}
    assert set.union(*seen[70:]) == {1, 2}


def test_components_are_numbered_by_their_names() -> None:
    order = mixed({"c": 1, "a": 1, "b": 1})
    assert [each.name for each in order.components] == ["a", "b", "c"]
    other = mixed({"b": 1, "c": 1, "a": 1})
    assert [samples(draws) for draws in whole_run(order, 40)] == [samples(draws) for draws in whole_run(other, 40)]


def test_two_components_of_one_selection_have_orders_of_their_own() -> None:
    selections = {"x": SELECTIONS["a"], "y": SELECTIONS["a"]}
    rules = Rules(mixture={"x": 1, "y": 1}, num_steps=40)
    order = make_order(selections, {"x": WHOLE, "y": WHOLE}, rules)
    one, other = (order.at(0, step)[0] for step in (0, 1))
    assert (one.component, other.component) == (0, 1)
    assert one.positions.tolist() != other.positions.tolist()


def test_a_component_of_weight_0_is_never_drawn() -> None:
    order = mixed({"a": 1, "b": 0, "c": 0.0})
    assert {each.component for draws in whole_run(order, 100) for each in draws} == {0}
    assert [each.name for each in order.components] == ["a", "b", "c"]


def test_a_small_component_may_give_a_few_samples_to_each_step() -> None:
    order = make_order(
        {"a": SELECTIONS["a"], "few": numbered(5)},
        {"a": WHOLE, "few": WHOLE},
        Rules(mixture={"a": 0.95, "few": 0.05}, num_steps=40, mix="samples"),
    )
    assert {len(samples(draws)) for draws in whole_run(order, 40)} == {BATCH}


# Spares


@pytest.mark.parametrize("name", ORDERS)
def test_spares_are_of_the_component_and_the_bucket_of_their_sample(name: str) -> None:
    order, again = ORDERS[name](), pickle.loads(pickle.dumps(ORDERS[name]()))
    seen = set()
    for epoch, step in [(0, 0), (1, 2), (3, len(order) - 1)]:
        draws = order.at(epoch, step)
        components = [each for each in draws for _ in each.positions]
        for slot, draw in enumerate(components):
            for attempt in range(3):
                number, position = order.spare(epoch, step, slot, attempt)
                assert (number, position) == again.spare(epoch, step, slot, attempt)
                assert number == draw.component
                component = order.components[number]
                assert 0 <= position < component.selection.num_samples
                if draw.bucket is not None:
                    bucket = component.sidecar.buckets.names.index(draw.bucket)
                    assert position in _positions(component.sidecar.buckets, bucket)
                seen.add((number, position))
    assert len(seen) > 30
    with pytest.raises(OrderError, match=f"slot={len(components)}: the step has {len(components)} samples"):
        order.spare(3, len(order) - 1, len(components), 0)


def _positions(buckets: Buckets, bucket: int) -> list[int]:
    start, stop = buckets.starts[bucket : bucket + 2]
    return list(range(start, stop)) if buckets.positions is None else buckets.positions[start:stop].tolist()


def test_spares_come_as_likely_as_weights_say() -> None:
    order = single(WEIGHTED, seed=4)
    selection = order.components[0].selection
    weights = np.array(selection.to_arrow()["weight"].to_pylist(), dtype=float)
    counts = np.bincount(
        [order.spare(epoch, step, slot, 0)[1] for epoch in range(40) for step in range(10) for slot in range(12)],
        minlength=len(weights),
    )
    assert not counts[weights == 0].any()
    expected = weights / weights.sum() * counts.sum()
    there = expected > 0
    chi2 = ((counts[there] - expected[there]) ** 2 / expected[there]).sum() / (there.sum() - 1)
    assert 0.8 < chi2 < 1.2


# Sizes of batches


def sizes_of(batching: Batching, *, world_size: int = 1) -> int | dict[str, int]:
    return single(batching, world_size=world_size).components[0].global_batch_size


SIZES_GIVEN: dict[str, tuple[Batching, int | dict[str, int]]] = {
    "a number": (Batching(batch_size=4), 12),
    "of numpy": (Batching(batch_size=np.int32(4)), 12),  # type: ignore[arg-type]
    "of all ranks": (Batching(global_batch_size=12), 12),
    "a number for all buckets": (Batching(batch_size=4, bucket_by="bucket"), {"low": 12, "mid": 12, "top": 12}),
    "of each bucket": (
        Batching(batch_size={"low": 8, "mid": 4, "top": np.int64(2), "more": 1}, bucket_by="bucket"),  # type: ignore[dict-item]
        {"low": 24, "mid": 12, "top": 6},
    ),
    "of each bucket, of all ranks": (
        Batching(global_batch_size={"low": 9, "mid": 6, "top": 3}, bucket_by="bucket"),
        {"low": 9, "mid": 6, "top": 3},
    ),
    "a function": (Batching(batch_size=lambda bucket: len(bucket) + 1, bucket_by="bucket"), 12),
    "a function without buckets": (Batching(batch_size=lambda bucket: 4 + len(bucket)), 12),
    "a function of numpy": (
        Batching(global_batch_size=lambda bucket: np.uint8(3 * ord(bucket[0]) % 250), bucket_by="bucket"),  # type: ignore[arg-type,return-value]
        {"low": 74, "mid": 77, "top": 98},
    ),
    "a budget": (Batching(batch_budget=("cost", 12), bucket_by="bucket"), {"low": 36, "mid": 18, "top": 12}),
    "a budget without buckets": (Batching(batch_budget=("cost", 14.9)), 12),
    "a budget of numpy": (Batching(batch_budget=("cost", np.float32(12))), 12),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", SIZES_GIVEN)
def test_sizes_of_batches(name: str) -> None:
    """For three ranks."""
    batching, wanted = SIZES_GIVEN[name]
    if name == "a function":
        wanted = {"low": 12, "mid": 12, "top": 12}
    if name == "a function of numpy":
        with pytest.raises(OrderError, match=r"^global_batch_size=74 cannot be shared equally by 3 ranks$"):
            sizes_of(batching, world_size=3)
        assert sizes_of(batching) == wanted
        return
    found = sizes_of(batching, world_size=3)
    assert found == wanted
    assert all(type(each) is int for each in (found.values() if isinstance(found, dict) else [found]))


@given(
    costs=st.lists(st.floats(1e-3, 50) | st.integers(1, 50).map(float), min_size=1, max_size=20),
    budget=st.floats(1e-2, 500) | st.integers(1, 500),
)
def test_a_budget_is_divided_by_the_largest_cost_and_rounded_down(costs: list[float], budget: float) -> None:
    wanted = math.floor(Fraction(budget) / Fraction(max(costs)))
    assume(wanted <= len(costs))
    selection = selection_of({"cost": pa.array(costs), "i": pa.array(range(len(costs)))})

    def make() -> Order:
        return make_order({ONLY: selection}, {ONLY: Batching(batch_budget=("cost", budget))}, Rules())

    if wanted == 0:
        with pytest.raises(OrderError, match=r"^batch_budget: a sample has cost = .* is the budget of a batch$"):
            make()
    else:
        assert make().components[0].global_batch_size == wanted


NEITHER = (
    r"^expected one of batch_size \(of each rank\), global_batch_size \(of all ranks together\) and batch_budget, "
)

REFUSED_SIZES: dict[str, tuple[Batching, str]] = {
    "none": (Batching(), NEITHER + "not 0 of them; e.g. batch_size=32$"),
    "two": (Batching(batch_size=4, global_batch_size=8), NEITHER + "not 2 of them"),
    "three": (Batching(batch_size=4, global_batch_size=8, batch_budget=("cost", 8)), NEITHER + "not 3 of them"),
    "0": (Batching(batch_size=0), r"^batch_size=0: expected a whole number of at least 1$"),
    "negative": (Batching(global_batch_size=-4), r"^global_batch_size=-4: expected a whole number of at least 1$"),
    "a float": (Batching(batch_size=4.0), r"^batch_size=4\.0: expected a whole number of at least 1$"),  # type: ignore[arg-type]
    "True": (Batching(batch_size=True), r"^batch_size=True: expected a whole number of at least 1$"),
    "text": (Batching(batch_size="8"), r"^batch_size='8': expected a whole number of at least 1$"),  # type: ignore[arg-type]
    "not shared": (Batching(global_batch_size=16), r"^global_batch_size=16 cannot be shared equally by 3 ranks$"),
    "one not shared": (
        Batching(global_batch_size={"low": 6, "mid": 10, "top": 3}, bucket_by="bucket"),
        r"^global_batch_size=10 cannot be shared equally by 3 ranks$",
    ),
    "sizes without buckets": (
        Batching(batch_size={"low": 1}),
        r"^batch_size has a size for each bucket, and there are none; give bucket_by too$",
    ),
    "a bucket without a size": (
        Batching(batch_size={"lo": 1, "mid": 2, "top": 3}, bucket_by="bucket"),
        r'^batch_size has no size for the bucket "low" of bucket; did you mean "lo"\? It has: lo, mid, top; `cutlist p',
    ),
    "a bucket's size": (
        Batching(global_batch_size={"low": 3, "mid": 0, "top": 3}, bucket_by="bucket"),
        r'^global_batch_size\["mid"\]=0: expected a whole number of at least 1$',
    ),
    "what a function returns": (
        Batching(batch_size=lambda bucket: None, bucket_by="bucket"),  # type: ignore[arg-type,return-value]
        r"^batch_size\('low'\)=None: expected a whole number of at least 1$",
    ),
    "a budget below a cost": (
        Batching(batch_budget=("cost", 2), bucket_by="bucket"),
        r'^batch_budget: a sample of the bucket "top" has cost = 3; 2 is the budget of a batch$',
    ),
    "no budget": (
        Batching(batch_budget=("cost", 0)),
        r"^batch_budget: a sample has cost = 3; 0 is the budget of a batch",
    ),
    "a negative budget": (
        Batching(batch_budget=("cost", -1)),
        r"^batch_budget: a sample has cost = 3; -1 is the budget of a batch",
    ),
    "batches larger than the selection": (
        Batching(batch_size=201),
        r"global batch of 603 \(batch size × ranks\) is larger than the selection's 600 samples",
    ),
    "batches larger than the buckets": (
        Batching(batch_size=200, bucket_by="bucket"),
        r"no bucket has samples for one global batch; the largest, low, has 360 for a global batch of 600; take smalle",
    ),
    "weights of fragments": (
        Batching(batch_size=2, weight_by="weight"),
        r'^weight_by does not go with Block\(rows="fragment"\): a sample comes several times$',
    ),
}


@pytest.mark.parametrize("name", REFUSED_SIZES)
def test_refuses_sizes_of_batches(name: str) -> None:
    """For three ranks; in a mixture the component is named."""
    batching, match = REFUSED_SIZES[name]
    shuffle: Shuffle = Block(rows="fragment") if "fragments" in name else "full"
    with pytest.raises(OrderError, match=match):
        single(batching, world_size=3, shuffle=shuffle)
    rules = Rules(mixture={"a": 1, "b": 1}, num_steps=5, shuffle=shuffle)
    with pytest.raises(OrderError, match="^a: " + match.removeprefix("^") if match[0] == "^" else f"^a: .*{match}"):
        make_order(
            {"a": SELECTIONS["a"], "b": SELECTIONS["b"]},
            {"a": batching, "b": Batching(batch_size=1)},
            rules,
            world_size=3,
            store=STORE,
        )


@pytest.mark.parametrize(
    ("batching", "match"),
    [
        pytest.param(Batching(batch_budget=("cost", math.nan)), "batch_budget", id="NaN"),
        pytest.param(Batching(batch_budget=("cost", math.inf)), "batch_budget", id="infinite"),
        pytest.param(Batching(batch_budget=("cost", "8")), "batch_budget", id="text"),  # type: ignore[arg-type]
        pytest.param(Batching(batch_budget="cost"), "batch_budget", id="no pair"),  # type: ignore[arg-type]
        pytest.param(
            Batching(batch_size={1: 4, 2: 4}, bucket_by="bucket"),  # type: ignore[dict-item]
            'batch_size has no size for the bucket "low"',
            id="numbers as names of buckets",
        ),
    ],
)
def test_refuses_what_is_no_budget_and_no_size(batching: Batching, match: str) -> None:
    with pytest.raises(OrderError, match=match):
        single(batching)


def test_a_cost_of_0_has_no_budget() -> None:
    selection = selection_of({"cost": pa.array([0.0, 0.0, 1.0]), "b": pa.array(["x", "x", "y"])})
    match = r'^batch_budget: a sample of the bucket "x" has cost = 0; expected a cost above 0$'
    with pytest.raises(OrderError, match=match):
        make_order({ONLY: selection}, {ONLY: Batching(batch_budget=("cost", 8), bucket_by="b")}, Rules())


def test_has_size() -> None:
    assert not Batching(bucket_by="b", weight_by="w").has_size
    assert all(each.has_size for each in (Batching(batch_size=1), WHOLE, Batching(batch_budget=("c", 1))))


def test_a_world_size_of_numpy() -> None:
    order = single(Batching(batch_size=4), world_size=np.int64(3))  # type: ignore[arg-type]
    assert json.loads(json.dumps(order.state(0, 0))) == single(Batching(batch_size=4), world_size=3).state(0, 0)


@given(value=st.integers(-(2**70), 2**70), least=st.none() | st.integers(-3, 3))
def test_whole_numbers(value: int, least: int | None) -> None:
    if least is None or value >= least:
        assert whole("n", value, at_least=least) == value
    else:
        with pytest.raises(OrderError, match=rf"^n={value}: expected a whole number of at least {least}$"):
            whole("n", value, at_least=least)


@pytest.mark.parametrize("value", [1.0, "1", None, True, np.float64(1), np.bool_(True), [1], math.nan])
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(OrderError, match=r"^n=.*: expected a whole number$"):
        whole("n", value)


# Rules


@pytest.mark.parametrize(
    ("rules", "match"),
    [
        (
            {"mix": "step"},
            r"^mix='step'; allowed: \"steps\" \(each of one component\) or \"samples\" \(of each step\)$",
        ),
        (
            {"mixture": MIX},
            r"^a mixture has no end of its own: say how many steps an epoch of the run has, e\.g\. num_s",
        ),
        (
            {"num_steps": 5},
            r"^num_steps=5 is for mixtures; one training set has as many steps as batches, or write it a",
        ),
        ({"num_steps": 0, "mixture": MIX}, r"^num_steps=0: expected a whole number of at least 1$"),
        ({"num_steps": 2.5, "mixture": MIX}, r"^num_steps=2\.5: expected a whole number of at least 1$"),
        ({"seed": 1.5}, r"^seed=1\.5: expected a whole number$"),
        ({"seed": None}, r"^seed=None: expected a whole number$"),
        (
            {"drop_last": False, "num_steps": 5, "mixture": MIX},
            r"^drop_last=False is for one training set; a mixture has",
        ),
        (
            {"num_steps": 5, "mixture": {"a": "1"}},
            r"^mixture: a has the weight '1'; expected a number of at least 0$",
        ),
        (
            {"num_steps": 5, "mixture": {"a": True}},
            r"^mixture: a has the weight True; expected a number of at least 0$",
        ),
        (
            {"num_steps": 5, "mixture": [(0, {"a": 1}), (9, {"b": None})]},
            r"^mixture: b has the weight None; expected a number of at least 0$",
        ),
    ],
)
def test_refuses_rules(rules: dict[str, Any], match: str) -> None:
    with pytest.raises(OrderError, match=match):
        Rules(**rules)


@pytest.mark.parametrize(
    ("rules", "match"),
    [
        ({"seed": -1, "mixture": None, "num_steps": None}, "seed=-1; expected at least 0"),
        ({"seed": 2**64, "mixture": None, "num_steps": None}, "seed=18446744073709551616; expected at least 0"),
        ({"shuffle": True}, "shuffle=True; allowed"),
        ({"mixture": {"a": -1, "b": 2}}, r"a mixture has the weight -1.0; expected a number of at least 0"),
        ({"mixture": {"a": math.nan}}, r"a mixture has the weight nan; expected a number of at least 0"),
        ({"mixture": {"a": math.inf, "b": 1}}, r"a mixture has the weight inf; expected a number of at least 0"),
        ({"mixture": {"a": 0, "b": 0}}, r"a mixture has no weight above 0; expected at least one"),
        (
            {"mixture": {"a": 1, "b": 1e-9}},
            r"a mixture has the weight 1e-09, 1e-09 of all; expected 0, or at least one",
        ),
        (
            {"mixture": [(5, {"a": 1})]},
            r"a schedule's stages begin at steps 5; expected ascending steps from 0 on, e\.g\. \[\(0, \{…\}\), \(10_00",
        ),
        ({"mixture": [(0, {"a": 1}), (0, {"b": 1})]}, r"stages begin at steps 0, 0; expected ascending"),
        ({"mixture": [(0, {"a": 1}), (9, {"b": 1}), (8, {"b": 1})]}, r"stages begin at steps 0, 9, 8; expected"),
        ({"mixture": [(0, {"a": 1}), (1.5, {"b": 1})]}, r"^from_step=1\.5: expected a whole number"),
    ],
)
def test_refuses_rules_of_an_order(rules: dict[str, Any], match: str) -> None:
    mixture = rules.get("mixture", {"a": 1})
    each = {**SELECTIONS, ONLY: SELECTIONS["a"]}
    with pytest.raises(OrderError, match=match):
        make_order(each, dict.fromkeys(each, WHOLE), Rules(**{"num_steps": 5, **rules, "mixture": mixture}))


@pytest.mark.parametrize("rules", [{"seed": -1}, {"seed": 2**64}])
def test_refuses_seeds_of_mixtures_as_of_one_training_set(rules: dict[str, Any]) -> None:
    with pytest.raises(OrderError, match=f"seed={rules['seed']}; expected at least 0"):
        mixed(MIX, **rules)


@pytest.mark.parametrize("mixture", [{}, [], [("a", 0.5)], "a", [(0, ["a"])], [(0,)]])
def test_refuses_what_is_no_mixture(mixture: Any) -> None:
    with pytest.raises(OrderError):
        mixed(mixture)


def alike(batching: Batching, selection: Selection) -> Order:
    return make_order(
        {"a": SELECTIONS["a"], "other": selection},
        {"a": WHOLE, "other": batching},
        Rules(mixture={"a": 1, "other": 1}, num_steps=5, mix="samples"),
    )


@pytest.mark.parametrize(
    ("batching", "columns", "match"),
    [
        (BUCKETED, {}, r'^mix="samples": other has buckets, of which a step has one; use mix="steps"$'),
        (
            Batching(global_batch_size=10),
            {},
            r'^mix="samples": a has batches of 12 and other of 10; a step with samples of both has one size$',
        ),
        (
            WHOLE,
            {"number": pa.array(["x"] * 100)},
            r'^mix="samples": the column number is INT64 in a and STRING in other; select and cast it alike, or use mi',
        ),
        (
            WHOLE,
            {"weight": None},
            r'^mix="samples": the column weight is DOUBLE in a and not there in other; select an',
        ),
        (
            WHOLE,
            {"more": pa.array([1] * 100)},
            r'^mix="samples": the column more is not there in a and INT64 in other;',
        ),
    ],
)
def test_refuses_samples_that_differ(batching: Batching, columns: dict[str, Any], match: str) -> None:
    whole_columns = {
        "image": media([reference(i) for i in range(100)]),
        "number": pa.array(range(100)),
        "bucket": pa.array(["low"] * 50 + ["mid"] * 25 + ["top"] * 25),
        "weight": pa.array([1.0] * 100),
        "cost": pa.array([1] * 100),
        **columns,
    }
    sources = [Source(table="u", version=1, column="image", kind="image")]
    selection = selection_of({n: c for n, c in whole_columns.items() if c is not None}, sources=sources)
    with pytest.raises(OrderError, match=match):
        alike(batching, selection)


# Plans


def test_a_plan_adds_up() -> None:
    found = [
        (each.component, each.bucket, each.num_samples, each.global_batch_size, each.num_batches, each.num_dropped)
        for each in mixed(MIX, {"a": BUCKETED}).plan()
    ]
    assert found == [
        ("a", "low", 360, 24, 15, 0),
        ("a", "mid", 180, 12, 15, 0),
        ("a", "top", 60, 36, 1, 24),
        ("b", None, 245, 12, 20, 5),
        ("c", None, 97, 12, 8, 1),
    ]


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("batching", [WHOLE, BUCKETED, WEIGHTED, BOTH, Batching(batch_size=61, bucket_by="bucket")])
def test_a_plan_is_what_an_epoch_draws(batching: Batching, drop_last: bool) -> None:
    order = single(batching, drop_last=drop_last)
    drawn = [order.at(1, step)[0] for step in range(len(order))]
    plans = order.plan()
    assert sum(each.num_batches for each in plans) == len(order)
    for each in plans:
        own = [draw for draw in drawn if draw.bucket == each.bucket]
        assert len(own) == each.num_batches
        assert sum(len(draw.positions) for draw in own) == each.num_samples - each.num_dropped
        assert all(0 < len(draw.positions) <= each.global_batch_size for draw in own)
    if batching.weight_by is None:
        assert sum(each.num_samples for each in plans) == 600


# States


def parts_of(order: Order, num_steps: int = 30) -> list[Any]:
    return [(facts(draws), samples(draws)) for draws in whole_run(order, num_steps)]


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_is_made_again_of_its_state(name: str) -> None:
    order = ORDERS[name]()
    state = json.loads(json.dumps(order.state(2, 5)))
    assert state == order.state(2, 5)
    again = order_of(state, BY_FINGERPRINT.__getitem__, store=STORE)
    assert len(again) == len(order)
    assert parts_of(again) == parts_of(order)
    assert again.at(2, 5)[0].positions.tolist() == order.at(2, 5)[0].positions.tolist()
    assert again.place(state) == order.place(state) == (2, 5)
    assert again.settings() == order.settings()


BY_RANKS: dict[str, Batching] = {
    "batch_size": Batching(batch_size={"low": 8, "mid": 4, "top": 12}, bucket_by="bucket"),
    "a function": Batching(batch_size=lambda bucket: {"low": 8, "mid": 4, "top": 12}[bucket], bucket_by="bucket"),
    "a budget": Batching(batch_budget=("cost", 12), bucket_by="bucket"),
}


@pytest.mark.parametrize("name", BY_RANKS)
def test_a_state_of_three_ranks_is_one_of_one_rank(name: str) -> None:
    order = single(BY_RANKS[name], world_size=3)
    state = json.loads(json.dumps(order.state(0, 3)))
    sizes = state["components"][ONLY]["global_batch_size"]
    alone = single(Batching(global_batch_size=sizes, bucket_by="bucket"))
    assert alone.place(state) == (0, 3)
    again = order_of(state, BY_FINGERPRINT.__getitem__)
    assert parts_of(again) == parts_of(alone) == parts_of(order)


NUMPY_RULES: dict[str, dict[str, Any]] = {
    "weights": {"mixture": {"a": np.float64(0.7), "b": np.float32(0.5), "c": np.int16(1)}},
    "Fraction": {"mixture": {"a": Fraction(1, 3), "b": Fraction(2, 3)}},
    "seed and num_steps": {"mixture": MIX, "seed": np.uint64(MAX_SEED), "num_steps": np.int32(40)},
    "from_step": {"mixture": [(np.int64(0), {"a": 1}), (np.int64(9), {"b": 1})]},
    "window": {"mixture": MIX, "shuffle": Block(rows=40, window=np.int64(2))},  # type: ignore[arg-type]
    "lanes": {"mixture": MIX, "shuffle": Block(rows=40, lanes=np.int64(2))},  # type: ignore[arg-type]
    "rows": {"mixture": MIX, "shuffle": Block(rows=np.int64(40))},  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", NUMPY_RULES)
def test_rules_of_numpy_are_those_of_python(name: str, request: pytest.FixtureRequest) -> None:

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: float(each) for key, each in value.items()}
        if isinstance(value, list):
            return [(int(start), plain(weights)) for start, weights in value]
        if isinstance(value, Block):
            assert not isinstance(value.rows, str)
            return Block(rows=int(value.rows), window=int(value.window), lanes=int(value.lanes))
        return int(value)

    rules = NUMPY_RULES[name]
    order = mixed(**rules)
    same = mixed(**{key: plain(value) for key, value in rules.items()})
    state = json.loads(json.dumps(order.state(1, 2)))
    assert state == same.state(1, 2)
    assert same.place(state) == order.place(state) == (1, 2)
    assert parts_of(order) == parts_of(same)


def test_a_place_of_numpy_is_one_of_python() -> None:
    order = single(WHOLE)
    state = order.state(int(np.int64(3)), int(np.int64(4)))
    assert order.place(json.loads(json.dumps(state))) == (3, 4)


def test_weights_of_float32_are_those_of_their_state() -> None:
    schedule._period.cache_clear()
    order = mixed({"a": np.float32(0.02), "b": np.float32(0.74), "c": np.float32(0.8)})  # type: ignore[dict-item]
    counts = Counter(facts(draws)[0][0] for draws in whole_run(order, 4096))
    schedule._period.cache_clear()
    again = order_of(json.loads(json.dumps(order.state(0, 0))), BY_FINGERPRINT.__getitem__)
    assert Counter(facts(draws)[0][0] for draws in whole_run(again, 4096)) == counts


def small() -> Order:
    """Return a mixture with every part that a state has."""
    return mixed(STAGES, {"b": BOTH}, seed=8, shuffle=Block(rows=40, window=3))


def changed(state: dict[str, Any], *path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a state with another value somewhere."""
    copy = json.loads(json.dumps(state))
    place = copy
    for each in path[:-1]:
        place = place[each]
    place[path[-1]] = value
    return cast("dict[str, Any]", copy)


DIFFERS: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "version": (
        ("version",),
        1,
        rf"^the state is of another state version: 1 there, {STATE_VERSION} here; use the vers",
    ),
    "order version": (
        ("order_version",),
        1,
        rf"^the state is of another order version: 1 there, {ORDER_VERSION} here; ",
    ),
    "seed": (("seed",), 9, r"^the state is of another seed: 9 there, 8 here; give the loader that seed$"),
    "shuffle": (
        ("shuffle",),
        "full",
        r"^the state is of another shuffle: 'full' there, \{'rows': 40, 'window': 3, 'lanes': 1\} here; give the loade",
    ),
    "window": (
        ("shuffle", "window"),
        4,
        r"^the state is of another shuffle: \{'rows': 40, 'window': 4, 'lanes': 1\} th",
    ),
    "drop_last": (
        ("drop_last",),
        False,
        r"^the state is of another drop_last: False there, True here; give the loader that drop_last$",
    ),
    "mixture": (
        ("mixture",),
        None,
        r"^the state is of another mixture: None there, \[\[0, \{'a': 1\.0\}\], \[25, .* here",
    ),
    "weights": (
        ("mixture",),
        [[0, {"a": 1.0}], [25, {"a": 0.5, "b": 0.75}], [70, {"c": 1.0, "b": 0.25}]],
        r"^the state is of another mixture: .*0\.75.* there, .*0\.5\}.* here; give the loader those weights$",
    ),
    "mix": (
        ("mix",),
        "samples",
        r"^the state is of another mix: 'samples' there, 'steps' here; give the loader that mix",
    ),
    "num_steps": (
        ("num_steps",),
        41,
        r"^the state is of another num_steps: 41 there, 40 here; give the loader that num_",
    ),
    "components": (
        ("components",),
        {"a": {}, "d": {}},
        r"^the state is of another set of components: \['a', 'd'\] there, \['a', 'b', 'c'\] here; give the loader thos",
    ),
    "selection": (
        ("components", "b", "selection"),
        "00ff",
        r"^the state is of another selection of b: '00ff' there, '0{30}f5' here; load the selection file of that run,",
    ),
    "bucket_by": (
        ("components", "b", "bucket_by"),
        None,
        r"^the state is of another bucket_by of b: None there, 'bucket' here; give the loader that bucket_by$",
    ),
    "weight_by": (
        ("components", "a", "weight_by"),
        "weight",
        r"^the state is of another weight_by of a: 'weight' there, None here; give the loader that weight_by$",
    ),
    "global batch size": (
        ("components", "c", "global_batch_size"),
        24,
        r"^the state is of another global batch size of c: 24 there, 12 here; give the loader global_batch_size=state",
    ),
    "one bucket's": (
        ("components", "b", "global_batch_size", "mid"),
        24,
        r"^the state is of another global batch size of b: \{'low': 24, 'mid': 24, 'top': 36\} there, \{.*12.*\} here;",
    ),
    "an epoch below 0": (("epoch",), -1, r"^the state is at epoch -1, step 5; an epoch has 40 steps$"),
    "a step beyond": (("step",), 40, r"^the state is at epoch 2, step 40; an epoch has 40 steps$"),
    "a step below 0": (("step",), -1, r"^the state is at epoch 2, step -1; an epoch has 40 steps$"),
    "a step that is none": (("step",), 1.0, r"^the state is at epoch 2, step 1\.0; an epoch has 40 steps$"),
    "an epoch that is none": (("epoch",), None, r"^the state is at epoch None, step 5; an epoch has 40 steps$"),
    "True": (("epoch",), True, r"^the state is at epoch True, step 5; an epoch has 40 steps$"),
}


@pytest.mark.parametrize("name", DIFFERS)
def test_a_state_is_refused_by_the_part_that_differs(name: str) -> None:
    path, value, match = DIFFERS[name]
    order = small()
    state = order.state(2, 5)
    assert order.place(state) == (2, 5)
    with pytest.raises(StateError, match=match):
        order.place(changed(state, *path, value=value))
    assert order.place(state) == (2, 5)


def test_every_part_of_a_state_is_looked_at() -> None:
    """What is added to a state later must be refused where it differs."""
    order = small()
    state = order.state(2, 5)

    def paths(value: Any, *path: str) -> list[tuple[str, ...]]:
        if not isinstance(value, dict):
            return [path]
        return [each for key, inner in value.items() for each in paths(inner, *path, key)]

    for path in paths(state):
        with pytest.raises(StateError):
            order.place(changed(state, *path, value="something else"))


def test_one_training_set_is_not_named() -> None:
    order = single(BUCKETED)
    state = changed(order.state(0, 0), "components", ONLY, "selection", value="beef")
    with pytest.raises(
        StateError, match=r"^the state is of another selection: 'beef' there, '0+258' here; load the sel"
    ):
        order.place(state)


@pytest.mark.parametrize("part", [*single(WHOLE).settings(), "epoch", "step"])
def test_a_state_without_a_part_is_refused(part: str) -> None:
    order = single(WHOLE)
    state = {name: value for name, value in order.state(1, 2).items() if name != part}
    with pytest.raises(StateError, match=rf'^the state has no "{part}"; expected what Loader\.state_dict returned$'):
        order.place(state)


def test_more_in_a_state_does_no_harm() -> None:
    order = single(WHOLE)
    assert order.place({**order.state(1, 2), "worker": [0, 1], "my own": "note"}) == (1, 2)


def test_steps_beyond_the_epoch_where_they_are_allowed() -> None:
    order = single(WHOLE)
    assert len(order) == 50
    assert order.place(order.state(0, 53), beyond=4) == (0, 53)
    with pytest.raises(StateError, match="the state is at epoch 0, step 54; an epoch has 50 steps"):
        order.place(order.state(0, 54), beyond=4)


@pytest.mark.parametrize("components", [None, ["samples"], {ONLY: None}, {ONLY: 3}])
def test_damaged_components_are_refused(components: Any) -> None:
    order = single(WHOLE)
    with pytest.raises(StateError):
        order.place({**order.state(0, 0), "components": components})


# The order of a state


def test_the_versions_of_a_state_are_looked_at_first() -> None:
    for state, match in (
        ({}, r"^the state is of another state version: None there, 2 here; use the version of cutlist that wrote it$"),
        ({"version": 1}, r"^the state is of another state version: 1 there, 2 here"),
        ({"version": STATE_VERSION, "order_version": 1}, r"^the state is of another order version: 1 there, \d here"),
    ):
        with pytest.raises(StateError, match=match):
            order_of(state, BY_FINGERPRINT.__getitem__)


@pytest.mark.parametrize("part", ["seed", "shuffle", "drop_last", "mixture", "mix", "num_steps", "components"])
def test_an_order_of_a_state_without_a_part(part: str) -> None:
    state = {name: value for name, value in small().state(0, 0).items() if name != part}
    with pytest.raises(StateError, match=rf"^the state has no '{part}'; expected what Loader\.state_dict returned$"):
        order_of(state, BY_FINGERPRINT.__getitem__)


@pytest.mark.parametrize("part", ["selection", "bucket_by", "weight_by", "global_batch_size"])
def test_an_order_of_a_state_without_a_part_of_a_component(part: str) -> None:
    state = json.loads(json.dumps(small().state(0, 0)))
    del state["components"]["b"][part]
    with pytest.raises(StateError, match=rf"^the state has no '{part}'; expected what Loader\.state_dict returned$"):
        order_of(state, BY_FINGERPRINT.__getitem__)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        pytest.param("components", None),
        pytest.param("mixture", 5),
        pytest.param("shuffle", {"rows": 3, "rand": 1}),
        ("shuffle", "some"),
        ("mix", "some"),
        ("seed", "some"),
        ("num_steps", -1),
    ],
)
def test_an_order_of_a_damaged_state(part: str, value: Any) -> None:
    """Names the part."""
    with pytest.raises(CutlistError, match=part):
        order_of({**small().state(0, 0), part: value}, BY_FINGERPRINT.__getitem__, store=STORE)


def test_an_order_of_a_state_asks_for_its_selections() -> None:
    asked = []

    def find(fingerprint: str) -> Selection:
        asked.append(fingerprint)
        return BY_FINGERPRINT[fingerprint]

    order_of(small().state(0, 0), find)
    assert sorted(asked) == sorted(BY_FINGERPRINT)

    def none(fingerprint: str) -> Selection:
        raise CutlistError(f"no {fingerprint}")

    with pytest.raises(CutlistError, match="no 0"):
        order_of(small().state(0, 0), none)


# Golden

STATE = """{
 "version": 2,
 "order_version": 2,
 "seed": 8,
 "shuffle": {"rows": 40, "window": 3, "lanes": 1},
 "drop_last": true,
 "mixture": [[0, {"a": 1.0}], [25, {"a": 0.5, "b": 0.5}], [70, {"c": 1.0, "b": 0.25}]],
 "mix": "steps",
 "num_steps": 40,
 "components": {
  "a": {
   "selection": "00000000000000000000000000000258",
   "bucket_by": null,
   "weight_by": null,
   "global_batch_size": 12
  },
  "b": {
   "selection": "000000000000000000000000000000f5",
   "bucket_by": "bucket",
   "weight_by": "weight",
   "global_batch_size": {"low": 24, "mid": 12, "top": 36}
  },
  "c": {
   "selection": "000000000000000000000000ffffff9f",
   "bucket_by": null,
   "weight_by": null,
   "global_batch_size": 12
  }
 },
 "epoch": 2,
 "step": 5
}"""

DRAWN = {
    (0, 0): ([(0, 0, None)], [198, 243, 168, 169, 593, 265, 591, 180, 162, 598, 566, 577]),
    (0, 30): (
        [(1, 0, "low")],
        [2, 204, 162, 3, 72, 135, 180, 144, 102, 44, 30, 5, 114, 162, 61, 171, 44, 62, 70, 85, 121, 121, 153, 205],
    ),
    (2, 5): ([(2, 1, None)], [30, 40, 17, 78, 42, 20, 56, 4, 58, 69, 87, 67]),
}

STEPS: dict[str, tuple[list[tuple[int, int, str | None]], list[int]]] = {
    "bucketed": (
        [(0, 3, "low")],
        [
            *(72, 435, 403, 355, 563, 214, 55, 342, 551, 531, 271, 341),
            *(511, 262, 594, 411, 230, 350, 590, 390, 530, 42, 112, 24),
        ],
    ),
    "fragments": ([(0, 3, "mid")], [217, 186, 368, 117, 306, 586, 357, 478, 336, 177, 386, 458]),
    "weighted": ([(0, 3, None)], [187, 280, 396, 434, 539, 582, 229, 354, 558, 526, 457, 405]),
    "samples": (
        [(0, 1, None), (1, 1, None), (2, 1, None)],
        [52, 26, 484, 533, 457, 490, 581, 143, 27, 195, 69, 87],
    ),
}


def test_golden_state() -> None:
    """Changing it is a CHECKPOINT BREAKING CHANGE: it bumps STATE_VERSION and is in the changelog."""
    assert STATE_VERSION == 2
    assert small().state(2, 5) == json.loads(STATE)
    assert json.dumps(small().state(2, 5)) == json.dumps(json.loads(STATE)), "the order of its parts, too"
    again = order_of(json.loads(STATE), BY_FINGERPRINT.__getitem__)
    assert again.place(json.loads(STATE)) == (2, 5)
    for place, wanted in DRAWN.items():
        draws = again.at(*place)
        assert (facts(draws), [position for _, position in samples(draws)]) == wanted


@pytest.mark.parametrize("name", STEPS)
def test_golden_steps(name: str) -> None:
    """Changing these numbers is an ITERATION ORDER BREAKING CHANGE: it bumps ORDER_VERSION and is in the changelog."""
    assert ORDER_VERSION == 2
    draws = ORDERS[name]().at(3, 7)
    assert (facts(draws), [position for _, position in samples(draws)]) == STEPS[name]
