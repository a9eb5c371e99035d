"""What holds for a whole run: seed, shuffle, and the weights of its training sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from cutlist.errors import OrderError
from cutlist.order.batching import whole
from cutlist.sampler import Block, Shuffle
from cutlist.sampler.permutation import MAX_SEED, check_range

ONLY = "samples"
"""What the component of a run is called where there is one training set."""

Mix: TypeAlias = Literal["steps", "samples"]
Weights: TypeAlias = Mapping[str, float]
Mixture: TypeAlias = Weights | Sequence[tuple[int, Weights]]
"""Name of each component → its weight; or such weights from one step on, and others from another."""


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
        check_range("seed", self.seed, 0, MAX_SEED)
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
        if self.mixture is not None:
            if self.drop_last is not True:
                raise OrderError("drop_last=False is for one training set; a mixture has batches of one size")
            if self.mix == "samples" and isinstance(self.shuffle, Block) and self.shuffle.lanes > 1:
                raise OrderError('lanes are parts of a step of one component: they do not go with mix="samples"')
            object.__setattr__(self, "mixture", stages_of(self.mixture))

    @property
    def stages(self) -> tuple[tuple[int, Weights], ...]:
        """The mixture as a schedule: (from step, weights)."""
        return cast("tuple[tuple[int, Weights], ...]", self.mixture or ())

    @property
    def names(self) -> tuple[str, ...]:
        """The components, in the order of their names, which is that of their numbers."""
        return tuple(sorted({name for _, weights in self.stages for name in weights})) or (ONLY,)


def stages_of(mixture: Any) -> tuple[tuple[int, dict[str, float]], ...]:
    """Return a mixture as a schedule of Python's own numbers, which are those that its state has.

    Raises:
        OrderError: if it is neither weights by name nor a schedule of such.

    Examples:
        >>> stages_of({"hd": 7, "anime": 3})
        ((0, {'hd': 7.0, 'anime': 3.0}),)
    """
    given = [(0, mixture)] if isinstance(mixture, Mapping) else mixture
    stages: list[tuple[int, dict[str, float]]] = []
    if isinstance(given, Iterable) and not isinstance(given, str):
        for each in given:
            if isinstance(each, str) or not isinstance(each, Sequence) or len(each) != 2:
                break
            start, weights = each
            if not isinstance(weights, Mapping) or not weights:
                break
            stages.append((whole("from_step", start), {name: _weight(name, one) for name, one in weights.items()}))
        else:
            if stages:
                return tuple(stages)
    raise OrderError(
        f'mixture={mixture!r}: expected names and weights, {{"hd": 0.7, "anime": 0.3}}, or a schedule of such, '
        f'[(0, {{"hd": 1}}), (10_000, {{"hd": 0.7, "anime": 0.3}})]'
    )


def _weight(name: str, weight: object) -> float:
    if isinstance(weight, bool | np.bool_) or not isinstance(weight, Real):
        raise OrderError(f"mixture: {name} has the weight {weight!r}; expected a number of at least 0")
    return float(weight)
