"""Mixtures and curricula. Properties checked:

- counts: after any number of draws from the start of a stage, each component was drawn as often as its proportion
  (rounded to 1 / PERIOD) says, to within 1; two components to within a half. So any stretch of draws deviates by less
  than 2, or 1. Checked at every draw of a period, for many weights, which covers any number of periods;
- each draw is of one component, and a component counts its own draws without a gap, through all stages;
- pure: any draw of 10^12 costs as little as the first, and says the same;
- samples: a step of G draws has G samples;
- golden: the sequence itself does not change.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlist.errors import OrderError
from cutlist.sampler import ORDER_VERSION, PERIOD, Schedule, Stage
from cutlist.sampler.schedule import rounded


def mixture(*weights: float, draws_per_step: int = 1) -> Schedule:
    return Schedule(stages=(Stage(from_step=0, weights=weights),), draws_per_step=draws_per_step)


def counts_until(schedule: Schedule, start: int, stop: int) -> NDArray[np.int64]:
    """Return how often each component was drawn in [start, t) for each t of [start, stop]; asks every draw."""
    num_components = len(schedule.stages[0].weights)
    until = np.zeros((stop - start + 1, num_components), dtype=np.int64)
    for row, step in enumerate(range(start, stop), start=1):
        until[row] = until[row - 1]
        for component, first, last in schedule.draws(step):
            until[row, component] += last - first
    return until


def random_weights(seed: int) -> tuple[float, ...]:
    """Return weights of 2 to 40 components: alike, far apart, with zeros, or one that has nearly all."""
    rng = np.random.default_rng(seed)
    num_components = int(rng.integers(2, 41)) if seed % 3 else 2
    weights = [
        rng.random(num_components) + 0.01,
        10.0 ** rng.uniform(-2, 0, size=num_components),
        rng.integers(0, 4, size=num_components) + np.eye(num_components)[0],
        np.where(np.arange(num_components) == 0, PERIOD, 1),
        np.ones(num_components),
    ][seed % 5]
    return tuple(float(each) for each in weights)


# Counts


@pytest.mark.parametrize("seed", range(60))
def test_after_any_number_of_draws_each_component_has_had_its_share(seed: int) -> None:
    """Over two periods, though one would do: the deviations at the end of a period are 0."""
    weights = random_weights(seed)
    until = counts_until(mixture(*weights), 0, 2 * PERIOD)
    shares = np.array(rounded(weights))
    assert (np.diff(until, axis=0).sum(axis=1) == 1).all(), "one component for each draw"
    assert np.diff(until, axis=0).min() == 0, "counts never go down"
    deviations = until * PERIOD - np.arange(2 * PERIOD + 1)[:, np.newaxis] * shares  # in 1 / PERIOD
    assert (deviations[[PERIOD, 2 * PERIOD]] == 0).all()
    num_drawn = int(np.count_nonzero(shares))
    if num_drawn == 1:
        assert not deviations.any()
        return
    most = PERIOD * (1 - Fraction(1, 2 * num_drawn - 2))  # Tijdeman's bound, the least there is
    assert np.abs(deviations).max() <= most < PERIOD
    of_stretches = (deviations.max(axis=0) - deviations.min(axis=0)).max()
    assert of_stretches < 2 * PERIOD
    if num_drawn == 2:
        assert of_stretches <= PERIOD
    assert until[:, np.array(weights) == 0].max(initial=0) == 0


def test_the_bound_tells_random_draws_and_largest_remainders_apart() -> None:
    """What the test above would say of the ways that are usual."""
    weights = (0.5, 0.3, 0.15, 0.05)
    shares = np.array(rounded(weights))
    draws = np.random.default_rng(0).choice(4, size=PERIOD, p=shares / PERIOD)
    until = np.cumsum(np.eye(4, dtype=np.int64)[draws], axis=0)
    assert np.abs(until * PERIOD - np.arange(1, PERIOD + 1)[:, np.newaxis] * shares).max() > 10 * PERIOD
    exact = np.arange(PERIOD + 1)[:, np.newaxis] * shares
    remainders = exact % PERIOD
    extra = (np.arange(PERIOD + 1) - (exact // PERIOD).sum(axis=1))[:, np.newaxis]
    by_remainder = exact // PERIOD + (np.argsort(np.argsort(-remainders, axis=1, kind="stable"), axis=1) < extra)
    assert np.diff(by_remainder, axis=0).min() < 0, "counts go down: largest remainders are no sequence"


@given(
    weights=st.lists(st.floats(0.01, 1), min_size=1, max_size=12), step=st.integers(0, 10**12), count=st.integers(1, 99)
)
def test_anywhere_in_a_run(weights: list[float], step: int, count: int) -> None:
    schedule = mixture(*weights)
    until = counts_until(schedule, step, step + count)
    assert (until.sum(axis=1) == np.arange(count + 1)).all()
    shares = [Fraction(each, PERIOD) for each in rounded(weights)]
    for found, share in zip(until[-1].tolist(), shares, strict=True):
        assert abs(found - count * share) < 2
    ((component, first, _),) = schedule.draws(step)
    assert abs(first - step * shares[component]) < 1


def test_a_component_counts_its_draws_without_a_gap() -> None:
    schedule = Schedule(
        stages=(
            Stage(from_step=0, weights=(0.6, 0.4, 0.0)),
            Stage(from_step=777, weights=(0.0, 0.1, 0.9)),
            Stage(from_step=5000, weights=(1 / 3, 1 / 3, 1 / 3)),
        )
    )
    following = [0, 0, 0]
    for step in range(10_000):
        ((component, first, stop),) = schedule.draws(step)
        assert first == following[component]
        assert stop == first + 1
        following[component] = stop


def test_later_periods_repeat_the_first() -> None:
    schedule = mixture(5, 3, 1, 0.25)
    shares = rounded((5, 3, 1, 0.25))
    for step in (*range(0, PERIOD, 97), PERIOD - 1):
        ((component, first, _),) = schedule.draws(step)
        for periods in (1, 2, 10**9, 10**15):
            later = first + periods * shares[component]
            assert schedule.draws(step + periods * PERIOD) == ((component, later, later + 1),)


def test_equal_components_take_turns() -> None:
    schedule = mixture(1, 1, 1, 1)
    components = [schedule.draws(step)[0][0] for step in range(PERIOD)]
    assert all(sorted(components[start : start + 4]) == [0, 1, 2, 3] for start in range(0, PERIOD, 4))


def test_draws_are_spread_evenly() -> None:
    """Of two components, one of weight a in b is drawn every floor(b / a) or ceil(b / a) steps."""
    for weight in (0.5, 0.3, 0.1, 0.013):
        schedule = mixture(1 - weight, weight)
        steps = [step for step in range(2 * PERIOD) if schedule.draws(step)[0][0] == 1]
        share = Fraction(int(rounded((1 - weight, weight))[1]), PERIOD)
        assert {b - a for a, b in pairwise(steps)} <= {math.floor(1 / share), math.ceil(1 / share)}


def test_schedules_are_pure() -> None:
    schedule = mixture(0.7, 0.2, 0.1, draws_per_step=5)
    expected = [schedule.draws(step) for step in range(300)]
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert [copy.draws(step) for step in reversed(range(300))] == expected[::-1]
    assert [mixture(0.7, 0.2, 0.1, draws_per_step=5).draws(step) for step in (299, 0)] == [expected[299], expected[0]]


# Samples of a step


@given(
    weights=st.lists(st.floats(0.001, 1), min_size=1, max_size=8),
    draws_per_step=st.integers(1, 10_000),
    step=st.integers(0, 10**12),
)
def test_a_step_has_as_many_samples_as_it_draws(weights: list[float], draws_per_step: int, step: int) -> None:
    schedule = mixture(*weights, draws_per_step=draws_per_step)
    draws = schedule.draws(step)
    assert sum(stop - first for _, first, stop in draws) == draws_per_step
    components = [component for component, _, _ in draws]
    assert components == sorted(set(components)), "each component once, in order"
    shares = [Fraction(each, PERIOD) for each in rounded(weights)]
    for component, first, stop in draws:
        assert abs((stop - first) - draws_per_step * shares[component]) < 2
    following = {component: first for component, first, _ in schedule.draws(step + 1)}
    assert all(following.get(component, stop) == stop for component, _, stop in draws)


def test_steps_of_several_draws_are_those_of_single_ones() -> None:
    fine, coarse = mixture(0.6, 0.3, 0.1), mixture(0.6, 0.3, 0.1, draws_per_step=7)
    for step in (0, 1, 584, 585, 586, 10**9):  # the period ends within step 585
        found = {component: (first, stop) for component, first, stop in coarse.draws(step)}
        expected: dict[int, tuple[int, int]] = {}
        for draw in range(7 * step, 7 * step + 7):
            ((component, first, stop),) = fine.draws(draw)
            expected[component] = (expected.get(component, (first, first))[0], stop)
        assert found == expected


# Stages


@pytest.mark.parametrize("draws_per_step", [1, 3])
def test_within_each_stage_each_component_has_its_share(draws_per_step: int) -> None:
    stages = (
        Stage(from_step=0, weights=(1, 0, 0)),
        Stage(from_step=1, weights=(1, 1, 1)),
        Stage(from_step=1000, weights=(0.2, 0, 0.8)),
        Stage(from_step=1000 + PERIOD, weights=(0, 1, 0)),
    )
    schedule = Schedule(stages=stages, draws_per_step=draws_per_step)
    ends = [1, 1000, 1000 + PERIOD, 1000 + 2 * PERIOD]
    for stage, end in zip(stages, ends, strict=True):
        until = counts_until(schedule, stage.from_step, end)
        shares = np.array(rounded(stage.weights))
        deviations = until * PERIOD - draws_per_step * np.arange(len(until))[:, np.newaxis] * shares
        assert np.abs(deviations).max() < PERIOD
        assert until[-1, shares == 0].sum() == 0


def test_one_stage_after_another_begins_anew() -> None:
    alone = mixture(0.6, 0.4)
    later = Schedule(stages=(Stage(from_step=0, weights=(0, 1)), Stage(from_step=50, weights=(0.6, 0.4))))
    assert [each for each, _, _ in (later.draws(step)[0] for step in range(50, 200))] == [
        each for each, _, _ in (alone.draws(step)[0] for step in range(150))
    ]


def test_a_stage_with_the_same_weights_need_not_be_the_same_sequence() -> None:
    """But up to it nothing changes, which is what a run that is changed later relies on."""
    plain = mixture(0.6, 0.4)
    changed = Schedule(stages=(Stage(from_step=0, weights=(0.6, 0.4)), Stage(from_step=333, weights=(0.1, 0.9))))
    assert [plain.draws(step) for step in range(333)] == [changed.draws(step) for step in range(333)]


# Rounding


@given(weights=st.lists(st.one_of(st.just(0.0), st.floats(0.05, 1), st.floats(1, 3)), min_size=1, max_size=25))
@example(weights=[1.0] * PERIOD)
@example(weights=[0.1] * 10)
@example(weights=[1e300, 1e300])
@example(weights=[5e-324, 5e-324, 5e-324])
def test_proportions_are_rounded_once(weights: list[float]) -> None:
    if not any(weights):
        weights = [1.0]
    counts = rounded(weights)
    assert sum(counts) == PERIOD
    total = sum(map(Fraction, weights))
    for weight, count in zip(weights, counts, strict=True):
        assert abs(count - Fraction(weight) / total * PERIOD) < 1
        assert (count > 0) == (weight > 0)


def test_only_proportions_matter() -> None:
    assert rounded([7, 3]) == rounded([0.7, 0.3]) == rounded([7e10, 3e10]) == (2867, 1229)
    one, other = mixture(7, 3), mixture(0.7, 0.3)
    assert [one.draws(step) for step in range(100)] == [other.draws(step) for step in range(100)]


# Golden


def sequence(schedule: Schedule, start: int, stop: int) -> str:
    return "".join(str(schedule.draws(step)[0][0]) for step in range(start, stop))


def test_golden_schedule() -> None:
    """Changing these numbers is an ITERATION ORDER BREAKING CHANGE: it bumps ORDER_VERSION and is in the changelog."""
    assert ORDER_VERSION == 2
    assert PERIOD == 4096
    assert sequence(mixture(0.5, 0.3, 0.15, 0.05), 0, 40) == "0102010102010103021001020101020101030210"
    assert sequence(mixture(0.5, 0.3, 0.15, 0.05), 10**12, 10**12 + 40) == "0102010102010103021001020101020101030210"
    assert mixture(0.5, 0.3, 0.15, 0.05).draws(10**12) == ((0, 500000000000, 500000000001),)
    stages = (Stage(from_step=0, weights=(1, 2)), Stage(from_step=5, weights=(2, 1)))
    assert sequence(Schedule(stages=stages), 0, 15) == "101100100100100"
    assert Schedule(stages=stages, draws_per_step=256).draws(10**12) == (
        (0, 170687499999574, 170687499999744),
        (1, 85312500000426, 85312500000512),
    )


# Errors


def stages_of(*starts: int) -> tuple[Stage, ...]:
    return tuple(Stage(from_step=start, weights=(1.0, 2.0)) for start in starts)


@pytest.mark.parametrize(
    ("starts", "shown"), [((), "none"), ((5,), "5"), ((0, 0), "0, 0"), ((0, 9, 4), "0, 9, 4"), ((-1, 3), "-1, 3")]
)
def test_refuses_stages_that_do_not_ascend_from_0(starts: Sequence[int], shown: str) -> None:
    with pytest.raises(OrderError, match=rf"stages begin at steps {shown}; expected ascending steps from 0 on, e\.g\."):
        Schedule(stages=stages_of(*starts))


@pytest.mark.parametrize("weight", [-1.0, -1e-300, math.inf, math.nan])
@pytest.mark.parametrize("stage", [0, 1])
def test_refuses_weights_that_are_none(weight: float, stage: int) -> None:
    weights = [(1.0, 2.0), (1.0, 2.0)]
    weights[stage] = (1.0, weight)
    stages = tuple(Stage(from_step=10 * number, weights=each) for number, each in enumerate(weights))
    with pytest.raises(OrderError, match=rf"a mixture has the weight {weight!r}; expected a number of at least 0"):
        Schedule(stages=stages)


@pytest.mark.parametrize("weights", [(), (0.0,), (0.0, 0.0)])
def test_refuses_a_mixture_of_nothing(weights: tuple[float, ...]) -> None:
    with pytest.raises(OrderError, match="a mixture has no weight above 0; expected at least one"):
        mixture(*weights)


@pytest.mark.parametrize("stage", [0, 1])
def test_refuses_weights_that_would_be_lost(stage: int) -> None:
    weights = [(1.0, 2.0), (1.0, 2.0)]
    weights[stage] = (1.0, 1e-5)
    stages = tuple(Stage(from_step=10 * number, weights=each) for number, each in enumerate(weights))
    with pytest.raises(OrderError, match=r"weight 1e-05, 1e-05 of all; expected 0, or at least one in 4,096"):
        Schedule(stages=stages)
    with pytest.raises(OrderError, match="at least one in 4,096"):
        mixture(*[1.0] * (PERIOD + 1))


def test_refuses_stages_of_different_lengths() -> None:
    with pytest.raises(OrderError, match="weights"):
        Schedule(stages=(Stage(from_step=0, weights=(1.0,)), Stage(from_step=5, weights=(1.0, 2.0)))).draws(7)


def test_weights_whose_sum_is_too_great() -> None:
    assert rounded([1e308, 1e308]) == (PERIOD // 2, PERIOD // 2)


def test_refuses_steps_before_the_first() -> None:
    with pytest.raises(OrderError, match="step=-1"):
        mixture(1, 2).draws(-1)
