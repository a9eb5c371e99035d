"""Mixtures: which component each step, or each sample, of a run comes from, in fixed proportions.

The proportions are rounded once to counts over a period, and one period's sequence is written down such that after any
number of steps each component has had its share to within one step (Tijdeman, "The chairman assignment problem",
Discrete Mathematics 32, 1980). Sums over its beginnings make any step of any period arithmetic.

Changing any number that this file returns is an ITERATION ORDER BREAKING CHANGE and bumps `ORDER_VERSION`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cutlist.errors import OrderError, listing

PERIOD = 4096
"""Steps after which the sequence repeats; a weight is rounded to a multiple of 1/PERIOD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The weights of the components from a step on; 0: none of that component."""

    from_step: int
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which component each draw of a run is from: a mixture, or several one after another (a curriculum).

    Args:
        stages: In ascending order of `from_step`, the first from step 0; as many weights in each.
        draws_per_step: 1 where a step is of one component; the global batch size where each of its samples is drawn.

    Raises:
        OrderError: if the stages do not begin at 0 or do not ascend, or a weight is negative, not finite, or too small
            beside the others to be drawn once in a period.

    Examples:
        >>> schedule = Schedule(stages=(Stage(from_step=0, weights=(0.7, 0.3)),))
        >>> [component for step in range(10) for component, _, _ in schedule.draws(step)]
        [0, 1, 0, 0, 1, 0, 0, 0, 1, 0]
        >>> schedule.draws(10**12)
        ((0, 699951171875, 699951171876),)
    """

    stages: tuple[Stage, ...]
    draws_per_step: int = 1
    _before: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [each.from_step for each in self.stages]
        if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            raise OrderError(
                f"a schedule's stages begin at steps {', '.join(map(str, starts)) or 'none'}; "
                f"expected ascending steps from 0 on, e.g. [(0, {{…}}), (10_000, {{…}})]"
            )
        lengths = {len(each.weights) for each in self.stages}
        if len(lengths) > 1:
            raise OrderError(
                f"a schedule's stages have {listing(map(str, lengths))} weights; expected one for each component in "
                f"every stage, 0 where it has none"
            )
        before: list[tuple[int, ...]] = [(0,) * len(self.stages[0].weights)]
        for stage, following in pairwise(self.stages):
            length = (following.from_step - stage.from_step) * self.draws_per_step
            before.append(_sum(before[-1], _so_far(stage.weights, length)))
        object.__setattr__(self, "_before", tuple(before))
        _period(self.stages[-1].weights)

    def draws(self, step: int) -> tuple[tuple[int, int, int], ...]:
        """Return what a step draws: (component, first, stop) for each component it has, in their order.

        Components count their own draws from 0, through all stages: this step has those in [first, stop).

        Raises:
            OrderError: if `step` is negative.
        """
        if step < 0:
            raise OrderError(f"schedule: step={step}; expected at least 0")
        first, stop = (self._until(slot) for slot in (step * self.draws_per_step, (step + 1) * self.draws_per_step))
        return tuple((number, a, b) for number, (a, b) in enumerate(zip(first, stop, strict=True)) if a < b)

    def _until(self, slot: int) -> tuple[int, ...]:
        """Return how often each component was drawn before a draw of the run."""
        number = sum(each.from_step * self.draws_per_step <= slot for each in self.stages) - 1
        stage = self.stages[number]
        return _sum(self._before[number], _so_far(stage.weights, slot - stage.from_step * self.draws_per_step))


def _sum(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _so_far(weights: tuple[float, ...], draws: int) -> tuple[int, ...]:
    """Return how often each component is drawn in the first `draws` of a stage."""
    periods, rest = divmod(draws, PERIOD)
    until = _period(weights)
    return tuple(periods * int(whole) + int(part) for whole, part in zip(until[PERIOD], until[rest], strict=True))


@lru_cache(maxsize=256)
def _period(weights: tuple[float, ...]) -> NDArray[np.int32]:
    """Return how often each component was drawn before each draw of a period, and in all of it.

    Returns:
        int32, shape (PERIOD + 1, number of components).
    """
    counts = np.array(rounded(weights))
    drawn = np.flatnonzero(counts).tolist()
    until = np.zeros((PERIOD + 1, len(counts)), dtype=np.int32)
    scale = max(2 * len(drawn) - 2, 2)  # everything is multiplied by it, and by PERIOD, to stay in integers
    owed = dict.fromkeys(drawn, 0)
    for draw in range(PERIOD):
        for each in drawn:
            owed[each] += int(counts[each])
        # Of those owed enough that drawing them does not run ahead, the one that would fall behind first.
        ready = [each for each in drawn if owed[each] * scale >= PERIOD]
        chosen = min(ready, key=lambda each: ((PERIOD * (scale - 1) - owed[each] * scale) / int(counts[each]), each))
        owed[chosen] -= PERIOD
        until[draw + 1] = until[draw]
        until[draw + 1, chosen] += 1
    until.setflags(write=False)
    return until


def rounded(weights: Sequence[float]) -> tuple[int, ...]:
    """Return weights as whole numbers that add up to `PERIOD`, by largest remainder.

    Raises:
        OrderError: if one is negative or not finite, all are 0, or one that is not 0 would become 0.

    Examples:
        >>> rounded([0.7, 0.3])
        (2867, 1229)
    """
    for each in weights:
        if not math.isfinite(each) or each < 0:
            raise OrderError(f"a mixture has the weight {each!r}; expected a number of at least 0")
    most = max(weights, default=0)
    if most <= 0:
        raise OrderError("a mixture has no weight above 0; expected at least one")
    total = math.fsum(each / most for each in weights)
    shares = [each / most / total * PERIOD for each in weights]
    counts = [int(each) for each in shares]
    by_rest = sorted(range(len(shares)), key=lambda each: (counts[each] - shares[each], each))
    for each in by_rest[: PERIOD - sum(counts)]:
        counts[each] += 1
    lost = next((weight for weight, count in zip(weights, counts, strict=True) if weight and not count), None)
    if lost is not None:
        raise OrderError(
            f"a mixture has the weight {lost!r}, {lost / most / total:.2g} of all; "
            f"expected 0, or at least one in {PERIOD:,}"
        )
    return tuple(counts)
