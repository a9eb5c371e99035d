"""Making a sidecar: two passes over a selection, a counting sort by (bucket, fragment)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.errors import OrderError
from cutlist.process.watch import watched
from cutlist.sampler import Buckets
from cutlist.sidecar.sidecar import FORMAT, Sidecar
from cutlist.sidecar.survey import FRAGMENTS, FragmentsOf, Keys, Survey

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from cutlist.selection import Selection


class _Passes:
    """Batches of a selection, pass after pass, which count what they gave and stop when they are told to."""

    def __init__(self, selection: Selection):
        self._batches = selection.batches
        self._rows = 0
        self._all = max(2 * selection.num_samples, 1)
        self._stopped = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            if self._stopped:
                raise KeyboardInterrupt
            yield batch
            self._rows += batch.num_rows

    def stop(self) -> None:
        self._stopped = True

    def fraction(self) -> float:
        return self._rows / self._all


def build(selection: Selection, keys: Keys, fragments_of: FragmentsOf | None, folder: Path | None) -> Sidecar:
    """Make a sidecar, in a folder or in memory; shows its progress."""
    passes = _Passes(selection)
    return watched(
        lambda: _sort(selection, keys, fragments_of, folder, passes),
        interrupt=passes.stop,
        fraction=passes.fraction,
        title="buckets" if keys.bucket_by is not None else "weights",
    )


def _sort(
    selection: Selection,
    keys: Keys,
    fragments_of: FragmentsOf | None,
    folder: Path | None,
    batches: Iterable[pa.RecordBatch],
) -> Sidecar:
    """Make a sidecar in two passes: a counting sort by (bucket, fragment)."""
    survey = Survey(selection, keys, fragments_of)
    for batch in batches:
        survey.add(batch)
    names, groups, starts = survey.groups()
    num_samples = selection.num_samples
    kind = np.uint32 if num_samples <= 2**32 else np.int64
    positions = _array(folder, "positions", num_samples, kind) if len(groups) > 1 else None
    weights = _array(folder, "weights", num_samples, np.float64) if keys.weight_by is not None else None
    following, first = starts[:-1].copy(), 0
    small = np.uint16 if len(groups) <= 2**16 else np.int64  # numpy sorts the former by radix, four times as fast
    for batch in batches:
        group = np.searchsorted(groups, survey.codes(batch)).astype(small)
        order = np.argsort(group, kind="stable")
        counts = np.bincount(group, minlength=len(groups))
        places = np.repeat(following - (np.cumsum(counts) - counts), counts) + np.arange(len(group))
        if positions is not None:
            positions[places] = first + order
        if weights is not None:
            weights[places] = survey.numbers(batch, keys.weight_by)[order]
        following += counts
        first += len(group)
    if weights is not None:
        _add_up(weights, str(keys.weight_by))
    buckets = Buckets(
        names=tuple(names),
        starts=starts[[*np.searchsorted(groups, np.arange(len(names)) * FRAGMENTS), len(groups)]],
        positions=positions,
        weights_until=weights,
        blocks=starts if keys.fragments else None,
    )
    made = Sidecar(buckets=buckets, costs=survey.costs(), shapes=survey.shapes())
    if folder is not None:
        _save(made, folder, {"fingerprint": selection.fingerprint, "keys": asdict(keys)})
    return made


def _array(folder: Path | None, name: str, length: int, kind: type[np.generic]) -> NDArray[Any]:
    if folder is None:
        return np.empty(length, dtype=kind)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=(length,))


def _add_up(weights: NDArray[np.float64], column: str) -> None:
    """Replace weights by the sums of all up to and with each."""
    total = 0.0
    with np.errstate(over="ignore"):  # it is refused below
        for start in range(0, len(weights), 2**20):
            part = weights[start : start + 2**20]
            part[0] += total
            np.cumsum(part, out=part)
            total = float(part[-1])
    if not 0 < total < float("inf"):
        raise OrderError(f'weight_by="{column}": the weights add up to {total}; expected a sum above 0')


def _save(made: Sidecar, folder: Path, about: Mapping[str, Any]) -> None:
    buckets = made.buckets
    for array in (buckets.positions, buckets.weights_until):
        if isinstance(array, np.memmap):
            array.flush()
    if buckets.blocks is not None:
        np.save(folder / "blocks.npy", buckets.blocks)
    arrays = {"positions": buckets.positions, "weights": buckets.weights_until, "blocks": buckets.blocks}
    header = {"format": FORMAT, **about, "names": buckets.names, "starts": buckets.starts.tolist()}
    header |= {"arrays": {name: len(each) for name, each in arrays.items() if each is not None}}
    header |= {"costs": made.costs, "shapes": made.shapes}
    (folder / "sidecar.json").write_text(json.dumps(header))
