"""What holds for a whole run: seed, shuffle, and the weights of its training sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Literal, TypeAlias

from cutlist.errors import OrderError
from cutlist.order.batching import whole

if TYPE_CHECKING:
    from cutlist.sampler import Shuffle

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
