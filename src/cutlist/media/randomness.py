"""What is random about a sample, drawn from (seed, epoch, sample) alone: the numbers of `random_clip` and its like.

A number depends on the kind of operation and not on the medium, so that the media of one row, say a video and its depth
map, get the same part, the same place and the same side. Changing any number that this file returns is an ITERATION
ORDER BREAKING CHANGE: it changes what every run with a random operation sees.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from cutlist.media.reference import OPS, Op

if TYPE_CHECKING:
    from collections.abc import Sequence

RANDOM: dict[str, int] = {"random_clip": 1, "random_crop": 2, "random_flip": 1}
"""Name of each random operation → how many numbers it needs."""

_NUM_ARGS = {name: len(fields) for name, fields in OPS.values()}


def resolve(ops: Sequence[Op], *, seed: int, epoch: int, sample: int) -> tuple[Op, ...]:
    """Return the operations with the numbers that random ones need after their parameters, each in [0, 1).

    What a number means is decided when the medium is known: of `random_clip` the start, and of `random_crop` the corner
    (across, then down), as a share of the room that there is; `random_flip` mirrors if it is below the probability.

    Args:
        ops: Operations of one medium; those that are not random stay as they are.
        seed: Of the run.
        epoch: Of the run, from 0.
        sample: The sample's position in its selection.

    Examples:
        >>> [str(op) for op in resolve([Op("resize", (64, 64)), Op("random_crop", (8, 8))], seed=0, epoch=0, sample=7)]
        ['resize(64, 64)', 'random_crop(8, 8, 0.845611, 0.0167656)']
    """
    return tuple(
        Op(op.name, (*op.args, *_numbers(op.name, seed, epoch, sample))) if is_unresolved(op) else op for op in ops
    )


def is_unresolved(op: Op) -> bool:
    """Return whether an operation is random and its numbers are not drawn."""
    return op.name in RANDOM and len(op.args) == _NUM_ARGS[op.name]


def _numbers(kind: str, seed: int, epoch: int, sample: int) -> tuple[float, ...]:
    """Return numbers in [0, 1): the upper 53 bits of each 8 bytes of a hash."""
    count = RANDOM[kind]
    digest = blake2b(f"{kind} {seed} {epoch} {sample}".encode(), digest_size=8 * count).digest()
    return tuple((int.from_bytes(digest[8 * i : 8 * i + 8], "little") >> 11) / 2**53 for i in range(count))
