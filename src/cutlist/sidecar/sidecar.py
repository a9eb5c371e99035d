"""A sidecar: a folder beside a selection's file, with arrays that are memory-mapped.

The arrays are `positions.npy`, `weights.npy` and `blocks.npy`, those that there are; `sidecar.json` has the rest. A
sidecar depends on the selection alone, so it can be deleted and made again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.sampler import Buckets

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
"""Version of the files; another is made anew."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sidecar:
    """The samples of a selection by bucket.

    Args:
        buckets: Positions, weights and blocks.
        costs: Largest cost of a sample of each bucket; None without a column of costs.
        shapes: Media column → field of its references that is the same in all samples of each bucket → its value there.
        path: The folder that the arrays are mapped from, or None.
    """

    buckets: Buckets
    costs: tuple[float, ...] | None = None
    shapes: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    path: Path | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is not None:
            return load, (self.path,)
        buckets = {name: getattr(self.buckets, name) for name in Buckets.__slots__}
        return _restore, (buckets, self.costs, self.shapes)


def load(path: Path) -> Sidecar:
    """Return the sidecar in a folder.

    Raises:
        OSError, EOFError, ValueError, KeyError, TypeError: if it is not there, or damaged.
    """
    header = json.loads((path / "sidecar.json").read_text())

    def mapped(name: str) -> Any:
        if name not in header["arrays"]:
            return None
        array = np.load(path / f"{name}.npy", mmap_mode="r")
        if len(array) != header["arrays"][name]:
            raise ValueError(f"{name}.npy has {len(array)} values, expected {header['arrays'][name]}")
        return array

    names, starts = tuple(header["names"]), np.array(header["starts"], dtype=np.int64)
    buckets = Buckets(
        names=names,
        starts=starts,
        positions=mapped("positions"),
        weights_until=mapped("weights"),
        blocks=mapped("blocks"),
    )
    costs = header["costs"]
    return Sidecar(buckets=buckets, costs=None if costs is None else tuple(costs), shapes=header["shapes"], path=path)


def _restore(buckets: Mapping[str, Any], costs: tuple[float, ...] | None, shapes: Mapping[str, Any]) -> Sidecar:
    return Sidecar(buckets=Buckets(**buckets), costs=costs, shapes=shapes)
